"""Requests to Python values, before any schema looks at them.

Text that a database cannot keep (NUL, lone surrogates) stops here, wherever it is in a request.
File names are kept as they were sent: Django makes them fit for a disk, but here the bytes are
stored under another name, and the given one is only a name.
"""

from typing import Any, cast

import orjson
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.http import HttpRequest, QueryDict
from django.http.multipartparser import MultiPartParser, MultiPartParserError
from django.utils.datastructures import MultiValueDict
from ninja.parser import Parser
from ninja.types import DictStrAny

from chat.errors import Invalid, TooLarge

NOT_TEXT = "Text may not contain the character NUL."


class JSONParser(Parser):
    def parse_body(self, request: HttpRequest) -> DictStrAny:
        try:
            data = orjson.loads(request.body)  # refuses lone surrogates and NaN
        except orjson.JSONDecodeError as exc:
            raise Invalid(f"This is not JSON: {exc.msg}.") from exc
        if b"\\u0000" in request.body and holds_nul(data):
            raise Invalid(NOT_TEXT)
        return cast(DictStrAny, data)

    def parse_querydict(
        self, data: MultiValueDict, list_fields: list[str], request: HttpRequest
    ) -> DictStrAny:
        """In a query an empty value is an absent one: some clients write null that way."""
        for name, values in data.lists():
            if any(isinstance(value, str) and "\0" in value for value in values):
                raise Invalid(NOT_TEXT, name, where="query" if data is request.GET else "body")
        if data is request.GET:
            data = MultiValueDict({key: [v for v in data.getlist(key) if v] for key in data})
            data = MultiValueDict({key: values for key, values in data.lists() if values})
        return super().parse_querydict(data, list_fields, request)


def holds_nul(value: Any) -> bool:
    match value:
        case str():
            return "\0" in value
        case dict():
            return any(holds_nul(part) for item in value.items() for part in item)
        case list():
            return any(holds_nul(part) for part in value)
    return False


class NamedAsSent(MultiPartParser):
    def sanitize_file_name(self, file_name: str) -> str | None:
        return file_name.replace("%22", '"') or None  # the quote is how senders escape a quote


class KeepName(TemporaryFileUploadHandler):
    """Uploads go to a temporary file as they come in, and no further than the limit."""

    limit = 0

    def new_file(self, field_name: str, file_name: str, *args: Any, **kwargs: Any) -> None:
        self.given_name = file_name
        self.limit = settings.MAX_UPLOAD_MB * 1024 * 1024
        super().new_file(field_name, "upload", *args, **kwargs)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if start + len(raw_data) > self.limit:
            raise TooLarge(f"A file may have at most {settings.MAX_UPLOAD_MB} MB here.")
        super().receive_data_chunk(raw_data, start)

    def file_complete(self, file_size: int) -> UploadedFile:
        done = cast(UploadedFile, super().file_complete(file_size))
        done.given_name = self.given_name
        return done


class Multipart:
    """Parses a request's multipart body in place of Django's own parser; see above."""

    def __init__(self, request: HttpRequest):
        self.request = request

    def __call__(
        self, META: DictStrAny, post_data: Any
    ) -> tuple[QueryDict, MultiValueDict[str, UploadedFile]]:
        handlers = [KeepName(self.request)]
        try:
            return NamedAsSent(META, post_data, handlers, self.request.encoding or "utf-8").parse()
        except MultiPartParserError as exc:
            raise Invalid("This is not a multipart form.") from exc

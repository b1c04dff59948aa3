"""What holds for every answer, also for those that no operation of the API makes."""

import re
import uuid
from collections.abc import Awaitable, Callable
from typing import cast

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from .errors import problem
from .parsing import Multipart

USABLE_ID = re.compile(r"[\w.:-]{1,100}", re.ASCII)


@sync_and_async_middleware
def api_manners(get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable]):
    """Request ids everywhere; below ``/api/`` also JSON for wrong methods, and names as sent."""

    async def waiting(request: HttpRequest) -> HttpResponseBase:
        arrive(request)
        return leave(request, await cast(Awaitable[HttpResponseBase], get_response(request)))

    def direct(request: HttpRequest) -> HttpResponseBase:
        arrive(request)
        return leave(request, cast(HttpResponseBase, get_response(request)))

    return waiting if iscoroutinefunction(get_response) else direct


def arrive(request: HttpRequest) -> None:
    given = request.headers.get("X-Request-ID", "")
    request.id = given if USABLE_ID.fullmatch(given) else uuid.uuid4().hex
    if request.path_info.startswith("/api/"):
        request.parse_file_upload = Multipart(request)


def leave(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    if isinstance(response, HttpResponseNotAllowed) and request.path_info.startswith("/api/"):
        response = problem("This address has no such method.", 405, Allow=response["Allow"])
    response["X-Request-ID"] = request.id
    return response

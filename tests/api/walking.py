"""The means to walk over the OpenAPI document and call every operation in it."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any
from urllib.parse import quote, urlencode

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.http import HttpResponse
from django.test import Client

from chat.models import Document, Project, Session
from chat.retrieval.attachments import path_of
from tests.factories import make_directory, make_file, make_index

from .conftest import Caller

SIGNED = "get_content"  # its address is its key
# Fields that look like ids but name nothing of ours.
NOT_OURS = {
    "external_file_id",
    "unique_id",
    "connector_subscription_id",
    "product_config_id",
    "data_source_id",
}
NOBODY = "00000000-0000-0000-0000-000000000000"
# A value to compare with, not a row to find: what it finds is empty, whoever's it is.
COMPARED = {"parsed_directory_file_id"}
# What else a request needs to be well formed.
BODIES: dict[str, dict[str, Any]] = {
    "create_directory": {"name": "x"},
    "retrieve": {"query": "x"},
    "grep_file": {"pattern": "x"},
    "rate_turn": {"rating": "good"},
    "stream_message": {"prompt": "x", "index_ids": []},
}
UPLOADS = {"create_file", "upload_file"}

Place = tuple[str, ...]  # where in a request an id goes: ("query", "project_id")


def rows_of(caller: Caller, page: int) -> dict[str, Any]:
    """One of everything, by the field it is named in."""
    project = Project.objects.get(pk=caller.get("/projects").json()[0]["id"])
    entry = make_file(make_directory(project=project))
    index = make_index(directory=entry.directory)
    Document.objects.create(index=index, directory_file=entry, name="x", text="x", state="ready")
    attachment = f"items/page_{page}.json"
    default_storage.save(path_of(entry.file, attachment), ContentFile(b"{}"))
    session = Session.objects.get(pk=caller.post("/chat").json()["session_id"])
    turn = session.turns.create(seq=page, state="done")
    return {
        "session_id": session.pk,
        "seq": turn.seq,
        "index_id": index.pk,
        "index_ids": [index.pk],
        "directory_id": entry.directory_id,
        "source_directory_id": entry.directory_id,
        "target_directory_id": entry.directory_id,
        "directory_file_id": entry.pk,
        "parsed_directory_file_id": entry.pk,
        "file_id": str(entry.file_id),
        "file_ids": [str(entry.file_id)],
        "source_id": entry.pk,
        "attachment_name": attachment,
        "project_id": str(project.pk),
    }


@cache
def document() -> dict[str, Any]:
    return Client().get("/api/openapi.json").json()


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and description of each but the one that needs no key."""
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            if operation["operationId"] != SIGNED:
                yield path, method, operation


def bears_id(name: str) -> bool:
    return re.search(r"(^|_)(ids?|seq|attachment_name)$", name) is not None and name not in NOT_OURS


def places(operation: dict[str, Any]) -> list[Place]:
    """Every id in a request, however deep in its body."""
    found = [(one["in"], one["name"]) for one in operation["parameters"] if bears_id(one["name"])]
    for media in operation.get("requestBody", {}).get("content", {}).values():
        found += [("body", *path) for path in fields(media["schema"]) if bears_id(path[-1])]
    return found


def fields(schema: dict[str, Any]) -> Iterator[Place]:
    """The path to every property of a schema, through references, alternatives and lists."""
    if "$ref" in schema:
        yield from fields(document()["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]])
    for part in ("anyOf", "allOf", "oneOf"):
        for one in schema.get(part, ()):
            yield from fields(one)
    if "items" in schema:
        yield from fields(schema["items"])
    for name, inner in schema.get("properties", {}).items():
        yield (name,)
        yield from ((name, *path) for path in fields(inner))


def ask(
    caller: Caller,
    path: str,
    method: str,
    operation: dict[str, Any],
    ids: dict[str, Any],
    other: Mapping[Place, Any] | None = None,
    key: str = "",
) -> HttpResponse:
    """The operation with these ids wherever it takes them, and other values in some places.

    ``key`` is an Idempotency-Key.
    """
    if "/retrieval/" in path:  # there a file is a directory file
        ids = ids | {"file_id": ids["directory_file_id"]}
    given = {place: ids.get(place[-1]) for place in places(operation)} | dict(other or {})
    given = {place: value for place, value in given.items() if value is not None}
    url = path.format(
        **{name: quote(str(value), safe="") for (part, name), value in at(given, "path").items()}
    )
    query = urlencode({name: value for (_, name), value in at(given, "query").items()}, doseq=True)
    if operation["operationId"] in UPLOADS:
        url = url.removeprefix("/api/v1")
        return caller.upload(f"{url}?{query}", b"x", "a.md", key, purpose="user_data")
    body: Any = json.loads(json.dumps(BODIES.get(operation["operationId"], {})))
    for place, value in at(given, "body").items():
        put(body, place[1:], value)
    return caller.client.generic(
        method.upper(),
        f"{url}?{query}",
        json.dumps(body) if "requestBody" in operation else b"",
        content_type="application/json",
        headers={"Idempotency-Key": key},
    )


def at(given: dict[Place, Any], part: str) -> dict[Place, Any]:
    return {place: value for place, value in given.items() if place[0] == part}


def put(body: dict[str, Any], path: Place, value: Any) -> None:
    for name in path[:-1]:
        body = body.setdefault(name, {})
    compared = path[-1] in COMPARED
    body[path[-1]] = {"operator": "eq", "value": value} if compared else value

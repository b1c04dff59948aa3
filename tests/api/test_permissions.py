"""One walk over the OpenAPI document: whatever names a row of somebody else's is not found.

Every operation and every field that bears an id must be in the matrix below; a new one that is
not fails the walk.
"""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client

from chat.models import Document, Index, Project, Session
from chat.retrieval.attachments import path_of
from tests.factories import make_directory, make_file, make_index

from .conftest import Caller

# A turn is claimed in a thread of its own, which would wait for a test's open transaction.
pytestmark = pytest.mark.django_db(transaction=True)

# Fields that look like ids but name nothing of ours.
NOT_OURS = {
    "external_file_id",
    "unique_id",
    "connector_subscription_id",
    "product_config_id",
    "data_source_id",
}
NOBODY = "00000000-0000-0000-0000-000000000000"
UNKNOWN = {
    "session_id": "ses-00",
    "seq": 2**40,
    "index_id": "idx-00",
    "index_ids": ["idx-00"],
    "directory_id": "dir-00",
    "source_directory_id": "dir-00",
    "target_directory_id": "dir-00",
    "directory_file_id": "dfl-00",
    "parsed_directory_file_id": "dfl-00",
    "file_id": NOBODY,
    "file_ids": [NOBODY],
    "source_id": "dfl-00",
    "attachment_name": "items/page_999.json",
    "project_id": NOBODY,
    "organization_id": NOBODY,
}
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
# The same call with one's own ids is no 404, or the walk would show nothing. A turn that begins
# here would outlive the test.
NOT_CALLED_WITH_OWN = {"stream_message"}

Place = tuple[str, ...]  # where in a request an id goes: ("query", "project_id")


@pytest.fixture(autouse=True)
def files_of_this_test(settings, tmp_path: Path):
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def mine(api: Caller) -> dict[str, Any]:
    return rows_of(api, page=1)


@pytest.fixture
def theirs(stranger: Caller) -> dict[str, Any]:
    return rows_of(stranger, page=2)


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
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
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


def call(
    caller: Caller,
    path: str,
    method: str,
    operation: dict[str, Any],
    ids: dict[str, Any],
    other: dict[Place, Any] | None = None,
) -> tuple[int, bytes]:
    """The operation with these ids wherever it takes them, and others in some places."""
    if "/retrieval/" in path:  # there a file is a directory file
        ids = ids | {"file_id": ids["directory_file_id"]}
    given = {place: ids.get(place[-1]) for place in places(operation)} | (other or {})
    given = {place: value for place, value in given.items() if value is not None}
    url = path.format(
        **{name: quote(str(value), safe="") for (part, name), value in at(given, "path").items()}
    )
    query = urlencode({name: value for (_, name), value in at(given, "query").items()}, doseq=True)
    if operation["operationId"] in UPLOADS:
        url = url.removeprefix("/api/v1")
        response = caller.upload(f"{url}?{query}", b"x", "a.md", purpose="user_data")
    else:
        body: Any = json.loads(json.dumps(BODIES.get(operation["operationId"], {})))
        for place, value in at(given, "body").items():
            put(body, place[1:], value)
        response = caller.client.generic(
            method.upper(),
            f"{url}?{query}",
            json.dumps(body) if "requestBody" in operation else b"",
            content_type="application/json",
        )
    return response.status_code, b"" if response.streaming else response.content


def at(given: dict[Place, Any], part: str) -> dict[Place, Any]:
    return {place: value for place, value in given.items() if place[0] == part}


def put(body: dict[str, Any], path: Place, value: Any) -> None:
    for name in path[:-1]:
        body = body.setdefault(name, {})
    compared = path[-1] in COMPARED
    body[path[-1]] = {"operator": "eq", "value": value} if compared else value


def test_every_operation_needs_a_key():
    for path, method, operation in operations():
        assert operation["security"] == [{"Key": []}], (method, path)


def test_every_id_is_in_the_matrix():
    for path, method, operation in operations():
        for place in places(operation):
            assert place[-1] in UNKNOWN, (method, path, place)


@pytest.mark.parametrize(
    "operation_id",
    [
        "get_project",
        "get_project_v2",
        "list_projects",
        "list_projects_v2",
        "create_file",
        "list_files",
        "query_files",
        "get_file",
        "delete_file",
        "get_file_content",
        "create_directory",
        "list_directories",
        "get_directory",
        "update_directory",
        "delete_directory",
        "add_file",
        "upload_file",
        "list_directory_files",
        "get_directory_file",
        "update_directory_file",
        "remove_directory_file",
        "create_index",
        "list_indexes",
        "get_index",
        "delete_index",
        "sync_index",
        "cancel_sync",
        "retrieve",
        "find_files",
        "grep_file",
        "read_file",
        "list_attachments",
        "get_attachment",
        "create_session",
        "list_sessions",
        "get_summary",
        "get_session",
        "update_session",
        "delete_session",
        "stream_message",
        "cancel_turn",
        "rate_turn",
        "follow_session",
    ],
)
def test_what_is_somebody_elses_reads_as_unknown(
    api: Caller, mine: dict[str, Any], theirs: dict[str, Any], operation_id: str
):
    [(path, method, operation)] = [
        one for one in operations() if one[2]["operationId"] == operation_id
    ]
    for place in places(operation):
        name = place[-1]
        if name == "organization_id":
            continue  # there is one only
        elsewhere = theirs["directory_file_id"] if "/retrieval/" in path else theirs["file_id"]
        their = theirs | {"file_id": elsewhere}

        foreign = call(api, path, method, operation, mine, {place: their[name]})
        unknown = call(api, path, method, operation, mine, {place: UNKNOWN[name]})

        assert foreign[0] == (200 if name in COMPARED else 404), (place, foreign)
        assert foreign == unknown, place
    if operation_id not in NOT_CALLED_WITH_OWN:
        assert call(api, path, method, operation, mine)[0] in (200, 204, 409)


def test_the_walk_visits_every_operation():
    walked = {
        mark
        for marks in test_what_is_somebody_elses_reads_as_unknown.pytestmark
        for mark in marks.args[1]
    }

    assert walked == {operation["operationId"] for _, _, operation in operations()}


def test_the_walk_looks_into_nested_fields():
    nested = {place for _, _, operation in operations() for place in places(operation)}

    assert ("body", "filter", "file_ids") in nested
    assert ("body", "static_filters", "parsed_directory_file_id") in nested


LISTS = {
    "/beta/files": {},
    "/beta/directories": {},
    "/beta/directories/{directory_id}/files": {},
    "/beta/attachments": {"source_id": "{source_id}"},
    "/indexes": {},
    "/chat": {},
    "/retrieval/files/find": {"index_id": "{index_id}"},
    "/retrieval/files/grep": {
        "index_id": "{index_id}",
        "file_id": "{directory_file_id}",
        "pattern": "e",
    },
}


def page_of(caller: Caller, path: str, ids: dict[str, Any], token: str | None) -> Any:
    """A page of one row."""
    values = {name: value.format(**ids) for name, value in LISTS[path].items()}
    values |= {"page_size": 1} | ({"page_token": token} if token else {})
    path = path.format(**ids)
    return caller.post(path, values) if "/retrieval" in path else caller.get(path, **values)


def test_a_token_from_elsewhere_shows_nothing_of_elsewhere(api: Caller, stranger: Caller):
    mine, theirs = two_of_everything(api), two_of_everything(stranger)
    tokens = {path: page_of(stranger, path, theirs, None).json() for path in LISTS}

    for path in LISTS:
        own = page_of(api, path, mine, None).json()
        rest = page_of(api, path, mine, own["next_page_token"]).json()
        rows = [*own["items"], *rest["items"]]
        for source, page in tokens.items():
            answer = page_of(api, path, mine, page["next_page_token"])

            assert answer.status_code == (200 if source == path else 422), (source, path)
            if source == path:
                assert all(row in rows for row in answer.json()["items"]), path


def two_of_everything(caller: Caller) -> dict[str, Any]:
    rows_of(caller, page=1)
    ids = rows_of(caller, page=2)
    index = Index.objects.get(pk=ids["index_id"])
    default_storage.save(
        path_of(index.directory.directory_files.get().file, "items/page_3.json"), ContentFile(b"{}")
    )
    second = make_file(index.directory, "second.md")
    Document.objects.create(index=index, directory_file=second, name="y", text="x", state="ready")
    Document.objects.filter(index=index).update(text="eel")
    return ids


def test_what_is_in_a_deleted_directory_reads_as_unknown(api: Caller):
    entry = make_file(make_directory())
    directory, other = entry.directory_id, make_directory().pk
    assert api.delete(f"/beta/directories/{directory}").status_code == 204

    def answers(directory_id: str, entry_id: str) -> list[tuple[int, bytes]]:
        inside = f"/beta/directories/{directory_id}/files"
        calls = [
            api.get(inside),
            api.get(f"{inside}/{entry_id}"),
            api.patch(f"{inside}/{entry_id}", {"display_name": "x"}),
            api.delete(f"{inside}/{entry_id}"),
            api.post(inside, {"file_id": str(entry.file_id)}),
            api.upload(f"{inside}/upload", b"x", "a.md"),
            api.get(f"/beta/directories/{other}/files/{entry_id}"),
            api.get("/beta/attachments", source_id=entry_id),
            api.post("/indexes", {"source_directory_id": directory_id}),
        ]
        return [(call.status_code, call.content) for call in calls]

    deleted, unknown = answers(directory, entry.pk), answers("dir-00", "dfl-00")

    assert {status for status, _ in deleted} == {404}
    assert deleted == unknown

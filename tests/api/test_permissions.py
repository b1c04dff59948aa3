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

import pytest
from django.test import Client

from chat.models import Project
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
UNKNOWN = {
    "session_id": "ses-00",
    "index_id": "idx-00",
    "index_ids": ["idx-00"],
    "directory_id": "dir-00",
    "source_directory_id": "dir-00",
    "target_directory_id": "dir-00",
    "directory_file_id": "dfl-00",
    "file_id": "00000000-0000-0000-0000-000000000000",
    "file_ids": ["00000000-0000-0000-0000-000000000000"],
    "source_id": "dfl-00",
    "project_id": "00000000-0000-0000-0000-000000000000",
    "organization_id": "00000000-0000-0000-0000-000000000000",
}
# What else a request needs to be well formed.
BODIES: dict[str, dict[str, Any]] = {
    "create_directory": {"name": "x"},
    "retrieve": {"query": "x"},
    "grep_file": {"pattern": "x"},
    "rate_turn": {"rating": "good"},
    "stream_message": {"prompt": "x", "index_ids": []},
}
UPLOADS = {"create_file", "upload_file"}


@pytest.fixture(autouse=True)
def files_of_this_test(settings, tmp_path: Path):
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def mine(api: Caller) -> dict[str, Any]:
    return rows_of(api)


@pytest.fixture
def theirs(stranger: Caller) -> dict[str, Any]:
    return rows_of(stranger)


def rows_of(caller: Caller) -> dict[str, Any]:
    """One of everything, by the field it is named in."""
    project = Project.objects.get(pk=caller.get("/projects").json()[0]["id"])
    entry = make_file(make_directory(project=project))
    index = make_index(directory=entry.directory)
    session = caller.post("/chat").json()["session_id"]
    return {
        "session_id": session,
        "index_id": index.pk,
        "index_ids": [index.pk],
        "directory_id": entry.directory_id,
        "source_directory_id": entry.directory_id,
        "target_directory_id": entry.directory_id,
        "directory_file_id": entry.pk,
        "file_id": str(entry.file_id),
        "file_ids": [str(entry.file_id)],
        "source_id": entry.pk,
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
    return re.search(r"(^|_)ids?$", name) is not None and name not in NOT_OURS


def body_fields(operation: dict[str, Any]) -> list[str]:
    content = operation.get("requestBody", {}).get("content", {})
    schemas = document()["components"]["schemas"]
    for media in content.values():
        schema = media["schema"]
        for one in [schema, *schema.get("anyOf", ()), *schema.get("allOf", ())]:
            schema = schemas[one["$ref"].rsplit("/", 1)[1]] if "$ref" in one else one
            if "properties" in schema:
                return [name for name in schema["properties"] if bears_id(name)]
    return []


def places(operation: dict[str, Any]) -> list[tuple[str, str]]:
    """``(where, field)`` of every id in a request."""
    found = [(one["in"], one["name"]) for one in operation["parameters"] if bears_id(one["name"])]
    return found + [("body", name) for name in body_fields(operation)]


def call(
    caller: Caller, path: str, method: str, operation: dict[str, Any], ids: dict[str, Any]
) -> tuple[int, Any]:
    """The operation with these ids in it; ``where:field`` wins over the field alone."""

    def value(where: str, name: str) -> Any:
        return ids.get(f"{where}:{name}", ids.get(name))

    fields = {
        "attachment_name": "items",
        "seq": 1,
        **{k: v for k, v in ids.items() if ":" not in k},
    }
    fields |= {k.split(":")[1]: v for k, v in ids.items() if k.startswith("path:")}
    url = path.format(**fields)
    query = {
        name: value("query", name)
        for where, name in places(operation)
        if where == "query" and value("query", name)
    }
    body = dict(BODIES.get(operation["operationId"], {}))
    for name in body_fields(operation):
        if value("body", name) is not None:
            body[name] = value("body", name)
    query_string = "&".join(
        f"{name}={one}"
        for name, given in query.items()
        for one in (given if isinstance(given, list) else [given])
    )
    if operation["operationId"] in UPLOADS:
        url = url.removeprefix("/api/v1")
        response = caller.upload(f"{url}?{query_string}", b"x", "a.md", purpose="user_data")
    else:
        response = caller.client.generic(
            method.upper(),
            f"{url}?{query_string}",
            json.dumps(body) if "requestBody" in operation else b"",
            content_type="application/json",
        )
    return response.status_code, None if response.streaming else response.json()


def test_every_operation_needs_a_key():
    for path, method, operation in operations():
        assert operation["security"] == [{"Key": []}], (method, path)


def test_every_id_is_in_the_matrix():
    for path, method, operation in operations():
        for _where, name in places(operation):
            assert name in UNKNOWN, (method, path, name)


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
    for where, name in places(operation):
        if name == "organization_id":
            continue  # there is one only

        foreign = call(api, path, method, operation, mine | {f"{where}:{name}": theirs[name]})
        unknown = call(api, path, method, operation, mine | {f"{where}:{name}": UNKNOWN[name]})

        assert foreign[0] == 404, (where, name, foreign)
        assert foreign == unknown, (where, name)


def test_the_walk_visits_every_operation():
    walked = {
        mark
        for marks in test_what_is_somebody_elses_reads_as_unknown.pytestmark
        for mark in marks.args[1]
    }

    assert walked == {operation["operationId"] for _, _, operation in operations()}

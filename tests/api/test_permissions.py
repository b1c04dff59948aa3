"""One walk over the OpenAPI document: whatever names a row of somebody else's is not found.

Every operation and every field that bears an id must be in the matrix below; a new one that is
not fails the walk.
"""

from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from chat.models import Document, Index
from chat.retrieval.attachments import path_of
from tests.factories import make_directory, make_file

from .conftest import Caller
from .walking import COMPARED, NOBODY, SIGNED, ask, document, operations, places, rows_of

pytestmark = pytest.mark.django_db
# What is asked in a thread of its own would wait for a test's open transaction.
in_threads = pytest.mark.django_db(transaction=True)

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
# The same call with one's own ids is no 404, or the walk would show nothing. A turn that begins
# here would outlive the test.
NOT_CALLED_WITH_OWN = {"stream_message"}


@pytest.fixture(autouse=True)
def files_of_this_test(settings, tmp_path: Path):
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def mine(api: Caller) -> dict[str, Any]:
    return rows_of(api, page=1)


@pytest.fixture
def theirs(stranger: Caller) -> dict[str, Any]:
    return rows_of(stranger, page=2)


def call(*asked: Any) -> tuple[int, bytes]:
    response = ask(*asked)
    return response.status_code, b"" if response.streaming else response.content


def test_every_operation_needs_a_key():
    for path, method, operation in operations():
        assert operation["security"] == [{"Key": []}], (method, path)
    [signed] = document()["paths"]["/api/v1/content/{token}"].values()
    assert (signed["operationId"], signed["security"]) == (SIGNED, [])


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
        pytest.param("retrieve", marks=in_threads),
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
        pytest.param("stream_message", marks=in_threads),
        pytest.param("cancel_turn", marks=in_threads),
        "rate_turn",
        pytest.param("follow_session", marks=in_threads),
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
    [marks] = test_what_is_somebody_elses_reads_as_unknown.pytestmark
    walked = {getattr(one, "values", [one])[0] for one in marks.args[1]}

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

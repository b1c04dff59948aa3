"""Files over the API."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync
from django.core.files.storage import default_storage
from django.test import Client

from chat.models import File, Role
from tests.factories import make_directory, make_file

from .conftest import Caller

NAMES = [
    "notes.TXT",
    ".env",
    "LICENSE",
    "Ünïcode 漢字 🗝️.md",
    "a b.pdf",
    "../../etc/passwd",
    "x&amp;y.c",
    "n" * 300 + ".txt",
]


@pytest.fixture(autouse=True)
def files_of_this_test(settings, tmp_path: Path):
    settings.MEDIA_ROOT = tmp_path


def download(api: Caller, file_id: str) -> bytes:
    url = api.get(f"/beta/files/{file_id}/content").json()["url"]
    return body(Client().get(url))


def body(response: Any) -> bytes:
    async def collected() -> bytes:
        return b"".join([piece async for piece in response])

    return async_to_sync(collected)()


@pytest.mark.parametrize("name", NAMES)
def test_a_name_and_its_bytes_come_back_as_they_were_sent(api: Caller, name: str):
    content = b"\x00\xff\r\n--half a boundary"

    created = api.upload("/beta/files", content, name, purpose="user_data")

    assert created.status_code == 200
    assert created.json()["name"] == name
    assert download(api, created.json()["id"]) == content


@pytest.mark.parametrize(
    ("name", "file_type"), [("a.TXT", "txt"), ("LICENSE", None), (".env", None), ("x.tar.gz", "gz")]
)
def test_the_type_is_the_extension(api: Caller, name: str, file_type: str | None):
    created = api.upload("/beta/files", b"", name, purpose="parse")

    assert created.json()["file_type"] == file_type


def test_an_empty_file_is_stored(api: Caller):
    created = api.upload("/beta/files", b"", "empty.txt", purpose="user_data").json()

    assert download(api, created["id"]) == b""


def test_a_purpose_is_needed_and_known(api: Caller):
    missing = api.upload("/beta/files", b"x", "a.txt")
    unknown = api.upload("/beta/files", b"x", "a.txt", purpose="fun")

    for response in (missing, unknown):
        assert response.status_code == 422
        assert response.json()["detail"][0]["loc"] == ["body", "purpose"]
    assert not File.objects.exists()


def test_a_file_over_the_limit_leaves_nothing_behind(api: Caller, settings):
    settings.MAX_UPLOAD_MB = 1

    response = api.upload("/beta/files", b"x" * (1024 * 1024 + 1), "a.bin", purpose="user_data")

    assert response.status_code == 413
    assert "1 MB" in response.json()["detail"]
    assert not File.objects.exists()
    assert not list(Path(settings.FILE_UPLOAD_TEMP_DIR).iterdir())


def test_a_broken_form_is_422(api: Caller):
    response = api.client.post(
        "/api/v1/beta/files", b"nonsense", content_type="multipart/form-data; boundary="
    )

    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"][0] == "body"


def test_a_deleted_file_is_gone_with_its_bytes(api: Caller, django_capture_on_commit_callbacks):
    entry = make_file(make_directory())
    path = entry.file.content.name

    with django_capture_on_commit_callbacks(execute=True):
        response = api.delete(f"/beta/files/{entry.file_id}")

    assert response.status_code == 204
    assert api.get(f"/beta/files/{entry.file_id}").status_code == 404
    assert api.delete(f"/beta/files/{entry.file_id}").status_code == 404
    assert not default_storage.exists(path)
    listed = api.get(f"/beta/directories/{entry.directory_id}/files").json()
    assert listed["items"] == []


def test_a_signed_address_that_was_changed_or_is_old_is_refused(api: Caller, monkeypatch):
    entry = make_file(make_directory())
    url = api.get(f"/beta/files/{entry.file_id}/content", expires_at_seconds=60).json()["url"]
    late = api.get(f"/beta/files/{entry.file_id}/content", expires_at_seconds=1).json()["url"]

    fine = api.client.get(url)
    changed = api.client.get(url[:-1] + ("A" if url[-1] != "A" else "B"))

    assert fine.status_code == 200
    assert fine["Content-Disposition"].startswith("attachment")
    assert fine["X-Content-Type-Options"] == "nosniff"
    assert changed.status_code == 403
    while (answer := api.client.get(late)).status_code == 200:
        pass
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("order", "names"),
    [("name", ["a", "b", "c"]), ("created_at", ["b", "c", "a"])],
)
def test_lists_come_in_the_order_asked_for(api: Caller, order: str, names: list[str]):
    directory = make_directory()
    for name in ("a", "c", "b"):
        make_file(directory, name)

    listed = api.get("/beta/files", order_by=order).json()

    assert [file["name"] for file in listed["items"]] == names


def test_a_query_filters_and_orders_downwards(api: Caller):
    directory = make_directory()
    for name in ("a", "b", "c"):
        make_file(directory, name)

    down = api.post("/beta/files/query", {"order_by": "name desc", "page_size": 2}).json()
    rest = api.post(
        "/beta/files/query", {"order_by": "name desc", "page_token": down["next_page_token"]}
    ).json()
    exact = api.post("/beta/files/query", {"filter": {"file_name": "b"}}).json()
    wrong = api.post("/beta/files/query", {"order_by": "size"})

    assert [file["name"] for file in down["items"] + rest["items"]] == ["c", "b", "a"]
    assert rest["next_page_token"] is None
    assert [file["name"] for file in exact["items"]] == ["b"]
    assert wrong.status_code == 422


@pytest.mark.parametrize("count", [1, 20])
def test_a_query_by_ids_costs_the_same_however_many(
    api: Caller, count: int, django_assert_max_num_queries
):
    directory = make_directory()
    ids = [str(make_file(directory, f"{number}").file_id) for number in range(count)]

    with django_assert_max_num_queries(6):
        found = api.post("/beta/files/query", {"filter": {"file_ids": [*ids, ids[0].upper()]}})

    assert {file["id"] for file in found.json()["items"]} == set(ids)


def test_a_query_by_ids_is_refused_when_one_of_them_is_nothing(api: Caller):
    mine = str(make_file(make_directory(), "a.txt").file_id)

    for other in ["nonsense", "0\0", str(uuid4())]:
        refused = api.post("/beta/files/query", {"filter": {"file_ids": [mine, other]}})

        assert refused.status_code in {404, 422}, other


def test_a_walk_neither_repeats_nor_misses_while_files_come_and_go(api: Caller):
    directory = make_directory()
    files = [make_file(directory, f"{number:02}").file for number in range(10)]
    seen, token = [], ""
    for step in range(5):
        page = api.get("/beta/files", page_size=2, page_token=token).json()
        seen += [file["id"] for file in page["items"]]
        token = page["next_page_token"] or ""
        make_file(directory, f"new {step}")
        api.delete(f"/beta/files/{seen[0]}")

    assert seen == [str(file.pk) for file in reversed(files)]
    assert token == ""


def test_a_viewer_may_not_add_files(caller_with_role):
    viewer = caller_with_role(Role.VIEWER)

    response = viewer.upload("/beta/files", b"x", "a.txt", purpose="user_data")

    assert response.status_code == 403

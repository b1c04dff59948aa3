"""Directories and what is filed in them, over the API."""

from pathlib import Path

import pytest

from chat.models import File, Role
from tests.factories import make_directory, make_file

from .conftest import Caller


@pytest.fixture(autouse=True)
def files_of_this_test(settings, tmp_path: Path):
    settings.MEDIA_ROOT = tmp_path


def test_a_directory_is_made_changed_listed_and_deleted(api: Caller):
    made = api.post("/beta/directories", {"name": "Papers", "description": "Old ones"}).json()

    changed = api.patch(f"/beta/directories/{made['id']}", {"name": "Letters"}).json()
    listed = api.get("/beta/directories", name="Letters").json()["items"]
    deleted = api.delete(f"/beta/directories/{made['id']}")

    assert (changed["name"], changed["description"]) == ("Letters", "Old ones")
    assert listed == [changed]
    assert deleted.status_code == 204
    assert api.get(f"/beta/directories/{made['id']}").status_code == 404
    assert api.get("/beta/directories").json()["items"] == []
    gone = api.get("/beta/directories", include_deleted="true").json()["items"]
    assert [one["id"] for one in gone] == [made["id"]]
    assert gone[0]["deleted_at"]


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": None}, {"name": "a", "type": "index"}])
def test_a_directory_needs_a_name_and_a_type_that_may_be_made(api: Caller, body: dict):
    assert api.post("/beta/directories", body).status_code == 422


def test_directories_are_filtered_by_types(api: Caller):
    user = api.post("/beta/directories", {"name": "a"}).json()["id"]
    passing = api.post("/beta/directories", {"name": "b", "type": "ephemeral"}).json()["id"]

    both = api.client.get("/api/v1/beta/directories?types=user&types=ephemeral").json()["items"]
    one = api.get("/beta/directories", type="ephemeral").json()["items"]

    assert {item["id"] for item in both} == {user, passing}
    assert [item["id"] for item in one] == [passing]


def test_a_file_is_filed_under_its_own_name_unless_told(api: Caller):
    directory = api.post("/beta/directories", {"name": "Papers"}).json()["id"]
    named = api.upload("/beta/files", b"x", "a.md", purpose="user_data").json()["id"]
    known = api.upload(
        "/beta/files", b"x", "b.md", purpose="user_data", external_file_id="ext-1"
    ).json()["id"]

    first = api.post(f"/beta/directories/{directory}/files", {"file_id": named}).json()
    second = api.post(
        f"/beta/directories/{directory}/files",
        {"file_id": known, "display_name": "B", "metadata": {"year": 2020, "tags": ["x"]}},
    ).json()

    assert (first["display_name"], first["unique_id"], first["metadata"]) == ("a.md", "a.md", {})
    assert (second["display_name"], second["unique_id"]) == ("B", "ext-1")
    assert second["metadata"] == {"year": 2020, "tags": ["x"]}


def test_a_unique_id_is_taken_once_and_retrying_is_no_use(api: Caller):
    entry = make_file(make_directory(), "a.md")
    place = f"/beta/directories/{entry.directory_id}/files"

    filed = api.post(place, {"file_id": str(entry.file_id)})
    uploaded = api.upload(f"{place}/upload", b"other", "a.md")

    for response in (filed, uploaded):
        assert response.status_code == 409
        assert response["x-should-retry"] == "false"
    assert File.objects.live().count() == 1


def test_an_upload_is_stored_and_filed_with_its_metadata(api: Caller):
    directory = make_directory()

    entry = api.upload(
        f"/beta/directories/{directory.pk}/files/upload",
        b"text",
        "a.md",
        display_name="Paper",
        external_file_id="ext",
        metadata='{"year": 2020, "open": true, "note": null}',
    ).json()

    assert (entry["display_name"], entry["unique_id"]) == ("Paper", "ext")
    assert entry["metadata"] == {"year": 2020, "open": True, "note": None}


@pytest.mark.parametrize("metadata", ["no json", "[1]", '{"a": {"b": 1}}', '{"a": [1]}', '"x"'])
def test_metadata_that_cannot_be_kept_is_422_and_stores_nothing(api: Caller, metadata: str):
    directory = make_directory()

    response = api.upload(
        f"/beta/directories/{directory.pk}/files/upload", b"text", "a.md", metadata=metadata
    )

    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["body", "metadata"]
    assert not File.objects.exists()


def test_an_entry_is_reached_through_its_own_directory_only(api: Caller):
    entry = make_file(make_directory())
    other = make_directory("Other")

    answers = [
        api.get(f"/beta/directories/{other.pk}/files/{entry.pk}"),
        api.patch(f"/beta/directories/{other.pk}/files/{entry.pk}", {"display_name": "x"}),
        api.delete(f"/beta/directories/{other.pk}/files/{entry.pk}"),
    ]

    assert [answer.status_code for answer in answers] == [404, 404, 404]


def test_an_entry_is_renamed_described_and_moved(api: Caller):
    entry = make_file(make_directory())
    other = make_directory("Other")
    place = f"/beta/directories/{entry.directory_id}/files/{entry.pk}"

    described = api.patch(place, {"display_name": "New", "metadata": {"a": 1}}).json()
    moved = api.patch(place, {"target_directory_id": other.pk}).json()

    assert (described["display_name"], described["metadata"]) == ("New", {"a": 1})
    assert moved["directory_id"] == other.pk
    assert api.get(place).status_code == 404
    assert api.get(f"/beta/directories/{other.pk}/files/{entry.pk}").json() == moved


def test_an_entry_is_not_moved_to_a_stranger(api: Caller, stranger: Caller):
    theirs = stranger.post("/beta/directories", {"name": "Theirs"}).json()["id"]
    entry = make_file(make_directory())

    response = api.patch(
        f"/beta/directories/{entry.directory_id}/files/{entry.pk}", {"target_directory_id": theirs}
    )

    assert response.status_code == 404


def test_entries_are_filtered(api: Caller):
    directory = make_directory()
    entry, _other = make_file(directory, "Alpha.md"), make_file(directory, "Beta.md")
    place = f"/beta/directories/{directory.pk}/files"
    filters = [
        {"display_name": "Alpha.md"},
        {"display_name_contains": "ALPH"},
        {"unique_id": "Alpha.md"},
        {"file_id": str(entry.file_id)},
        {"updated_at_on_or_before": entry.updated_at.isoformat()},
    ]

    found = [api.get(place, **one).json()["items"] for one in filters]
    later = api.get(place, updated_at_on_or_after="2999-01-01T00:00:00").json()["items"]
    with_url = api.get(place, expand="download_url", display_name="Beta.md").json()["items"]

    assert [[item["id"] for item in items] for items in found] == [[entry.pk]] * len(filters)
    assert later == []
    assert with_url[0]["download_url"]["form_fields"] is None


def test_a_removed_entry_leaves_its_file_and_its_unique_id_free(api: Caller):
    entry = make_file(make_directory(), "a.md")
    place = f"/beta/directories/{entry.directory_id}/files"

    removed = api.delete(f"{place}/{entry.pk}")
    again = api.post(place, {"file_id": str(entry.file_id)})

    assert removed.status_code == 204
    assert api.get(f"{place}/{entry.pk}").status_code == 404
    assert again.status_code == 200


def test_a_viewer_may_not_make_directories(caller_with_role):
    response = caller_with_role(Role.VIEWER).post("/beta/directories", {"name": "x"})

    assert response.status_code == 403


@pytest.mark.parametrize("count", [1, 5])
def test_a_list_costs_the_same_however_long(api: Caller, count: int, django_assert_max_num_queries):
    directory = make_directory()
    for number in range(count):
        make_file(directory, f"{number}.md")
    api.get("/projects")

    with django_assert_max_num_queries(6):
        api.get(f"/beta/directories/{directory.pk}/files", expand="download_url")

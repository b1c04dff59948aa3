"""Indexes, and searching them, over the API."""

import pytest

from chat.models import Document, Role, Session, Sync
from tests.factories import make_directory, make_file, make_index

from .conftest import Caller


def test_a_new_index_is_pending_its_first_sync_under_way(api: Caller):
    directory = make_directory("Papers")

    index = api.post("/indexes", {"source_directory_id": directory.pk}).json()

    assert index["name"] == "Papers"
    assert index["metadata"]["status"] == "pending"
    assert index["export_config_id"] == index["id"]
    assert index["sync_in_progress"] is None
    expanded = api.get(f"/indexes/{index['id']}", expand="sync_in_progress").json()
    assert expanded["sync_in_progress"] is True


@pytest.mark.parametrize(
    "wrong",
    [
        {"sync_frequency": "hourly"},
        {"vector_target": "MINE"},
        {"store_attachments": ["videos"]},
        {"source_directory_id": None},
    ],
)
def test_unknown_options_are_422(api: Caller, wrong: dict):
    body = {"source_directory_id": make_directory().pk, **wrong}

    assert api.post("/indexes", body).status_code == 422


def test_a_sync_can_be_asked_for_once_at_a_time_and_cancelled(api: Caller):
    index = make_index()

    started = api.post(f"/indexes/{index.pk}/sync")
    status = api.get(f"/indexes/{index.pk}").json()["metadata"]["status"]
    again = api.post(f"/indexes/{index.pk}/sync")
    cancelled = api.post(f"/indexes/{index.pk}/sync/cancel")
    afterwards = api.get(f"/indexes/{index.pk}").json()["metadata"]["status"]
    nothing = api.post(f"/indexes/{index.pk}/sync/cancel")

    assert (started.status_code, started.json(), status) == (200, {}, "pending")
    assert again.status_code == 409
    assert "x-should-retry" not in again
    assert (cancelled.status_code, afterwards) == (200, "ready")
    assert nothing.status_code == 409
    assert nothing["x-should-retry"] == "false"


def test_cancelling_the_first_sync_fails_the_index(api: Caller):
    index = api.post("/indexes", {"source_directory_id": make_directory().pk}).json()["id"]

    api.post(f"/indexes/{index}/sync/cancel")

    metadata = api.get(f"/indexes/{index}").json()["metadata"]
    assert (metadata["status"], metadata["error_message"]) == ("failed", "Sync cancelled")


def test_a_deleted_index_leaves_directory_and_sessions(api: Caller):
    index = make_index()
    session = api.post("/chat", {"index_ids": [index.pk]}).json()["session_id"]

    deleted = api.delete(f"/indexes/{index.pk}")

    assert deleted.status_code == 204
    assert api.get(f"/indexes/{index.pk}").status_code == 404
    assert api.get(f"/beta/directories/{index.directory_id}").status_code == 200
    assert api.get(f"/chat/{session}").json()["index_ids"] == [index.pk]
    assert not Sync.objects.active().exists()


def test_indexes_are_listed_by_directory(api: Caller):
    index, _other = make_index(), make_index("Other")

    found = api.get("/indexes", source_directory_id=index.directory_id).json()["items"]

    assert [one["id"] for one in found] == [index.pk]
    assert api.get("/indexes", source_directory_id="dir-0").status_code == 404


def test_a_viewer_sees_an_index_but_may_not_sync_or_delete_it(caller_with_role):
    index = make_index()
    viewer = caller_with_role(Role.VIEWER)

    answers = [
        viewer.get(f"/indexes/{index.pk}"),
        viewer.post(f"/indexes/{index.pk}/sync"),
        viewer.delete(f"/indexes/{index.pk}"),
    ]

    assert [answer.status_code for answer in answers] == [200, 403, 403]


@pytest.mark.parametrize("count", [1, 5])
def test_a_list_costs_the_same_however_long(api: Caller, count: int, django_assert_max_num_queries):
    for number in range(count):
        make_index(f"Papers {number}")
    api.get("/projects")

    with django_assert_max_num_queries(7):
        api.get("/indexes")


@pytest.mark.django_db(transaction=True)  # the key is looked up in another thread
@pytest.mark.parametrize(
    "wrong",
    [
        {"query": "  "},
        {"top_k": 0},
        {"full_text_pipeline_weight": 1.5},
        {"vector_pipeline_weight": -1},
        {"rerank": {"top_n": 0}},
        {"custom_filters": {"year": {"operator": "like", "value": 1}}},
        {"custom_filters": {"year": {"operator": "in", "value": 1}}},
        {"custom_filters": {"year": {"operator": "eq", "value": [1]}}},
    ],
)
def test_a_senseless_search_is_422(api: Caller, wrong: dict):
    body = {"index_id": make_index().pk, "query": "lamp", **wrong}

    assert api.post("/retrieval/retrieve", body).status_code == 422


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("retrieve", {"query": "x"}),
        ("files/find", {}),
        ("files/grep", {"file_id": "dfl-0", "pattern": "x"}),
        ("files/read", {"file_id": "dfl-0"}),
    ],
)
def test_an_index_that_was_never_synced_cannot_be_searched_yet(
    api: Caller, stranger: Caller, path: str, body: dict
):
    index = make_index(synced=False)

    early = api.post(f"/retrieval/{path}", {"index_id": index.pk, **body})
    foreign = stranger.post(f"/retrieval/{path}", {"index_id": index.pk, **body})

    assert early.status_code == 409
    assert "x-should-retry" not in early
    assert foreign.status_code == 404


@pytest.mark.django_db(transaction=True)
def test_a_page_of_matches_with_much_around_them_is_short(api: Caller):
    index = make_index()
    text = ("." * 999 + "!") * 200
    filed = make_file(index.directory, "marks.txt", text)
    Document.objects.create(
        index=index, directory_file=filed, name="marks.txt", text=text, state="ready"
    )
    body = {"index_id": index.pk, "file_id": filed.pk, "pattern": "!", "page_size": 1000}

    few = api.post("/retrieval/files/grep", {**body, "context_chars": 3}).json()
    page = api.post("/retrieval/files/grep", {**body, "context_chars": 100_000}).json()
    token = page["next_page_token"]
    after = api.post(
        "/retrieval/files/grep", {**body, "context_chars": 100_000, "page_token": token}
    ).json()

    assert [one["content"] for one in few["items"]] == ["...!..."] * 199 + ["...!"]
    assert (len(page["items"]), page["total_size"]) == (50, 200)
    assert len(page["items"][-1]["content"]) == 149_999 + 1
    assert after["items"][0]["start_char"] == page["items"][-1]["start_char"] + 1000


def test_sharing_is_told_apart_from_the_wire(api: Caller):
    private = api.post("/chat").json()
    shared = api.post("/chat", {"shared_access": "query"}).json()

    kept = dict(Session.objects.values_list("pk", "sharing"))
    assert (private["shared_access"], kept[private["session_id"]]) == ("read_only", "private")
    assert (shared["shared_access"], kept[shared["session_id"]]) == ("query", "query")

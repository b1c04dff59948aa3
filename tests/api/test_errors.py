"""Everything that goes wrong has one shape."""

from datetime import timedelta

import pytest
from django.utils import timezone

from chat import conf
from chat.models import Quota, Session, Turn
from tests.factories import make_directory, make_file, make_index
from tests.stand_in.fixture import closed_url

from .conftest import Caller


@pytest.mark.parametrize("path", ["/nothing/here/", "/%0A", "/beta/attachments/%0A", "/a%0A"])
def test_unknown_routes_answer_in_json(api: Caller, path: str):
    response = api.get(path)

    assert (response.status_code, response.json()) == (404, {"detail": "Not found."})


def test_wrong_methods_answer_in_json_and_name_the_right_ones(api: Caller):
    response = api.client.put("/api/v1/chat")

    assert response.status_code == 405
    assert set(response["Allow"].split(", ")) == {"GET", "POST"}
    assert list(response.json()) == ["detail"]


@pytest.mark.parametrize("path", ["/chat/", "/projects/", "/indexes/"])
def test_a_trailing_slash_is_never_redirected(api: Caller, path: str):
    assert api.get(path).status_code in (200, 404)


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        (b'{"index_ids": ', ["body"]),
        (b"[null, null]", ["body"]),
        (b'{"index_ids": 7}', ["body", "index_ids"]),
        (b'{"index_ids": [7]}', ["body", "index_ids", 0]),
        (b'{"shared_access": "all"}', ["body", "shared_access"]),
        (rb'{"index_ids": ["\ud800"]}', ["body"]),
        (rb'{"index_ids": ["a\u0000"]}', ["body"]),
        (b"\xff\xfe", ["body"]),
    ],
)
def test_a_bad_body_is_pointed_at(api: Caller, body: bytes, loc: list):
    response = api.post("/chat", body)

    assert response.status_code == 422
    [fault] = response.json()["detail"]
    assert fault["loc"] == loc
    assert set(fault) == {"loc", "msg", "type"}


@pytest.mark.parametrize(
    ("query", "loc"),
    [
        ({"page_size": "0"}, ["query", "page_size"]),
        ({"page_size": "many"}, ["query", "page_size"]),
        ({"page_token": "made-up"}, ["query", "page_token"]),
        ({"project_id": "mine"}, ["query", "project_id"]),
        ({"order_by": "size"}, ["query", "order_by"]),
        ({"file_name": "a\0b"}, ["query", "file_name"]),
    ],
)
def test_a_bad_query_is_pointed_at(api: Caller, query: dict, loc: list):
    response = api.get("/beta/files", **query)

    assert response.status_code == 422
    assert [fault["loc"] for fault in response.json()["detail"]] == [loc]


@pytest.mark.parametrize("path", ["/beta/files", "/chat", "/indexes", "/beta/directories"])
def test_empty_query_values_count_as_absent(api: Caller, path: str):
    response = api.get(path, project_id="", organization_id="", page_token="", page_size="")

    assert response.status_code == 200


@pytest.mark.parametrize("odd", ["%00", "%F0%9F%97%9D", "..%2F..", "a%0Ab", "' OR 1=1", "%FF"])
@pytest.mark.parametrize(
    "path", ["/chat/{}", "/indexes/{}", "/beta/files/{}", "/beta/directories/{}", "/projects/{}"]
)
def test_odd_ids_are_not_found(api: Caller, path: str, odd: str):
    assert api.get(path.format(odd)).status_code == 404


def test_foreign_rows_read_as_unknown_ones(api: Caller, stranger: Caller):
    entry = make_file(make_directory())
    index = make_index(directory=entry.directory)
    session = api.post("/chat").json()["session_id"]
    paths = {
        f"/chat/{session}": "/chat/ses-0",
        f"/chat/{session}/summary": "/chat/ses-0/summary",
        f"/indexes/{index.pk}": "/indexes/idx-0",
        f"/beta/files/{entry.file_id}": "/beta/files/0",
        f"/beta/directories/{entry.directory_id}": "/beta/directories/dir-0",
        f"/beta/directories/{entry.directory_id}/files/{entry.pk}": (
            "/beta/directories/dir-0/files/dfl-0"
        ),
        f"/projects/{index.project_id}": "/projects/0",
    }
    for foreign, unknown in paths.items():
        assert api.get(foreign).status_code == 200

        answer, expected = stranger.get(foreign), stranger.get(unknown)

        assert (answer.status_code, answer.json()) == (404, expected.json())


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/chat/ses-0/messages/stream", {"prompt": " ", "index_ids": []}, "prompt"),
        ("/chat/ses-0/messages/stream", {"prompt": "a", "index_ids": ["i", "i"]}, "index_ids"),
        ("/retrieval/retrieve", {"index_id": "idx-0", "query": " "}, "query"),
        ("/beta/files/query", {"filter": {"file_ids": ["0"]}, "order_by": "size"}, "order_by"),
        ("/indexes", {"source_directory_id": "dir-0", "vector_target": "x"}, "vector_target"),
    ],
)
def test_what_is_ill_formed_is_said_before_what_is_not_there(
    api: Caller, path: str, body: dict, field: str
):
    response = api.post(path, body)

    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["body", field]


@pytest.mark.django_db(transaction=True)
def test_an_embedding_endpoint_that_is_away_is_503(api: Caller, settings):
    index = make_index()
    settings.EMBEDDING_BASE_URL, settings.EMBEDDING_MODEL = closed_url(), "some-embedder"
    conf.embedder.cache_clear()

    response = api.post("/retrieval/retrieve", {"index_id": index.pk, "query": "lamps"})

    conf.embedder.cache_clear()
    assert response.status_code == 503
    assert response["Retry-After"] == "2"
    assert "endpoint" in response.json()["detail"]


def test_every_answer_carries_a_request_id(api: Caller):
    given = api.client.get("/api/v1/chat", headers={"X-Request-ID": "mine-1"})
    made = api.get("/nothing")

    assert given["X-Request-ID"] == "mine-1"
    assert len(made["X-Request-ID"]) == 32


def test_another_project_or_organisation_is_not_found(api: Caller, stranger: Caller):
    theirs = stranger.get("/projects").json()[0]["id"]
    unknown = "00000000-0000-0000-0000-000000000000"

    answers = [api.get("/chat", project_id=one) for one in (theirs, unknown)]
    organisation = api.get("/chat", organization_id=unknown)

    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].json() == answers[1].json()
    assert organisation.status_code == 404


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("ago", "seconds", "again"), [(20, 2400, "false"), (59.5, 30, None)])
def test_who_has_asked_too_much_is_told_when_to_ask_again(api: Caller, ago, seconds, again):
    index = make_index()
    asked, other = (api.post("/chat").json()["session_id"] for _ in range(2))
    owner = Session.objects.get(pk=asked).owner
    turn = Turn.objects.create(session_id=asked, seq=1, asked_by=owner, state="done")
    Turn.objects.filter(pk=turn.pk).update(created_at=timezone.now() - timedelta(minutes=ago))
    Quota.objects.create(turns_per_hour=1)

    message = {"index_ids": [index.pk], "prompt": "And now?"}
    response = api.post(f"/chat/{other}/messages/stream", message)

    assert response.status_code == 429
    assert "is used up" in response.json()["detail"]
    assert int(response["Retry-After"]) == pytest.approx(seconds, abs=5)
    assert response.get("x-should-retry") == again
    assert not Session.objects.get(pk=other).turns.exists()

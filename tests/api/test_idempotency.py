"""A create with an ``Idempotency-Key`` happens once, whoever sends it again and when."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.utils import timezone

from chat.api.idempotency import LEASE
from chat.models import CreateOnce, Directory, DirectoryFile, File, Index, Session
from tests.factories import make_directory, make_file

from .conftest import Caller

Create = Callable[[Caller, Directory, str], HttpResponse]


def file(api: Caller, directory: Directory, key: str) -> HttpResponse:
    return api.upload("/beta/files", b"x", "a.txt", key, purpose="user_data")


def directory(api: Caller, directory: Directory, key: str) -> HttpResponse:
    return api.post("/beta/directories", {"name": "Papers"}, Idempotency_Key=key)


def filed(api: Caller, directory: Directory, key: str) -> HttpResponse:
    stored = File.objects.filter(name="note.md").first() or make_file(make_directory()).file
    body = {"file_id": str(stored.pk), "unique_id": key}
    return api.post(f"/beta/directories/{directory.pk}/files", body, Idempotency_Key=key)


def upload(api: Caller, directory: Directory, key: str) -> HttpResponse:
    path = f"/beta/directories/{directory.pk}/files/upload"
    return api.upload(path, b"x", "a.txt", key, unique_id=key)


def index(api: Caller, directory: Directory, key: str) -> HttpResponse:
    return api.post("/indexes", {"source_directory_id": directory.pk}, Idempotency_Key=key)


def session(api: Caller, directory: Directory, key: str) -> HttpResponse:
    return api.post("/chat", {}, Idempotency_Key=key)


CREATES = [
    pytest.param(file, File, id="file"),
    pytest.param(directory, Directory, id="directory"),
    pytest.param(filed, DirectoryFile, id="filed"),
    pytest.param(upload, DirectoryFile, id="upload"),
    pytest.param(index, Index, id="index"),
    pytest.param(session, Session, id="session"),
]


@pytest.fixture
def papers(db: None) -> Directory:
    return make_directory()


@pytest.mark.parametrize(("create", "made"), CREATES)
def test_a_key_makes_one_of_two_calls(api: Caller, papers: Directory, create: Create, made: Any):
    filed(api, papers, "first")  # so that every call below makes one row of one table
    before = made.objects.count()

    first, again = (create(api, papers, "k1") for _ in range(2))
    other = create(api, papers, "k2")

    assert [first.status_code, again.status_code, other.status_code] == [200, 200, 200]
    assert again.json() == first.json()
    assert other.json() != first.json()
    assert made.objects.count() == before + 2


def test_a_key_is_the_callers_own(api: Caller, stranger: Caller, papers: Directory):
    mine, theirs = directory(api, papers, "k"), directory(stranger, papers, "k")

    assert theirs.status_code == 200
    assert theirs.json()["id"] != mine.json()["id"]


def test_a_refused_create_may_be_repeated(api: Caller, papers: Directory):
    refused = api.post("/indexes", {"source_directory_id": "dir-00"}, Idempotency_Key="k")
    done = index(api, papers, "k")

    assert (refused.status_code, done.status_code) == (404, 200)


def test_what_a_killed_process_left_unanswered_is_taken_over_after_the_lease(
    api: Caller, papers: Directory
):
    directory(api, papers, "k")
    rows, now = CreateOnce.objects.filter(name="k"), timezone.now()

    rows.update(answer=None, created_at=now - LEASE + timedelta(seconds=20))
    running = directory(api, papers, "k")
    rows.update(created_at=now - LEASE)
    taken, again = directory(api, papers, "k"), directory(api, papers, "k")

    assert running.status_code == 409
    assert "x-should-retry" not in running  # waiting cures it
    assert taken.status_code == 200
    assert again.json() == taken.json()


def test_who_took_over_is_not_answered_for_by_who_was_only_slow(api: Caller, papers: Directory):
    """The first call ends after all, beyond its lease: what the second made is what counts."""

    def late(*_: Any, **__: Any) -> None:
        rows = CreateOnce.objects.filter(name="k", answer__isnull=True)
        rows.update(created_at=timezone.now() - LEASE)
        made.append(directory(api, papers, "k").json())

    made: list[Any] = []
    with connection.execute_wrapper(once_at('INSERT INTO "chat_directory"', late)):
        slow = directory(api, papers, "k").json()
    again = directory(api, papers, "k").json()

    assert slow != made[0]
    assert again == made[0]


def test_a_process_that_dies_before_its_answer_is_saved_has_made_nothing(
    api: Caller, papers: Directory
):
    def die(*_: Any, **__: Any) -> None:
        raise RuntimeError("killed")

    with connection.execute_wrapper(once_at('UPDATE "chat_createonce"', die)):
        lost = directory(api, papers, "k")
    again = directory(api, papers, "k")

    assert (lost.status_code, again.status_code) == (500, 200)
    assert Directory.objects.exclude(pk=papers.pk).count() == 1


def once_at(start: str, act: Callable[[], Any]) -> Callable[..., Any]:
    """Does something else just before the first statement that begins so."""
    waiting = [act]

    def wrapper(execute: Callable, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(start) and waiting:
            waiting.pop()()
        return execute(sql, params, many, context)

    return wrapper


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("create", [directory, upload])
def test_of_calls_at_once_one_creates(api: Caller, papers: Directory, create: Create):
    others = 4
    together = Barrier(others)

    def call(_: int) -> HttpResponse:
        try:
            together.wait(10)
            return create(api, papers, "k")
        finally:
            connection.close()

    with ThreadPoolExecutor(others) as threads:
        answers = list(threads.map(call, range(others)))

    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 200}) == 1
    assert create(api, papers, "k").status_code == 200
    made = DirectoryFile.objects if create is upload else Directory.objects.exclude(pk=papers.pk)
    assert made.count() == 1

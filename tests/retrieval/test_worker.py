"""The worker process: killed, told to stop, and its tasks never lost."""

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session as BrowserSession
from django.core.management import call_command
from django.utils import timezone
from django_tasks import TaskResultStatus
from django_tasks_db.models import DBTaskResult

from chat.actions.directories import update_file
from chat.actions.indexes import request_sync
from chat.models import Index, Sync
from chat.retrieval.sync import run_sync
from chat.tasks import queue_due_syncs, recover, sync_again
from tests.factories import make_directory, make_file, make_index
from tests.server import ROOT

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def start_worker():
    """``start_worker("--batch")``: a worker process on this test's own database."""
    from django.db import connection

    workers: list[subprocess.Popen] = []

    def start(*arguments: str) -> subprocess.Popen:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "chatsite.settings",
            "DATABASE_URL": url_of(connection.settings_dict),
        }
        workers.append(
            subprocess.Popen(
                [sys.executable, "manage.py", "worker", *arguments], env=environment, cwd=ROOT
            )
        )
        return workers[-1]

    yield start
    for worker in workers:
        worker.kill()
        worker.wait()


def url_of(database: dict[str, Any]) -> str:
    if database["ENGINE"].endswith("sqlite3"):
        return f"sqlite:///{database['NAME']}"
    return f"postgres://postgres:@/{database['NAME']}?host={database['OPTIONS']['host']}"


FILES = 120  # several transactions: one holds some twenty of them


@pytest.fixture
def index() -> Index:
    directory = make_directory()
    for number in range(FILES):
        make_file(directory, f"{number}.md", f"# {number}\n\n" + "Some text, and more. " * 1000)
    return make_index(directory=directory, synced=False)


def wait_for_documents(index: Index, count: int) -> None:
    deadline = time.monotonic() + 60
    while index.documents.count() < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_killed_worker_s_sync_is_finished_by_the_next(index, start_worker):
    sync = request_sync(index)
    worker = start_worker()
    wait_for_documents(index, 5)

    worker.send_signal(signal.SIGKILL)
    worker.wait()
    done = dict(index.documents.values_list("pk", "synced_at"))
    assert 0 < len(done) < FILES
    assert start_worker("--batch").wait(60) == 0

    sync.refresh_from_db()
    assert (sync.state, sync.files_done, sync.attempts) == (Sync.State.SUCCEEDED, FILES, 2)
    assert index.documents.count() == FILES
    assert done.items() <= dict(index.documents.values_list("pk", "synced_at")).items()


def test_a_worker_told_to_stop_hands_its_sync_back(index, start_worker):
    sync = request_sync(index)
    worker = start_worker()
    wait_for_documents(index, 5)

    worker.terminate()
    assert worker.wait(15) == 0
    sync.refresh_from_db()
    assert sync.state == Sync.State.QUEUED
    assert start_worker("--batch").wait(60) == 0

    sync.refresh_from_db()
    assert (sync.state, sync.files_failed) == (Sync.State.SUCCEEDED, 0)


def test_a_sync_whose_task_is_gone_gets_another():
    make_index(synced=False).syncs.create()

    assert recover() == 1
    assert recover() == 0


def test_daily_and_changed_indexes_are_synced_when_due():
    directory = make_directory()
    make_file(directory)
    past = timezone.now() - timedelta(days=2)
    for frequency in Index.Frequency.values:
        index = make_index(frequency, directory, sync_frequency=frequency)
        index.syncs.create(state=Sync.State.SUCCEEDED)
    Sync.objects.update(created_at=past)
    directory.directory_files.update(updated_at=past - timedelta(hours=1))

    assert queue_due_syncs() == 1  # the daily one
    directory.directory_files.update(updated_at=timezone.now())
    assert queue_due_syncs() == 1  # the one that follows changes
    assert queue_due_syncs() == 0


def test_a_file_that_is_moved_away_is_a_change():
    directory = make_directory()
    entry = make_file(directory)
    index = make_index("Papers", directory, sync_frequency=Index.Frequency.ON_SOURCE_CHANGE)
    run_sync(index.syncs.create().pk)

    before = queue_due_syncs()
    update_file(entry, directory=make_directory("Elsewhere"))
    moved = queue_due_syncs()
    run_sync(index.syncs.active().get().pk)

    assert (before, moved, queue_due_syncs()) == (0, 1, 0)
    assert not index.documents.exists()


def test_rows_that_say_nothing_any_more_are_let_go():
    index, now = make_index(), timezone.now()
    ages = {"long ago": timedelta(days=40), "days ago": timedelta(days=2), "now": timedelta()}
    for ago in ages.values():
        for state in (Sync.State.SUCCEEDED, Sync.State.CANCELLED):
            index.syncs.create(state=state, finished_at=now - ago)
    idle = make_index("Idle")
    only = idle.syncs.create(state=Sync.State.SUCCEEDED, finished_at=now - ages["long ago"])
    for status in (TaskResultStatus.SUCCESSFUL, TaskResultStatus.FAILED):
        for name, ago in ages.items():
            result = sync_again.enqueue(f"{status} {name}")
            DBTaskResult.objects.filter(pk=result.id).update(status=status, finished_at=now - ago)
    for key, ago in ages.items():
        BrowserSession.objects.create(
            session_key=key, session_data="", expire_date=now - ago + timedelta(hours=1)
        )

    call_command("worker", "--batch")

    kept = DBTaskResult.objects.filter(task_path=sync_again.module_path)
    assert {call["args"][0] for call in kept.values_list("args_kwargs", flat=True)} == {
        "SUCCESSFUL now",
        "FAILED days ago",
        "FAILED now",
    }
    gone = index.syncs.filter(finished_at__lt=now - timedelta(days=30))
    assert (index.syncs.count(), gone.count()) == (4, 0)
    assert idle.syncs.get() == only
    assert [one.pk for one in BrowserSession.objects.all()] == ["now"]

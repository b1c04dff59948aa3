"""What was deleted is forgotten for good, a while later and a little at a time."""

from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from chat import conf
from chat.actions.files import delete_file
from chat.actions.indexes import (
    cancel_sync,
    delete_index,
    request_sync,
    request_sync_soon,
)
from chat.models import Chunk, File, Index
from chat.retrieval.attachments import path_of
from chat.retrieval.base import Query
from chat.retrieval.purge import KEPT_FOR, is_purge_due, purge_some
from chat.retrieval.sync import run_sync
from chat.tasks import purge, queue_purge, sync_again
from tests.factories import make_directory, make_file, make_index

from .conftest import sync

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def files_of_this_test(settings, tmp_path: Path):
    settings.MEDIA_ROOT = tmp_path


def age(index: Index) -> None:
    Index.objects.filter(pk=index.pk).update(deleted_at=timezone.now() - KEPT_FOR * 1.1)


def test_a_deleted_index_keeps_its_chunks_for_a_while_and_then_loses_them(library: Index):
    other = make_index(directory=library.directory, synced=False)
    sync(other)
    delete_index(library)

    purge.call()
    kept = library.chunks.count()
    age(library)
    purge.call()

    assert kept > 0
    assert not library.documents.exists()
    assert Chunk.objects.exists()  # the other index's
    assert Index.objects.filter(pk=library.pk).exists()  # sessions name it
    assert not is_purge_due()
    found = conf.search_backend().rank(Query("lamps", (library.pk,)), None, 10)
    assert found == []


def test_purging_goes_on_where_it_was_cut_off():
    directory = make_directory()
    for number in range(25):
        make_file(directory, f"{number}.md", "# A\n\nb")
    index = make_index(directory=directory, synced=False)
    sync(index)
    delete_index(index)
    age(index)

    purge_some()
    rest = index.documents.count()
    purge.call()

    assert 0 < rest < 25
    assert index.documents.count() == 0


def test_bytes_and_attachments_of_a_deleted_file_are_gone_even_if_a_crash_kept_them():
    entry = make_file(make_directory())
    delete_file(entry.file)
    paths = [entry.file.content.name, path_of(entry.file, "screenshots/page_1.jpg")]
    for path in paths:
        default_storage.save(path, ContentFile(b"left behind"))

    purge.call()

    assert not any(default_storage.exists(path) for path in paths)
    assert not is_purge_due()
    assert File.objects.filter(pk=entry.file_id).exists()


def test_a_purge_is_queued_once_and_only_when_due():
    purges = DBTaskResult.objects.filter(task_path=purge.module_path)
    queue_purge()
    before = purges.count()
    delete_file(make_file(make_directory()).file)

    queue_purge()
    queue_purge()

    assert (before, purges.count()) == (0, 1)


def test_what_is_added_during_a_sync_has_one_of_its_own_afterwards():
    index = make_index(synced=False)
    running = request_sync(index)
    request_sync_soon(index)
    request_sync_soon(index)

    sync_again.call(index.pk)
    meanwhile = index.syncs.count()
    run_sync(running.pk)
    sync_again.call(index.pk)

    assert meanwhile == 1
    assert index.syncs.count() == 2
    assert index.syncs.active().exists()


def test_a_cancelled_sync_is_not_followed_by_the_one_that_waited():
    index = make_index(synced=False)
    request_sync(index)
    request_sync_soon(index)

    cancel_sync(index)

    assert not DBTaskResult.objects.filter(task_path=sync_again.module_path).exists()

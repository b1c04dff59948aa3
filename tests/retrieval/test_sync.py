"""An index is made equal to its directory: no more work than needed, and none of it lost."""

import sys
import threading
import time
from datetime import timedelta

import pytest
from django.utils import timezone

from chat import conf
from chat.actions.indexes import cancel_sync, retry_file
from chat.models import Chunk, Document, Index, Sync
from chat.providers import embedded
from chat.retrieval import leases
from chat.retrieval.base import Query
from chat.retrieval.reading import find
from chat.retrieval.status import index_status, index_statuses
from chat.retrieval.sync import run_sync
from tests.factories import make_directory, make_file, make_index

from . import samples
from .conftest import sync

pytestmark = pytest.mark.django_db(transaction=True)


def words_of(index: Index) -> str:
    return " ".join(index.chunks.values_list("text", flat=True))


def chunk_ids(index: Index) -> set[int]:
    return set(index.chunks.values_list("pk", flat=True))


def test_a_sync_makes_documents_and_chunks_of_files(library):
    document = library.documents.get(name="rules.md")

    assert library.last_synced_at is not None
    assert document.title == "House rules"
    for chunk in document.chunks.all():
        assert chunk.text == document.text[chunk.start_char : chunk.end_char]
    assert {chunk.heading for chunk in document.chunks.all()} == {"House rules"}


def test_a_second_sync_leaves_alone_what_has_not_changed(library):
    before = chunk_ids(library)

    done = sync(library)

    assert chunk_ids(library) == before
    assert (done.state, done.files_done, done.chunks) == (Sync.State.SUCCEEDED, 3, len(before))


def test_what_has_no_pages_is_not_opened_again_to_draw_them(library, monkeypatch):
    library.store_screenshots = True
    library.save()
    monkeypatch.setattr(sys, "executable", "/nowhere/python")  # no process can be started

    assert sync(library).state == Sync.State.SUCCEEDED


def test_new_changed_and_removed_files_are_taken_over(library):
    lamps = library.directory.directory_files.get(display_name="lamps.md")
    rules = library.directory.directory_files.get(display_name="rules.md")
    kept = set(library.documents.get(name="boiler.txt").chunks.values_list("pk", flat=True))
    other = make_file(library.directory, "other.md", "The lamps are blue now.").file
    type(lamps).objects.filter(pk=lamps.pk).update(file=other)
    type(rules).objects.filter(pk=rules.pk).update(deleted_at=timezone.now())

    sync(library)

    assert {one["file_name"] for one in find([library.pk])} == {
        "boiler.txt",
        "lamps.md",
        "other.md",
    }
    assert "green" not in words_of(library)
    assert "borrow" not in words_of(library)
    assert kept <= chunk_ids(library)


def test_a_new_name_and_new_metadata_are_taken_over_without_reading(library):
    before = chunk_ids(library)
    library.directory.directory_files.filter(display_name="boiler.txt").update(
        display_name="heating.txt", metadata={"year": 2024}
    )

    sync(library)

    assert chunk_ids(library) == before
    assert library.documents.get(name="heating.txt").metadata == {"year": 2024}


def test_an_unreadable_file_fails_alone_and_says_why(library):
    bad = make_file(library.directory, "bad.pdf", b"%PDF-1.4 nothing")

    done = sync(library)

    assert (done.state, done.files_done, done.files_failed) == (Sync.State.SUCCEEDED, 4, 1)
    assert index_status(library)["failed_files"] == [
        {
            "file_id": bad.pk,
            "file_name": "bad.pdf",
            "error": "The file is damaged, or not the PDF its name says it is.",
        }
    ]


def test_a_file_that_is_tried_again_is_read_again_and_others_that_failed_are_not(library):
    bad, worse = (make_file(library.directory, f"{n}.pdf", b"%PDF-1.4") for n in ("bad", "worse"))
    sync(library)
    document_of = library.documents.values_list("pk", flat=True)
    before = {file: document_of.get(directory_file=file) for file in (bad, worse)}

    retry_file(library, bad)
    done = library.syncs.active().get()
    run_sync(done.pk)

    done.refresh_from_db()
    assert (done.state, done.files_failed) == (Sync.State.SUCCEEDED, 2)
    tried = library.documents.filter(synced_at__gt=done.started_at)
    assert list(tried.values_list("name", flat=True)) == ["bad.pdf"]
    assert document_of.get(directory_file=worse) == before[worse]


def test_a_changed_file_that_cannot_be_read_is_no_longer_found(library):
    broken = make_file(library.directory, "broken.pdf", b"%PDF-1.4 nothing").file
    library.directory.directory_files.filter(display_name="lamps.md").update(file=broken)

    sync(library)

    assert "lamps" not in words_of(library)
    assert library.documents.get(name="lamps.md").state == Document.State.FAILED


def test_hostile_files_each_fail_with_a_sentence_and_cost_the_others_nothing():
    directory = make_directory()
    hostile = {
        "secret.pdf": samples.pdf([["x"]], encrypted=True),
        "scan.pdf": samples.scanned_pdf(),
        "half.pdf": samples.pdf([["Title", "Text."]])[:300],
        "empty.txt": b"",
        "bomb.docx": samples.zip_bomb(),
        "entities.docx": samples.entity_bomb(),
        "photo.jpg": samples.png(),
    }
    for name, content in hostile.items():
        make_file(directory, name, content)
    make_file(directory, "zz.md", "The last file is well.")
    index = make_index(directory=directory, synced=False)

    done = sync(index)

    assert (done.state, done.files_done) == (Sync.State.SUCCEEDED, 8)
    failed = {one["file_name"]: one["error"] for one in index_status(index)["failed_files"]}
    assert failed.keys() == hostile.keys()
    assert all(error.endswith(".") and len(error) > 15 for error in failed.values())
    assert words_of(index) == "The last file is well."


def test_an_index_of_unreadable_files_alone_fails():
    directory = make_directory()
    make_file(directory, "bad.pdf", b"%PDF-1.4 nothing")
    index = make_index(directory=directory, synced=False)

    sync(index)

    status = index_status(index)
    assert status["status"] == "failed"
    assert status["error_message"].startswith("bad.pdf could not be read. The file is damaged")
    assert not Index.objects.queryable().filter(pk=index.pk).exists()


def test_an_empty_directory_makes_a_ready_index():
    index = make_index(synced=False)

    sync(index)

    assert index_status(index)["status"] == "ready"
    assert index.last_synced_at is not None


def test_an_index_without_vectors_has_none(library):
    library.uses_vectors = False
    library.save()

    sync(library)

    assert not library.chunks.exclude(embedding=None).exists()
    assert library.chunks.exists()


def test_a_cancelled_first_sync_fails_the_index_and_a_later_one_keeps_what_it_had(library):
    fresh = make_index(directory=library.directory, synced=False)
    for index in (fresh, library):
        index.syncs.create()
        cancel_sync(index)

    statuses = index_statuses([fresh, library])

    assert statuses[fresh.pk]["status"] == "failed"
    assert statuses[fresh.pk]["error_message"] == "Sync cancelled"
    assert statuses[library.pk]["status"] == "ready"
    assert statuses[library.pk]["chunks"] == library.chunks.count()


def begin_sync(files: int) -> tuple[Index, Sync, threading.Thread]:
    """Of so many files of 21,000 characters; its first documents are there."""
    directory = make_directory()
    for number in range(files):
        make_file(directory, f"{number}.md", f"# {number}\n\n" + "Some text, and more. " * 1000)
    index = make_index(directory=directory, synced=False)
    work = index.syncs.create()
    thread = threading.Thread(target=in_thread, args=[run_sync, work.pk])
    thread.start()
    wait_until(lambda: Document.objects.filter(index=index).count() > 3)
    return index, work, thread


def test_a_cancel_ends_a_sync_at_work(settings):
    index, work, thread = begin_sync(files=300)

    cancel_sync(index)
    thread.join(20)

    work.refresh_from_db()
    assert work.state == Sync.State.CANCELLED
    assert 3 < index.documents.count() < 300


def test_a_sync_loses_nothing_when_the_process_that_embeds_is_killed():
    index, work, thread = begin_sync(files=60)

    embedded._apart.stop()
    thread.join(30)

    work.refresh_from_db()
    assert (work.state, work.files_done, work.files_failed) == (Sync.State.SUCCEEDED, 60, 0)
    assert all(any(vector) for vector in index.chunks.values_list("embedding", flat=True))


def test_a_sync_is_never_run_twice_at_once(library):
    work = library.syncs.create(
        state=Sync.State.RUNNING,
        worker="elsewhere/1/ab",
        lease_expires_at=timezone.now() + timedelta(seconds=20),
    )

    run_sync(work.pk)

    work.refresh_from_db()
    assert (work.state, work.worker) == (Sync.State.RUNNING, "elsewhere/1/ab")


def test_a_lapsed_lease_is_taken_over(library):
    work = library.syncs.create(
        state=Sync.State.RUNNING,
        worker="elsewhere/1/ab",
        attempts=1,
        lease_expires_at=timezone.now() - timedelta(seconds=1),
    )

    run_sync(work.pk)

    work.refresh_from_db()
    assert (work.state, work.attempts) == (Sync.State.SUCCEEDED, 2)


def test_a_worker_that_lost_its_lease_writes_nothing_more(library):
    make_file(library.directory, "new.md", "Something new.")
    work = library.syncs.create()
    lease = leases.Lease.take(work.pk)
    Sync.objects.filter(pk=work.pk).update(worker="elsewhere/1/ab")

    with pytest.raises(leases.Lost):
        lease.hold()


def test_a_sync_that_ends_every_worker_is_given_up(library):
    work = library.syncs.create(attempts=leases.MAX_ATTEMPTS)

    run_sync(work.pk)

    work.refresh_from_db()
    assert work.state == Sync.State.FAILED
    assert "given up" in work.error


def test_changed_vectors_never_meet_old_ones(library):
    vector = conf.embedder().encode(["lamps"])[0]
    library.documents.update(embedder="another")

    conf.search_backend().rebuild()
    candidates = conf.search_backend().rank(Query("lamps", (library.pk,)), vector, 10)

    assert candidates
    assert all(one.vector == 0 for one in candidates)


def test_the_status_of_many_indexes_takes_as_many_queries_as_of_one(
    library, django_assert_num_queries
):
    others = [make_index(directory=library.directory) for _ in range(3)]
    for index in others:
        sync(index)

    with django_assert_num_queries(3):
        statuses = index_statuses([library, *others])

    assert [status["status"] for status in statuses.values()] == ["ready"] * 4
    assert Chunk.objects.filter(index=others[0]).count() == statuses[others[0].pk]["chunks"]


def in_thread(work, *arguments) -> None:
    from django.db import connection

    try:
        work(*arguments)
    finally:
        connection.close()


def wait_until(holds, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)

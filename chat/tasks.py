"""What workers do. Ids in, one call out; each task may be run again at any time."""

import time
from datetime import timedelta
from typing import Any

from django.contrib.sessions.models import Session as BrowserSession
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone
from django_tasks import TaskResultStatus, task
from django_tasks.base import Task
from django_tasks_db.models import DBTaskResult

from chat.events.leases import is_dead
from chat.models import DirectoryFile, Index, Sync
from chat.retrieval.leases import workable
from chat.retrieval.purge import is_purge_due, purge_some
from chat.retrieval.sync import run_sync

DAY = timedelta(days=1)
MONTH = timedelta(days=30)
AGAIN_AFTER = timedelta(seconds=2)
PURGED_AT_ONCE = 5.0  # seconds; then whatever else is in the queue has its turn
PRUNED_AT_ONCE = 2_000  # rows of a table, so that nothing else waits long to be saved


@task()
def sync_index(sync_id: int) -> None:
    """Make an index equal to its directory."""
    if not run_sync(sync_id):
        sync_index.enqueue(sync_id)


@task()
def sync_again(index_id: str) -> None:
    """Sync an index once the sync that is under way has ended."""
    index = Index.objects.live().filter(pk=index_id).first()
    if index is not None and not _start_sync(index):
        sync_again.using(run_after=timezone.now() + AGAIN_AFTER).enqueue(index_id)


def queue_sync_again(index_id: str) -> None:
    """See to it that one more sync follows the one under way, however often it is asked for."""
    if not _waiting(sync_again, index_id).exists():
        sync_again.enqueue(index_id)


def drop_sync_again(index_id: str) -> None:
    _waiting(sync_again, index_id).delete()


@task()
def purge() -> None:
    """Forget for good what was deleted. Goes on where it was, or another, left it."""
    until = time.monotonic() + PURGED_AT_ONCE
    while purge_some():
        if time.monotonic() > until:
            purge.enqueue()
            return


def queue_purge() -> None:
    if is_purge_due() and not _waiting(purge).exists():
        purge.enqueue()


def _waiting(task: Task, *arguments: Any) -> QuerySet[DBTaskResult]:
    """Tasks in the queue that no worker has taken; with these arguments, if any are given."""
    tasks = DBTaskResult.objects.filter(task_path=task.module_path, status=TaskResultStatus.READY)
    return tasks.filter(args_kwargs__args=list(arguments)) if arguments else tasks


def _start_sync(index: Index) -> bool:
    """False if one is under way."""
    try:
        with transaction.atomic():
            sync_index.enqueue(index.syncs.create().pk)
    except IntegrityError:
        return False
    return True


def recover() -> int:
    """Give syncs that nobody works on to a worker again; answers how many.

    The queue forgets nothing but a killed worker's task, which it calls running for ever.
    """
    _bury_dead_tasks()
    # Those being run do not count: if the sync's lease has run out, theirs is a worker that hangs.
    # Should one begin this very moment, the sync's second task will find nothing to do.
    waiting = _waiting(sync_index).values_list("args_kwargs", flat=True)
    held = {call["args"][0] for call in waiting}
    orphans = [pk for pk in workable().values_list("pk", flat=True) if pk not in held]
    for sync_id in orphans:
        sync_index.enqueue(sync_id)
    return len(orphans)


def _bury_dead_tasks() -> None:
    running = DBTaskResult.objects.filter(status=TaskResultStatus.RUNNING)
    # A worker elsewhere cannot be seen; no task but a sync, which has a lease, takes this long.
    long_ago = timezone.now() - DAY
    for pk, workers, started_at in running.values_list("pk", "worker_ids", "started_at"):
        if (workers and is_dead(workers[-1])) or started_at < long_ago:
            running.filter(pk=pk).update(
                status=TaskResultStatus.FAILED,
                finished_at=timezone.now(),
                traceback="The worker was killed.",
            )


def queue_due_syncs() -> int:
    """Start the syncs that are due by their indexes' frequency; answers how many."""
    return sum(_start_sync(index) for index in _due())


def _due():
    """Indexes kept up to date, without a sync under way, that are a day old or out of date."""
    active = Sync.objects.active().filter(index=OuterRef("pk"))
    indexes = Index.objects.live().filter(~Exists(active), directory__deleted_at=None)
    syncs = Sync.objects.filter(index=OuterRef("pk")).order_by("-pk")
    indexes = indexes.annotate(last_sync=Subquery(syncs.values("created_at")[:1]))
    since = Q(updated_at__gt=OuterRef("last_sync")) | Q(deleted_at__gt=OuterRef("last_sync"))
    changed = DirectoryFile.objects.filter(since, directory=OuterRef("directory"))
    moved_away = DirectoryFile.objects.filter(since, documents__index=OuterRef("pk")).exclude(
        directory=OuterRef("directory")
    )
    daily = Q(sync_frequency=Index.Frequency.DAILY, last_sync__lt=timezone.now() - DAY)
    on_change = Q(sync_frequency=Index.Frequency.ON_SOURCE_CHANGE) & (
        Exists(changed) | Exists(moved_away)
    )
    return indexes.filter(daily | on_change)


def prune() -> None:
    """Let go of rows that say nothing any more, some at a time: each round goes on."""
    now = timezone.now()
    _drop(DBTaskResult.objects.successful().filter(finished_at__lt=now - DAY))
    _drop(DBTaskResult.objects.failed().filter(finished_at__lt=now - MONTH))
    # An index shows its last sync, and the last that came to an end by itself.
    later = Sync.objects.filter(
        index=OuterRef("index"),
        pk__gt=OuterRef("pk"),
        state__in=[Sync.State.SUCCEEDED, Sync.State.FAILED],
    )
    _drop(Sync.objects.filter(Exists(later), finished_at__lt=now - MONTH))
    _drop(BrowserSession.objects.filter(expire_date__lt=now))


def _drop(rows: QuerySet) -> None:
    some = list(rows.order_by().values_list("pk", flat=True)[:PRUNED_AT_ONCE])
    rows.model.objects.filter(pk__in=some).delete()

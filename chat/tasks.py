"""What workers do. Ids in, one call out; each task may be run again at any time."""

from contextlib import suppress
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, Subquery
from django.utils import timezone
from django_tasks import TaskResultStatus, task
from django_tasks_db.models import DBTaskResult

from chat.events.leases import is_dead
from chat.models import DirectoryFile, Index, Sync
from chat.retrieval.leases import workable
from chat.retrieval.sync import run_sync

DAY = timedelta(days=1)


@task()
def sync_index(sync_id: int) -> None:
    """Make an index equal to its directory."""
    if not run_sync(sync_id):
        sync_index.enqueue(sync_id)


def recover() -> int:
    """Give syncs that nobody works on to a worker again; answers how many.

    The queue forgets nothing but a killed worker's task, which it calls running for ever.
    """
    _bury_dead_tasks()
    # Those being run do not count: if the sync's lease has run out, theirs is a worker that hangs.
    # Should one begin this very moment, the sync's second task will find nothing to do.
    waiting = DBTaskResult.objects.filter(
        task_path=sync_index.module_path, status=TaskResultStatus.READY
    )
    held = {call["args"][0] for call in waiting.values_list("args_kwargs", flat=True)}
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
    started = 0
    for index in _due():
        with suppress(IntegrityError), transaction.atomic():  # one may have begun meanwhile
            sync_index.enqueue(index.syncs.create().pk)
            started += 1
    return started


def _due():
    """Indexes kept up to date, without a sync under way, that are a day old or out of date."""
    active = Sync.objects.active().filter(index=OuterRef("pk"))
    indexes = Index.objects.live().filter(~Exists(active), directory__deleted_at=None)
    syncs = Sync.objects.filter(index=OuterRef("pk")).order_by("-pk")
    indexes = indexes.annotate(last_sync=Subquery(syncs.values("created_at")[:1]))
    changed = DirectoryFile.objects.filter(
        Q(updated_at__gt=OuterRef("last_sync")) | Q(deleted_at__gt=OuterRef("last_sync")),
        directory=OuterRef("directory"),
    )
    daily = Q(sync_frequency=Index.Frequency.DAILY, last_sync__lt=timezone.now() - DAY)
    on_change = Q(sync_frequency=Index.Frequency.ON_SOURCE_CHANGE) & Exists(changed)
    return indexes.filter(daily | on_change)

"""Making indexes, and keeping them equal to their directories."""

from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from chat.errors import Conflict, Settled
from chat.models import Actor, Directory, DirectoryFile, Document, Index, Sync
from chat.retrieval.leases import workable
from chat.tasks import drop_sync_again, queue_sync_again, sync_index

from .files import allow_editing


def create_index(
    actor: Actor, directory: Directory, name: str | None = None, **fields: Any
) -> Index:
    """An index over the directory, its first sync under way.

    Named after the directory unless told; ``fields`` are those of the model. Raises ``Forbidden``.
    """
    allow_editing(actor, directory.project)
    with transaction.atomic():
        index = Index.objects.create(
            project=directory.project, directory=directory, name=name or directory.name, **fields
        )
        request_sync(index)
    return index


def request_sync(index: Index) -> Sync:
    """Ask a worker to make the index equal its directory. Raises ``Conflict`` while one does.

    The task is a row of the same transaction: there is never a sync that nobody will run.
    """
    try:
        with transaction.atomic():
            sync = index.syncs.create()
            sync_index.enqueue(sync.pk)
    except IntegrityError as exc:
        raise Conflict("A sync of this index is running. Wait for it, or cancel it.") from exc
    return sync


def request_sync_soon(index: Index) -> None:
    """Have the index synced now, or once more when the sync under way has ended.

    That one may be past the place where something is new.
    """
    try:
        request_sync(index)
    except Conflict:
        queue_sync_again(index.pk)


def retry_file(index: Index, entry: DirectoryFile) -> None:
    """Have one file that could not be read tried again, and none of the others that could not.

    While a sync is under way, the one that follows it tries them all.
    """
    try:
        with transaction.atomic():
            request_sync(index)
            # A sync tries what has failed before it began; these count as tried in it.
            failed = index.documents.filter(state=Document.State.FAILED)
            failed.exclude(directory_file=entry).update(synced_at=timezone.now())
    except Conflict:
        queue_sync_again(index.pk)


def cancel_sync(index: Index) -> None:
    """Stop the sync: at once when nobody works on it, else after the file at hand.

    Nor does another follow it. Raises ``Settled`` when none is under way.
    """
    drop_sync_again(index.pk)
    idle = workable().filter(index=index)
    if idle.update(state=Sync.State.CANCELLED, finished_at=timezone.now()):
        return
    if not index.syncs.active().update(cancel_requested=True):
        raise Settled("No sync of this index is running.")


def delete_index(index: Index) -> None:
    """Gone for everyone; the directory, its files and the sessions stay."""
    with transaction.atomic():
        index.syncs.active().update(cancel_requested=True)
        Index.objects.filter(pk=index.pk).update(deleted_at=timezone.now())

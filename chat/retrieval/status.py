"""How indexes stand, for every door that shows it."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Max, Q

from chat.models import Document, Index, Sync

from .sync import CANCELLED

SHOWN_FAILURES = 100

_COUNTS = ("files_total", "files_done", "files_failed", "pages", "chunks")


def index_status(index: Index) -> dict[str, Any]:
    return index_statuses([index])[index.pk]


def index_statuses(indexes: Iterable[Index]) -> dict[str, dict[str, Any]]:
    """By index id what the wire calls an index's ``metadata``, in three queries for any number.

    ``status`` is pending, syncing, ready or failed. The counts are those of the sync at work, else
    of the last one that came to an end by itself.
    """
    indexes = list(indexes)
    last, ended = _syncs([index.pk for index in indexes])
    failures = _failures([index.pk for index in indexes])
    return {
        index.pk: {
            **_standing(index, last.get(index.pk)),
            **_counts(last.get(index.pk), ended.get(index.pk)),
            "failed_files": failures.get(index.pk, []),
        }
        for index in indexes
    }


def _standing(index: Index, sync: Sync | None) -> dict[str, str | None]:
    status, error = "ready", None
    if sync is None or sync.state == Sync.State.QUEUED:
        status = "pending"
    elif sync.state == Sync.State.RUNNING:
        status = "syncing"
    elif sync.state == Sync.State.FAILED:
        status, error = "failed", sync.error
    elif sync.state == Sync.State.CANCELLED and index.last_synced_at is None:
        status, error = "failed", CANCELLED
    return {"status": status, "error_message": error}


def _counts(last: Sync | None, ended: Sync | None) -> dict[str, int]:
    sync = last if last is not None and last.is_active else ended or last
    return {name: getattr(sync, name, 0) for name in _COUNTS}


def _syncs(index_ids: list[str]) -> tuple[dict[str, Sync], dict[str, Sync]]:
    """By index the last sync, and the last that neither runs nor was cancelled."""
    by_itself = Q(state__in=[Sync.State.SUCCEEDED, Sync.State.FAILED])
    rows = (
        Sync.objects.filter(index__in=index_ids)
        .order_by()
        .values("index")
        .annotate(last=Max("pk"), ended=Max("pk", filter=by_itself))
    )
    numbers = [(row["index"], row["last"], row["ended"]) for row in rows]
    syncs = Sync.objects.in_bulk({pk for _, *pair in numbers for pk in pair if pk is not None})
    return (
        {index_id: syncs[pk] for index_id, pk, _ in numbers},
        {index_id: syncs[pk] for index_id, _, pk in numbers if pk is not None},
    )


def _failures(index_ids: list[str]) -> dict[str, list[dict[str, str]]]:
    failed = Document.objects.filter(index__in=index_ids, state=Document.State.FAILED)
    rows = failed.order_by("name", "pk").values_list("index", "directory_file", "name", "error")
    found: dict[str, list[dict[str, str]]] = {}
    for index_id, file_id, name, error in rows:
        shown = found.setdefault(index_id, [])
        if len(shown) < SHOWN_FAILURES:
            shown.append({"file_id": file_id, "file_name": name, "error": error})
    return found

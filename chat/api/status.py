"""How an index stands, from its syncs."""

from typing import Any

from chat.models import Document, Index, Sync

SHOWN_FAILURES = 100


def status_of(index: Index) -> dict[str, Any]:
    """``status`` is ``pending``, ``syncing``, ``ready`` or ``failed``; counts: of the last sync."""
    sync = index.syncs.first()
    failed = index.documents.filter(state=Document.State.FAILED).select_related("directory_file")
    return {
        "status": _word(index, sync),
        "error_message": _error(index, sync),
        "files_total": sync.files_total if sync else 0,
        "files_done": sync.files_done if sync else 0,
        "files_failed": sync.files_failed if sync else 0,
        "pages": sync.pages if sync else 0,
        "chunks": sync.chunks if sync else 0,
        "failed_files": [
            {"file_id": one.directory_file_id, "file_name": one.name, "error": one.error}
            for one in failed[:SHOWN_FAILURES]
        ],
    }


def _word(index: Index, sync: Sync | None) -> str:
    match sync.state if sync else None:
        case None | Sync.State.QUEUED:
            return "pending"
        case Sync.State.RUNNING:
            return "syncing"
        case Sync.State.FAILED:
            return "failed"
        case Sync.State.CANCELLED if index.last_synced_at is None:
            return "failed"
    return "ready"


def _error(index: Index, sync: Sync | None) -> str | None:
    if sync and sync.state == Sync.State.CANCELLED and index.last_synced_at is None:
        return "Sync cancelled"
    return (sync.error or None) if sync else None

"""Making an index equal to its directory.

Only what is new or has changed is read, split and embedded, while the files before it are stored:
a document in one transaction, with a few others if they are small, so that a search sees the old
one or the new one whole. Stopped at any point, by a person, a signal or a crash, a later run goes
on from there.
"""

import asyncio
import json
import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import PurePosixPath

from django.conf import settings
from django.db import DatabaseError, models, transaction
from django.utils import timezone

from chat import conf
from chat.errors import NO_ROOM, ModelError, UnreadableFile, if_there_is_room, is_full
from chat.models import DirectoryFile, Document, Index, Sync

from .attachments import count_attachments, save_attachment
from .embedding import AT_ONCE, PatientEmbedder
from .items import items_of
from .leases import MAX_ATTEMPTS, Cancelled, HandedBack, Lease, Lost
from .parsing import Parser
from .pictures import is_pdf
from .readers import VERSION, Reading
from .storing import Draft, ahead, store

logger = logging.getLogger(__name__)

_LOOKED_AT_ONCE = 500  # files
_STORED_AT_ONCE = (
    20  # files at most, of as many chunks as are embedded at once, or one file of more
)
_STORED_AFTER = 0.5  # seconds that a file may wait for others to be stored with it

CANCELLED = "Sync cancelled"
BROKE_OFF = "The sync broke off by a fault of the server; its log has the details. Sync again."
KILLS_WORKERS = (
    f"The sync ended {MAX_ATTEMPTS} workers and was given up. Their log may tell which file does "
    "it; give the worker more memory, or take the file out."
)


def run_sync(sync_id: int) -> bool:
    """Do a sync, or what a dead worker left of it; nothing if it is over or another's.

    False when the work was handed back because this process is ending, True else.
    """
    lease = Lease.take(sync_id)
    if lease is None:
        return True
    with lease:
        try:
            _run(lease)
        except Lost:
            logger.warning("sync lost to another worker sync=%s", sync_id)
        except HandedBack:
            lease.hand_back()
            return False
        else:
            _log(lease.sync)
    return True


def _run(lease: Lease) -> None:
    if lease.sync.attempts > MAX_ATTEMPTS:
        lease.finish(Sync.State.FAILED, KILLS_WORKERS)
        return
    try:
        with (
            Parser(settings.PARSE_TIMEOUT, settings.PARSE_MEMORY_MB) as parser,
            asyncio.Runner() as runner,
        ):
            lease.on_break = parser.stop
            _Making(lease, parser, runner).make_equal()
        _conclude(lease)
    except Cancelled:
        lease.finish(Sync.State.CANCELLED, CANCELLED)
    except ModelError as error:
        lease.finish(Sync.State.FAILED, error.message)
    except (Lost, HandedBack):
        raise
    except Exception:
        logger.exception("sync broke off sync=%s", lease.sync.pk)
        lease.finish(Sync.State.FAILED, BROKE_OFF)


def _conclude(lease: Lease) -> None:
    index_id = lease.sync.index_id
    total, failed = lease.progress["files_total"], lease.progress["files_failed"]
    if total and failed == total:
        lease.finish(Sync.State.FAILED, _all_failed(index_id, total))
        return
    with transaction.atomic():
        lease.finish(Sync.State.SUCCEEDED)
        Index.objects.filter(pk=index_id).update(last_synced_at=timezone.now())


def _all_failed(index_id: str, total: int) -> str:
    first = Document.objects.filter(index=index_id).exclude(error="").first()
    if total == 1 and first is not None:
        return f"{first.name} could not be read. {first.error}"
    return f"None of the {total} files could be read."


def _log(sync: Sync) -> None:
    sync.refresh_from_db()
    logger.info(
        "sync ended sync=%s index=%s state=%s files=%d failed=%d chunks=%d attempt=%d",
        *(sync.pk, sync.index_id, sync.state, sync.files_done, sync.files_failed),
        *(sync.chunks, sync.attempts),
    )


class _Making:
    """One run over the files of a directory."""

    def __init__(self, lease: Lease, parser: Parser, runner: asyncio.Runner):
        self._lease = lease
        self._sync = lease.sync
        self._index = lease.sync.index
        self._parser = parser
        self._embedder: PatientEmbedder | None = None
        if self._index.uses_vectors:
            self._embedder = PatientEmbedder(conf.embedder(), lease, runner)
        self._embedder_name = self._embedder.name if self._embedder else ""
        self._backend = conf.search_backend()

    def make_equal(self) -> None:
        present = DirectoryFile.objects.live().filter(directory=self._index.directory_id)
        files = list(present.values_list("pk", flat=True))
        self._lease.progress = {
            "files_total": len(files),
            **dict.fromkeys(("files_done", "files_failed", "pages", "chunks"), 0),
        }
        self._forget(present)
        # A few at a time: there may be a hundred thousand of them.
        for start in range(0, len(files), _LOOKED_AT_ONCE):
            self._make_some(files[start : start + _LOOKED_AT_ONCE])
        self._lease.check()

    def _forget(self, present: models.QuerySet[DirectoryFile]) -> None:
        documents = self._index.documents.exclude(directory_file__in=present.order_by())
        gone = list(documents.order_by().values_list("pk", flat=True))
        for start in range(0, len(gone), 100):
            self._lease.check()
            with transaction.atomic():
                self._lease.hold()
                self._backend.remove(gone[start : start + 100])
                Document.objects.filter(pk__in=gone[start : start + 100]).delete()

    def _make_some(self, file_ids: Sequence[str]) -> None:
        files = DirectoryFile.objects.live().select_related("file").in_bulk(file_ids)
        self._lease.progress["files_total"] -= len(file_ids) - len(files)  # deleted by now
        documents = {
            document.directory_file_id: document
            for document in self._index.documents.filter(directory_file__in=file_ids).defer(
                "text", "error", "title"
            )
        }
        stale: list[tuple[DirectoryFile, int | None]] = []
        for file in (files[pk] for pk in file_ids if pk in files):
            self._lease.check()
            document = documents.get(file.pk)
            if document is not None and self._is_current(document, file):
                self._rename(document, file)
                self._finish(file, document)
            else:
                stale.append((file, document and document.pk))
        with (
            closing(ahead(self._drafts(stale))) as read,
            closing(ahead(map(self._with_vectors, read))) as batches,
        ):
            for drafts in batches:
                self._store(drafts)
                for draft in drafts:
                    self._finish(draft.file, draft.document)

    def _is_current(self, document: Document, file: DirectoryFile) -> bool:
        """Made from these bytes in today's way. What failed is tried again, once in each sync."""
        made_from = document.sha256, document.reader, document.embedder
        if made_from != (file.file.sha256, VERSION, self._embedder_name):
            return False
        return document.state == Document.State.READY or document.synced_at > self._sync.created_at

    def _rename(self, document: Document, file: DirectoryFile) -> None:
        """Take over a new name and new metadata; the content is the same."""
        if (document.name, document.metadata) == (file.display_name, file.metadata):
            return
        renamed = document.name != file.display_name
        document.name, document.metadata = file.display_name, file.metadata
        with transaction.atomic():
            self._lease.hold()
            document.save(update_fields=["name", "metadata", "synced_at"])
            if renamed:  # words of the name are searched too
                self._backend.write(list(document.chunks.values_list("pk", flat=True)))

    # From a file to what is stored of it ----------------------------------------------------------

    def _drafts(self, files: Iterable[tuple[DirectoryFile, int | None]]) -> Iterator[list[Draft]]:
        """What to store of these files, as much at a time as is worth a transaction.

        With each file comes the id of the document that there is of it.
        """
        drafts: list[Draft] = []
        begun = time.monotonic()
        for file, document_id in files:
            self._lease.check()
            drafts.append(self._draft(file, document_id))
            if (
                len(drafts) >= _STORED_AT_ONCE
                or sum(len(draft.spans) for draft in drafts) >= AT_ONCE
                or time.monotonic() - begun > _STORED_AFTER
            ):
                yield drafts
                drafts, begun = [], time.monotonic()
        if drafts:
            yield drafts

    def _draft(self, file: DirectoryFile, document_id: int | None) -> Draft:
        document = Document(
            index=self._index,
            directory_file=file,
            name=file.display_name,
            metadata=file.metadata,
            sha256=file.file.sha256,
            reader=VERSION,
            embedder=self._embedder_name,
        )
        draft = Draft(file, document, document_id)
        try:
            draft.take(self._read(file))
        except UnreadableFile as error:
            self._lease.check()  # a cancel ends the parser too, which is no fault of the file
            draft.fail(error.message)
        return draft

    def _read(self, file: DirectoryFile) -> Reading:
        name = file.display_name
        if not PurePosixPath(name).suffix:
            name = file.file.name
        try:
            with file.file.content.open("rb") as content:
                return self._parser.read(content, file.file.size, name)
        except FileNotFoundError as error:
            raise UnreadableFile("The original is missing from the storage.") from error

    def _with_vectors(self, drafts: list[Draft]) -> list[Draft]:
        if self._embedder is not None:
            vectors = self._embedder.vectors(text for draft in drafts for text in draft.texts())
            for draft in drafts:
                draft.vectors = list(islice(vectors, len(draft.spans)))
        return drafts

    def _store(self, drafts: Sequence[Draft]) -> None:
        """All of them; where the disk is full, those that it has room for, each by itself."""
        try:
            with transaction.atomic():
                self._lease.hold()
                store(drafts, self._backend)
        except DatabaseError as error:
            if not is_full(error) or drafts[0].document.error == NO_ROOM:
                raise
            logger.error("the disk is full, make room sync=%s error=%s", self._sync.pk, error)
            if len(drafts) == 1:
                drafts[0].fail(NO_ROOM)
            for draft in drafts:
                self._store([draft])

    # Beside the text ------------------------------------------------------------------------------

    def _keep_attachments(self, file: DirectoryFile, document: Document) -> None:
        """Make what the index asks for, unless it is there: another index may have asked before."""
        if document.state != Document.State.READY:
            return
        if self._index.store_items and not self._has("items", file, document):
            for page, text in enumerate(document.pages(), start=1):
                items = json.dumps({"page": page, "items": items_of(text)}, ensure_ascii=False)
                save_attachment(file.file, f"items/page_{page}.json", items.encode())
        if self._index.store_screenshots and not self._has("screenshots", file, document):
            self._draw(file)

    def _has(self, kind: str, file: DirectoryFile, document: Document) -> bool:
        return count_attachments(file.file, kind) >= max(len(document.page_starts), 1)

    def _draw(self, file: DirectoryFile) -> None:
        """A picture of each page. A file that cannot be drawn has been read all the same."""

        def save(page: int, picture: bytes) -> None:
            save_attachment(file.file, f"screenshots/page_{page}.jpg", picture)

        try:
            with file.file.content.open("rb") as content:
                if is_pdf(content):  # nothing else has pages to draw
                    self._parser.pictures(content, file.file.size, file.display_name, save)
        except UnreadableFile as error:
            self._lease.check()
            logger.warning("pages not drawn file=%s reason=%s", file.pk, error.message)

    def _finish(self, file: DirectoryFile, document: Document) -> None:
        with if_there_is_room():  # what is beside the text is made in the next sync
            self._keep_attachments(file, document)
        progress = self._lease.progress
        self._lease.progress = progress | {
            "files_done": progress["files_done"] + 1,
            "files_failed": progress["files_failed"] + (document.state == Document.State.FAILED),
            "pages": progress["pages"] + len(document.page_starts),
            "chunks": progress["chunks"] + document.chunk_count,
        }

"""Making an index equal to its directory.

Only what is new or has changed is read, split and embedded; one transaction a document, so that a
search sees the old one or the new one whole. Stopped at any point, by a person, a signal or a
crash, a later run goes on from there.
"""

import asyncio
import json
import logging
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np
from django.conf import settings
from django.db import DatabaseError, transaction
from django.utils import timezone

from chat import conf
from chat.errors import (
    NO_ROOM,
    ModelBusy,
    ModelError,
    ModelTimeout,
    ModelUnreachable,
    UnreadableFile,
    if_there_is_room,
    is_full,
)
from chat.models import Chunk, DirectoryFile, Document, Index, Sync

from .attachments import count_attachments, save_attachment
from .items import items_of
from .leases import MAX_ATTEMPTS, Cancelled, HandedBack, Lease, Lost
from .parsing import Parser
from .readers import VERSION, Reading
from .splitting import Span, split

logger = logging.getLogger(__name__)

EMBEDDED_AT_ONCE = 512  # chunks
PATIENCE = (2, 10, 30)  # seconds before asking an embedding endpoint again that was no use

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
        self._runner = runner
        self._embedder = conf.embedder() if self._index.uses_vectors else None
        self._embedder_name = self._embedder.name if self._embedder else ""
        self._backend = conf.search_backend()

    def make_equal(self) -> None:
        # Without content: there may be a hundred thousand of either.
        documents = {
            document.directory_file_id: document
            for document in self._index.documents.defer("text", "error", "title")
        }
        files = list(
            DirectoryFile.objects.live()
            .filter(directory=self._index.directory_id)
            .select_related("file")
        )
        self._lease.progress = {
            "files_total": len(files),
            **dict.fromkeys(("files_done", "files_failed", "pages", "chunks"), 0),
        }
        self._forget(documents, {file.pk for file in files})
        for file in files:
            self._lease.check()
            document = documents.get(file.pk)
            if document is not None and self._is_current(document, file):
                self._rename(document, file)
            else:
                document = self._read(file)
            with if_there_is_room():  # what is beside the text is made in the next sync
                self._keep_attachments(file, document)
            self._count(document)
        self._lease.check()

    def _forget(self, documents: dict[str, Document], present: set[str]) -> None:
        gone = [document.pk for file_id, document in documents.items() if file_id not in present]
        for start in range(0, len(gone), 100):
            self._lease.check()
            with transaction.atomic():
                self._lease.hold()
                self._backend.remove(gone[start : start + 100])
                Document.objects.filter(pk__in=gone[start : start + 100]).delete()

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

    def _read(self, file: DirectoryFile) -> Document:
        try:
            reading = self._reading(file)
        except UnreadableFile as error:
            self._lease.check()  # a cancel ends the parser too, which is no fault of the file
            return self._store(file, None, [], error=error.message)
        spans = split(reading)
        vectors = self._embed(file, reading, spans)
        try:
            return self._store(file, reading, spans, vectors)
        except DatabaseError as error:
            if not is_full(error):
                raise
            logger.error("the disk is full, make room file=%s error=%s", file.pk, error)
            return self._store(file, None, [], error=NO_ROOM)

    def _reading(self, file: DirectoryFile) -> Reading:
        name = file.display_name
        if not PurePosixPath(name).suffix:
            name = file.file.name
        try:
            with file.file.content.open("rb") as content:
                return self._parser.read(content, file.file.size, name)
        except FileNotFoundError as error:
            raise UnreadableFile("The original is missing from the storage.") from error

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
                self._parser.pictures(content, file.file.size, file.display_name, save)
        except UnreadableFile as error:
            self._lease.check()
            logger.warning("pages not drawn file=%s reason=%s", file.pk, error.message)

    # Vectors --------------------------------------------------------------------------------------

    def _embed(
        self, file: DirectoryFile, reading: Reading, spans: Sequence[Span]
    ) -> list[bytes | None]:
        if self._embedder is None:
            return [None] * len(spans)
        title = reading.title or PurePosixPath(file.display_name).stem
        rows: list[bytes | None] = []
        for start in range(0, len(spans), EMBEDDED_AT_ONCE):
            texts = [
                "\n".join(filter(None, [title, span.heading, reading.text[span.start : span.end]]))
                for span in spans[start : start + EMBEDDED_AT_ONCE]
            ]
            rows += [row.astype("<f4").tobytes() for row in self._ask_for_vectors(texts)]
        return rows

    def _ask_for_vectors(self, texts: list[str]) -> np.ndarray:
        for pause in (*PATIENCE, None):
            self._lease.check()
            try:
                # Not ``Runner.run``: it renews its signal handling each time, which takes longer
                # than embedding a small file.
                return self._runner.get_loop().run_until_complete(self._vectors(texts))
            except (ModelBusy, ModelTimeout, ModelUnreachable):
                if pause is None:
                    raise
                self._lease.wait(pause)
        raise AssertionError("the last attempt returns or raises")

    async def _vectors(self, texts: list[str]) -> np.ndarray:
        """The embedder's answer, not waited for any longer than the work may go on."""
        assert self._embedder is not None  # noqa: S101
        asking = asyncio.ensure_future(self._embedder.embed(texts))
        try:
            while not (await asyncio.wait([asking], timeout=0.5))[0]:
                self._lease.check()
        finally:
            asking.cancel()
        return asking.result()

    # Rows -----------------------------------------------------------------------------------------

    def _store(
        self,
        file: DirectoryFile,
        reading: Reading | None,
        spans: Sequence[Span],
        vectors: Sequence[bytes | None] = (),
        error: str = "",
    ) -> Document:
        """Replace what the index has of the file, whole, or by nothing but the error."""
        with transaction.atomic():
            self._lease.hold()
            document, _ = Document.objects.update_or_create(
                index=self._index,
                directory_file=file,
                defaults={
                    "name": file.display_name,
                    "metadata": file.metadata,
                    "sha256": file.file.sha256,
                    "reader": VERSION,
                    "embedder": self._embedder_name,
                    "state": Document.State.FAILED if error else Document.State.READY,
                    "error": error,
                    "title": reading.title if reading else "",
                    "text": reading.text if reading else "",
                    "page_starts": list(reading.page_starts) if reading else [],
                    "chunk_count": len(spans),
                },
            )
            self._backend.remove([document.pk])
            document.chunks.all().delete()
            if reading is not None:
                chunks = _chunks(document, reading.text, spans, vectors)
                made = Chunk.objects.bulk_create(chunks, batch_size=500)
                self._backend.write([chunk.pk for chunk in made])
        return document

    def _count(self, document: Document) -> None:
        progress = self._lease.progress
        self._lease.progress = progress | {
            "files_done": progress["files_done"] + 1,
            "files_failed": progress["files_failed"] + (document.state == Document.State.FAILED),
            "pages": progress["pages"] + len(document.page_starts),
            "chunks": progress["chunks"] + document.chunk_count,
        }


def _chunks(
    document: Document, text: str, spans: Sequence[Span], vectors: Sequence[bytes | None]
) -> list[Chunk]:
    return [
        Chunk(
            document=document,
            index_id=document.index_id,
            ordinal=ordinal,
            heading=span.heading,
            text=text[span.start : span.end],
            start_char=span.start,
            end_char=span.end,
            page_start=span.page_start,
            page_end=span.page_end,
            token_count=span.token_count,
            embedding=vector,
        )
        for ordinal, (span, vector) in enumerate(zip(spans, vectors, strict=True))
    ]

"""Documents and their chunks into the database, those of several files in one go."""

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice, repeat
from pathlib import PurePosixPath
from typing import Any, TypeVar

from django.db import connection

from chat.models import Chunk, DirectoryFile, Document
from chat.retrieval.base import SearchBackend
from chat.retrieval.readers import Reading
from chat.retrieval.splitting import Span, split

Item = TypeVar("Item")

_INSERTED_AT_ONCE = 500  # chunks
_COLUMNS = (
    *("document_id", "index_id", "ordinal", "heading", "text", "start_char", "end_char"),
    *("page_start", "page_end", "token_count", "embedding"),
)


@dataclass(slots=True)
class Draft:
    """What an index is to hold of a file, before it does."""

    file: DirectoryFile
    document: Document  # as it shall be
    replaces: int | None = None  # the document there is
    spans: Sequence[Span] = ()
    vectors: Sequence[bytes] = ()  # float32, little-endian, one a span; () for words alone

    def take(self, reading: Reading) -> None:
        self.spans = split(reading)
        self._describe(Document.State.READY, reading)

    def fail(self, error: str) -> None:
        """Of the file there is nothing to hold but why."""
        self.spans = self.vectors = ()
        self._describe(Document.State.FAILED, Reading(""), error)

    def _describe(self, state: Document.State, reading: Reading, error: str = "") -> None:
        document = self.document
        document.state, document.error = state, error
        document.title, document.text = reading.title, reading.text
        document.page_starts, document.chunk_count = list(reading.page_starts), len(self.spans)

    def texts(self) -> Iterator[str]:
        """What to embed for each chunk: its text, under the document's title and its headings."""
        title = self.document.title or PurePosixPath(self.document.name).stem
        for span in self.spans:
            text = self.document.text[span.start : span.end]
            yield "\n".join(filter(None, [title, span.heading, text]))


def ahead(items: Iterator[Item]) -> Generator[Item]:
    """The items, each made in another thread while the one before it is in use."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield item


def store(drafts: Sequence[Draft], backend: SearchBackend) -> None:
    """Replace what there is of these documents, whole, in the caller's transaction."""
    for draft in drafts:  # a new one may have an id from a transaction that was rolled back
        draft.document.pk = draft.replaces
    known = [draft.document for draft in drafts if draft.replaces]
    if known:
        ids = [document.pk for document in known]
        backend.remove(ids)
        Chunk.objects.filter(document__in=ids).delete()
        for document in known:
            document.save(force_update=True)
    Document.objects.bulk_create([draft.document for draft in drafts if not draft.replaces])
    rows = _rows(drafts)
    while some := list(islice(rows, _INSERTED_AT_ONCE)):
        backend.write(_insert(some))


def _rows(drafts: Sequence[Draft]) -> Iterator[tuple[Any, ...]]:
    for draft in drafts:
        document = draft.document
        vectors = draft.vectors or repeat(None)
        for ordinal, (span, vector) in enumerate(zip(draft.spans, vectors, strict=False)):
            yield (
                *(document.pk, document.index_id, ordinal, span.heading),
                *(document.text[span.start : span.end], span.start, span.end),
                *(span.page_start, span.page_end, span.token_count, vector),
            )


def _insert(rows: Sequence[tuple[Any, ...]]) -> list[int]:
    """Chunks by their columns; answers their ids. As objects they would take ten times as long.

    In one statement: before each, this thread has to wait for its turn in the interpreter.
    """
    row = f"({', '.join(['%s'] * len(_COLUMNS))})"
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO chat_chunk ({", ".join(_COLUMNS)})
            VALUES {", ".join([row] * len(rows))} RETURNING id
            """,  # noqa: S608  (constants; the values are parameters)
            [value for row in rows for value in row],
        )
        return [pk for (pk,) in cursor.fetchall()]

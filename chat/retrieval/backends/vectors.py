"""Cosines with vectors kept in memory."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from chat.models import Chunk
from chat.providers.base import Vectors

from .shelf import Shelf
from .sketches import let_through

Ids = NDArray[np.int64]
Places = NDArray[np.intp]

_FETCHED_AT_ONCE = 10_000  # rows
_SKETCHED_FROM = 5_000  # rows of all: below, a scan of the vectors themselves is as fast


@dataclass(frozen=True, slots=True)
class _Vectors:
    """The vectors of one index under one embedder, as they were at some revision; never changed."""

    revision: int
    chunk_ids: Ids  # ascending
    document_ids: Ids
    rows: Vectors  # (chunks, size)
    sketch: NDArray[np.uint64]  # the signs of each row's numbers; 64 rows of bits to a column

    @property
    def bytes(self) -> int:
        return self.rows.nbytes + self.sketch.nbytes + 16 * len(self.chunk_ids)


def rank_by_vector(
    shelf: Shelf,
    revisions: Mapping[str, int],
    embedder: str,
    vector: Vectors,
    allowed: Sequence[int] | None,
    limit: int,
    also: Sequence[int] = (),
) -> dict[int, float]:
    """Cosine by chunk id: the ``limit`` best over all those indexes, and the ``also`` given.

    Chunks without a vector, or with another embedder's, are not in the answer. ``allowed`` are
    ids of documents, None for all.
    """
    shelves: list[_Vectors] = []
    for index_id, revision in revisions.items():
        load = partial(_load, index_id, embedder, revision)
        held = shelf.get(("vectors", index_id, embedder), revision, load)
        if len(held.chunk_ids):
            shelves.append(held)
    best: list[tuple[float, int]] = []
    asked: dict[int, float] = {}
    for held, places in zip(shelves, _near(shelves, vector, allowed, limit), strict=True):
        rows = held.rows if places is None else np.take(held.rows, places, axis=0, mode="clip")
        scores = rows @ vector
        top = _smallest(-scores, limit)
        ids = held.chunk_ids[top if places is None else places[top]]
        best += zip(scores[top].tolist(), ids.tolist(), strict=True)
        places = _places(held.chunk_ids, np.array(also, np.int64))
        scores = held.rows[places] @ vector
        asked.update(zip(held.chunk_ids[places].tolist(), scores.tolist(), strict=True))
    best.sort(reverse=True)
    return asked | {chunk_id: score for score, chunk_id in best[:limit]}


def _near(
    shelves: Sequence[_Vectors], vector: Vectors, allowed: Sequence[int] | None, limit: int
) -> list[Places | None]:
    """The places of each index that are worth a look, None for all of them."""
    places: list[Places | None] = [None] * len(shelves)
    if allowed is not None:
        documents = np.array(allowed, np.int64)
        places = [np.flatnonzero(np.isin(held.document_ids, documents)) for held in shelves]
    counts = [
        len(held.chunk_ids if some is None else some)
        for held, some in zip(shelves, places, strict=True)
    ]
    if sum(counts) <= _SKETCHED_FROM:
        return places
    # Signs first, then the best of all exactly.
    asked = _sketch(vector[None])
    distances = np.concatenate(
        [_distances(held, some, asked) for held, some in zip(shelves, places, strict=True)]
    )
    near = _nearest(distances, let_through(len(distances), limit))
    ends = np.cumsum(counts)
    parts = np.split(near, np.searchsorted(near, ends[:-1]))
    return [
        part - (end - count) if some is None else some[part - (end - count)]
        for part, some, count, end in zip(parts, places, counts, ends, strict=True)
    ]


def _distances(
    held: _Vectors, places: Places | None, asked: NDArray[np.uint64]
) -> NDArray[np.int16]:
    """In how many signs each row differs."""
    sketch = held.sketch if places is None else held.sketch[:, places]
    distances = np.bitwise_count(sketch[0] ^ asked[0]).astype(np.int16)
    for column, word in zip(sketch[1:], asked[1:], strict=True):
        distances += np.bitwise_count(column ^ word)
    return distances


def _nearest(distances: NDArray[np.int16], count: int) -> Places:
    """The places of so many of the least, and of all as near as the last of these, ascending."""
    farthest = np.searchsorted(np.cumsum(np.bincount(distances)), count)
    return np.flatnonzero(distances <= farthest)


def _smallest(values: np.ndarray, count: int) -> Places:
    if count >= len(values):
        return np.arange(len(values))
    return np.argpartition(values, count)[:count]


def _sketch(rows: Vectors) -> NDArray[np.uint64]:
    """The signs of each row as bits: (ceil(size / 64), rows), one contiguous line a word."""
    bits = np.packbits(rows > 0, axis=1)
    padding = -bits.shape[1] % 8
    words = np.pad(bits, ((0, 0), (0, padding))).view(np.uint64)
    return np.ascontiguousarray(words.T)


def _places(sorted_ids: Ids, wanted: Ids) -> Places:
    """Where those of the wanted ids that are there stand."""
    places = np.minimum(np.searchsorted(sorted_ids, wanted), len(sorted_ids) - 1)
    return places[sorted_ids[places] == wanted]


# Loading ------------------------------------------------------------------------------------------


def _load(index_id: str, embedder: str, revision: int, old: _Vectors | None) -> _Vectors:
    """The vectors of an index: what is held already, less what has gone, and what is new.

    A chunk never changes, and a new one has a higher id than any before it.
    """
    chunks = Chunk.objects.filter(index=index_id).exclude(embedding=None).order_by("pk")
    chunks = chunks.filter(document__embedder=embedder)
    newest = int(old.chunk_ids[-1]) if old is not None and len(old.chunk_ids) else 0
    fresh = list(_fetch(chunks, newest))
    parts = [part for part in [old and (old.chunk_ids, old.document_ids, old.rows), *fresh] if part]
    if not parts:
        size = 0
        empty = np.empty(0, np.int64)
        return _Vectors(
            revision, empty, empty, np.empty((0, size), np.float32), np.empty((0, 0), np.uint64)
        )
    chunk_ids, document_ids, rows = (np.concatenate(column) for column in zip(*parts, strict=True))
    if newest:
        present = np.fromiter(chunks.values_list("pk", flat=True).iterator(), np.int64)
        kept = np.isin(chunk_ids, present)
        chunk_ids, document_ids, rows = chunk_ids[kept], document_ids[kept], rows[kept]
    return _Vectors(revision, chunk_ids, document_ids, rows, _sketch(rows))


def _fetch(chunks, after: int) -> Iterator[tuple[Ids, Ids, Vectors]]:
    while True:
        page = list(
            chunks.filter(pk__gt=after).values_list("pk", "document_id", "embedding")[
                :_FETCHED_AT_ONCE
            ]
        )
        if not page:
            return
        after = page[-1][0]
        buffer = b"".join(embedding for _, _, embedding in page)
        yield (
            np.array([row[0] for row in page], np.int64),
            np.array([row[1] for row in page], np.int64),
            np.frombuffer(buffer, "<f4").reshape(len(page), -1),
        )

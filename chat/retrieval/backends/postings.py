"""BM25 over words kept in memory: the ranking of FTS5, which takes ten times as long for it.

A stem is known by 32 bits of its hash. That two of 100,000 stems share one is likely, that one of
them is asked for is not: one question in 10,000 then counts a word too many.
"""

import math
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from .frequencies import Found
from .shelf import Shelf
from .stems import counted_terms, stem_of

Ids = NDArray[np.int64]
Floats = NDArray[Any]
# Ids, chunks' ids, documents' ids, lengths; and stem, row and count of each posting in 64 bits.
Columns = tuple[Ids, Ids, Ids, NDArray[np.float32], NDArray[Any]]

_K1, _B = 1.2, 0.75  # as FTS5 has them
_LEAST = 1e-6  # of a word that half of all chunks have, as there
_BYTES = 500  # of a chunk of 1,100 characters, about; its vector takes 1,072
_TERMS_KEPT = 200_000  # some 25 MB
_MOST_ROWS = 2**24  # an index: a row has 24 bits of a posting, a count eight
_FETCHED_AT_ONCE = 10_000  # rows


def packed_words(passages: Iterable[tuple[str, str]]) -> list[tuple[int, bytes]]:
    """What ``chat_words`` keeps of each passage, a title and a text: how many words it has; and
    four bytes for each stem, then one for each count.

    Those of all are counted at once, in half the time that a counter for each takes.
    """
    numbers: list[int] = []
    lengths, ends = [], [0]
    for title, text in passages:
        terms, length = counted_terms(title, text)
        numbers += map(_numbers.__getitem__, terms)
        lengths.append(length)
        ends.append(len(numbers))
    rows = np.arange(len(ends), dtype=np.uint64) << 32
    packed = np.repeat(rows[:-1], np.diff(ends)) | np.array(numbers, np.uint64)
    packed, counts = np.unique(packed, return_counts=True)
    stems, few = packed.astype("<u4").tobytes(), np.minimum(counts, 255).astype(np.uint8).tobytes()
    spans = pairwise(np.searchsorted(packed, rows).tolist())
    return [
        (length, stems[4 * start : 4 * end] + few[start:end])
        for length, (start, end) in zip(lengths, spans, strict=True)
    ]


class _Numbers(dict[str, int]):
    """By term the number of its stem. Full, it starts afresh: words in use come back at once."""

    def __missing__(self, term: str) -> int:
        if len(self) >= _TERMS_KEPT:
            self.clear()
        number = self[term] = _number(stem_of(term))
        return number


_numbers = _Numbers()


def _number(stem: str) -> int:
    return zlib.crc32(stem.encode("utf-8", "surrogatepass"))


# Ranking ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Words:
    """The words of one index."""

    revision: int
    ids: Ids  # of the rows of ``chat_words``, ascending
    chunk_ids: Ids
    document_ids: Ids
    lengths: NDArray[np.float32]  # in words, title and all
    stems: NDArray[np.uint32]  # ascending, each once
    starts: NDArray[np.int64]  # where the postings of each start; last, where all end
    postings: NDArray[np.uint32]  # the row, and in the lowest eight bits how often it has the stem

    @property
    def bytes(self) -> int:
        return sum(getattr(self, name).nbytes for name in self.__slots__ if name != "revision")


@dataclass(frozen=True, slots=True)
class _NotKept:
    """Stands for an index that is too large for memory, or whose words were not all written."""

    revision: int
    bytes: int = 0


def rank_by_words(
    shelf: Shelf,
    revisions: Mapping[str, int],
    asked: Sequence[str],
    found: Found,
    allowed: Sequence[int] | None,
    limit: int,
) -> dict[int, float] | None:
    """BM25 by chunk id, best first; None if one of the indexes is not kept in memory.

    ``asked`` are stems, of which a repeated one counts twice, ``found`` is how common they are,
    ``allowed`` are ids of documents, None for all.
    """
    kept = []
    for index_id, revision in revisions.items():
        load = partial(_load, index_id, revision, shelf.limit // 2)
        words = shelf.get(("words", index_id), revision, load)
        if isinstance(words, _NotKept):
            return None
        kept.append(words)
    numbers = np.array([_number(stem) for stem in asked], np.uint32)
    rarities = np.array([_rarity(count, found.chunks) for count in found.counts])
    best: list[tuple[float, int]] = []
    for words in kept:
        scores = _scores(words, numbers, rarities, found.length)
        if allowed is not None:
            scores[~np.isin(words.document_ids, np.array(allowed, np.int64))] = 0
        top = _largest(scores, limit)
        best += zip((-scores[top]).tolist(), words.chunk_ids[top].tolist(), strict=True)
    best.sort()
    return {chunk_id: -score for score, chunk_id in best[:limit]}


def _rarity(count: int, chunks: int) -> float:
    share = (max(chunks - count, 0) + 0.5) / (count + 0.5)
    return max(math.log(share), _LEAST)


def _scores(
    words: _Words, numbers: NDArray[np.uint32], rarities: Floats, average_length: float
) -> Floats:
    """By row. ``numbers`` are those of the stems asked for, ``rarities`` what each weighs."""
    if not len(words.stems):
        return np.zeros(len(words.lengths))
    places = np.minimum(np.searchsorted(words.stems, numbers), len(words.stems) - 1)
    there = words.stems[places] == numbers
    starts, ends = words.starts[places[there]], words.starts[places[there] + 1]
    spans = zip(starts.tolist(), ends.tolist(), strict=True)
    postings = np.concatenate([words.postings[:0], *(words.postings[a:b] for a, b in spans)])
    rows, counts = postings >> 8, postings & 255
    # FTS5 counts one word more: the index's id, of every chunk.
    damping = _K1 * (1 - _B + _B * (words.lengths + 1) / (average_length + 1))
    weights = np.repeat((_K1 + 1) * rarities[there], ends - starts)
    return np.bincount(rows, weights * counts / (counts + damping[rows]), len(words.lengths))


def _largest(scores: Floats, count: int) -> NDArray[np.intp]:
    """The places of the largest scores above 0; of equal ones the first."""
    # Among all of them it takes ten times as long: most are 0, and equals slow a partition down.
    places = np.flatnonzero(scores > 0)
    above = scores[places]
    if count < len(above):
        places = places[above >= np.partition(above, -count)[-count]]
    return places[np.argsort(-scores[places], kind="stable")[:count]]


# Loading ------------------------------------------------------------------------------------------


def _load(index_id: str, revision: int, limit: int, old: Any) -> _Words | _NotKept:
    """The words of an index: what is kept already, less what has gone, and what is new."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT (SELECT count(*) FROM chat_words WHERE index_id = %s),
                   (SELECT count(*) FROM chat_chunk WHERE index_id = %s)
            """,
            [index_id, index_id],
        )
        [(written, chunks)] = cursor.fetchall()
        if written != chunks or written * _BYTES > limit or written > _MOST_ROWS:
            return _NotKept(revision)
        if isinstance(old, _Words) and len(old.ids):
            newer = _joined(revision, _still_there(cursor, index_id, old), cursor, index_id)
            if len(newer.ids) == written:
                return newer
        return _joined(revision, None, cursor, index_id)


def _still_there(cursor, index_id: str, old: _Words) -> Columns:
    """The columns of what is kept, without the rows that have gone."""
    cursor.execute("SELECT id FROM chat_words WHERE index_id = %s", [index_id])
    present = np.fromiter((one for (one,) in cursor), np.int64)
    stays = np.isin(old.ids, present)
    stems = old.stems.astype(np.uint64) << np.uint64(32)
    packed = np.repeat(stems, np.diff(old.starts)) | old.postings
    if not stays.all():
        rows = (packed >> 8) & (_MOST_ROWS - 1)
        places = (np.cumsum(stays) - 1).astype(np.uint64)
        packed = ((packed & ~np.uint64((_MOST_ROWS - 1) << 8)) | places[rows] << 8)[stays[rows]]
    return (
        old.ids[stays],
        old.chunk_ids[stays],
        old.document_ids[stays],
        old.lengths[stays],
        packed,
    )


def _joined(revision: int, start: Columns | None, cursor, index_id: str) -> _Words:
    """``start`` and all rows newer than it."""
    parts = [start or _NOTHING]
    count = len(parts[0][0])
    for part in _fetch(cursor, index_id, int(parts[0][0][-1]) if count else 0):
        np.add(part[-1], np.uint64(count << 8), out=part[-1])
        count += len(part[0])
        parts.append(part)
        del part
    *columns, pages = zip(*parts, strict=True)
    ids, chunk_ids, document_ids, lengths = map(np.concatenate, columns)
    packed = np.concatenate(pages)
    del parts, pages  # of a large index they are as large again as all that is kept of it
    packed.sort(kind="stable" if start else "quicksort")  # the one is quick with sorted halves
    halves = packed.view("<u4")
    postings, numbers = halves[::2].copy(), halves[1::2]
    firsts = np.flatnonzero(np.append(True, numbers[1:] != numbers[:-1])[: len(numbers)])
    starts = np.append(firsts, len(numbers))
    return _Words(
        *(revision, ids, chunk_ids, document_ids, lengths), numbers[firsts], starts, postings
    )


_NOTHING: Columns = (
    *(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int64)),
    np.empty(0, np.float32),
    np.empty(0, np.uint64),
)


def _fetch(cursor, index_id: str, after: int) -> Iterator[Columns]:
    """Pages of them."""
    while True:
        cursor.execute(
            f"""
            SELECT id, chunk_id, document_id, length, stems FROM chat_words
            WHERE index_id = %s AND id > %s ORDER BY id LIMIT {_FETCHED_AT_ONCE}
            """,
            [index_id, after],
        )
        page = cursor.fetchall()
        if not page:
            return
        after = page[-1][0]
        ids, chunk_ids, document_ids, lengths, stems = zip(*page, strict=True)
        sizes = [len(one) // 5 for one in stems]
        halves = zip(stems, sizes, strict=True)
        numbers, counts = zip(*[(one[: 4 * n], one[4 * n :]) for one, n in halves], strict=True)
        packed = np.frombuffer(b"".join(numbers), "<u4").astype(np.uint64) << 32
        packed |= np.repeat(np.arange(len(page), dtype=np.uint64) << 8, sizes)
        packed |= np.frombuffer(b"".join(counts), np.uint8)
        yield (
            np.array(ids, np.int64),
            np.array(chunk_ids, np.int64),
            np.array(document_ids, np.int64),
            np.array(lengths, np.float32),
            packed,
        )

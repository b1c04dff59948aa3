"""How common words are, counted once and kept."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

_KEPT = 100_000  # words

# Given a cursor and words, how many chunks have each; words that none has may be left out.
Count = Callable[[Any, list[str]], Iterable[tuple[str, int]]]


@dataclass(frozen=True, slots=True)
class Found:
    counts: list[int]  # in about how many chunks each word occurs
    chunks: int  # of how many in all, at least 1
    length: float  # of the average chunk, in words


class Frequencies:
    """Document frequencies, kept until the number of chunks has changed a lot.

    ``totals`` is the SQL of how many chunks there are, and of their average length.
    """

    def __init__(self, count: Count, totals: str) -> None:
        self._count = count
        self._totals = totals
        self._newest = self._chunks = 0
        self._length = 0.0
        self._known: dict[str, int] = {}

    def look_up(self, words: Sequence[str]) -> Found:
        with connection.cursor() as cursor:
            # The highest id tells whether it is time to count the rows, which takes a scan.
            cursor.execute("SELECT coalesce(max(id), 0) FROM chat_chunk")
            [(newest,)] = cursor.fetchall()
            if abs(newest - self._newest) > self._chunks // 50 or len(self._known) > _KEPT:
                cursor.execute(self._totals)
                [(self._chunks, self._length)] = cursor.fetchall()
                self._newest, self._known = newest, {}
            known = self._known
            new = [word for word in dict.fromkeys(words) if word not in known]
            if new:
                known.update(dict.fromkeys(new, 0) | dict(self._count(cursor, new)))
        return Found([known[word] for word in words], max(self._chunks, 1), self._length)

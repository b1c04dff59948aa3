"""What one process keeps of indexes in memory: loaded when first asked for, dropped when short."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Protocol, TypeVar, cast

from django.db import connection


class Kept(Protocol):
    """Something of an index as it was at some revision; never changed."""

    @property
    def revision(self) -> int: ...

    @property
    def bytes(self) -> int: ...


K = TypeVar("K", bound=Kept)


class Shelf:
    """``limit`` is in bytes; what has been unused for longest goes first."""

    def __init__(self, limit: int):
        self.limit = limit
        self._lock = threading.Lock()  # for the shelf
        self._loading = threading.Lock()  # for filling it: two loads of one index help nobody
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()

    def get(self, key: Hashable, revision: int, load: Callable[[K | None], K]) -> K:
        """What is kept there of that revision; else what ``load`` makes of what was."""
        kept = self._look(key)
        if kept is None or kept.revision != revision:
            with self._loading:
                kept = self._look(key)
                if kept is None or kept.revision != revision:
                    kept = load(kept)
                    self._put(key, kept)
        return cast(K, kept)

    def _look(self, key: Hashable) -> Any:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def _put(self, key: Hashable, kept: Kept) -> None:
        with self._lock:
            self._kept[key] = kept
            self._kept.move_to_end(key)
            while len(self._kept) > 1 and sum(k.bytes for k in self._kept.values()) > self.limit:
                self._kept.popitem(last=False)


def revisions_of(index_ids: Sequence[str]) -> dict[str, int]:
    """The present revisions of those indexes that are there."""
    if not index_ids:
        return {}
    marks = ", ".join(["%s"] * len(index_ids))
    with connection.cursor() as cursor:
        sql = f"SELECT id, revision FROM chat_index WHERE id IN ({marks})"
        cursor.execute(sql, list(index_ids))
        return dict(cursor.fetchall())

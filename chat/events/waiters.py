"""How a follower sleeps until there is something new."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class Waiters:
    """Followers that sleep until a session has something new."""

    def __init__(self) -> None:
        self._futures: dict[str, set[asyncio.Future[None]]] = defaultdict(set)

    def wake(self, *session_ids: str) -> None:
        for session_id in session_ids:
            for future in self._futures.pop(session_id, ()):
                if not future.done():
                    future.set_result(None)

    @contextmanager
    def enrolled(self, session_id: str) -> Iterator[asyncio.Future[None]]:
        """A future that the next ``wake`` resolves. Enrol first, look second: no ring is missed."""
        future = asyncio.get_running_loop().create_future()
        self._futures[session_id].add(future)
        try:
            yield future
        finally:
            if futures := self._futures.get(session_id):
                futures.discard(future)
                if not futures:
                    del self._futures[session_id]


async def rings(ring: asyncio.Future[None], seconds: float) -> bool:
    """Whether it rings within so many seconds. At every event: ``asyncio.wait`` costs five times
    as much."""
    timer = asyncio.get_running_loop().call_later(seconds, ring.cancel)
    try:
        await ring
    except asyncio.CancelledError:
        current = asyncio.current_task()
        if current and current.cancelling():
            raise
        return False
    finally:
        timer.cancel()
    return True

"""Database work for those who must not block: a few threads that live as long as the process."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial, wraps
from typing import ParamSpec, TypeVar, cast

from asgiref.sync import sync_to_async
from django.db import close_old_connections, connection

P = ParamSpec("P")
T = TypeVar("T")

_threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="database")


def in_thread(
    work: Callable[P, T], threads: ThreadPoolExecutor = _threads
) -> Callable[P, Awaitable[T]]:
    """The same function, to be awaited. It takes and gives values, not querysets."""

    @wraps(work)
    async def waiting(*args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(threads, partial(_tidy, work, *args, **kwargs))

    return waiting


def page_in_thread(work: Callable[P, T]) -> Callable[P, Awaitable[T]]:
    """As ``in_thread``, for what makes HTML: in the language and time zone of who awaits it."""
    waiting = sync_to_async(partial(_tidy, work), thread_sensitive=False, executor=_threads)
    return cast(Callable[P, Awaitable[T]], waiting)


def _tidy(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return work(*args, **kwargs)
    finally:
        # Opening SQLite's file takes 2 ms, and an idle connection to it holds nothing up.
        if connection.vendor != "sqlite" or connection.errors_occurred:
            close_old_connections()

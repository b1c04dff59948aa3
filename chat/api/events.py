"""A session's events as server-sent events with JSON in them."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from time import monotonic
from typing import cast

from django.http import StreamingHttpResponse

from chat.events import sse
from chat.events.log import log
from chat.events.types import Stamped, Stop, TextDelta, ThinkingDelta, to_wire

from .guests import Guest

# ASCII only: some clients end a line also at U+2028, U+0085 and the like.
encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode
CHECK_EVERY = 5.0  # seconds between looks whether the reader still may; not at every event

quoted = json.encoder.encode_basestring_ascii


def frame(stamped: Stamped) -> bytes:
    event = stamped.event
    if isinstance(event, TextDelta | ThinkingDelta):
        # By far the most frames: written out, this takes a quarter of the time.
        data = f'{{"type":"{event.type}","content":{quoted(event.content)}}}'
        return sse.frame(data, id=stamped.seq, event="delta")
    return sse.frame(encode(to_wire(event)), id=stamped.seq, event="message")


async def frames(
    session_id: str,
    after: int,
    person: int,
    may_read: Callable[[], Awaitable[bool]],
    until_stop: bool = False,
    guest: Guest | None = None,
) -> AsyncIterator[bytes]:
    """A session's events after one of them, for ever or to the next stop, as long as that person
    may read it.

    Whether anyone listens makes no difference to the turn.
    """
    if not until_stop:
        yield sse.PING  # a quiet session, too, answers at once
    ended = False
    following = cast(AsyncGenerator[list[Stamped]], log.follow(session_id, after, person))
    async with aclosing(following) as batches:
        checked = monotonic()
        async for batch in batches:
            if not batch or monotonic() - checked > CHECK_EVERY:  # empty: perhaps told to look
                if not await may_read():
                    return
                checked = monotonic()
            if until_stop:
                batch, ended = to_stop(batch)
            if guest:
                batch = await guest.atold(batch)
            # What came together is written together: each write costs as much as ten frames.
            yield b"".join(map(frame, batch)) or sse.PING
            if ended:
                return


def to_stop(batch: list[Stamped]) -> tuple[list[Stamped], bool]:
    """The events up to the first stop, and whether there is one."""
    for position, stamped in enumerate(batch, 1):
        if isinstance(stamped.event, Stop):
            return batch[:position], True
    return batch, False


def streaming(written: AsyncIterator[bytes]) -> StreamingHttpResponse:
    return StreamingHttpResponse(
        written, content_type="text/event-stream; charset=utf-8", headers=sse.HEADERS
    )

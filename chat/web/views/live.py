"""What changes while a page is open, told to the page."""

from asyncio import create_task
from collections.abc import AsyncGenerator
from contextlib import aclosing
from contextvars import Context
from typing import cast

from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_GET
from django_eventstream.views import events

from chat.models.threads import in_thread
from chat.web.live import watch_syncs
from chat.web.people import is_still_signed_in, signed_in


@signed_in
@require_GET
async def live(request: HttpRequest) -> HttpResponseBase:
    """A stream of words such as ``event: session``, for as long as its reader is signed in."""
    response = events(request)
    if isinstance(response, StreamingHttpResponse):
        frames = cast(AsyncGenerator[bytes], response.streaming_content)
        response.streaming_content = while_signed_in(request, frames)
        watch_syncs()
    return response


async def while_signed_in(
    request: HttpRequest, frames: AsyncGenerator[bytes]
) -> AsyncGenerator[bytes]:
    async with aclosing(frames):
        # In the request's context the library would take a thread of the request's, and keep it.
        while (frame := await create_task(_next(frames), context=Context())) is not None:
            if not await _is_still_signed_in(request):
                return
            yield frame


async def _next(frames: AsyncGenerator[bytes]) -> bytes | None:
    return await anext(frames, None)


_is_still_signed_in = in_thread(is_still_signed_in)

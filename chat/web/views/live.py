"""What changes while a page is open, told to the page."""

from collections.abc import AsyncIterator
from typing import cast

from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_GET
from django_eventstream.views import events

from chat.models.threads import give_back_connection, in_thread
from chat.web.live import watch_syncs
from chat.web.people import is_still_signed_in, signed_in


@signed_in
@require_GET
async def live(request: HttpRequest) -> HttpResponseBase:
    """A stream of words such as ``event: session``, for as long as its reader is signed in."""
    request.user = await request.auser()  # found by now: nothing below asks the database for it
    response = events(request)
    if isinstance(response, StreamingHttpResponse):
        frames = cast(AsyncIterator[bytes], response.streaming_content)
        response.streaming_content = while_signed_in(request, frames)
        watch_syncs()
    return response


async def while_signed_in(
    request: HttpRequest, frames: AsyncIterator[bytes]
) -> AsyncIterator[bytes]:
    await give_back_connection()
    async for frame in frames:
        if not await _is_still_signed_in(request):
            return
        yield frame


_is_still_signed_in = in_thread(is_still_signed_in)

"""What changes while a page is open, told to the page."""

from asgiref.sync import sync_to_async
from django.db import close_old_connections
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_GET
from django_eventstream.views import events

from chat.web.live import watch_syncs
from chat.web.people import signed_in


@signed_in
@require_GET
async def live(request: HttpRequest) -> HttpResponseBase:
    """A stream of words such as ``event: session``, for as long as someone listens."""
    request.user = await request.auser()  # read from now on without the database
    response = await sync_to_async(events)(request)
    await sync_to_async(close_old_connections)()  # none is held while waiting
    watch_syncs()
    return response

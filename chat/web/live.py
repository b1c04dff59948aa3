"""The line that brings a person's news to their pages, over django-eventstream."""

import asyncio
import logging
from contextvars import Context
from datetime import timedelta
from typing import cast

from django.conf import settings
from django.db import DatabaseError
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django_eventstream.channelmanager import ChannelManagerBase
from django_eventstream.views import get_listener_manager

from chat.events.news import channel_of, index_changed
from chat.models import Sync
from chat.models.threads import in_thread

logger = logging.getLogger(__name__)

LOOK_EVERY = 1.0  # seconds between looks at the syncs under way

Progress = dict[int, tuple[str, str, str, int]]  # by sync: index, project, state, files done

_watching: asyncio.Task[None] | None = None


class OwnChannel(ChannelManagerBase):
    """Everybody hears what is for them and nothing else. Nothing is kept."""

    def get_channels_for_request(self, request: HttpRequest, view_kwargs: object) -> set[str]:
        return {channel_of(cast(int, request.user.pk))}

    def can_read_channel(self, user: object, channel: str) -> bool:
        return channel == channel_of(getattr(user, "pk", 0))

    def is_channel_reliable(self, channel: str) -> bool:
        return False


def watch_syncs() -> None:
    """Tell how syncs get on, for as long as someone listens here.

    With Redis the worker tells by itself; without, its word ends at its own process.
    """
    global _watching
    if not settings.REDIS_URL and (_watching is None or _watching.done()):
        _watching = asyncio.get_running_loop().create_task(_watch(), context=Context())


async def _watch() -> None:
    known: Progress = {}
    await asyncio.sleep(LOOK_EVERY)  # whoever had this begun is about to listen
    while get_listener_manager().listeners_by_channel:
        try:
            now = await _progress()
            for index_id, project_id, *_ in dict(now.items() - known.items()).values():
                await _tell(index_id, project_id)
            known = now
        except DatabaseError:  # away for a moment: open pages would hear of no sync any more
            logger.exception("syncs not looked at")
        await asyncio.sleep(LOOK_EVERY)


def _read_progress() -> Progress:
    """Of syncs under way, and of those that ended a moment ago: some take less than a look."""
    lately = Q(finished_at__gt=timezone.now() - 5 * timedelta(seconds=LOOK_EVERY))
    rows = Sync.objects.filter(Q(state__in=Sync.ACTIVE) | lately).values_list(
        "pk", "index", "index__project", "state", "files_done"
    )
    return {pk: (index, project, state, done) for pk, index, project, state, done in rows}


_progress = in_thread(_read_progress)
_tell = in_thread(index_changed)

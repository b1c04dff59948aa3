"""What nobody looks at goes on all the same: dead turns are ended, waiting prompts start."""

import asyncio
import logging
import random
from contextvars import Context

from chat.events import news
from chat.events.leases import is_over, process_name, settle
from chat.models import QueuedPrompt, Turn
from chat.models.threads import in_thread

from . import _tasks, start_next

logger = logging.getLogger(__name__)

LOOK_EVERY = 3.0  # seconds; two queries that find nothing, as a rule
AT_ONCE = 20  # prompts that one look starts: other processes look, too

_watching: asyncio.Task[None] | None = None


def begin() -> None:
    """For a web process that has started; on its event loop."""
    global _watching
    _watching = asyncio.get_running_loop().create_task(_watch(), context=Context())


def end() -> None:
    """For one that is about to end: what starts now would only be broken off."""
    if _watching:
        _watching.cancel()


async def _watch() -> None:
    is_failing = False
    while True:
        await asyncio.sleep(LOOK_EVERY * random.uniform(0.5, 1.5))  # noqa: S311 - not all at once
        try:
            for session_id in await _look():
                await start_next(session_id)
            is_failing = False
        except Exception as exc:
            if not is_failing:  # once, not at every look until it is mended
                logger.warning("turns not looked after error=%s", exc)
            is_failing = True


def _end_and_find() -> list[str]:
    """End what nobody runs any more; answers the sessions in which a prompt may start."""
    elsewhere = Turn.objects.running().exclude(lease_owner=process_name())
    own = Turn.objects.lapsed().filter(lease_owner=process_name()).exclude(pk__in=list(_tasks))
    for turn in [*filter(is_over, elsewhere), *own]:
        if settle(turn):
            logger.info("turn of a dead process ended turn=%s", turn.pk)
            news.session_changed(turn.session_id)
    waiting = QueuedPrompt.objects.filter(session__deleted_at=None)
    running = Turn.objects.running().values("session")
    rows = waiting.exclude(session__in=running).values_list("session", flat=True)
    # By chance, since some may have to wait for their authors' quotas.
    return list(dict.fromkeys(rows.order_by("?")[:AT_ONCE]))


_look = in_thread(_end_and_find)

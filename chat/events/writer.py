"""Group commit: what all runs of this process have pending goes into one transaction."""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    close_old_connections,
    connections,
    transaction,
)

from chat.models import Event, Session, Turn

from .leases import process_name

logger = logging.getLogger(__name__)

COMMIT_EVERY = 0.05  # seconds: what a killed process may lose
GIVE_UP_AFTER = 20.0  # seconds of a database that refuses; the lease runs out in that time too


@dataclass(slots=True)
class Ending:
    """How a turn ends, to be saved in the same transaction as its stop."""

    state: str
    first_text_ms: int | None = None


@dataclass(slots=True)
class _Batch:
    """What one transaction will save."""

    rows: list[Event] = field(default_factory=list)
    endings: dict[int, Ending] = field(default_factory=dict)
    saved: asyncio.Future[set[int]] | None = None  # resolves to the turns that were refused

    def only(self, turn: int) -> "_Batch":
        return _Batch([event for event in self.rows if event.turn_id == turn], self.endings)


class Writer:
    """Saves from one thread, with one connection; events keep their order."""

    def __init__(self, on_commit: Callable[[list[str]], None]) -> None:
        self._on_commit = on_commit  # told the sessions that have new rows
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="event-writer")
        self._batch = _Batch()
        self._task: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def drain(self) -> None:
        """Until all that was put is saved; the thread's connection is closed."""
        if self._task:
            await self._task
        await asyncio.get_running_loop().run_in_executor(self._thread, connections.close_all)

    def put(self, event: Event, ending: Ending | None = None) -> asyncio.Future[set[int]]:
        """Save this soon. The future gives the turns of its batch that were refused."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # commands and tests run one loop after another
            self._loop, self._hurry, self._task, self._batch = loop, asyncio.Event(), None, _Batch()
        batch = self._batch
        batch.rows.append(event)
        if ending:
            batch.endings[event.turn_id] = ending
        if batch.saved is None:
            batch.saved = loop.create_future()
        if ending:
            self._hurry.set()
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._run())
        return batch.saved

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._batch.rows:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), COMMIT_EVERY)
            self._hurry.clear()
            batch, self._batch = self._batch, _Batch()
            refused = await loop.run_in_executor(self._thread, _save_patiently, batch)
            if batch.saved and not batch.saved.done():
                batch.saved.set_result(refused)
            self._on_commit(list({event.session_id for event in batch.rows}))


def _save_patiently(batch: _Batch) -> set[int]:
    """Save, retrying while the database is away; answers the turns that could not be saved."""
    deadline = time.monotonic() + GIVE_UP_AFTER
    pause = 0.05
    while True:
        try:
            return _save(batch)
        except (IntegrityError, DataError):
            logger.exception("events refused by the database rows=%d", len(batch.rows))
            turns = {event.turn_id for event in batch.rows}
            if len(turns) == 1:
                return turns
            # One turn's bad row must not cost the others theirs.
            return set().union(*(_save_patiently(batch.only(turn)) for turn in turns))
        except DatabaseError:
            logger.exception("events not saved yet rows=%d", len(batch.rows))
            close_old_connections()
            if time.monotonic() > deadline:
                return {event.turn_id for event in batch.rows}
        time.sleep(pause)
        pause = min(pause * 2, 2.0)


def _save(batch: _Batch) -> set[int]:
    """One transaction. Turns this process no longer holds are left out and answered."""
    turns = {event.turn_id for event in batch.rows}
    with transaction.atomic():
        held = set(
            Turn.objects.select_for_update()
            .running()
            .filter(pk__in=turns, lease_owner=process_name())
            .values_list("pk", flat=True)
        )
        Event.objects.bulk_create([event for event in batch.rows if event.turn_id in held])
        for event in batch.rows:
            if event.turn_id in held and event.type == Event.Type.STOP:
                _end_turn(event, batch.endings[event.turn_id])
    return turns - held


def _end_turn(stop: Event, ending: Ending) -> None:
    usage = stop.payload["usage"]
    Turn.objects.filter(pk=stop.turn_id).update(
        state=ending.state,
        rounds=usage["turns"],
        first_text_ms=ending.first_text_ms,
        finished_at=stop.created_at,
        duration_ms=int(usage["duration_ms"]),
        input_tokens=usage["total_input_tokens"],
        output_tokens=usage["total_output_tokens"],
        skipped_index_ids=stop.payload["skipped_index_ids"] or [],
        error=stop.payload["error"] or "",
        lease_expires_at=None,
    )
    Session.objects.filter(pk=stop.session_id).update(last_used_at=stop.created_at)

"""Group commit: what all runs of this process have pending goes into one transaction."""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    close_old_connections,
    connection,
    connections,
    models,
    transaction,
)

from chat.errors import is_full
from chat.models import Session, Turn, TurnWords
from chat.models.prepared import Prepared

from .leases import process_name
from .types import Event as AnyEvent
from .types import Stamped, Stop, to_payload

logger = logging.getLogger(__name__)

COMMIT_EVERY = 0.05  # seconds: what a killed process may lose
GIVE_UP_AFTER = 20.0  # seconds of a database that refuses; the lease runs out in that time too
GIVE_UP_WHEN_FULL = 5.0  # ... for want of room, which comes back only when somebody makes it


@dataclass(slots=True)
class Ending:
    """How a turn ends, to be saved in the same transaction as its stop."""

    state: str
    first_text_ms: int | None = None
    citations: int | None = None
    said: Sequence[str] = ()  # the question and the parts of the answer


@dataclass(slots=True)
class _Batch:
    """What one transaction will save."""

    events: list[tuple[str, Stamped]] = field(default_factory=list)  # with their sessions
    endings: dict[int, Ending] = field(default_factory=dict)
    saved: asyncio.Future[set[int]] | None = None  # resolves to the turns that were refused

    def only(self, turn: int) -> "_Batch":
        return _Batch([pair for pair in self.events if pair[1].turn == turn], self.endings)

    @property
    def turns(self) -> set[int]:
        return {stamped.turn for _, stamped in self.events}


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

    def put(
        self, session_id: str, stamped: Stamped, ending: Ending | None = None
    ) -> asyncio.Future[set[int]]:
        """Save this soon. The future gives the turns of its batch that were refused."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # commands and tests run one loop after another
            self._loop, self._hurry, self._task, self._batch = loop, asyncio.Event(), None, _Batch()
        batch = self._batch
        batch.events.append((session_id, stamped))
        if ending:
            batch.endings[stamped.turn] = ending
        if batch.saved is None:
            batch.saved = loop.create_future()
        if ending:
            self._hurry.set()
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._run())
        return batch.saved

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._batch.events:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), COMMIT_EVERY)
            self._hurry.clear()
            batch, self._batch = self._batch, _Batch()
            refused = await loop.run_in_executor(self._thread, _save_patiently, batch)
            if batch.saved and not batch.saved.done():
                batch.saved.set_result(refused)
            self._on_commit(list({session_id for session_id, _ in batch.events}))


def _save_patiently(batch: _Batch) -> set[int]:
    """Save, retrying while the database is away; answers the turns that could not be saved."""
    began = time.monotonic()
    pause = 0.05
    while True:
        try:
            return _save(batch)
        except (IntegrityError, DataError):
            logger.exception("events refused by the database rows=%d", len(batch.events))
            turns = batch.turns
            if len(turns) == 1:
                return turns
            # One turn's bad row must not cost the others theirs.
            return set().union(*(_save_patiently(batch.only(turn)) for turn in turns))
        except DatabaseError as exc:
            logger.warning("events not saved yet rows=%d error=%s", len(batch.events), exc)
            close_old_connections()
            if time.monotonic() - began > (GIVE_UP_WHEN_FULL if is_full(exc) else GIVE_UP_AFTER):
                why = "its disk is full, make room" if is_full(exc) else "it is away"
                logger.error("the database saves nothing, %s turns=%s", why, batch.turns)
                return batch.turns
        time.sleep(pause)
        pause = min(pause * 2, 2.0)


def _save(batch: _Batch) -> set[int]:
    """One transaction. Turns this process no longer holds are left out and answered."""
    turns = batch.turns
    with transaction.atomic():
        held = {turn for (turn,) in _held.rows(owner=process_name())}
        kept = [
            (session_id, stamped) for session_id, stamped in batch.events if stamped.turn in held
        ]
        insert_events(kept)
        for session_id, stamped in kept:
            if isinstance(stamped.event, Stop):
                _end_turn(session_id, stamped, stamped.event, batch.endings[stamped.turn])
    return turns - held


_held = Prepared(
    lambda owner: (
        Turn.objects.select_for_update().running().filter(lease_owner=owner).values_list("pk")
    ),
    owner=models.CharField(),
)


def insert_events(events: Sequence[tuple[str, Stamped]]) -> None:
    """What ``bulk_create`` does, in a fifth of its time: most of what is ever written is here."""
    adapted = connection.ops.adapt_datetimefield_value
    with connection.cursor() as cursor:
        cursor.executemany(
            _INSERT,
            [
                (session, one.turn, one.seq, one.event.type, _as_json(one.event), adapted(one.at))
                for session, one in events
            ],
        )


_INSERT = (
    "INSERT INTO chat_event (session_id, turn_id, seq, type, payload, created_at)"
    " VALUES (%s, %s, %s, %s, %s, %s)"
)


def _as_json(event: AnyEvent) -> str:
    return json.dumps(to_payload(event))


def _end_turn(session_id: str, stamped: Stamped, stop: Stop, ending: Ending) -> None:
    usage = stop.usage
    Turn.objects.filter(pk=stamped.turn).update(
        state=ending.state,
        rounds=usage["turns"],
        first_text_ms=ending.first_text_ms,
        citations=ending.citations,
        finished_at=stamped.at,
        duration_ms=int(usage["duration_ms"]),
        input_tokens=usage["total_input_tokens"],
        output_tokens=usage["total_output_tokens"],
        skipped_index_ids=list(stop.skipped_index_ids or ()),
        error=stop.error or "",
        lease_expires_at=None,
    )
    Session.objects.filter(pk=session_id).update(last_used_at=stamped.at)
    TurnWords.keep(stamped.turn, session_id, ending.said)

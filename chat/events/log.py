"""The event log: one writer a turn, any number of followers, rows as the truth.

``append`` shows an event to this process's followers at once and hands it to the writer, which
saves everything pending, of all runs, in one transaction at least every 50 ms. A turn's ``stop``
is shown only after it is saved. Followers of turns that run elsewhere read rows.
"""

import asyncio
from collections.abc import AsyncIterator
from weakref import WeakSet

from django.db.models import Q, QuerySet

from chat.models import Event, Session, Turn
from chat.models.threads import in_thread

from .bell import bell
from .leases import end_dead, stamped_rows
from .turn_log import TurnLog
from .types import Stamped
from .waiters import Waiters, rings
from .writer import Writer

SILENCE = 15.0  # seconds without an event before a follower is given an empty batch
POLL_RUNNING = 0.25  # seconds between looks at a turn that runs in another process
POLL_IDLE = 2.0  # ... and at a session in which nothing runs, or when the bell reaches us
READ_AT_ONCE = 500  # rows


class Follower:
    """One reader of a session. ``is_told``: that something beside the events has changed, until
    it has looked; a mark and not a ring, since a ring finds only those who sleep."""

    def __init__(self, session_id: str, person: int | None):
        self.session_id = session_id
        self.person = person
        self.is_told = False

    def takes_notice(self) -> bool:
        told, self.is_told = self.is_told, False
        return told


class EventLog:
    """All sessions' events, as this process sees them."""

    def __init__(self) -> None:
        self.waiters = Waiters()
        self.writer = Writer(self._on_commit)
        self._running: dict[str, TurnLog] = {}
        self._followers: WeakSet[Follower] = WeakSet()

    @property
    def count(self) -> int:
        """Of the turns that run here."""
        return len(self._running)

    def _on_commit(self, session_ids: list[str]) -> None:
        bell.ring("new", session_ids)

    def open(self, turn: Turn, first: Stamped) -> TurnLog:
        """Begin writing a turn whose ``user_input`` is already saved."""
        self._on_commit([turn.session_id])
        turn_log = TurnLog(self, turn, first)
        self._running[turn.session_id] = turn_log
        self.waiters.wake(turn.session_id)
        return turn_log

    def forget(self, turn_log: TurnLog) -> None:
        if self._running.get(turn_log.session_id) is turn_log:
            del self._running[turn_log.session_id]
        self.waiters.wake(turn_log.session_id)

    async def announce(self, session_id: str) -> None:
        """Let all followers look at the session again: something beside its events has changed."""
        self.tell([session_id])
        await bell.send("changed", [session_id])

    def tell(self, session_ids: list[str]) -> None:
        """``announce``, to this process's followers."""
        for follower in self._followers:
            if follower.session_id in session_ids:
                follower.is_told = True
        self.waiters.wake(*session_ids)

    async def announce_to(self, person: int) -> None:
        """Let all that someone follows look again: what they may see has changed."""
        self.tell_person([person])
        await bell.send("rights", [person])

    def tell_person(self, people: list[int]) -> None:
        """``announce_to``, as far as this process goes."""
        self.tell([one.session_id for one in self._followers if one.person in people])

    def history(
        self, session_id: str, after: int = 0, before: int | None = None, tip: int | None = None
    ) -> list[Stamped]:
        """Saved events of the current branch, or the one that ends with the turn ``tip``, after
        ``after`` and before ``before``, in order, without the deltas of ended turns.

        Synchronous. A turn whose process has died is brought to its end first.
        """
        unsaved = end_dead(session_id) or []
        replaced = Q(type__in=Event.DELTAS) & ~Q(turn__state=Turn.State.RUNNING)
        rows = on_branch(session_id, tip).filter(seq__gt=after).exclude(replaced)
        if before is not None:
            rows = rows.filter(seq__lt=before)
            unsaved = [one for one in unsaved if one.seq < before]
        return stamped_rows(rows.order_by("seq")) + [one for one in unsaved if one.seq > after]

    def spoken(self, session_id: str, before: int, count: int) -> list[Stamped]:
        """The last ``count`` questions, calls and parts of answers before seq ``before`` on the
        current branch, in order, and nothing of what the calls brought. Synchronous."""
        kinds = [*Event.SAID, Event.Type.TOOL_CALL]
        rows = on_branch(session_id).filter(seq__lt=before, type__in=kinds)
        return stamped_rows(rows.order_by("-seq")[:count])[::-1]

    def join(self, session_id: str, person: int | None = None) -> Follower:
        """A follower that is told from now on, for ``follow``. Join first, look at the session
        second: nothing that changes beside its events is missed."""
        follower = Follower(session_id, person)
        self._followers.add(follower)
        return follower

    async def follow(
        self,
        session_id: str,
        after: int = 0,
        person: int | None = None,
        follower: Follower | None = None,
    ) -> AsyncIterator[list[Stamped]]:
        """Every event after ``after``, in order, once, in batches; for ever.

        An empty batch says that nothing happened for ``SILENCE`` seconds, or that something beside
        the events did: see ``announce`` and, for the ``person`` who follows, ``announce_to``.
        Deltas of turns that ended long ago are gone from the log; their whole is there. No database
        connection is held while waiting.
        """
        bell.listen()
        loop = asyncio.get_running_loop()
        quiet_since = loop.time()
        follower = follower or self.join(session_id, person)
        ended_unsaved = 0  # a turn whose end, once it is saved, was given already
        while True:
            turn_log = self._running.get(session_id)
            if turn_log is not None and turn_log.after(after) is not None:
                async for batch in self._follow_here(turn_log, after, follower):
                    after = batch[-1].seq if batch else after
                    yield batch
                quiet_since = loop.time()
                ended_unsaved = turn_log.turn if turn_log.is_unsaved else ended_unsaved
                continue
            with self.waiters.enrolled(session_id) as ring:
                batch, running = await _read(session_id, after)
                told = follower.takes_notice()
                if not batch and not told:
                    often = running and not bell.reaches_others
                    await rings(ring, POLL_RUNNING if often else POLL_IDLE)
            if told:
                yield []
            if batch or loop.time() - quiet_since >= SILENCE:
                after, quiet_since = batch[-1].seq if batch else after, loop.time()
                yield [one for one in batch if one.turn != ended_unsaved]

    async def _follow_here(
        self, turn_log: TurnLog, after: int, follower: Follower
    ) -> AsyncIterator[list[Stamped]]:
        """From memory, until the turn has ended and all of it was given, or one lags behind it."""
        position = turn_log.after(after) or 0
        while True:
            if follower.takes_notice():  # first: a slow reader of a fast turn never runs dry
                yield []
                continue
            batch = turn_log.since(position)
            if batch:
                position += len(batch)
                yield batch
            elif batch is None or turn_log.closed:
                return
            else:
                with self.waiters.enrolled(turn_log.session_id) as ring:
                    rung = await rings(ring, SILENCE)
                if not rung:
                    yield []


def on_branch(session_id: str, tip: int | None = None) -> QuerySet[Event]:
    """Events of the turns that the session reads as now, or up to another ``tip``."""
    events = Event.objects.filter(session=session_id)
    session = Session.objects.only("tip").filter(pk=session_id, is_branched=True).first()
    return events.filter(turn__in=session.branch(tip)) if session else events


def _read_rows(session_id: str, after: int) -> tuple[list[Stamped], bool]:
    rows = on_branch(session_id).filter(seq__gt=after).order_by("seq")
    batch = stamped_rows(rows[:READ_AT_ONCE])
    if batch:
        return batch, False
    unsaved = end_dead(session_id)
    if unsaved is not None:
        batch = stamped_rows(rows[:READ_AT_ONCE]) or [one for one in unsaved if one.seq > after]
        return batch, False
    return [], Turn.objects.running().filter(session=session_id).exists()


_read = in_thread(_read_rows)

log = EventLog()
bell.on("new", lambda session_ids: log.waiters.wake(*session_ids))
bell.on("changed", log.tell)
bell.on("rights", log.tell_person)

"""The event log: one writer a turn, any number of followers, rows as the truth.

``append`` shows an event to this process's followers at once and hands it to the writer, which
saves everything pending, of all runs, in one transaction at least every 50 ms. A turn's ``stop``
is shown only after it is saved. Followers of turns that run elsewhere read rows.
"""

import asyncio
from bisect import bisect_left
from collections.abc import AsyncIterator
from functools import partial
from weakref import WeakSet

from django.db.models import Q, QuerySet
from django.utils import timezone

from chat.models import Event, Session, Turn
from chat.models.threads import in_thread

from .bell import bell
from .leases import end_dead, loose_ends, stamped_rows
from .transcript import Transcript
from .types import Event as AnyEvent
from .types import Stamped, Stop, Text, TextDelta, ThinkingDelta, UserInput
from .waiters import Waiters, rings
from .writer import Ending, Writer

GATHER_FOR = 0.025  # seconds: after the first delta of a part, at most one event in this time
GATHER_MORE = 0.00025  # ... and this much longer for each turn that runs here: fewer, larger events
GATHER_AT_MOST = 0.075  # ... which a reader does not see
KEPT = 200  # events of a running turn, at least; what a reader lags behind more is read from rows
SILENCE = 15.0  # seconds without an event before a follower is given an empty batch
POLL_RUNNING = 0.25  # seconds between looks at a turn that runs in another process
POLL_IDLE = 2.0  # ... and at a session in which nothing runs, or when the bell reaches us
READ_AT_ONCE = 500  # rows
SPOKEN = (UserInput.type, Text.type)


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


class LostTurn(Exception):
    """This process may not write to the turn any more: it was settled, or cannot be saved."""


class TurnLog:
    """The single writer of one running turn, and its memory while it runs."""

    def __init__(self, log: "EventLog", turn: Turn, first: Stamped):
        self.session_id = turn.session_id
        self.turn = turn.pk
        self.events = [first]  # the latest; those ``dropped`` before them are rows
        self.dropped = 0
        self.closed = False
        self.lost = False
        self.is_unsaved = False  # has been shown to an end that no row tells
        self.first_text_at: float | None = None  # of the event loop's clock
        self.citations = 0  # in the answer so far
        self._log = log
        self._earlier = Transcript()  # what the dropped ones say
        self._seq = first.seq
        self._gathered: TextDelta | ThinkingDelta | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._held: Stamped | None = None  # a text that is not shown yet
        self._saving: asyncio.Future[set[int]] | None = None  # the batch of the last event

    def append(self, event: AnyEvent) -> None:
        """Stamp, show and save an event; a part's whole is shown with what comes next, or as soon
        as it is saved: one that a killed process took with it would be followed by another."""
        self._release()
        stamped = self._save(event)
        if isinstance(event, Text):
            self.citations += len(event.citations)
        if isinstance(event, Text) and self._saving:
            self._held = stamped
            self._saving.add_done_callback(lambda _: self._show_held())
        else:
            self._show(stamped)

    def gather(self, delta: TextDelta | ThinkingDelta) -> None:
        """Append a delta, joined with others that come soon after it."""
        if self.lost:  # nothing releases any more what would be gathered
            raise LostTurn(self.turn)
        if self.first_text_at is None and isinstance(delta, TextDelta):
            self.first_text_at = asyncio.get_running_loop().time()
        held = self._gathered
        if held is not None and held.type == delta.type:
            self._gathered = type(delta)(held.content + delta.content)
        elif self._timer is not None and held is None:
            self._gathered = delta
        else:
            self._release()
            self._show(self._save(delta))
            self._gather_on()

    async def finish(self, stop: Stop, ending: Ending) -> None:
        """Append the stop: saved first, with the turn's new state, then shown."""
        self._release()
        stamped = self._stamp(stop)
        saved = self._log.writer.put(self.session_id, stamped, ending)
        try:
            self.lost = self.turn in await asyncio.shield(saved)
            if not self.lost:
                self._show(stamped)
        finally:
            if not self.lost:  # else whoever runs the turn says how it ends
                self.closed = True
                self._log.forget(self)

    def abandon(self) -> None:
        """Write no more; followers go on from the rows."""
        self.lost = self.closed = True
        self._log.forget(self)

    def end_unsaved(self, stop: Stop) -> None:
        """Show an end though nothing can be saved: nobody is to wait until it can."""
        self.lost = self.closed = self.is_unsaved = True
        for stamped in self.events:
            self._earlier.add(stamped)
        for event in [*loose_ends(self._earlier.exchanges[0]), stop]:
            self._seq += 1
            self.events.append(Stamped(self._seq, self.turn, timezone.now(), event))
        self._log.forget(self)

    def after(self, seq: int) -> int | None:
        """Position in the turn of the first event after ``seq``; None if it is not kept here."""
        if seq < self.events[0].seq - 1:
            return None
        if self._held is not None and seq >= self._held.seq:  # they have read its row
            self._show_held()
        return self.dropped + self._place(seq + 1)

    def since(self, position: int) -> list[Stamped] | None:
        """The events from a position on; None if they are not kept here any more."""
        return None if position < self.dropped else self.events[position - self.dropped :]

    def _place(self, seq: int) -> int:
        return bisect_left(self.events, seq, key=lambda stamped: stamped.seq)

    def _stamp(self, event: AnyEvent) -> Stamped:
        if self.lost:
            raise LostTurn(self.turn)
        self._seq += 1
        return Stamped(self._seq, self.turn, timezone.now(), event)

    def _save(self, event: AnyEvent) -> Stamped:
        stamped = self._stamp(event)
        saving = self._log.writer.put(self.session_id, stamped)
        if saving is not self._saving:  # one batch may hold many events
            self._saving = saving
            saving.add_done_callback(partial(self._on_saved, stamped.seq))
        return stamped

    def _on_saved(self, seq: int, saved: asyncio.Future[set[int]]) -> None:
        """A batch that begins with ``seq`` is saved or refused, and those before it were saved."""
        if not saved.cancelled() and self.turn in saved.result():
            self.lost = True
        elif len(self.events) > 2 * KEPT:
            self._drop(min(self._place(seq), len(self.events) - KEPT))

    def _drop(self, count: int) -> None:
        """Long answers of many turns at once would fill the memory."""
        for stamped in self.events[:count]:
            self._earlier.add(stamped)
        del self.events[:count]
        self.dropped += count

    def _show_held(self) -> None:
        if self._held is not None and not self.lost:
            held, self._held = self._held, None
            self._show(held)

    def _show(self, stamped: Stamped) -> None:
        self._show_held()
        self.events.append(stamped)
        self._log.waiters.wake(self.session_id)

    def _release(self) -> None:
        """Append what was gathered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._gathered is not None:
            delta, self._gathered = self._gathered, None
            self._show(self._save(delta))

    def _on_timer(self) -> None:
        self._timer = None
        if self._gathered is not None and not self.lost:
            self._release()
            self._gather_on()

    def _gather_on(self) -> None:
        seconds = min(GATHER_FOR + GATHER_MORE * self._log.count, GATHER_AT_MOST)
        self._timer = asyncio.get_running_loop().call_later(seconds, self._on_timer)


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

    def history(self, session_id: str, after: int = 0, before: int | None = None) -> list[Stamped]:
        """Saved events of the current branch after ``after`` and before ``before``, in order,
        without the deltas of ended turns.

        Synchronous. A turn whose process has died is brought to its end first.
        """
        unsaved = end_dead(session_id) or []
        replaced = Q(type__in=Event.DELTAS) & ~Q(turn__state=Turn.State.RUNNING)
        rows = on_branch(session_id).filter(seq__gt=after).exclude(replaced)
        if before is not None:
            rows = rows.filter(seq__lt=before)
            unsaved = [one for one in unsaved if one.seq < before]
        return stamped_rows(rows.order_by("seq")) + [one for one in unsaved if one.seq > after]

    def spoken(self, session_id: str, before: int, count: int) -> list[Stamped]:
        """The last ``count`` questions and parts of answers before seq ``before`` on the current
        branch, in order, and nothing of what was done in between. Synchronous."""
        rows = on_branch(session_id).filter(seq__lt=before, type__in=SPOKEN)
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


def on_branch(session_id: str) -> QuerySet[Event]:
    """Events of the turns that the session reads as now."""
    events = Event.objects.filter(session=session_id)
    session = Session.objects.only("tip").filter(pk=session_id, is_branched=True).first()
    return events.filter(turn__in=session.branch()) if session else events


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

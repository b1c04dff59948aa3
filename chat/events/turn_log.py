"""The single writer of a turn that runs here: what it appends is stamped, shown and saved."""

import asyncio
from bisect import bisect_left
from functools import partial
from typing import TYPE_CHECKING, cast

from django.utils import timezone

from chat.models import Turn

from .leases import loose_ends
from .transcript import Transcript
from .types import Event as AnyEvent
from .types import Stamped, Stop, Text, TextDelta, ThinkingDelta, UserInput
from .writer import Ending

if TYPE_CHECKING:
    from .log import EventLog

GATHER_FOR = 0.025  # seconds: after the first delta of a part, at most one event in this time
GATHER_MORE = 0.00025  # ... and this much longer for each turn that runs here: fewer, larger events
GATHER_AT_MOST = 0.075  # ... which a reader does not see
KEPT = 200  # events of a running turn, at least; what a reader lags behind more is read from rows


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
        self.said = [cast(UserInput, first.event).content]  # the question, and the answer so far
        self.citations = 0  # in it
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
            self.said.append(event.content)
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

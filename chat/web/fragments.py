"""A session's events as pieces of HTML, for one browser that follows it.

Text is rendered block by block: a block that is finished is appended once, only the open one is
replaced. When a turn ends the whole of it is swapped, from the template that a reload uses, so
what was watched equals what is read later.
"""

from collections.abc import Sequence

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

from chat.events.transcript import Exchange, Transcript
from chat.events.types import Stamped, Stop, TextDelta, ThinkingDelta, UserInput
from chat.models import Session

from .footnotes import copied, no_footnotes
from .markdown import open_block, render
from .notes import NOTHING, Note
from .reading import Reading

FEW = 1_000  # characters of an open block, which is rendered whole for every word that is added


class Fragments:
    """What must be sent to a page that shows the session up to event ``seen``, of turn ``tip``.

    Feed it every event from the start of the turn that holds ``seen``: those the page already
    shows are taken in silently, so that it knows how far the open block had come.
    """

    def __init__(self, session: Session, seen: int, request: HttpRequest, tip: int | None = None):
        self.session = session
        self.seen = seen
        self.tip = tip
        self.notes: dict[int, Note] = {}  # by turn; the caller's to fill
        self.request = request
        self.transcript = Transcript()
        self.shown: Answer | None = None  # None: the page's copy of the turn is not ours yet

    def is_light(self, batch: Sequence[Stamped]) -> bool:
        """Whether ``take`` has little to do: some more words of what is being written."""
        if not batch or self.shown is None:
            return not batch
        exchange = self.transcript.exchanges[-1]
        begun = {TextDelta: exchange.open_text, ThinkingDelta: exchange.open_thinking}
        if self.shown.turn != exchange.turn or not all(begun.get(type(s.event)) for s in batch):
            return False
        return self.shown.size + sum(len(s.event.content) for s in batch) <= FEW

    def take(self, batch: Sequence[Stamped]) -> SafeString:
        """Partials for the events of one batch; empty when the page has them all."""
        html: list[str] = []
        for turn in dict.fromkeys(stamped.turn for stamped in batch):
            news = [stamped for stamped in batch if stamped.turn == turn]
            exchange = [self.transcript.add(stamped) for stamped in news][-1]
            unseen = [stamped for stamped in news if stamped.seq > self.seen]
            if unseen:
                self.seen, self.tip = unseen[-1].seq, turn
                html.extend(self._partials(exchange, unseen))
        return mark_safe("".join(html))  # noqa: S308 - made of rendered templates

    def _partials(self, exchange: Exchange, news: Sequence[Stamped]) -> list[str]:
        reading = Reading(exchange, self.session.pk, self.notes.get(exchange.turn, NOTHING))
        kinds = {type(stamped.event) for stamped in news}
        if UserInput in kinds:
            self.shown = Answer(reading)
            return [partial("#turns", "beforeend", self._turn(reading))]
        if Stop in kinds or self.shown is None or self.shown.turn != exchange.turn:
            self.shown = Answer(reading)
            return [partial(f"#{reading.id}", "outerMorph", self._turn(reading))]
        partials = []
        if kinds - {TextDelta, ThinkingDelta} or self.shown.status != reading.status:
            partials.append(self._trace(reading))
        elif ThinkingDelta in kinds and reading.trace.thinking:
            words = "".join(s.event.content for s in news if isinstance(s.event, ThinkingDelta))
            partials.append(partial(f"#{reading.id}-thinking", "beforeend", escape(words)))
        self.shown.status = reading.status
        return partials + self.shown.catch_up(reading)

    def _turn(self, reading: Reading) -> str:
        context = {"turn": reading, "session": self.session, "parts": self.shown}
        return render_to_string("chat/_turn.html", context, self.request)

    def _trace(self, reading: Reading) -> str:
        html = render_to_string("chat/_trace.html", {"turn": reading}, self.request)
        return partial(f"#{reading.id}-trace", "outerMorph", html)


class Answer:
    """How much of an answer the page shows as finished blocks, and what is still open."""

    def __init__(self, reading: Reading):
        self.turn = reading.exchange.turn
        self.status = reading.status
        self.done = 0  # characters of the answer in finished blocks
        self.size = 0  # ... and in the open one
        self.footnotes = no_footnotes()  # in those
        self.closed, self.open = self._advance(reading)

    def catch_up(self, reading: Reading) -> list[str]:
        """Partials that bring the page's answer up to the exchange's."""
        before = self.open
        self.closed, self.open = self._advance(reading)
        target = f"#{reading.id}-open"
        if self.closed:  # a new block gets nodes of its own: morphed ones would seem to jump
            return [
                partial(target, "beforebegin", self.closed),
                partial(target, "innerHTML", self.open),
            ]
        return [partial(target, "innerMorph", self.open)] if self.open != before else []

    def _advance(self, reading: Reading) -> tuple[str, str]:
        text = reading.exchange.answer.replace("\r\n", "\n").replace("\r", "\n")
        rest = text[self.done :]
        cut = open_block(rest)
        self.done, self.size = self.done + cut, len(rest) - cut
        shown, scope = reading.sources, reading.id
        closed = render(rest[:cut], shown, scope, so_far=self.footnotes) if cut else ""
        so_far = copied(self.footnotes)
        return closed, render(rest[cut:], shown, scope, whole=False, so_far=so_far)


def partial(target: str, swap: str, html: str) -> SafeString:
    """Rendered HTML for one place of the page."""
    return format_html(
        '<hx-partial hx-target="{}" hx-swap="{}">{}</hx-partial>',
        target,
        swap,
        mark_safe(html.strip()),  # noqa: S308 - rendered by the callers
    )

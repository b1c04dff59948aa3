"""One exchange as the page words it."""

from functools import cached_property

from django.utils.formats import number_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from chat.events.transcript import Exchange

from .markdown import render
from .notes import NOTHING, Note
from .said import said
from .sources import Source, passages_of, source_of, sources_of
from .steps import Step, Trace, in_seconds

MUCH = 1_500  # characters, at sixty a line


class Reading:
    """Texts and lists for the templates, worked out when asked for."""

    def __init__(self, exchange: Exchange, session_id: str, note: Note = NOTHING):
        self.exchange = exchange
        self.session_id = session_id
        self.note = note

    @property
    def id(self) -> str:
        return f"turn-{self.exchange.turn}"

    @property
    def asks_much(self) -> bool:
        """Whether the question would take the place of its answer on a screen."""
        question = self.exchange.question
        return len(question) > MUCH or question.count("\n") > MUCH // 60

    @property
    def state(self) -> str:
        stop = self.exchange.stop
        if stop is None:
            return "running"
        return "failed" if stop.is_error else "done"

    @cached_property
    def sources(self) -> dict[int, Source]:
        return sources_of(self.exchange, self.session_id)

    @property
    def answer(self) -> SafeString:
        whole = self.exchange.stop is not None
        return render(self.exchange.answer, self.sources, self.id, whole)

    @property
    def cited(self) -> list[Source]:
        """One for each place the answer points at, in the order of first mention."""
        places: dict[tuple[str, str], Source] = {}
        for citation in self.exchange.citations:
            source = self.sources[citation["number"]]
            places.setdefault((source.file_id, source.place), source)
        return list(places.values())

    @property
    def also_found(self) -> list[Source]:
        """What the search brought and the answer does not cite, best first: no sources of it. What
        its reader may not read is not told."""
        return [
            source_of(one, self.exchange, self.session_id)
            for number, one in passages_of(self.exchange).items()
            if number not in self.trace.cited and one["index_id"] in self.note.indexes
        ]

    @cached_property
    def trace(self) -> Trace:
        return Trace(self.exchange, self.session_id, self.note.indexes)

    @property
    def steps(self) -> list[Step]:
        """The timeline, without what is under way."""
        return self.trace.steps

    @property
    def warnings(self) -> list[str]:
        return [said(sentence) for sentence in self.exchange.warnings]

    @property
    def error(self) -> str:
        stop = self.exchange.stop
        return said(stop.error) if stop and stop.is_error and stop.error else ""

    @property
    def seconds(self) -> float:
        stop = self.exchange.stop
        return stop.usage.get("duration_ms", 0) / 1000 if stop else 0.0

    @property
    def tokens(self) -> str:
        """How many were read and written for it; "" where its model does not count."""
        usage = self.exchange.stop.usage if self.exchange.stop else {}
        count = int(usage.get("total_input_tokens", 0) + usage.get("total_output_tokens", 0))
        words = ngettext("%(shown)s token", "%(shown)s tokens", count)
        return words % {"shown": number_format(count, force_grouping=True)} if count else ""

    @property
    def status(self) -> str:
        """The one line that says what is happening, or what was done."""
        if self.exchange.stop:
            return self._outcome()
        if self.exchange.open_text:
            return _("Writing")
        if self.exchange.open_thinking:
            return _("Thinking")
        uses = self.exchange.tool_uses
        return self.trace.doing(uses[-1]) if uses else _("Reading the question")

    def _outcome(self) -> str:
        time = in_seconds(self.seconds)
        if self.state == "failed":
            return _("Ended early, after %(time)s") % {"time": time}
        count = len({source.file_id for source in self.cited})
        if not count:
            return _("Answered without sources in %(time)s") % {"time": time}
        words = ngettext(
            "Answered from %(count)d source in %(time)s",
            "Answered from %(count)d sources in %(time)s",
            count,
        )
        return words % {"count": count, "time": time}

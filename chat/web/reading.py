"""One exchange as the page words it."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.utils.formats import number_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from chat.events.transcript import Exchange, ToolUse
from chat.events.types import Thinking, Warning_

from .markdown import render
from .notes import NOTHING, Note
from .said import said
from .sources import Source, also_found, sources_of

SHORTEST = 0.1  # seconds that are named


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
        return also_found(self.exchange, self.session_id)

    @property
    def steps(self) -> list["Step"]:
        """The timeline, the thinking under way included."""
        steps = [Step.of(step) for step in self.exchange.steps]
        return [step for step in steps if step is not None]

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
        return Step.tool(uses[-1]).title if uses else _("Reading the question")

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


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of the timeline."""

    kind: str  # "thinking", or a tool's name
    title: str
    text: str = ""
    seconds: str = ""
    passages: Iterable[Any] = ()
    error: str = ""

    @classmethod
    def of(cls, step: Any) -> "Step | None":
        match step:
            case ToolUse():
                return cls.tool(step)
            case Thinking(content) if content.strip():
                return cls("thinking", _("Thought"), content)
            case Warning_():
                return None  # said in its own place
        return None

    @classmethod
    def tool(cls, use: ToolUse) -> "Step":
        result = use.result.result if use.result else {}
        seconds = in_seconds(use.seconds) if use.seconds is not None else ""
        facts = [_done(use), seconds] if use.result else []
        return cls(
            kind=use.call.name,
            title=" · ".join([_doing(use), *filter(None, facts)]),
            seconds=seconds,
            passages=use.passages,
            error=str(result.get("error", "")),
        )


def in_seconds(seconds: float) -> str:
    if seconds < SHORTEST:
        return _("less than %(seconds)s s") % {"seconds": number_format(SHORTEST, 1)}
    decimals = 1 if seconds < 10 else 0
    return _("%(seconds)s s") % {"seconds": number_format(seconds, decimals)}


def _doing(use: ToolUse) -> str:
    arguments = use.call.arguments
    result = use.result.result if use.result else {}
    match use.call.name:
        case "retrieve":
            indexes = len(arguments.get("index_ids") or ())
            if not indexes:
                return _("Searching")
            words = ngettext("Searching %(n)d index", "Searching %(n)d indexes", indexes)
            return words % {"n": indexes}
        case "find":
            name = arguments.get("file_name_contains") or arguments.get("file_name") or ""
            return _("Looking for files named “%(name)s”") % {"name": name}
        case "grep":
            return _("Looking for “%(pattern)s”") % {"pattern": arguments.get("pattern", "")}
        case "read":
            return _("Reading %(file)s") % {"file": result.get("file_name") or _("a document")}
    return use.call.name


def _done(use: ToolUse) -> str:
    result = use.result.result if use.result else {}
    if result.get("error"):
        return _("failed")
    if use.call.name == "retrieve":
        count = len(use.passages)
        return ngettext("%(n)d passage", "%(n)d passages", count) % {"n": count}
    if use.call.name in {"find", "grep"}:
        count = len(result.get("items", ()))
        return ngettext("%(n)d hit", "%(n)d hits", count) % {"n": count}
    return ""

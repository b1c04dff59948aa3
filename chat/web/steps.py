"""How an answer was made, step by step, as far as its reader may see it.

What was done is for all who read the session. What it brought is for those who may read the index
it comes from; what the answer cites of it, for all again. A thought may say again whatever had been
found before it: it is for those to whom all of that is open.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from chat.events.transcript import Exchange, Thought, ToolUse
from chat.events.transcript import Step as Happened

from .said import said
from .sources import Source, source_of

SHORTEST = 0.1  # seconds that are named


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of the timeline."""

    at: int  # its place among the exchange's steps
    kind: str  # "thinking", or a tool's name
    title: str
    facts: str = ""  # what the tool was asked, beside what the title says
    error: str = ""
    text: str = ""  # a thought
    passages: Sequence[tuple[Source, str]] = ()
    files: Sequence[str] = ()  # names
    withheld: int = 0  # passages and files that are not open to the reader
    is_closed: bool = False  # a thought over some that are not

    @property
    def is_long(self) -> bool:
        """Whether there is more than a line of it, to be read by who asks for it."""
        return bool(self.text or self.passages or self.files or self.withheld or self.is_closed)


class Trace:
    """The steps of one exchange. ``indexes`` are those its reader may read, names by id."""

    def __init__(self, exchange: Exchange, session_id: str, indexes: Mapping[str, str]):
        self.exchange = exchange
        self.session_id = session_id
        self.indexes = indexes
        self.cited = {one["number"] for one in exchange.citations}

    @cached_property
    def steps(self) -> list[Step]:
        """Whole ones, in order; texts and warnings are said in places of their own."""
        steps: list[Step] = []
        for at, step in enumerate(self.exchange.steps):
            if isinstance(step, ToolUse):
                steps.append(self._tool(at, step))
            elif isinstance(step, Thought) and step.content.strip():
                title = f"{_('Thought')} · {in_seconds(step.seconds)}"
                is_closed = not self._is_all_open(self.exchange.steps[:at])
                text = "" if is_closed else step.content
                steps.append(Step(at, "thinking", title, text=text, is_closed=is_closed))
        return steps

    @property
    def thinking(self) -> str:
        """The thought under way, as far as it is open to the reader: whole or not at all."""
        is_open = self._is_all_open(self.exchange.steps)
        return self.exchange.open_thinking if is_open else ""

    def doing(self, use: ToolUse) -> str:
        """What a tool does, and once it is done what came of it."""
        return " · ".join(filter(None, [self._doing(use), *self._done(use)]))

    def is_open(self, passage: Mapping[str, Any]) -> bool:
        """Whether the reader may see it."""
        return passage["index_id"] in self.indexes or passage["number"] in self.cited

    def _is_all_open(self, steps: Sequence[Happened]) -> bool:
        """Whether the reader may see all that these have brought."""
        uses = [step for step in steps if isinstance(step, ToolUse)]
        return all(
            all(map(self.is_open, use.passages)) and len(self._files(use)) == len(_listed(use))
            for use in uses
        )

    def _tool(self, at: int, use: ToolUse) -> Step:
        passages = [one for one in use.passages if self.is_open(one)]
        files, listed = self._files(use), _listed(use)
        return Step(
            at=at,
            kind=use.call.name,
            title=self.doing(use),
            facts=" · ".join(filter(None, self._facts(use))),
            error=said(str(_result(use).get("error", ""))),
            passages=[
                (source_of(one, self.exchange, self.session_id), one["content"]) for one in passages
            ],
            files=[name for _id, name in files],
            withheld=len(use.passages) + len(listed) - len(passages) - len(files),
        )

    def _doing(self, use: ToolUse) -> str:
        asked = use.call.arguments
        match use.call.name:
            case "retrieve":
                indexes = len(_texts(asked.get("index_ids")))
                if not indexes:
                    return _("Searching")
                words = ngettext("Searching %(n)d index", "Searching %(n)d indexes", indexes)
                return words % {"n": indexes}
            case "find":
                name = asked.get("file_name_contains") or asked.get("file_name") or ""
                return _("Looking for files named “%(name)s”") % {"name": name}
            case "grep":
                return _("Looking for “%(pattern)s”") % {"pattern": asked.get("pattern", "")}
            case "read":
                name = self._file_names.get(_text(asked.get("file_id")))
                return _("Reading %(file)s") % {"file": name or _("a document")}
        return use.call.name

    def _done(self, use: ToolUse) -> Iterator[str]:
        if use.result is None:
            return
        if use.result.result.get("error"):
            yield _("failed")
        elif use.call.name == "retrieve":
            yield _passages(len(use.passages))
        elif use.call.name in {"find", "grep"}:
            count = len(use.result.result.get("items", ()))
            yield ngettext("%(n)d hit", "%(n)d hits", count) % {"n": count}
        if use.seconds is not None:
            yield in_seconds(use.seconds)

    def _facts(self, use: ToolUse) -> Iterator[str]:
        asked, result = use.call.arguments, _result(use)
        if query := _text(asked.get("query")):
            yield _("“%(words)s”") % {"words": query}
        if use.call.name == "grep":
            yield self._file_names.get(_text(asked.get("file_id")), "")
        ids = [*_texts(asked.get("index_ids")), _text(asked.get("index_id"))]
        if names := [self.indexes[one] for one in ids if one in self.indexes]:
            yield _("in %(names)s") % {"names": ", ".join(names)}
        if isinstance(count := asked.get("top_k"), int):
            yield _("at most %(passages)s") % {"passages": _passages(count)}
        if "total_chars" in result:
            place = {"start": "start_char", "end": "end_char", "total": "total_chars"}
            numbers = {name: _number(result[key]) for name, key in place.items()}
            yield _("characters %(start)s to %(end)s of %(total)s") % numbers
        elif isinstance(offset := asked.get("offset"), int):
            yield _("from character %(offset)s") % {"offset": _number(offset)}

    @cached_property
    def _file_names(self) -> dict[str, str]:
        """By id, as far as the exchange has told them to its reader."""
        names: dict[str, str] = {}
        for use in self.exchange.tool_uses:
            result = _result(use)
            if "file_name" in result and result.get("index_id") in self.indexes:
                names[result["file_id"]] = result["file_name"]
            seen = filter(self.is_open, use.passages)
            names.update((one["file_id"], one["file_name"]) for one in seen)
            names.update(self._files(use))
        return names

    def _files(self, use: ToolUse) -> list[tuple[str, str]]:
        """Ids and names of the files listed, if the reader may read the index."""
        return _listed(use) if _text(use.call.arguments.get("index_id")) in self.indexes else []


def in_seconds(seconds: float) -> str:
    if seconds < SHORTEST:
        return _("less than %(seconds)s s") % {"seconds": number_format(SHORTEST, 1)}
    decimals = 1 if seconds < 10 else 0
    return _("%(seconds)s s") % {"seconds": number_format(seconds, decimals)}


def _passages(count: int) -> str:
    return ngettext("%(n)d passage", "%(n)d passages", count) % {"n": count}


def _number(count: int) -> str:
    return number_format(count, force_grouping=True)


def _result(use: ToolUse) -> Mapping[str, Any]:
    return use.result.result if use.result else {}


def _listed(use: ToolUse) -> list[tuple[str, str]]:
    if use.call.name != "find":
        return []
    return [(one["file_id"], one["file_name"]) for one in _result(use).get("items", ())]


def _text(value: Any) -> str:
    """An argument that should be a text: a model may write anything."""
    return value if isinstance(value, str) else ""


def _texts(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []

"""The one reading of a session: events folded into turns.

The page, the REST history, the next prompt and every export are made from this.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .types import (
    Stamped,
    Stop,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    ToolCall,
    ToolResult,
    UserInput,
    Warning_,
)


@dataclass(slots=True)
class ToolUse:
    """A tool call and, once it is there, its result."""

    call: ToolCall
    at: datetime
    result: ToolResult | None = None
    done_at: datetime | None = None

    @property
    def seconds(self) -> float | None:
        return (self.done_at - self.at).total_seconds() if self.done_at else None

    @property
    def passages(self) -> list[dict[str, Any]]:
        """The numbered passages of the result, best first: ``{number, index_id, file_id,
        file_name, page, heading, content, start_char, end_char, score}``."""
        if self.result is None:
            return []
        result = self.result.result
        found = result.get("results") or result.get("items") or [result]
        return [_passage(item, result) for item in found if "number" in item]


@dataclass(frozen=True, slots=True)
class Thought:
    """A whole thought; ``seconds`` since what came before it, as deltas are not kept for ever."""

    content: str
    seconds: float


Step = ToolUse | Thought | Text | Warning_


@dataclass(slots=True)
class Exchange:
    """One turn as it reads: the question, what was done, and the answer so far."""

    turn: int  # primary key
    seq: int  # of its user_input
    question: str
    asked_at: datetime
    steps: list[Step] = field(default_factory=list)  # whole ones, in order
    open_thinking: str = ""  # deltas whose whole has not come yet
    open_text: str = ""
    stop: Stop | None = None
    stopped_at: datetime | None = None
    last_at: datetime | None = None  # when the last of what is whole had come

    @property
    def answer(self) -> str:
        """All text of the answer, the unfinished part included."""
        parts = [step.content for step in self.steps if isinstance(step, Text)]
        return "\n\n".join([*parts, self.open_text] if self.open_text else parts)

    @property
    def query(self) -> str:
        """What was searched for first: the question, complete in itself."""
        first = next((use.call.arguments.get("query") for use in self.tool_uses), None)
        return first if isinstance(first, str) else self.question

    @property
    def citations(self) -> list[Mapping[str, Any]]:
        return [one for step in self.steps if isinstance(step, Text) for one in step.citations]

    @property
    def warnings(self) -> list[str]:
        return [step.content for step in self.steps if isinstance(step, Warning_)]

    @property
    def tool_uses(self) -> list[ToolUse]:
        return [step for step in self.steps if isinstance(step, ToolUse)]

    def add(self, stamped: Stamped) -> None:
        """Take in the next event of this turn."""
        match stamped.event:
            case TextDelta(content):
                self.open_text += content
            case ThinkingDelta(content):
                self.open_thinking += content
            case Text() as text:
                self.open_text = ""
                self.steps.append(text)
            case Thinking(content):
                self.open_thinking = ""
                since = self.last_at or self.asked_at
                self.steps.append(Thought(content, (stamped.at - since).total_seconds()))
            case ToolCall() as call:
                self.steps.append(ToolUse(call, stamped.at))
            case ToolResult(call_id=call_id) as result:
                for use in self.tool_uses:
                    if use.call.call_id == call_id:
                        use.result, use.done_at = result, stamped.at
            case Warning_() as warning:
                self.steps.append(warning)
            case Stop() as stop:
                self.stop, self.stopped_at = stop, stamped.at
        if not isinstance(stamped.event, TextDelta | ThinkingDelta):
            self.last_at = stamped.at


@dataclass(slots=True)
class Transcript:
    """A session up to and including event ``seq`` (0 when it has none)."""

    exchanges: list[Exchange] = field(default_factory=list)
    seq: int = 0

    def add(self, stamped: Stamped) -> Exchange:
        """Take in the next event; answers the exchange it belongs to."""
        self.seq = stamped.seq
        if isinstance(stamped.event, UserInput):
            self.exchanges.append(
                Exchange(stamped.turn, stamped.seq, stamped.event.content, stamped.at)
            )
        exchange = self.exchanges[-1]
        exchange.add(stamped)
        return exchange


def _passage(item: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    """One numbered passage, flat, whichever tool reported it."""
    fields = item.get("static_fields", {})
    rerank_score = item.get("rerank_score")
    return {
        "number": item["number"],
        "index_id": item.get("index_id") or result.get("index_id"),
        "file_id": fields.get("parsed_directory_file_id") or result.get("file_id"),
        "file_name": item.get("metadata", {}).get("file_name") or result.get("file_name"),
        "page": fields.get("page_range_start"),
        "heading": item.get("heading", ""),
        "content": item["content"],
        "start_char": fields.get("chunk_start_char", item.get("start_char")),
        "end_char": fields.get("chunk_end_char", item.get("end_char")),
        "score": item.get("score") if rerank_score is None else rerank_score,
    }


def fold(events: Iterable[Stamped]) -> Transcript:
    """Events of one session, in order, to what a person reads."""
    transcript = Transcript()
    for stamped in events:
        transcript.add(stamped)
    return transcript

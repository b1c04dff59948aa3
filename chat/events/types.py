"""The vocabulary of what happens in a session: the wire's own words, as values.

An event is made once and never changed. ``to_payload`` and ``from_payload`` are inverses; the
payload holds everything but the type.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class UserInput:
    type: ClassVar[str] = "user_input"
    content: str


@dataclass(frozen=True, slots=True)
class ThinkingDelta:
    type: ClassVar[str] = "thinking_delta"
    content: str


@dataclass(frozen=True, slots=True)
class Thinking:
    type: ClassVar[str] = "thinking"
    content: str


@dataclass(frozen=True, slots=True)
class TextDelta:
    type: ClassVar[str] = "text_delta"
    content: str


@dataclass(frozen=True, slots=True)
class Text:
    """A whole part of the answer; its ``text_delta`` contents, joined, are equal to it.

    Each citation is ``{number, index_id, file_id, file_name, page, start_char, end_char, check}``.
    """

    type: ClassVar[str] = "text"
    content: str
    citations: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class ToolCall:
    type: ClassVar[str] = "tool_call"
    call_id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolResult:
    type: ClassVar[str] = "tool_result"
    call_id: str
    name: str
    result: Mapping[str, Any]
    image_attachment: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Warning_:
    type: ClassVar[str] = "warning"
    content: str


@dataclass(frozen=True, slots=True)
class Stop:
    """The last event of a turn. ``usage`` is ``{duration_ms, total_input_tokens,
    total_output_tokens, turns}``, with ``turns`` counting rounds of the model."""

    type: ClassVar[str] = "stop"
    is_error: bool
    error: str | None
    usage: Mapping[str, float]
    skipped_index_ids: tuple[str, ...] | None = None


Event = (
    UserInput
    | ThinkingDelta
    | Thinking
    | TextDelta
    | Text
    | ToolCall
    | ToolResult
    | Warning_
    | Stop
)
TYPES: dict[str, type[Event]] = {
    kind.type: kind
    for kind in (
        UserInput,
        ThinkingDelta,
        Thinking,
        TextDelta,
        Text,
        ToolCall,
        ToolResult,
        Warning_,
        Stop,
    )
}


@dataclass(frozen=True, slots=True)
class Stamped:
    """An event in its place: ``seq`` counts up through the session, with gaps allowed."""

    seq: int
    turn: int  # primary key of the turn it belongs to
    at: datetime
    event: Event


def to_payload(event: Event) -> dict[str, Any]:
    """Shares the event's values: ``asdict`` would copy every passage of a result."""
    return {name: getattr(event, name) for name in event.__slots__}


def from_payload(type: str, payload: Mapping[str, Any]) -> Event:
    values = dict(payload)
    for name in ("citations", "skipped_index_ids"):
        if values.get(name) is not None:
            values[name] = tuple(values[name])
    return TYPES[type](**values)


def to_wire(event: Event) -> dict[str, Any]:
    """The object a client sees: the payload and its type."""
    return {"type": event.type, **to_payload(event)}

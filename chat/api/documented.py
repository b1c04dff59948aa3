"""What the OpenAPI document says of events, read off the vocabulary itself."""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, Field, TypeAdapter

from chat.agent.citations import Check
from chat.events.types import TYPES, Event

from .example import AS_STREAMED, NOT_IN_HISTORY


def inlined(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema() | {"additionalProperties": False}


class Citation(BaseModel):
    """One for each number of each marker `[n]` in the text, in the order they are read.

    A number that was never shown to the model has none.
    """

    number: int = Field(description="The `n` of its marker, and of the passage in a `tool_result`.")
    index_id: str
    file_id: str = Field(description="A directory file, as `parsed_directory_file_id`.")
    file_name: str
    page: int | None = Field(description="Counted from 1; null where a file has no pages.")
    start_char: int = Field(
        description="Where the span begins, in characters of the text that `read` gives. "
        "It is the sentences quoted if `check` is `exact`, else the whole passage."
    )
    end_char: int = Field(description="Where it ends: the first character after it.")
    check: Check = Field(
        description="How far the passage bears out what the answer says before the marker, judged "
        "by the words alone. `exact`: it stands there word for word. `near`: most of its longer "
        "words do, and all of its numbers. `none`: neither; look for yourself."
    )


class Usage(BaseModel):
    duration_ms: float
    total_input_tokens: int
    total_output_tokens: int
    turns: int = Field(description="Rounds of the model, at least one.")


# What the vocabulary leaves open, by the name of the property.
INNER: dict[str, Any] = {
    "citations": {
        "type": "array",
        "items": inlined(Citation),
        "description": "Carrel's own, beside what Index V2 has: what the text rests on.",
    },
    "result": {
        "type": "object",
        "description": "In the shape of the retrieval calls; each passage has a `number` (Carrel's "
        "own), which is what the answer cites.",
    },
    "usage": inlined(Usage),
}


def one_of(kinds: Iterable[type[Event]]) -> dict[str, Any]:
    """A JSON schema of an event of one of these kinds, as a client sees it."""
    return {"oneOf": [event_schema(kind) for kind in kinds]}


def event_schema(kind: type[Event]) -> dict[str, Any]:
    schema = TypeAdapter(kind).json_schema()
    inner = {name: INNER.get(name, given) for name, given in schema["properties"].items()}
    properties = {"type": {"const": kind.type}, **inner}
    return {
        "title": kind.type,
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


HISTORY = one_of(kind for kind in TYPES.values() if kind not in NOT_IN_HISTORY)

FRAME: dict[str, Any] = {
    "title": "One event",
    "type": "object",
    "properties": {
        "id": {"type": "string", "pattern": "^[0-9]+$"},
        "event": {"enum": ["delta", "message"]},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": one_of(TYPES.values()),
        },
    },
    "required": ["id", "event", "data"],
    "additionalProperties": False,
}

EVENT_STREAM: dict[str, Any] = {
    "responses": {
        200: {
            "description": "Server-sent events, each with one line of JSON.",
            "content": {"text/event-stream": {"schema": FRAME, "example": AS_STREAMED}},
        }
    }
}

LAST_EVENT_ID: dict[str, Any] = {
    "in": "header",
    "name": "Last-Event-ID",
    "description": "The `id` of the last event seen, as browsers send it. Wins over `after`.",
    "schema": {"type": "string"},
    "required": False,
}

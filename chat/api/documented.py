"""What the OpenAPI document says of events, read off the vocabulary itself."""

from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter

from chat.events.types import TYPES, Event, TextDelta, ThinkingDelta, Warning_

NOT_IN_HISTORY = (TextDelta, ThinkingDelta, Warning_)

EXAMPLE = """\
id: 1
event: message
data: {"type":"user_input","content":"How do I connect Ollama?"}

id: 2
event: message
data: {"type":"tool_call","call_id":"c1","name":"retrieve","arguments":{"query":"connect Ollama"}}

id: 3
event: message
data: {"type":"tool_result","call_id":"c1","name":"retrieve","result":{},"image_attachment":null}

id: 4
event: delta
data: {"type":"text_delta","content":"Set LLM_BASE_URL"}

id: 5
event: message
data: {"type":"text","content":"Set LLM_BASE_URL","citations":[]}

id: 6
event: message
data: {"type":"stop","is_error":false,"error":null,"usage":{"duration_ms":640,\
"total_input_tokens":812,"total_output_tokens":5,"turns":1},"skipped_index_ids":null}

"""


def one_of(kinds: Iterable[type[Event]]) -> dict[str, Any]:
    """A JSON schema of an event of one of these kinds, as a client sees it."""
    return {"oneOf": [event_schema(kind) for kind in kinds]}


def event_schema(kind: type[Event]) -> dict[str, Any]:
    schema = TypeAdapter(kind).json_schema()
    properties = {"type": {"const": kind.type}, **schema["properties"]}
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
            "content": {"text/event-stream": {"schema": FRAME, "example": EXAMPLE}},
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

"""A turn for the OpenAPI document to show, made of real events and written as they are written."""

from datetime import UTC, datetime

from chat.events.types import (
    Event,
    Stamped,
    Stop,
    Text,
    TextDelta,
    ThinkingDelta,
    ToolCall,
    ToolResult,
    UserInput,
    Warning_,
    to_wire,
)

from .events import frame
from .openapi import A_DIRECTORY_FILE, AN_INDEX

NOT_IN_HISTORY = (TextDelta, ThinkingDelta, Warning_)

QUESTION = "When is the pump oiled?"
PASSAGE = {
    "number": 1,
    "index_id": AN_INDEX,
    "heading": "Pump",
    "content": "The pump is oiled every Monday.",
    "score": 0.82,
    "rerank_score": 0.91,
    "metadata": {"year": 2026, "file_name": "pump.md"},
    "static_fields": {
        "parsed_directory_file_id": A_DIRECTORY_FILE,
        "chunk_index": 0,
        "chunk_start_char": 8,
        "chunk_end_char": 39,
        "chunk_token_count": 9,
        "page_range_start": None,
        "page_range_end": None,
        "attachments": [],
    },
}
CITATION = {
    "number": 1,
    "index_id": AN_INDEX,
    "file_id": A_DIRECTORY_FILE,
    "file_name": "pump.md",
    "page": None,
    "start_char": 8,
    "end_char": 39,
    "check": "exact",
}
USAGE = {"duration_ms": 640, "total_input_tokens": 812, "total_output_tokens": 9, "turns": 1}
TURN: tuple[Event, ...] = (
    UserInput(QUESTION),
    ToolCall("c1", "retrieve", {"query": QUESTION}),
    ToolResult("c1", "retrieve", {"results": [PASSAGE]}),
    TextDelta("The pump is oiled"),
    TextDelta(" every Monday [1]."),
    Text("The pump is oiled every Monday [1].", (CITATION,)),
    Stop(is_error=False, error=None, usage=USAGE),
)
AS_STREAMED = b"".join(
    frame(Stamped(seq, 1, datetime.now(UTC), event)) for seq, event in enumerate(TURN, 1)
).decode()
AS_HISTORY = [to_wire(event) for event in TURN if not isinstance(event, NOT_IN_HISTORY)]

"""People at the pages, and sessions that were written before they came."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from chat.events.types import Event as AnyEvent
from chat.events.types import Stop, Text, ToolCall, ToolResult, UserInput, to_payload
from chat.models import Document, Event, Index, Session, Turn, TurnWords
from tests.factories import make_file, make_index, make_session, make_user

TEXT = """# House rules

## Opening hours

The reading room opens at nine. Its lamps are green.

## Pencils

Bring a pencil, not a pen.
"""
CITED = "The reading room opens at nine. Its lamps are green."
LONG = "The reading room opens at nine, and its lamps are green. " * 20  # as chunks are: 1,140


@pytest.fixture
def reader(db):
    return make_user("reader", first_name="Rosa")


@pytest.fixture
def client(client: Client, reader) -> Client:
    client.force_login(reader)
    return client


@pytest.fixture
def index(db) -> Index:
    """One document, ``rules.md``, read as two chunks."""
    index = make_index("Rules")
    document = Document.objects.create(
        index=index,
        directory_file=make_file(index.directory, "rules.md", TEXT),
        name="rules.md",
        title="House rules",
        text=TEXT,
        state="ready",
        chunk_count=2,
    )
    for ordinal, (heading, text) in enumerate(
        [("Opening hours", CITED), ("Pencils", "Bring a pencil, not a pen.")]
    ):
        start = TEXT.index(text)
        document.chunks.create(
            index=index,
            ordinal=ordinal,
            heading=f"House rules › {heading}",
            text=text,
            start_char=start,
            end_char=start + len(text),
            token_count=12,
        )
    return index


@pytest.fixture
def passage(index: Index) -> dict[str, Any]:
    """The first chunk as a search reports it, numbered 1."""
    file = index.documents.get().directory_file
    return as_found(1, index.pk, file.pk, CITED, TEXT.index(CITED))


def as_found(
    number: int, index_id: str, file_id: str, text: str, start: int, heading: str = "Opening hours"
) -> dict[str, Any]:
    """A chunk as a search reports it."""
    return {
        "number": number,
        "index_id": index_id,
        "heading": f"House rules › {heading}",
        "content": text,
        "score": 1.0,
        "rerank_score": 1.0,
        "metadata": {"file_name": "rules.md"},
        "static_fields": {
            "parsed_directory_file_id": file_id,
            "chunk_index": 0,
            "chunk_start_char": start,
            "chunk_end_char": start + len(text),
            "chunk_token_count": 12,
            "page_range_start": None,
            "page_range_end": None,
            "attachments": [],
        },
    }


@pytest.fixture
def citation(passage) -> dict[str, Any]:
    return as_cited(passage)


def as_cited(passage: dict[str, Any]) -> dict[str, Any]:
    place = passage["static_fields"]
    return {
        "number": passage["number"],
        "index_id": passage["index_id"],
        "file_id": place["parsed_directory_file_id"],
        "file_name": "rules.md",
        "page": None,
        "start_char": place["chunk_start_char"],
        "end_char": place["chunk_end_char"],
        "check": "exact",
    }


def full_size(question: str, index_id: str = "idx-1", file_id: str = "dfl-1") -> list[AnyEvent]:
    """A turn as it is in life: ten passages of full size found, three of them cited."""
    found = [as_found(n, index_id, file_id, LONG, n * len(LONG)) for n in range(1, 11)]
    said = "\n\n".join(f"{LONG[:280]}[{n}]" for n in (1, 2, 3))
    return [
        UserInput(question),
        ToolCall("a", "retrieve", {"query": question, "index_ids": [index_id]}),
        ToolResult("a", "retrieve", {"results": found}),
        Text(said, tuple(as_cited(one) for one in found[:3])),
        done(),
    ]


@pytest.fixture
def session(reader, index) -> Session:
    return make_session(reader, (index,), title="Lamps")


@pytest.fixture
def answered(session, passage, citation) -> Callable[..., Turn]:
    """``answered("Question?", "Answer [1].")``: one more turn of the session, done."""

    def answered(question: str = "What colour are the lamps?", text: str = "Green [1].") -> Turn:
        return write_turn(
            session,
            UserInput(question),
            ToolCall("a", "retrieve", {"query": question, "index_ids": [passage["index_id"]]}),
            ToolResult("a", "retrieve", {"results": [passage]}),
            Text(text, (citation,) if "[1]" in text else ()),
            done(),
        )

    return answered


def done(error: str | None = None) -> Stop:
    usage = {"duration_ms": 1200, "total_input_tokens": 9, "total_output_tokens": 9, "turns": 1}
    return Stop(error is not None, error, usage)


def write_turn(session: Session, *events: AnyEvent) -> Turn:
    """A turn whose events are these; running unless the last is a stop."""
    newest = Event.objects.filter(session=session).order_by("-seq").first()
    seq = newest.seq + 1 if newest else 1
    ended = isinstance(events[-1], Stop)
    turn = Turn.objects.create(
        session=session,
        asked_by=session.owner,
        seq=seq,
        state="done" if ended else "running",
        index_ids=list(session.bound_indexes.values_list("index", flat=True)),
    )
    now = timezone.now()
    Event.objects.bulk_create(
        Event(
            session=session,
            turn=turn,
            seq=seq + at,
            type=event.type,
            payload=to_payload(event),
            created_at=now,
        )
        for at, event in enumerate(events)
    )
    if ended:
        said = [one.content for one in events if isinstance(one, UserInput | Text)]
        TurnWords.keep(turn.pk, session.pk, said)
    return turn

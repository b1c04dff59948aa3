"""What the published samples do, from an empty project to an answer, with the real SDK."""

import json
from typing import Any

import pytest
from llama_cloud import AsyncLlamaCloud, LlamaCloud, NotFoundError

from .conftest import Library

# The samples still call it there, and so must be answered there.
pytestmark = pytest.mark.filterwarnings("ignore:Moved out of beta:DeprecationWarning")


async def ask(chat: Any, session_id: str, prompt: str, index_ids: list[str]) -> list[dict]:
    """The events of a turn, read line by line as the samples do."""
    events = []
    async with chat.with_streaming_response.stream(
        session_id, prompt=prompt, index_ids=index_ids
    ) as response:
        async for line in response.iter_lines():
            if line.startswith("data: "):
                events.append(json.loads(line.removeprefix("data: ")))
    return events


@pytest.mark.parametrize("place", ["beta", "top level"])
async def test_a_bound_session_answers_from_its_index(
    async_client: AsyncLlamaCloud, library: Library, place: str
):
    chat = async_client.beta.chat if place == "beta" else async_client.chat
    session = await chat.create(index_ids=[library.index_id])

    events = await ask(chat, session.session_id, "Who lit the lamp of the lighthouse?", [])

    kinds = [event["type"] for event in events]
    assert kinds[:3] == ["user_input", "tool_call", "tool_result"]
    assert kinds[-2:] == ["text", "stop"]
    text = next(event for event in events if event["type"] == "text")
    deltas = [event["content"] for event in events if event["type"] == "text_delta"]
    assert "".join(deltas) == text["content"]
    assert "Ada Keller" in text["content"]
    assert text["citations"][0]["file_id"] == library.files["lighthouse.md"]
    assert events[-1]["is_error"] is False


async def test_what_was_streamed_is_listed_summed_up_kept_and_deleted(
    async_client: AsyncLlamaCloud, library: Library
):
    chat = async_client.beta.chat
    session = await chat.create(index_ids=[library.index_id])
    streamed = await ask(chat, session.session_id, "Where are the tide tables?", [])

    listed = [one async for one in chat.list()]
    summary = await chat.get_summary(session.session_id)
    whole = await chat.retrieve(session.session_id)

    assert listed[0].session_id == session.session_id
    assert listed[0].generated_title
    assert summary.index_ids == [library.index_id]
    assert summary.job_metadata is not None
    assert summary.job_metadata.is_error is False
    assert summary.job_metadata.export_config_ids == [library.index_id]
    assert [event.type for event in whole.events] == [
        event["type"] for event in streamed if not event["type"].endswith("_delta")
    ]
    await chat.delete(session.session_id)
    with pytest.raises(NotFoundError):
        await chat.retrieve(session.session_id)


async def test_an_unbound_session_searches_what_each_message_names(
    async_client: AsyncLlamaCloud, library: Library
):
    chat = async_client.chat
    session = await chat.create()

    events = await ask(chat, session.session_id, "Where is the Schriftrolle?", [library.index_id])

    assert session.index_ids is None
    assert session.job_metadata is None
    assert events[-1]["type"] == "stop"
    assert (await chat.get_summary(session.session_id)).index_ids is None


def test_the_library_can_be_searched_found_in_and_read(client: LlamaCloud, library: Library):
    found = client.retrieval.retrieve(index_id=library.index_id, query="lamp of the lighthouse")
    files = list(client.retrieval.find(index_id=library.index_id, file_name_contains="ÜNÏ"))
    file_id = library.files["lighthouse.md"]
    matches = list(
        client.retrieval.grep(index_id=library.index_id, file_id=file_id, pattern="18[0-9]+")
    )
    text = client.retrieval.read(index_id=library.index_id, file_id=file_id).content

    best = found.results[0]
    assert best.static_fields is not None
    assert best.static_fields.parsed_directory_file_id == file_id
    assert best.metadata == {"file_name": "lighthouse.md", "year": 2000, "tags": ["paper", "n0"]}
    assert [file.file_name for file in files] == ["Ünïcode 漢字.md"]
    assert [text[match.start_char : match.end_char] for match in matches] == ["1871"]
    assert text[best.static_fields.chunk_start_char : best.static_fields.chunk_end_char] == (
        best.content
    )

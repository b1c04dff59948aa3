"""What a stream takes apart is put together the same, wherever it was cut."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.providers import http
from chat.providers.base import TextPart, ThinkingPart
from chat.providers.fragments import CallAssembly, Garbled, ThinkingTags, documents, parse

BODY = (
    ": comment\r\n\r\nevent: message\r\nid: 7\r\ndata: {\"a\": \"é🦉\"}\r\n\r\n"
    'data:{"b":1}\n\nretry: 5\ndata: {"two":\ndata:  "lines"}\n\n\n\ndata: [DONE]\n\ndata: last'
).encode()  # fmt: skip
DATA = ['{"a": "é🦉"}', '{"b":1}', '{"two":\n"lines"}', "[DONE]", "last"]

cuts = st.lists(st.integers(1, 12), min_size=1, max_size=40)


def pieces(whole, sizes):
    at = 0
    for size in [*sizes, len(whole)]:
        if whole[at : at + size]:
            yield whole[at : at + size]
        at += size


def read(chunks) -> list[bytes]:
    async def body() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    async def collect() -> list[bytes]:
        return [document async for batch in documents(body()) for document in batch]

    return asyncio.run(collect())


@given(cuts)
def test_events_are_the_same_wherever_the_bytes_are_cut(sizes: list[int]):
    assert [document.decode() for document in read(pieces(BODY, sizes))] == DATA


@given(cuts)
def test_a_body_that_is_no_event_stream_is_one_document(sizes: list[int]):
    body = b'\n{\n  "choices": [],\n\n  "usage": null\n}\n'

    (document,) = read(pieces(body, sizes))

    assert parse(document) == {"choices": [], "usage": None}


def test_a_line_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("chat.providers.fragments.LONGEST_LINE", 1000)

    with pytest.raises(Garbled, match="without an end"):
        read([b"data: "] + [b"x" * 100] * 20)


@given(cuts, st.sampled_from(["", "  ", "\n"]), st.text("ab<>/think ", max_size=20))
def test_thinking_is_the_same_wherever_the_text_is_cut(sizes: list[int], lead: str, answer: str):
    whole = f"{lead}<think>one < two</think>\n\n{answer}"
    tags = ThinkingTags()

    parts = [part for piece in pieces(whole, sizes) for part in tags.feed(piece)]
    parts += tags.rest()

    thought = "".join(part.text for part in parts if isinstance(part, ThinkingPart))
    said = "".join(part.text for part in parts if isinstance(part, TextPart))
    assert (thought, said) == ("one < two", answer.lstrip())


@given(cuts, st.text("ab<>/think ", max_size=30).filter(lambda text: "<think>" not in text))
def test_text_without_tags_comes_through_unchanged(sizes: list[int], text: str):
    tags = ThinkingTags()

    parts = [part for piece in pieces(text, sizes) for part in tags.feed(piece)] + [*tags.rest()]

    assert "".join(part.text for part in parts) == text
    assert all(isinstance(part, TextPart) for part in parts)


def test_thinking_that_never_ends_is_thinking():
    tags = ThinkingTags()

    parts = [*tags.feed("<think>and so on </thi"), *tags.rest()]

    assert parts == [ThinkingPart("and so on "), ThinkingPart("</thi")]


@pytest.mark.parametrize(
    ("fragments", "names"),
    [
        ([("find", "{}"), ("grep", "{}")], ["find", "grep"]),  # whole calls, nothing else to go by
        ([("find", ""), ("grep", "")], ["find", "grep"]),
        ([("find", ""), ("find", '{"a":'), ("find", "1}")], ["find"]),  # the name every time
        ([("fi", ""), ("nd", ""), ("", "{}")], ["find"]),
        ([("un", ""), ("known", "{}")], ["unknown"]),
        ([("find", "{}"), ("find", "{}")], ["find", "find"]),
    ],
)
def test_calls_without_index_and_id(fragments: list[tuple[str, str]], names: list[str]):
    assembly = CallAssembly({"find", "grep"})

    for name, arguments in fragments:
        assembly.add({"function": {"name": name or None, "arguments": arguments}})

    calls = assembly.calls()
    assert [call.name for call in calls] == names
    assert all(call.broken is None for call in calls)
    assert len({call.id for call in calls}) == len(calls)


def test_ids_that_repeat_are_replaced():
    assembly = CallAssembly({"find"})

    for index in (0, 1):
        assembly.add({"index": index, "id": "same", "function": {"name": "find"}})

    first, second = assembly.calls()
    assert first.id == "same"
    assert second.id != "same"


def test_each_loop_has_a_client_that_closes_with_it():
    async def client():
        first, second = await http.shared_client(), await http.shared_client()
        assert first is second
        return first

    clients = [asyncio.run(client())]
    thread = threading.Thread(target=lambda: clients.append(asyncio.run(client())))
    thread.start()
    thread.join()

    assert clients[0] is not clients[1]
    assert all(client.is_closed for client in clients)

"""What a chat model behind an endpoint says, in every way endpoints have of saying it."""

import asyncio
from contextlib import aclosing

import pytest

from chat.providers.base import Call, CallPart, Message, TextPart, ThinkingPart, Usage
from chat.providers.openai import OpenAIChatModel
from tests.stand_in.fixture import StandIn
from tests.stand_in.replies import TOKEN

from .conftest import KEY, PROMPT, TOOLS, ask, calls_of, text_of, thinking_of


async def test_the_text_arrives_in_order_and_the_usage_last(model, stand_in: StandIn):
    stand_in.say(tokens=1000)

    parts = await ask(model())

    assert text_of(parts) == "".join(TOKEN.format(n) for n in range(1000))
    assert parts[-1] == Usage(input_tokens=10, output_tokens=1000)
    assert all(isinstance(part, TextPart) for part in parts[:-1])


async def test_the_request_is_what_the_protocol_asks_for(model, stand_in: StandIn):
    call = Call("call_1", "find", {"file_name_contains": "ü"})
    messages = [
        Message("system", "Be brief."),
        Message("user", "Which files?"),
        Message("assistant", "", calls=(call, Call("call_2", "grep", {}, broken='{"patt'))),
        Message("tool", '{"items": []}', call_id="call_1"),
        Message("tool", '{"error": "not JSON"}', call_id="call_2"),
    ]

    await ask(model("some model:7b/Q4"), TOOLS[:1], messages)

    (request,) = stand_in.requests
    assert request["path"] == "/v1/chat/completions"
    assert request["headers"]["Authorization"] == f"Bearer {KEY}"
    body = request["body"]
    assert (body["model"], body["stream"]) == ("some model:7b/Q4", True)
    assert body["stream_options"] == {"include_usage": True}
    assert body["tools"][0]["function"]["name"] == "retrieve"
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert body["messages"][3] == {
        "role": "tool",
        "content": '{"items": []}',
        "tool_call_id": "call_1",
    }
    first, second = body["messages"][2]["tool_calls"]
    assert first["function"] == {"name": "find", "arguments": '{"file_name_contains":"ü"}'}
    assert second["function"]["arguments"] == "{}"  # what is broken would break their parser too


async def test_no_key_sends_no_authorization(model, stand_in: StandIn):
    await ask(model(key=""))

    assert "Authorization" not in stand_in.requests[0]["headers"]


async def test_a_query_in_the_base_url_is_kept(model, stand_in: StandIn):
    parts = await ask(model(url=f"{stand_in.url}/?api-version=2026-01-01"))

    assert text_of(parts)


@pytest.mark.parametrize("style", ["sse", "crlf", "tight", "comments", "json"])
@pytest.mark.parametrize("split", [0, 1, 7])
async def test_every_framing_says_the_same(model, stand_in: StandIn, style: str, split: int):
    stand_in.say(text="Grüße, 世界 🦉 – “fine”.", piece=1, style=style, split=split)

    parts = await ask(model())

    assert text_of(parts) == "Grüße, 世界 🦉 – “fine”."
    assert isinstance(parts[-1], Usage)


@pytest.mark.parametrize("kind", ["text/plain", "application/octet-stream", "application/json"])
async def test_a_wrong_content_type_does_not_matter(model, stand_in: StandIn, kind: str):
    stand_in.say(text="All the same.", content_type=kind)

    assert text_of(await ask(model())) == "All the same."


async def test_a_stream_may_end_without_done(model, stand_in: StandIn):
    stand_in.say(text="Complete.", done=False)

    assert text_of(await ask(model())) == "Complete."


async def test_an_endpoint_that_lingers_after_the_end_does_not_hold_up_the_turn(
    model, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("chat.providers.openai.LAST_WORDS", 0.1)
    stand_in.say(text="Complete.", fault="silent_end")

    parts = await ask(model())

    assert text_of(parts) == "Complete."
    assert isinstance(parts[-1], Usage)
    await asyncio.to_thread(stand_in.wait_until, open=0, left=1)


async def test_very_large_deltas_come_whole(model, stand_in: StandIn):
    stand_in.say(tokens=3, size=2_000_000)

    parts = await ask(model())

    assert len(text_of(parts)) == 6_000_000


# Usage ------------------------------------------------------------------------------------------


async def test_usage_may_come_with_every_chunk_and_the_last_counts(model, stand_in: StandIn):
    stand_in.say(tokens=5, usage="every")

    assert (await ask(model()))[-1] == Usage(10, 5)


async def test_usage_is_estimated_when_there_is_none(model, stand_in: StandIn):
    stand_in.say(text="x" * 400, usage="none")

    assert (await ask(model()))[-1] == Usage(len(PROMPT) // 4 + 1, 101)


# Thinking ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["reasoning_content", "reasoning"])
async def test_reasoning_is_thinking(model, stand_in: StandIn, where: str):
    stand_in.say(thinking="First, look.", thinking_as=where, text="Here.")

    parts = await ask(model())

    assert thinking_of(parts) == "First, look."
    assert text_of(parts) == "Here."


@pytest.mark.parametrize("piece", [1, 3, 1000])
async def test_think_tags_at_the_start_are_thinking(model, stand_in: StandIn, piece: int):
    stand_in.say(thinking="Is 1 < 2? Yes.", thinking_as="tags", text="It is.", piece=piece)

    parts = await ask(model())

    assert thinking_of(parts) == "Is 1 < 2? Yes.\n"
    assert text_of(parts) == "It is."


@pytest.mark.parametrize("text", ["Use <think> tags.</think>", "  <thin", "<", "\n\nPlain."])
async def test_other_tags_are_text(model, stand_in: StandIn, text: str):
    stand_in.say(text=text, piece=1)

    parts = await ask(model())

    assert text_of(parts) == text
    assert thinking_of(parts) == ""


async def test_content_in_typed_pieces(model, stand_in: StandIn):
    pieces = (
        '[{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},'
        ' {"type": "text", "text": "Yes."}]'
    )
    choice = f'{{"delta": {{"content": {pieces}}}, "finish_reason": "stop"}}'
    stand_in.say(raw=f'data: {{"choices": [{choice}]}}\n\n')

    parts = await ask(model())

    assert parts[:2] == [ThinkingPart("Hm."), TextPart("Yes.")]


# Tool calls -------------------------------------------------------------------------------------

TWO_CALLS = [
    {"name": "retrieve", "arguments": {"query": "Öl und “Wasser”", "top_k": 3}, "id": "call_a"},
    {"name": "grep", "arguments": {"pattern": "[0-9]+"}, "id": "call_b"},
]


@pytest.mark.parametrize("style", ["indexed", "no_ids", "no_index", "same_index", "objects"])
@pytest.mark.parametrize("fragment", [0, 3, 11])
async def test_calls_are_put_together(model, stand_in: StandIn, style: str, fragment: int):
    if style == "objects" and fragment:
        pytest.skip("an object cannot be cut")
    stand_in.say(calls=TWO_CALLS, call_style=style, fragment=fragment)

    calls = calls_of(await ask(model(), TOOLS))

    assert [(call.name, call.arguments, call.broken) for call in calls] == [
        (told["name"], told["arguments"], None) for told in TWO_CALLS
    ]
    assert len({call.id for call in calls}) == 2
    assert all(call.id for call in calls)
    if style in ("indexed", "same_index", "objects"):
        assert [call.id for call in calls] == ["call_a", "call_b"]


async def test_the_legacy_shape_is_a_call(model, stand_in: StandIn):
    stand_in.say(calls=TWO_CALLS[:1], call_style="legacy", fragment=4)

    (call,) = calls_of(await ask(model(), TOOLS))

    assert (call.name, call.arguments) == ("retrieve", TWO_CALLS[0]["arguments"])


@pytest.mark.parametrize("sent", ['{"query": "half', "not JSON", '["a list"]', '"text"'])
async def test_broken_arguments_are_handed_on_as_sent(model, stand_in: StandIn, sent: str):
    stand_in.say(calls=[{"name": "retrieve", "arguments": sent}])

    (call,) = calls_of(await ask(model(), TOOLS))

    assert (call.name, call.arguments, call.broken) == ("retrieve", {}, sent)


async def test_no_arguments_are_an_empty_object(model, stand_in: StandIn):
    stand_in.say(calls=[{"name": "find", "arguments": ""}])

    (call,) = calls_of(await ask(model(), TOOLS))

    assert (call.arguments, call.broken) == ({}, None)


async def test_calls_come_after_the_text_before_the_usage(model, stand_in: StandIn):
    stand_in.say(text="Let me look.", calls=TWO_CALLS)

    parts = await ask(model(), TOOLS)

    assert [type(part) for part in parts[-3:]] == [CallPart, CallPart, Usage]
    assert text_of(parts[:-3]) == "Let me look."


async def test_a_model_without_tools_is_asked_again_without_them(model, stand_in: StandIn):
    stand_in.say(
        {"status": 400, "message": "stand-in does not support tools"},
        {"text": "Without, then."},
    )
    messages = [
        Message("user", PROMPT),
        Message("assistant", "", calls=(Call("call_1", "find", {}),)),
        Message("tool", "heron.md", call_id="call_1"),
    ]

    parts = await ask(model(), TOOLS, messages)

    assert text_of(parts) == "Without, then."
    _, second = stand_in.bodies
    assert "tools" not in second
    assert [message["role"] for message in second["messages"]] == ["user", "user"]
    assert "heron.md" in second["messages"][1]["content"]


async def test_an_endpoint_without_stream_options_is_asked_again_without_them(
    model, stand_in: StandIn
):
    stand_in.say(
        {"status": 422, "message": "Extra inputs are not permitted: stream_options"},
        {"text": "Better."},
    )

    parts = await ask(model(), TOOLS)

    assert text_of(parts) == "Better."
    assert "stream_options" not in stand_in.bodies[1]
    assert "tools" in stand_in.bodies[1]


# Ending it --------------------------------------------------------------------------------------


async def test_closing_the_iterator_ends_the_request_at_once(model, stand_in: StandIn):
    stand_in.say(tokens=10_000, rate=200)

    async with aclosing(model().stream([Message("user", PROMPT)])) as parts:
        await anext(parts)
        await asyncio.to_thread(stand_in.wait_until, open=1)

    await asyncio.to_thread(stand_in.wait_until, open=0, left=1)


@pytest.mark.parametrize("fault", ["silence", "silent_start", "silent_middle"])
async def test_cancelling_ends_the_request_at_once(model, stand_in: StandIn, fault: str):
    stand_in.say(fault=fault, after=1)
    asking = asyncio.create_task(ask(model()))
    await asyncio.to_thread(stand_in.wait_until, open=1)

    asking.cancel()
    await asyncio.wait([asking])

    await asyncio.to_thread(stand_in.wait_until, open=0, left=1)
    assert asking.cancelled()


async def test_many_streams_run_side_by_side(stand_in: StandIn):
    """More than any connection limit that would be there by default."""
    streams = 120
    stand_in.say({"tokens": 20, "rate": 100, "again": True})
    model = OpenAIChatModel(stand_in.url, KEY, "stand-in", 10)

    replies = await asyncio.gather(*(ask(model) for _ in range(streams)))

    assert {text_of(parts) for parts in replies} == {"".join(TOKEN.format(n) for n in range(20))}

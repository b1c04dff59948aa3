"""An endpoint that lets a turn down, and the sentence that says so."""

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate

import pytest

from chat import errors
from chat.errors import ModelError
from chat.providers.base import Message, Part
from chat.providers.openai import OpenAIChatModel
from tests.stand_in.fixture import StandIn, closed_url

from .conftest import KEY, PROMPT, TOOLS, ask, text_of


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.providers.http.BACKOFF", (0.01, 0.01, 0.01))


async def fail(model: OpenAIChatModel) -> tuple[list[Part], ModelError]:
    """What was said before the failure, and the failure."""
    parts: list[Part] = []
    with pytest.raises(ModelError) as failure:
        async for part in model.stream([Message("user", PROMPT)], TOOLS):
            parts.append(part)
    return parts, failure.value


@pytest.mark.parametrize(
    ("reply", "kind", "says"),
    [
        ({"status": 401}, errors.ModelKeyRejected, "LLM_API_KEY"),
        ({"status": 403}, errors.ModelKeyRejected, "LLM_API_KEY"),
        ({"status": 404}, errors.ModelNotFound, "LLM_MODEL"),
        ({"status": 400, "message": "Invalid model name"}, errors.ModelNotFound, "LLM_MODEL"),
        ({"status": 400, "code": "context_length_exceeded"}, errors.ContextTooLong, "new"),
        (
            {"status": 400, "message": "This model's maximum context length is 4096 tokens."},
            errors.ContextTooLong,
            "LLM_CONTEXT_TOKENS",
        ),
        ({"status": 413}, errors.ContextTooLong, "Ask for less"),
        ({"status": 429}, errors.ModelBusy, "too much to do"),
        ({"status": 429, "code": "insufficient_quota"}, errors.ModelRefused, "used up"),
        ({"status": 500, "message": "GPU fell off"}, errors.ModelRefused, "“GPU fell off”"),
        ({"status": 502}, errors.ModelBusy, "overloaded"),
        ({"status": 503}, errors.ModelBusy, "overloaded"),
        ({"status": 308}, errors.ModelRefused, "LLM_BASE_URL"),
        ({"status": 418, "message": "Teapot."}, errors.ModelRefused, "HTTP 418"),
        ({"fault": "drop"}, errors.ModelBroken, "without an answer"),
        ({"fault": "web_page"}, errors.ModelBroken, "a web page"),
        ({"raw": '{"detail": "Not a chat'}, errors.ModelBroken, "not JSON"),
        ({"raw": "[1, 2]"}, errors.ModelBroken, "no object"),
        ({"raw": "data: {}\n\n"}, errors.ModelBroken, "before its first word"),
        ({"raw": ""}, errors.ModelBroken, "before its first word"),
        (
            {"raw": 'data: {"choices": ["what", {"delta": 7}, {"delta": {"content": 1}}]}\n\n'},
            errors.ModelBroken,
            "before its first word",
        ),
        (
            {"raw": 'data: {"error": "out of memory"}\n\n'},
            errors.ModelRefused,
            "“out of memory”",
        ),
        (
            {"raw": '{"object": "error", "message": "no slot", "code": 400}'},
            errors.ModelRefused,
            "“no slot”",
        ),
        ({"text": "", "finish": "content_filter"}, errors.ModelRefused, "content filter"),
    ],
)
async def test_a_refusal_says_what_to_do(model, stand_in: StandIn, reply, kind, says):
    stand_in.say({**reply, "again": True})

    parts, error = await fail(model())

    assert type(error) is kind
    assert says in error.message
    assert parts == []


@pytest.mark.parametrize(
    ("fault", "kind", "says"),
    [
        ("cut", errors.ModelBroken, "closed the connection in mid-answer"),
        ("no_finish", errors.ModelBroken, "closed the connection in mid-answer"),
        ("invalid_json", errors.ModelBroken, "not JSON"),
        ("invalid_utf8", errors.ModelBroken, "not UTF-8"),
        ("error_event", errors.ModelRefused, "“The stand-in was told to refuse”"),
        ("silent_middle", errors.ModelTimeout, "fell silent in mid-answer"),
    ],
)
async def test_what_was_said_before_a_failure_stands(model, stand_in, fault, kind, says):
    stand_in.say(tokens=10, fault=fault, after=3)

    parts, error = await fail(model(timeout=0.3))

    assert text_of(parts) == "t000000 t000001 t000002 "
    assert type(error) is kind
    assert says in error.message
    assert len(stand_in.requests) == 1  # never asked again after the first word


@pytest.mark.parametrize("fault", ["silence", "silent_start"])
async def test_silence_before_the_first_word(model, stand_in: StandIn, fault: str):
    stand_in.say(fault=fault)

    parts, error = await fail(model(timeout=0.2))

    assert type(error) is errors.ModelTimeout
    assert "did not begin to answer" in error.message
    assert "LLM_TIMEOUT" in error.message
    assert parts == []
    await asyncio.to_thread(stand_in.wait_until, open=0)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://endpoint.invalid/v1", "host name is not known"),
        ("not a url", "address is not one"),
        ("localhost:8000/v1", "address is not one"),
        ("http://[::1", "address is not one"),
        ("http:///v1", "address is not one"),
        ("", "address is not one"),
    ],
)
async def test_an_address_that_leads_nowhere(url: str, says: str):
    _, error = await fail(OpenAIChatModel(url, KEY, "stand-in", 2))

    assert type(error) is errors.ModelUnreachable
    assert says in error.message
    assert "LLM_BASE_URL" in error.message


async def test_a_refused_connection_is_tried_again_and_then_explained(
    model, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, "chat")

    _, error = await fail(model(url=closed_url()))

    assert type(error) is errors.ModelUnreachable
    assert "nothing answers at its address" in error.message
    assert len(caplog.records) == 3


async def test_tls_that_does_not_come_about(model, stand_in: StandIn):
    _, error = await fail(model(url=stand_in.url.replace("http://", "https://")))

    assert type(error) is errors.ModelUnreachable
    assert "secure connection" in error.message


@pytest.fixture
def chatterbox() -> Iterator[str]:
    """The address of something that does not speak HTTP: it talks first, and rubbish."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def talk() -> None:
            for _ in range(8):
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client:
                    client.recv(65536)
                    client.sendall(b"220 mail.example.org ESMTP\r\n\r\n")

        threading.Thread(target=talk, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v1"


async def test_something_that_does_not_speak_http(model, chatterbox: str):
    _, error = await fail(model(url=chatterbox))

    assert type(error) is errors.ModelBroken


# Trying again -----------------------------------------------------------------------------------


@pytest.mark.parametrize("reply", [{"status": 429}, {"status": 503}, {"status": 502}])
async def test_a_busy_endpoint_is_asked_again(model, stand_in: StandIn, reply):
    stand_in.say(reply, reply, {"text": "At last."})

    assert text_of(await ask(model())) == "At last."
    assert len(stand_in.requests) == 3


async def test_a_dropped_connection_is_tried_again(model, stand_in: StandIn):
    stand_in.say({"fault": "drop"}, {"text": "At last."})

    assert text_of(await ask(model())) == "At last."


@pytest.mark.parametrize("status", [400, 401, 404, 500])
async def test_what_waiting_cannot_cure_is_not_tried_again(model, stand_in: StandIn, status: int):
    stand_in.say(status=status)

    await fail(model())

    assert len(stand_in.requests) == 1


@pytest.mark.parametrize("style", ["seconds", "date"])
async def test_retry_after_is_obeyed(model, stand_in: StandIn, style: str):
    wait = "1" if style == "seconds" else formatdate(time.time() + 2, usegmt=True)
    stand_in.say({"status": 429, "retry_after": wait}, {"text": "Thank you."})

    parts = await ask(model())

    first, second = (request["at"] for request in stand_in.requests)
    assert text_of(parts) == "Thank you."
    assert second - first >= 0.9


async def test_a_long_retry_after_is_told_and_not_waited_for(model, stand_in: StandIn):
    stand_in.say(status=429, retry_after="3600")

    _, error = await fail(model())

    assert type(error) is errors.ModelBusy
    assert "in 60 minutes" in error.message
    assert len(stand_in.requests) == 1


async def test_attempts_are_bounded(model, stand_in: StandIn):
    stand_in.say(status=503, retry_after="0", again=True)

    await fail(model())

    assert len(stand_in.requests) == 4


# Secrets ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("message", [f"Bad key {KEY}", f"input: {PROMPT}", f"cut: {PROMPT[5:40]}"])
async def test_no_key_and_no_prompt_is_repeated(
    model, stand_in: StandIn, message: str, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    stand_in.say(status=400, message=message)

    _, error = await fail(model())

    said = f"{error} {error.message} {caplog.text}"
    assert "HTTP 400" in error.message
    assert KEY not in said
    assert PROMPT[5:40] not in said


@pytest.mark.parametrize("key", ["schlüssel", "two\nlines"])
async def test_a_key_that_cannot_be_one(model, key: str):
    _, error = await fail(model(key=key))

    assert type(error) is errors.ModelKeyRejected
    assert key not in error.message

"""Sessions and turns in every state, against a model endpoint that does as it is told."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pytest
from llama_cloud import (
    ConflictError,
    LlamaCloud,
    NotFoundError,
    RateLimitError,
    UnprocessableEntityError,
)

from tests.server import Server
from tests.stand_in.fixture import StandIn

from .conftest import PAPERS, Library, make_library

PROMPT = "Who lit the lamp of the lighthouse?"


@pytest.fixture(scope="module")
def modelled(start_server: Callable[..., Server], stand_in_process: StandIn) -> Server:
    return start_server(LLM_BASE_URL=stand_in_process.url, LLM_MODEL="stand-in")


@pytest.fixture(scope="module")
def sdk(modelled: Server) -> Iterator[LlamaCloud]:
    with LlamaCloud(
        base_url=modelled.url,
        api_key=modelled.api_key,
        max_retries=0,
        _strict_response_validation=True,
    ) as client:
        yield client


@pytest.fixture
def http(modelled: Server) -> Iterator[httpx.Client]:
    """Without the SDK, for headers, bytes and what is ours."""
    with httpx.Client(
        base_url=f"{modelled.url}/api/v1",
        headers={"Authorization": f"Bearer {modelled.api_key}"},
        timeout=30,
    ) as client:
        yield client


@pytest.fixture(scope="module")
def papers(sdk: LlamaCloud) -> Library:
    return make_library(sdk, PAPERS)


@pytest.fixture
def session(sdk: LlamaCloud, papers: Library) -> str:
    """A session bound to the papers, without a turn."""
    return sdk.chat.create(index_ids=[papers.index_id]).session_id


def frames(response: httpx.Response) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """``(id, event, data)`` of each frame, checked against the wire's layout as they come."""
    lines: list[str] = []
    for line in response.iter_lines():
        if line:
            lines.append(line)
            continue
        if lines and not lines[0].startswith(":"):
            assert [one.split(": ", 1)[0] for one in lines] == ["id", "event", "data"]
            number, event, data = (one.split(": ", 1)[1] for one in lines)
            yield int(number), event, json.loads(data)
        lines = []


def asking(
    http: httpx.Client, session_id: str, index_ids: Sequence[str] = (), prompt: str = PROMPT, **rest
) -> AbstractContextManager[httpx.Response]:
    """The stream of a turn, as it comes."""
    body = {"prompt": prompt, "index_ids": index_ids, **rest}
    return http.stream("POST", f"/chat/{session_id}/messages/stream", json=body)


def ask(http: httpx.Client, session_id: str, index_ids: Sequence[str] = (), **rest: Any):
    with asking(http, session_id, index_ids, **rest) as response:
        assert response.status_code == 200, response.read()
        return list(frames(response))


def test_a_stream_has_its_headers_its_order_and_ascii_only(
    http: httpx.Client, stand_in: StandIn, session: str
):
    text = "Ada\u2028Keller\x85 🗝️ [1]."
    stand_in.say(text=text, thinking="Hm.")

    prompt = f"{PROMPT} \u2029 漢字"
    with asking(http, session, prompt=prompt) as response:
        raw = response.read()

    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"
    assert "content-encoding" not in response.headers
    assert raw.isascii()
    events = [(number, event, data) for number, event, data in frames(response)]
    assert [number for number, _, _ in events] == sorted({number for number, _, _ in events})
    assert events[0][2] == {"type": "user_input", "content": prompt}
    for _, event, data in events:
        assert event == ("delta" if data["type"].endswith("_delta") else "message")
    whole = next(data for _, _, data in events if data["type"] == "text")
    assert whole["content"] == text
    assert "".join(data["content"] for _, _, data in events if data["type"] == "text_delta") == text
    assert [data["type"] for _, _, data in events].count("stop") == 1
    assert events[-1][2]["usage"]["turns"] == 1


def test_a_bound_session_keeps_to_its_indexes(
    sdk: LlamaCloud, http: httpx.Client, papers: Library, session: str
):
    other = make_library(sdk, {"other.md": "# Other\n\nNothing of interest.\n"})
    ask(http, session, [papers.index_id])

    refused = http.post(
        f"/chat/{session}/messages/stream", json={"prompt": PROMPT, "index_ids": [other.index_id]}
    )

    assert refused.status_code == 409
    assert refused.headers["x-should-retry"] == "false"
    asked = [event for event in sdk.chat.retrieve(session).events if event.type == "user_input"]
    assert len(asked) == 1


@pytest.mark.parametrize("index_ids", [[], ["same", "same"], [f"idx-{n}" for n in range(11)]])
def test_a_message_names_one_to_ten_indexes_once(sdk: LlamaCloud, index_ids: list[str]):
    session = sdk.chat.create().session_id

    with pytest.raises(UnprocessableEntityError):
        sdk.chat.stream(session, prompt=PROMPT, index_ids=index_ids)

    assert sdk.chat.retrieve(session).events == []


@pytest.mark.parametrize("prompt", ["", " \n ", "x" * 32_001, "a\0b"])
def test_a_prompt_that_cannot_be_asked_leaves_no_trace(sdk: LlamaCloud, prompt: str, session: str):
    with pytest.raises(UnprocessableEntityError):
        sdk.chat.stream(session, prompt=prompt, index_ids=[])

    assert sdk.chat.retrieve(session).events == []


@pytest.mark.parametrize(
    ("index_ids", "error"),
    [
        ([f"idx-{n}" for n in range(11)], UnprocessableEntityError),
        (["idx-0", "idx-0"], UnprocessableEntityError),
        (["idx-0"], NotFoundError),
    ],
)
def test_a_session_is_bound_to_at_most_ten_known_indexes(
    sdk: LlamaCloud, index_ids: list[str], error: type[Exception]
):
    with pytest.raises(error):
        sdk.chat.create(index_ids=index_ids)


def test_a_second_prompt_waits_and_cancel_ends_the_first(
    sdk: LlamaCloud, http: httpx.Client, stand_in: StandIn, session: str
):
    stand_in.say(tokens=2000, rate=50)
    with asking(http, session) as response:
        events = frames(response)
        while next(events)[2]["type"] != "text_delta":
            pass

        with pytest.raises(ConflictError) as refused:
            sdk.chat.stream(session, prompt=PROMPT, index_ids=[])
        cancelled = http.post(f"/chat/{session}/cancel")
        rest = list(events)

    assert "x-should-retry" not in refused.value.response.headers
    assert (cancelled.status_code, cancelled.json()) == (200, {})
    assert rest[-1][2]["type"] == "stop"
    assert http.post(f"/chat/{session}/cancel").status_code == 409
    stand_in.wait_until(open=0)


QUOTA = "from chat.models import Quota; Quota.objects."


def test_who_has_asked_too_much_is_told_at_once_and_not_retried_for(
    modelled: Server, sdk: LlamaCloud, http: httpx.Client, stand_in: StandIn, session: str
):
    stand_in.say(text="The keeper. [1]", again=True)
    with asking(http, session) as response:
        assert list(frames(response))[-1][2]["type"] == "stop"
    modelled.manage("shell", "-c", f"{QUOTA}create(turns_per_hour=1)")
    try:
        with pytest.raises(RateLimitError, match="is used up") as refused:
            sdk.with_options(max_retries=5).chat.stream(session, prompt=PROMPT, index_ids=[])
    finally:
        modelled.manage("shell", "-c", f"{QUOTA}all().delete()")

    answer = refused.value.response
    assert 3_000 < int(answer.headers["Retry-After"]) <= 3_600
    assert answer.request.headers["x-stainless-retry-count"] == "0"


def test_leaving_the_stream_does_not_end_the_turn_and_it_can_be_resumed(
    sdk: LlamaCloud, http: httpx.Client, stand_in: StandIn, session: str
):
    stand_in.say(tokens=60, rate=60)
    seen = []
    with asking(http, session) as response:
        for one in frames(response):
            seen.append(one)
            if one[2]["type"] == "text_delta":
                break

    headers = {"Last-Event-ID": str(seen[-1][0])}
    with http.stream("GET", f"/chat/{session}/events?after=0", headers=headers) as response:
        for one in frames(response):
            seen.append(one)
            if one[2]["type"] == "stop":
                break

    numbers = [number for number, _, _ in seen]
    assert numbers == sorted(set(numbers))
    text = next(data["content"] for _, _, data in seen if data["type"] == "text")
    assert "".join(d["content"] for _, _, d in seen if d["type"] == "text_delta") == text
    history = [event.type for event in sdk.chat.retrieve(session).events]
    assert history == [d["type"] for _, event, d in seen if event == "message"]


def test_a_model_that_breaks_off_ends_the_turn_with_what_was_written(
    sdk: LlamaCloud, http: httpx.Client, stand_in: StandIn, session: str
):
    stand_in.say(text="The report says so", fault="cut", after=2)

    events = [data for _, _, data in ask(http, session)]
    summary = sdk.chat.get_summary(session)

    assert events[-1]["type"] == "stop"
    assert events[-1]["is_error"] is True
    assert events[-1]["error"]
    assert summary.job_metadata is not None
    assert summary.job_metadata.is_error is True
    assert summary.job_metadata.error == events[-1]["error"]


def test_an_index_that_is_gone_is_skipped_unless_all_are_required(
    sdk: LlamaCloud, http: httpx.Client, papers: Library
):
    doomed = make_library(sdk, {"doomed.md": "# Doomed\n\nSoon gone.\n"})
    session = sdk.chat.create(index_ids=[doomed.index_id, papers.index_id]).session_id
    sdk.indexes.delete(doomed.index_id)

    lenient = [data for _, _, data in ask(http, session)]
    strict = [data for _, _, data in ask(http, session, require_all_indexes=True)]

    assert "warning" in [data["type"] for data in lenient]
    assert lenient[-1]["is_error"] is False
    assert lenient[-1]["skipped_index_ids"] == [doomed.index_id]
    assert strict[-1]["is_error"] is True
    assert strict[-1]["skipped_index_ids"] == [doomed.index_id]
    assert "warning" not in [event.type for event in sdk.chat.retrieve(session).events]


def test_a_deleted_session_is_gone_everywhere_and_its_turn_stopped(
    sdk: LlamaCloud, http: httpx.Client, stand_in: StandIn, session: str
):
    stand_in.say(tokens=2000, rate=50)
    with asking(http, session) as response:
        next(frames(response))
        sdk.chat.delete(session)

    for path in ("", "/summary", "/events"):
        assert http.get(f"/chat/{session}{path}").status_code == 404
    with asking(http, session) as response:
        assert response.status_code == 404
    assert session not in [one.session_id for one in sdk.chat.list()]
    stand_in.wait_until(open=0)


def test_a_session_is_renamed_shared_archived_and_pinned(http: httpx.Client, sdk: LlamaCloud):
    session = sdk.chat.create().session_id

    changed = http.patch(
        f"/chat/{session}",
        json={"title": "Lamps", "shared_access": "query", "archived": True, "pinned": True},
    )

    assert changed.status_code == 200
    assert (changed.json()["generated_title"], changed.json()["shared_access"]) == (
        "Lamps",
        "query",
    )
    assert http.patch(f"/chat/{session}", json={"title": "  "}).status_code == 422

"""What holds for every stream, whatever the model says and however it breaks."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.server import Server
from tests.stand_in.fixture import StandIn

Frame = tuple[int, str, dict[str, Any]]

# Letters that clients, databases and terminals stumble over come as often as all others together.
ODD = '\0\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\ufeff\u202e\u0301\u200d🗝️👩‍👩‍👧\r\n\t"\\<>&[1]'
LETTERS = st.sampled_from(ODD) | st.characters(exclude_categories=["Cs"])
TEXT = st.text(LETTERS, max_size=60)
TAGGED = TEXT.map(lambda text: text.replace("<", ""))  # would end the tag, or begin another

NAMES = st.sampled_from(["retrieve", "find", "grep", "read", "erase", ""])
FIELDS = {
    "query": TEXT,
    "index_id": st.sampled_from(["INDEX", "idx-0", ""]),
    "file_id": st.sampled_from(["FILE", "dfl-0", ""]),
    "pattern": st.sampled_from(["a+", "(", ""]),
    "file_name_contains": TEXT,
    "offset": st.integers() | TEXT,
    "top_k": st.integers(-1, 40),
}
ARGUMENTS = st.fixed_dictionaries({}, optional=FIELDS) | st.sampled_from(["", "{", "[]", "null"])
CALLS = st.lists(st.fixed_dictionaries({"name": NAMES, "arguments": ARGUMENTS}), max_size=3)
FAULTS = ["cut", "no_finish", "invalid_json", "invalid_utf8", "error_event"]
REPLIES = st.fixed_dictionaries(
    {
        "text": TEXT,
        "thinking": TAGGED,
        "thinking_as": st.sampled_from(["reasoning_content", "reasoning", "tags"]),
        "calls": CALLS,
        "call_style": st.sampled_from(["indexed", "no_ids", "no_index", "same_index", "legacy"]),
        "fragment": st.integers(0, 5),
        "piece": st.integers(0, 3),
        "split": st.sampled_from([0, 0, 7]),
        "usage": st.sampled_from(["last", "every", "none"]),
        "done": st.booleans(),
    },
    optional={"fault": st.sampled_from(FAULTS), "after": st.integers(0, 9)},
)
SCRIPTS = st.lists(REPLIES, min_size=1, max_size=3)
PROMPTS = TEXT.filter(lambda text: text.strip() and "\0" not in text)


@pytest.fixture(scope="module")
def api(start_server: Callable[..., Server], stand_in_process: StandIn) -> Iterator[httpx.Client]:
    server = start_server(LLM_BASE_URL=stand_in_process.url, LLM_MODEL="stand-in", LLM_TIMEOUT="5")
    with server.api() as client:
        yield client


@pytest.fixture(scope="module")
def place(api: httpx.Client) -> dict[str, str]:
    """An index and a file in it, to be put where a script says INDEX and FILE."""
    index = api.get("/indexes").json()["items"][0]["id"]
    found = api.post("/retrieval/files/find", json={"index_id": index}).json()["items"]
    return {"INDEX": index, "FILE": found[0]["file_id"]}


@settings(max_examples=60, derandomize=True, database=None)
@given(prompt=PROMPTS, script=SCRIPTS, resumed=st.integers(0, 30))
def test_every_stream_is_whole_and_in_order(
    api: httpx.Client,
    place: dict[str, str],
    stand_in_process: StandIn,
    prompt: str,
    script: list[dict[str, Any]],
    resumed: int,
):
    stand_in_process.forget()
    stand_in_process.say(*json.loads(filled(json.dumps(script), place)))
    session = api.post("/chat", json={"index_ids": [place["INDEX"]]}).json()["session_id"]

    body = {"prompt": prompt, "index_ids": []}
    frames = streamed(api, "POST", f"/chat/{session}/messages/stream", json=body)
    seen = frames[: min(resumed, len(frames) - 1)]
    last_id = {"Last-Event-ID": str(seen[-1][0]) if seen else "0"}
    again = streamed(api, "GET", f"/chat/{session}/events", headers=last_id)
    kept = api.get(f"/chat/{session}").json()

    events = [data for _, _, data in frames]
    assert_in_order(frames)
    assert events[0] == {"type": "user_input", "content": prompt}
    assert_deltas_make_up_their_whole(events)
    assert_calls_have_their_results(events)
    assert_one_stop_that_tells_what_happened(events, kept["job_metadata"])
    assert seen + again == frames
    assert kept["events"] == [
        data for _, event, data in frames if event == "message" and data["type"] != "warning"
    ]


def filled(script: str, place: dict[str, str]) -> str:
    for name, value in place.items():
        script = script.replace(f'"{name}"', f'"{value}"')
    return script


def streamed(api: httpx.Client, method: str, path: str, **options: Any) -> list[Frame]:
    """The frames up to the stop, each checked to be three lines of ASCII."""
    frames = []
    with api.stream(method, path, **options) as response:
        assert response.status_code == 200, response.read()
        lines = response.iter_lines()
        for empty, group in groupby(lines, key=lambda line: not line):
            block = list(group)
            if empty or block[0].startswith(":"):
                continue
            assert all(line.isascii() for line in block)
            fields = dict(line.split(": ", 1) for line in block)
            assert list(fields) == ["id", "event", "data"]
            frames.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
            if frames[-1][2]["type"] == "stop" and method == "GET":
                break  # of what would go on for ever
    return frames


def assert_in_order(frames: list[Frame]) -> None:
    numbers = [number for number, _, _ in frames]
    assert numbers == sorted(set(numbers))
    for _, event, data in frames:
        assert event == ("delta" if data["type"].endswith("_delta") else "message")


def assert_deltas_make_up_their_whole(events: list[dict[str, Any]]) -> None:
    parts: list[dict[str, Any]] = []
    for data in events:
        if data["type"].endswith("_delta"):
            parts.append(data)
        elif data["type"] in ("text", "thinking"):
            assert {part["type"] for part in parts} == {f"{data['type']}_delta"}
            assert "".join(part["content"] for part in parts) == data["content"]
            parts = []
        else:
            assert parts == [], "the whole comes before anything else"


def assert_calls_have_their_results(events: list[dict[str, Any]]) -> None:
    calls = [data for data in events if data["type"] == "tool_call"]
    results = [data for data in events if data["type"] == "tool_result"]

    def named(given: list[dict[str, Any]]) -> Counter[tuple[str, str]]:
        return Counter((one["call_id"], one["name"]) for one in given)

    assert named(calls) == named(results)
    assert max(named(calls).values()) == 1, "an id is a call's own"
    for call in calls:
        later = events[events.index(call) :]
        assert any(
            one["type"] == "tool_result" and one["call_id"] == call["call_id"] for one in later
        )


def assert_one_stop_that_tells_what_happened(
    events: list[dict[str, Any]], job: dict[str, Any]
) -> None:
    stop = events[-1]
    assert [data["type"] for data in events].count("stop") == 1
    assert stop["type"] == "stop"
    assert stop["is_error"] is (stop["error"] is not None)
    assert stop["usage"]["turns"] >= 1
    assert {key: job[key] for key in ("is_error", "error")} == {
        key: stop[key] for key in ("is_error", "error")
    }
    assert {key: job[key] for key in stop["usage"]} == stop["usage"]

"""A web process that is killed, and what is found of its turns when there is one again."""

import time
from collections.abc import Callable

import httpx
import pytest

from tests.server import Server
from tests.stand_in.fixture import StandIn

from .reading import Stream, events, pieces, post, prompt, signed_in
from .test_resuming import turn_in

QUESTION = "How do I add documents?"
SLOW = "slowly now"
SOON = 15.0  # seconds; a lease would take twenty to run out


@pytest.fixture(scope="module")
def server(start_server: Callable[..., Server], stand_in_process: StandIn) -> Server:
    """Its searches end with a rerank by the stand-in, which may take its time."""
    url = stand_in_process.url
    return start_server(
        LLM_BASE_URL=url, LLM_MODEL="stand-in", RERANK_BASE_URL=url, RERANK_MODEL="stand-in"
    )


def new_session(api: httpx.Client) -> str:
    index = api.get("/indexes").json()["items"][0]["id"]
    return api.post("/chat", json={"index_ids": [index]}).json()["session_id"]


def test_a_call_cut_off_in_the_middle_has_a_result_that_says_so(server, stand_in):
    calls = [{"name": "find", "arguments": {"index_id": "?", "file_name_contains": "a"}}]
    calls += [{"name": "retrieve", "arguments": {"query": SLOW}}]
    stand_in.say({"when": QUESTION}, {"when": QUESTION, "text": "Let me see.", "calls": calls})
    stand_in.say(fault="silence", when=SLOW)
    with server.api() as api:
        session = new_session(api)
        with prompt(api, session) as given:
            watched = Stream(given).read_until("tool_call", 3)
            while count(api, session, "tool_call") < 3:  # what is shown may not be saved yet
                time.sleep(0.02)
            server.kill("web")
        server.start("web")
        with events(api, session, **{"Last-Event-ID": str(watched[-1][0])}) as followed:
            watched += Stream(followed).read_until("stop")
        with events(api, session) as followed:
            again = Stream(followed).read_until("stop")
        history = api.get(f"/chat/{session}").json()["events"]
        with signed_in(server) as browser:
            reloaded = turn_in(browser.get(f"/chat/{session}/").text)
            _, streamed = next(pieces(browser, session, "0-"))

    assert watched == again
    assert [data for _, _, data in watched if not data["type"].endswith("_delta")] == history
    called = [event["call_id"] for event in history if event["type"] == "tool_call"]
    results = {event["call_id"]: event for event in history if event["type"] == "tool_result"}
    assert len(called) == 3 and results.keys() == set(called)
    assert results[called[-1]]["result"] == {"error": "This call did not finish."}
    assert history[-1]["type"] == "stop" and history[-1]["is_error"]
    assert turn_in(streamed) == reloaded


def count(api: httpx.Client, session: str, kind: str) -> int:
    """Of the events that are saved."""
    told = api.get(f"/chat/{session}").json()["events"]
    return [event["type"] for event in told].count(kind)


def test_a_question_that_waited_starts_though_nobody_looks(server, stand_in):
    stand_in.say(tokens=5_000, rate=20, again=True)
    with server.api() as api, signed_in(server) as browser:
        session = new_session(api)
        with prompt(api, session) as given:
            Stream(given).read_until("text_delta", 2)
            post(browser, f"/chat/{session}/turns/", prompt="And then?")
            server.kill("web")
        stand_in.forget()
        server.start("web")

        deadline = time.monotonic() + SOON  # its own requests are all that the stand-in hears
        while not any("And then?" in str(body) for body in stand_in.bodies):
            assert time.monotonic() < deadline, server.log()
            time.sleep(0.1)
        with events(api, session) as followed:
            told = [data for _, _, data in Stream(followed).read_until("stop", 2)]

    asked = [event["content"] for event in told if event["type"] == "user_input"]
    assert asked == [QUESTION, "And then?"]
    assert not told[-1]["is_error"]


def test_a_turn_nobody_looks_at_is_ended_where_its_process_died(server, stand_in):
    stand_in.say(tokens=5_000, rate=20, again=True)
    with server.api() as api:
        session = new_session(api)
        with prompt(api, session) as given:
            Stream(given).read_until("text_delta", 2)
            server.kill("web")
    server.start("web")

    deadline = time.monotonic() + SOON
    state = "from chat.models import Turn; print(Turn.objects.latest('pk').state)"
    while "interrupted" not in server.manage("shell", "-c", state):
        assert time.monotonic() < deadline

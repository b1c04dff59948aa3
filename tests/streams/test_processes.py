"""Two web processes over one PostgreSQL and one Redis: what one runs, the other shows and stops."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.postgres import Postgres
from tests.server import Server
from tests.stand_in.fixture import StandIn

TOKENS = 60


@pytest.fixture(scope="module")
def pair(
    tmp_path_factory: pytest.TempPathFactory,
    postgres: Postgres,
    redis_server: str,
    stand_in_process: StandIn,
) -> Iterator[tuple[Server, Server]]:
    """Two web processes of one installation, each on a port of its own."""
    data = tmp_path_factory.mktemp("pair")
    settings = {
        "DATABASE_URL": postgres.new_database(),
        "REDIS_URL": redis_server,
        "LLM_BASE_URL": stand_in_process.url,
        "LLM_MODEL": "stand-in",
    }
    here, there = Server(data, **settings), Server(data, **settings)
    try:
        here.start("web")
        there.start("web")
        yield here, there
    finally:
        here.stop()
        there.stop()


@pytest.fixture
def session(pair: tuple[Server, Server]) -> str:
    """Bound to the handbook."""
    with pair[0].api() as api:
        index = api.get("/indexes").json()["items"][0]["id"]
        return api.post("/chat", json={"index_ids": [index]}).json()["session_id"]


class Stream:
    """Frames as they come, each ``(seq, event, data)``."""

    def __init__(self, response: httpx.Response):
        self._lines = response.iter_lines()
        assert response.status_code == 200

    def read_until(self, kind: str, count: int = 1) -> list[tuple[int, str, dict[str, Any]]]:
        """Up to and with the ``count``-th event of a type."""
        seen, frame = [], {}
        for line in self._lines:
            name, _, value = line.partition(": ")
            if line:
                frame[name] = value
            elif "data" in frame:
                seen.append((int(frame["id"]), frame["event"], json.loads(frame["data"])))
                frame = {}
                count -= seen[-1][2]["type"] == kind
                if count == 0:
                    return seen
        raise AssertionError(f"the stream ended without {kind}: {seen[-3:]}")


def prompt(api: httpx.Client, session: str):
    message = {"index_ids": [], "prompt": "How do I add documents?"}
    return api.stream("POST", f"/chat/{session}/messages/stream", json=message)


def events(api: httpx.Client, session: str, **headers: str):
    return api.stream("GET", f"/chat/{session}/events", headers=headers)


def text_of(frames: list[tuple[int, str, dict[str, Any]]]) -> str:
    return "".join(data["content"] for _, _, data in frames if data["type"] == "text_delta")


def test_an_answer_given_by_one_is_followed_word_by_word_on_the_other(pair, session, stand_in):
    stand_in.say(tokens=TOKENS, rate=100)
    here, there = pair
    with (
        here.api() as api,
        there.api() as other,
        events(other, session) as followed,
        prompt(api, session) as given,
    ):
        seen_there = Stream(followed).read_until("stop")
        seen_here = Stream(given).read_until("stop")

    assert seen_there == seen_here
    assert text_of(seen_there).split() == [f"t{number:06d}" for number in range(TOKENS)]
    assert sum(data["type"] == "text_delta" for _, _, data in seen_there) > 5


def test_a_follower_goes_on_where_it_left_off_on_another_process(pair, session, stand_in):
    stand_in.say(tokens=TOKENS, rate=100)
    here, there = pair
    with here.api() as api, there.api() as other, prompt(api, session) as given:
        first = Stream(given).read_until("text_delta", 5)
        with events(other, session, **{"Last-Event-ID": str(first[-1][0])}) as followed:
            rest = Stream(followed).read_until("stop")

    numbers = [seq for seq, _, _ in first + rest]
    assert numbers == sorted(set(numbers))
    assert text_of(first + rest).split() == [f"t{number:06d}" for number in range(TOKENS)]
    assert rest[-2][2]["content"] == text_of(first + rest)


def test_an_answer_that_one_runs_is_stopped_from_the_other(pair, session, stand_in):
    stand_in.say(tokens=2_000, rate=20)
    here, there = pair
    with here.api() as api, there.api() as other, prompt(api, session) as given:
        stream = Stream(given)
        stream.read_until("text_delta", 3)

        other.post(f"/chat/{session}/cancel").raise_for_status()
        rest = stream.read_until("stop")
        stand_in.wait_until(open=0, left=1)
        told = other.get(f"/chat/{session}").json()["events"]

    assert rest[-1][2] == told[-1]
    assert told[-1]["type"] == "stop" and not told[-1]["is_error"]
    assert told[-2]["type"] == "text" and told[-2]["content"].startswith("t000000 t000001")


def test_one_that_is_killed_leaves_an_end_that_the_other_shows(pair, session, stand_in):
    stand_in.say(tokens=2_000, rate=20)
    here, there = pair
    with here.api() as api, there.api() as other, events(other, session) as followed:
        stream = Stream(followed)
        with prompt(api, session) as given:
            Stream(given).read_until("text_delta", 3)
            here.kill("web")
        seen = stream.read_until("stop")
    here.start("web")

    assert "interrupted" in seen[-1][2]["error"]
    assert seen[-2][2]["type"] == "text" and seen[-2][2]["content"] == text_of(seen)

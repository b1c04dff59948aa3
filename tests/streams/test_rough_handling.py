"""Callers that send nonsense, or two things at the same moment, break nothing for anybody."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.server import Server
from tests.stand_in.fixture import StandIn

from .reading import Stream, events, prompt, signed_in, text_of, wait_until_ended

NONSENSE = ["", "-1", "0x10", "1e3", "9" * 18, "9" * 40, "٣", "null", "1-", "-", "1-x", "%00"]


@pytest.fixture(scope="module")
def server(start_server: Callable[..., Server], stand_in_process: StandIn) -> Server:
    return start_server(LLM_BASE_URL=stand_in_process.url, LLM_MODEL="stand-in")


@pytest.fixture
def rough(server: Server, stand_in) -> str:
    """A session with one answer that is being written."""
    with server.api() as api:
        index = api.get("/indexes").json()["items"][0]["id"]
        session = api.post("/chat", json={"index_ids": [index]}).json()["session_id"]
        stand_in.say(tokens=2_000, rate=50)
        with prompt(api, session) as given:
            Stream(given).read_until("text_delta", 2)
    return session


def still_works(server: Server, session: str, stand_in: StandIn) -> None:
    """Nothing runs any more, the next prompt is answered, and no request broke."""
    stand_in.wait_until(open=0)
    stand_in.say(text="Still here.")
    with server.api() as api:
        wait_until_ended(api, session)
        with prompt(api, session) as given:
            assert text_of(Stream(given).read_until("stop")) == "Still here."
    assert "Traceback" not in server.log()


def test_a_place_that_is_none_is_no_trouble(server, rough, stand_in):
    with server.api() as api, signed_in(server) as browser:
        for number in NONSENSE:
            sent = {b"Last-Event-ID": number.encode()}
            with api.stream("GET", f"/chat/{rough}/events", headers=sent) as told:
                assert told.status_code == 200, number
            with browser.stream("GET", f"/chat/{rough}/events/", headers=sent) as told:
                assert told.status_code == 200, number
        api.post(f"/chat/{rough}/cancel")

    still_works(server, rough, stand_in)


def test_many_stops_at_once_are_one(server, rough, stand_in):
    def stop(_: int) -> int:
        with server.api() as api:
            return api.post(f"/chat/{rough}/cancel").status_code

    with ThreadPoolExecutor(8) as threads:
        answers = set(threads.map(stop, range(8)))

    assert answers <= {200, 409} and 200 in answers
    still_works(server, rough, stand_in)


def test_a_stop_and_a_question_asked_again_at_the_same_moment(server, rough, stand_in):
    with server.api() as api, signed_in(server) as browser:
        token = {"X-CSRFToken": browser.cookies["csrftoken"]}
        stand_in.say(text="Again.", again=True)

        def again(_: int) -> httpx.Response:
            data = {"instead_of": "1"}
            return browser.post(f"/chat/{rough}/turns/", data=data, headers=token)

        with ThreadPoolExecutor(6) as threads:
            asked = [threads.submit(again, number) for number in range(5)]
            threads.submit(api.post, f"/chat/{rough}/cancel")
        told = wait_until_ended(api, rough)

    assert {one.result().status_code for one in asked} <= {302, 409}
    assert [event["type"] for event in told].count("stop") == 1  # one branch is read
    stand_in.forget()
    still_works(server, rough, stand_in)


def test_a_session_deleted_by_many_while_many_read_it(server, rough, stand_in):
    def read(_: int) -> bool:
        with server.api() as api, events(api, rough) as followed:
            return all(line is not None for line in followed.iter_lines())

    def delete(_: int) -> int:
        with server.api() as api:
            return api.delete(f"/chat/{rough}").status_code

    with ThreadPoolExecutor(12) as threads:
        readers = [threads.submit(read, number) for number in range(6)]
        gone = {threads.submit(delete, number) for number in range(4)}
        assert {one.result() for one in gone} <= {204, 404}
        assert all(one.result(20) for one in readers if not one.exception(20))

    stand_in.wait_until(open=0)
    assert "Traceback" not in server.log()

"""Whoever stops an answer, and from wherever: the model's request is closed within 100 ms.

The best of three counts: a busy machine may keep anybody waiting.
"""

import re
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from tests.server import Server

from .conftest import new_session
from .reading import Stream, post, prompt, signed_in, wait_until_ended

RATE = 50  # words a second
SOON = RATE * 0.1 + 1  # words


def by_the_api(server: Server, session: str) -> None:
    with server.api() as api:
        api.post(f"/chat/{session}/cancel").raise_for_status()


def on_a_page(server: Server, session: str) -> None:
    with signed_in(server) as browser:
        post(browser, f"/chat/{session}/stop/")


def by_the_admin(server: Server, session: str) -> None:
    with signed_in(server) as browser:
        page = browser.get(f"/admin/chat/turn/?q={session}").text
        [turn] = re.findall(r'name="_selected_action" value="(\d+)"', page)
        post(browser, "/admin/chat/turn/", action="stop", _selected_action=turn)


def by_deleting_the_session(server: Server, session: str) -> None:
    with server.api() as api:
        api.delete(f"/chat/{session}").raise_for_status()


WAYS = [by_the_api, on_a_page, by_the_admin, by_deleting_the_session]


@pytest.mark.parametrize("where", ["here", "there"])
@pytest.mark.parametrize("stop", WAYS)
def test_a_stop_reaches_the_model_at_once(
    pair, stand_in, stop: Callable[[Server, str], None], where: str
):
    here, there = pair
    late = [2_000]
    while min(late) > SOON and len(late) <= 3:
        session = new_session(here)
        stand_in.forget()
        stand_in.say(tokens=2_000, rate=RATE)
        with here.api() as api, prompt(api, session) as given:
            Stream(given).read_until("text_delta", 3)

            stop(here if where == "here" else there, session)

            written = stand_in.counts["chunks"]
            stand_in.wait_until(open=0, left=1)
        late.append(stand_in.counts["chunks"] - written)

    assert min(late) <= SOON


def test_an_answer_whose_asker_has_gone_is_stopped_as_any_other(pair, session, stand_in):
    stand_in.say(tokens=2_000, rate=RATE)
    here, there = pair
    with here.api() as api, ExitStack() as line:
        Stream(line.enter_context(prompt(api, session))).read_until("text_delta", 3)
        line.close()

        by_the_api(there, session)
        stand_in.wait_until(open=0, left=1)
        wait_until_ended(api, session)
        stand_in.say(text="Here again.")
        with prompt(api, session) as given:
            again = Stream(given).read_until("stop")
        told = api.get(f"/chat/{session}").json()["events"]

    assert again[-2][2]["content"] == "Here again."
    kept = [event["content"] for event in told if event["type"] == "text"]
    assert kept[0].startswith("t000000 t000001") and kept[1:] == ["Here again."]

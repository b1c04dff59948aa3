"""Two web processes over one PostgreSQL and one Redis: what one runs, the other shows and stops."""

from contextlib import ExitStack
from pathlib import Path

from .reading import Stream, events, prompt, signed_in, text_of

TOKENS = 60
POOL = 20  # connections to PostgreSQL that a process may keep open, unless told otherwise


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
    assert sum(data["type"] == "text_delta" for _, _, data in seen_there) > 3


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


def test_open_pages_keep_no_connection_and_no_thread(pair, session):
    with signed_in(pair[0]) as browser, ExitStack() as stack:
        open_pages, threads = [], []  # a line that nobody holds is closed
        for path in (f"/chat/{session}/events/", "/live/") * (POOL // 2 + 3):
            page = stack.enter_context(browser.stream("GET", path, headers={"HX-Request": "true"}))
            assert page.status_code == 200
            open_pages.append(page.iter_lines())
            next(open_pages[-1])
            threads.append(len(list(Path(f"/proc/{pair[0].processes['web'].pid}/task").iterdir())))

        assert browser.get("/library/").status_code == 200
        assert threads[-1] - threads[5] < 10


def test_one_that_is_killed_leaves_an_end_that_the_other_shows(pair, session, stand_in):
    stand_in.say(tokens=2_000, rate=20)
    here, there = pair
    with here.api() as api, there.api() as other, events(other, session) as followed:
        stream = Stream(followed)
        with prompt(api, session):
            seen = stream.read_until("text_delta", 3)  # what only the one knew is lost with it
            here.kill("web")
        seen += stream.read_until("stop")
    here.start("web")

    assert "interrupted" in seen[-1][2]["error"]
    assert seen[-2][2]["type"] == "text" and seen[-2][2]["content"] == text_of(seen)

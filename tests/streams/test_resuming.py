"""Wherever a line is cut, what was read before and after is what is kept, once and in order."""

import re
from contextlib import closing

from .reading import Stream, events, pieces, prompt, signed_in, text_of

ANSWER = {"thinking": "Let me see.", "text": "Set **two** variables [1].\n\n- one\n- two\n" * 3}


def test_after_the_end_every_place_to_resume_from_gives_the_rest(pair, session, stand_in):
    stand_in.say(**ANSWER, rate=30)
    here, there = pair
    with here.api() as api, there.api() as other:
        with prompt(api, session) as given:
            whole = Stream(given).read_until("stop")

        for position, (seq, _, _) in enumerate(whole[:-1], 1):
            with events(other, session, **{"Last-Event-ID": str(seq)}) as followed:
                assert Stream(followed).read_until("stop") == whole[position:]

    assert len(whole) > 15
    assert text_of(whole) == ANSWER["text"]


def test_a_line_cut_after_every_event_of_a_running_answer_loses_none(pair, session, stand_in):
    stand_in.say(**ANSWER, rate=30)
    read = []
    with pair[0].api() as api, pair[1].api() as other:
        with prompt(api, session) as given:
            read += Stream(given).read_until("user_input")
        while read[-1][2]["type"] != "stop":
            api, other = other, api
            with events(api, session, **{"Last-Event-ID": str(read[-1][0])}) as followed:
                read.append(next(Stream(followed).frames))
        with events(api, session) as followed:
            whole = Stream(followed).read_until("stop")

    assert read == whole
    assert text_of(whole) == ANSWER["text"]


def test_a_page_cut_after_every_piece_shows_every_word_and_in_the_end_what_a_reload_shows(
    pair, session, stand_in
):
    stand_in.say(tokens=30, hold=5, step=5)
    place, shown = "0-", []
    with pair[0].api() as api, signed_in(pair[0]) as here, signed_in(pair[1]) as there:
        with prompt(api, session) as given:
            Stream(given).read_until("user_input")
        while not shown or 'data-state="running"' in shown[-1]:
            here, there = there, here
            with closing(pieces(here, session, place)) as cut:
                place, html = next(cut)
            shown.append(html)
            if words_in(html):
                stand_in.go_on()
        reloaded = turn_in(here.get(f"/chat/{session}/").text)
        with closing(pieces(there, session, "0-")) as late:
            _, whole = next(late)

    counts = [len(words_in(html)) for html in shown]
    assert counts == sorted(counts) and counts[-1] == 30 and len(set(counts)) > 5
    assert turn_in(shown[-1]) == turn_in(whole) == reloaded


def words_in(html: str) -> list[str]:
    """Of the answer; none is missing before the last."""
    words = re.findall(r"t\d{6}", html)
    assert words == [f"t{number:06d}" for number in range(len(words))]
    return words


def turn_in(html: str) -> str:
    [turn] = re.findall(r'<article class="turn".*?</article>', html, re.S)
    return re.sub(r"\s+", "", re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", turn))


def test_what_was_watched_is_what_the_history_tells(pair, session, stand_in):
    stand_in.say(**ANSWER, rate=60)
    here, there = pair
    with here.api() as api, there.api() as other:
        with prompt(api, session) as given:
            watched = [data for _, _, data in Stream(given).read_until("stop")]
        history = other.get(f"/chat/{session}").json()["events"]

    whole = [data for data in watched if not data["type"].endswith("_delta")]
    assert history == whole

"""What is sent to a page that follows a session."""

import re
from datetime import UTC, datetime

import pytest

from chat.events.types import Stamped, Text, TextDelta, ToolCall, ToolResult, UserInput
from chat.models import Session
from chat.web.fragments import Fragments
from tests.web.conftest import done

PARTS = re.compile(r'<hx-partial hx-target="([^"]*)" hx-swap="([^"]*)">(.*?)</hx-partial>', re.S)


class Log:
    """Events of turn 7, stamped in order."""

    def __init__(self) -> None:
        self.seq = 0

    def __call__(self, *events) -> list[Stamped]:
        batch = []
        for event in events:
            self.seq += 1
            batch.append(Stamped(self.seq, 7, datetime.now(UTC), event))
        return batch


@pytest.fixture
def happened() -> Log:
    return Log()


@pytest.fixture
def follower(rf):
    def follower(seen: int = 0) -> Fragments:
        return Fragments(Session(pk="ses-1"), seen, rf.get("/"))

    return follower


def parts(html: str) -> list[tuple[str, str, str]]:
    return PARTS.findall(html)


def places(html: str) -> list[tuple[str, str]]:
    return [(target, swap) for target, swap, _ in parts(html)]


def test_a_question_is_added_to_the_turns(follower, happened):
    html = follower().take(happened(UserInput("Why <b>?")))

    assert places(html) == [("#turns", "beforeend")]
    assert "Why &lt;b&gt;?" in html
    assert 'data-state="running"' in html


def test_a_finished_block_is_sent_once_and_only_the_open_one_again(follower, happened):
    page = follower()
    page.take(happened(UserInput("Why?"), TextDelta("First.")))

    second = page.take(happened(TextDelta("\n\nSecond")))
    third = page.take(happened(TextDelta(" half")))

    assert parts(second) == [
        ("#turn-7-open", "beforebegin", "<p>First.</p>"),
        ("#turn-7-open", "innerHTML", "<p>Second</p>"),
    ]
    assert parts(third) == [("#turn-7-open", "innerMorph", "<p>Second half</p>")]


def test_a_step_renews_the_trace_alone(follower, happened):
    page = follower()
    page.take(happened(UserInput("Why?")))

    html = page.take(happened(ToolCall("a", "retrieve", {"query": "Why", "index_ids": ["x", "y"]})))

    assert places(html) == [("#turn-7-trace", "outerMorph")]
    assert "Searching 2 indexes" in html


def test_a_citation_is_a_pill_while_the_answer_is_written(follower, happened, passage):
    page = follower()
    page.take(happened(UserInput("Why?"), ToolCall("a", "retrieve", {"query": "Why"})))
    page.take(happened(ToolResult("a", "retrieve", {"results": [passage]})))

    html = page.take(happened(TextDelta("Green [1] and [2].")))

    assert ">rules</a> and [2]." in html


def test_the_end_sends_the_whole_turn_as_a_reload_shows_it(follower, happened):
    page = follower()
    page.take(happened(UserInput("Why?"), TextDelta("Beca")))

    html = page.take(happened(TextDelta("use."), Text("Because."), done()))

    assert places(html) == [("#turn-7", "outerMorph")]
    assert "<p>Because.</p>" in html
    assert 'data-state="done"' in html


def test_a_page_that_comes_back_in_mid_answer_gets_the_turn_so_far(follower, happened):
    before = happened(UserInput("Why?"), TextDelta("First.\n\nSec"))
    page = follower(seen=2)
    assert page.take(before) == ""

    html = page.take(happened(TextDelta("ond")))
    later = page.take(happened(TextDelta(".")))

    assert places(html) == [("#turn-7", "outerMorph")]
    assert "<p>First.</p>" in html
    assert "<p>Second</p>" in html
    assert parts(later) == [("#turn-7-open", "innerMorph", "<p>Second.</p>")]


def test_a_page_that_has_seen_everything_is_sent_nothing(follower, happened):
    assert follower(seen=2).take(happened(UserInput("Why?"), Text("Because."))) == ""


def test_a_failure_says_what_happened_and_keeps_what_was_written(follower, happened):
    page = follower()

    html = page.take(happened(UserInput("Why?"), Text("Bec"), done("The model went away.")))

    assert "<p>Bec</p>" in html
    assert "The model went away." in html
    assert 'data-state="failed"' in html


NOTED = """Roses climb[^1] and bloom[^long].

They bloom twice[^long].

[^1]: Not *all*.
[^long]: In June.

    And in September.
"""


def test_a_footnote_has_its_number_before_its_note_is_written(follower, happened):
    page = follower()
    page.take(happened(UserInput("Why?")))
    written, opened = "", ""

    for letter in NOTED:
        for _, swap, html in parts(page.take(happened(TextDelta(letter)))):
            written += html if swap == "beforebegin" else ""
            opened = html if swap != "beforebegin" else opened
        assert "[" not in written + opened

    end = page.take(happened(Text(NOTED), done()))
    marks = re.compile(r'<sup class="footnote-ref">.*?</sup>')
    notes = re.compile(r'<li id="fn.*?</li>', re.S)
    for part in (marks, notes):
        assert part.findall(written + opened) == part.findall(end) != []
    assert '<ol class="footnotes-list" start="2">' in opened


def test_a_mark_without_a_note_is_what_was_written(follower, happened):
    page = follower()

    html = page.take(happened(UserInput("Why?"), Text("Roses[^1]."), done()))

    assert "<p>Roses[^1].</p>" in html

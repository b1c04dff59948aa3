"""How an answer was made, and what of it a reader of a shared session sees."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse
from django.utils import translation

from chat.events.transcript import fold
from chat.events.types import (
    Stamped,
    Stop,
    Text,
    Thinking,
    ThinkingDelta,
    ToolCall,
    ToolResult,
    UserInput,
)
from chat.models import Actor, Session, Turn
from chat.web.fragments import Fragments
from chat.web.notes import Note, notes_on
from chat.web.reading import Reading
from tests.factories import make_project, make_user
from tests.web.conftest import CITED, TEXT, as_found, done, write_turn

PENCILS = "Bring a pencil, not a pen."


@pytest.fixture(autouse=True)
def in_english():
    """A request in another language leaves it behind in the thread."""
    with translation.override("en"):
        yield


@pytest.fixture
def happened(index, passage, citation) -> list:
    """Two passages found, the first cited; then the file listed, and the end of it read."""
    file_id = citation["file_id"]
    place = {"index_id": index.pk, "file_id": file_id, "file_name": "rules.md"}
    start = TEXT.index(PENCILS)
    other = as_found(2, index.pk, file_id, PENCILS, start, "Pencils")
    span = {"start_char": start, "end_char": start + 9, "total_chars": len(TEXT)}
    listed = {"items": [{"file_id": file_id, "file_name": "rules.md"}], "total_size": 1}
    return [
        UserInput("Which lamps?"),
        ToolCall("a", "retrieve", {"query": "Which lamps?", "index_ids": [index.pk]}),
        ToolResult("a", "retrieve", {"results": [passage, other]}),
        ThinkingDelta("It says: "),
        ThinkingDelta(PENCILS),
        Thinking(f"It says: {PENCILS}"),
        ToolCall("b", "find", {"index_id": index.pk, "file_name_contains": "les"}),
        ToolResult("b", "find", listed),
        ToolCall("c", "read", {"index_id": index.pk, "file_id": file_id, "offset": start}),
        ToolResult("c", "read", {"number": 3, **place, **span, "content": PENCILS[:9]}),
        Text("Green [1].", (citation,)),
        done(),
    ]


@pytest.fixture
def turn(session, happened) -> Turn:
    return write_turn(session, *happened)


@pytest.fixture
def guest(session, index):
    """Of the project and with the link; the index is not open to them."""
    Session.objects.update(sharing=Session.Sharing.READ_ONLY)
    index.project = make_project("Elsewhere")
    index.save()
    return make_user("guest")


def page(client, session) -> str:
    return client.get(reverse("session", args=[session.pk])).content.decode()


def steps(client, session, **headers: str) -> list[str]:
    """What is loaded when the trace of the page is opened, step by step."""
    urls = re.findall(r'hx-get="([^"]*/steps/\d+/)"', page(client, session))
    return [client.get(url, headers=headers).content.decode() for url in urls]


@pytest.mark.django_db
def test_a_traces_passages_are_loaded_when_it_is_opened(client, session, turn):
    html = page(client, session)

    found, thought, listed, read = steps(client, session, **{"hx-request": "true"})

    assert PENCILS in thought
    assert CITED not in html and PENCILS not in html
    assert CITED in re.sub("</?mark>", "", found) and PENCILS in found
    assert "rules.md" in listed and PENCILS[:9] in read
    assert "<html" not in found


@pytest.mark.django_db
def test_without_script_a_step_is_a_page_that_leads_back(client, session, turn):
    found, *_rest = steps(client, session)

    assert "<html" in found and PENCILS in found
    assert f'href="{reverse("session", args=[session.pk])}#turn-{turn.pk}"' in found


@pytest.mark.django_db
def test_a_reader_of_a_share_sees_of_the_trace_what_the_answer_cites(client, session, turn, guest):
    client.force_login(guest)

    html = page(client, session)
    found, thought, listed, read = steps(client, session, **{"hx-request": "true"})

    assert CITED in re.sub("</?mark>", "", found)
    assert "1 result lies in a document that is not open to you." in found
    assert "thought over documents that are not all open to you" in thought
    for piece in (html, found, thought, listed, read):
        assert "pencil" not in piece.lower()
    assert "rules.md" not in listed


@pytest.mark.django_db
def test_a_reader_of_a_share_who_may_use_the_index_sees_all_that_was_found(client, session, turn):
    Session.objects.update(sharing=Session.Sharing.READ_ONLY)
    client.force_login(make_user("colleague"))

    found, thought, listed, read = steps(client, session, **{"hx-request": "true"})

    assert PENCILS in found and PENCILS in thought
    assert "rules.md" in listed and PENCILS[:9] in read
    assert "not open to you" not in found + listed + read


def watched(session, turn, events, person, rf) -> str:
    """All that is sent to a page of theirs that follows the turn."""
    fragments = Fragments(session, 0, rf.get("/"))
    fragments.notes = notes_on(Actor(person), session, [turn.pk])
    stamped = [Stamped(n, turn.pk, datetime.now(UTC), one) for n, one in enumerate(events, 1)]
    return "".join(fragments.take([one]) for one in stamped)


@pytest.mark.django_db
def test_a_stream_tells_a_reader_of_a_share_no_more_than_the_page(
    session, turn, happened, guest, rf
):
    uncited = [one for one in happened if not isinstance(one, Text | Stop)]

    told = watched(session, turn, happened, guest, rf)
    before = watched(session, turn, uncited, guest, rf)

    assert "pencil" not in told.lower() and "not open" not in told
    assert "rules.md" not in before and "Reading a document" in before


@pytest.mark.django_db
def test_a_thought_is_streamed_to_those_who_may_read_what_it_is_about(
    session, turn, happened, reader, rf
):
    until = next(n for n, one in enumerate(happened) if isinstance(one, Thinking))

    html = watched(session, turn, happened[:until], reader, rf)

    assert "It says: " in html and PENCILS in html


@pytest.mark.django_db
def test_a_stream_names_the_file_already_while_it_is_read(session, turn, happened, reader, rf):
    until = next(n for n, one in enumerate(happened, 1) if getattr(one, "name", "") == "read")

    html = watched(session, turn, happened[:until], reader, rf)

    assert '<span class="trace__status">Reading rules.md</span>' in html


@pytest.mark.django_db
def test_an_export_holds_no_passage(client, session, turn):
    for name in ("export", "export_json"):
        html = client.get(reverse(name, args=[session.pk])).content.decode()
        assert CITED not in html and PENCILS not in html


@pytest.mark.django_db
def test_a_step_of_another_session_or_none_is_not_found(client, session, turn, reader):
    mine = Session.objects.create(project=session.project, owner=reader)

    for pk, at in [(mine.pk, 0), (session.pk, 4), (session.pk, 99)]:
        assert client.get(reverse("step", args=[pk, turn.seq, at])).status_code == 404
    client.force_login(make_user("stranger"))
    assert client.get(reverse("step", args=[session.pk, turn.seq, 0])).status_code == 404


def reading(*events, pause: float = 0.0) -> Reading:
    """One turn, its events so many seconds apart, of one who may read the index "Rules"."""
    began = datetime.now(UTC)
    stamped = [
        Stamped(n, 7, began + timedelta(seconds=n * pause), one) for n, one in enumerate(events)
    ]
    exchange = fold(stamped).exchanges[0]
    return Reading(exchange, "ses-1", Note(indexes={"idx-1": "Rules"}))


FILE = {"index_id": "idx-1", "file_id": "dfl-1"}
HITS = {**FILE, "file_name": "rules.md", "items": [], "total_size": 0}


@pytest.mark.parametrize(
    ("call", "result", "title", "facts"),
    [
        (
            ("retrieve", {"query": "lamps of the hall", "index_ids": ["idx-1", "idx-2"]}),
            {"results": []},
            "Searching 2 indexes · 0 passages · 2.0 s",
            "“lamps of the hall” · in Rules",
        ),
        (
            ("retrieve", {"query": "lamps", "top_k": 3}),
            {"results": []},
            "Searching · 0 passages · 2.0 s",
            "“lamps” · at most 3 passages",
        ),
        (
            ("grep", {**FILE, "pattern": "l[ai]mps?"}),
            HITS,
            "Looking for “l[ai]mps?” · 0 hits · 2.0 s",
            "rules.md · in Rules",
        ),
        (
            ("find", {"index_id": "idx-1", "file_name_contains": "rul"}),
            {"items": [], "total_size": 0},
            "Looking for files named “rul” · 0 hits · 2.0 s",
            "in Rules",
        ),
        (
            ("read", {**FILE, "offset": 6000}),
            None,
            "Reading a document",
            "in Rules · from character 6,000",
        ),
        (
            ("read", {**FILE, "offset": 6000}),
            {**HITS, "content": "", "start_char": 6000, "end_char": 7200, "total_chars": 9000},
            "Reading rules.md · 2.0 s",
            "in Rules · characters 6,000 to 7,200 of 9,000",
        ),
    ],
)
def test_a_step_says_what_was_asked_and_what_came_of_it(call, result, title, facts):
    name, arguments = call
    events = [UserInput("Why?"), ToolCall("a", name, arguments)]
    if result is not None:
        events.append(ToolResult("a", name, result))

    [step] = reading(*events, pause=2.0).steps

    assert (step.title, step.facts) == (title, facts)


def test_a_thought_says_how_long_it_took():
    thinking = [ThinkingDelta("Let me"), ThinkingDelta(" see."), Thinking("Let me see.")]
    [watched] = reading(UserInput("Why?"), *thinking, pause=1.5).steps
    [later] = reading(UserInput("Why?"), thinking[-1], pause=4.5).steps  # its deltas are dropped

    assert watched.title == later.title == "Thought · 4.5 s"
    assert watched.text == "Let me see."


@pytest.mark.django_db
def test_a_tools_error_is_a_sentence_in_the_readers_language(client, session):
    error = "There is no file dfl-9 in that index; use find to list files."
    write_turn(
        session,
        UserInput("Why?"),
        ToolCall("a", "read", {"index_id": "idx-1", "file_id": "dfl-9"}),
        ToolResult("a", "read", {"error": error}),
        done(),
    )
    url = reverse("session", args=[session.pk])

    html = client.get(url, headers={"accept-language": "de"}).content.decode()

    assert "In diesem Index gibt es keine Datei dfl-9; find zählt die Dateien auf." in html


@pytest.mark.parametrize(
    "arguments",
    [{"index_ids": 5, "query": ["x"]}, {"file_id": {}, "index_id": []}, {"offset": "x"}],
)
@pytest.mark.parametrize("name", ["retrieve", "find", "grep", "read", "fly"])
def test_whatever_a_model_asks_of_a_tool_is_shown(name, arguments):
    error = ToolResult("a", name, {"error": "No."})

    shown = reading(UserInput("Why?"), ToolCall("a", name, arguments), error)

    assert [step.error for step in shown.steps] == ["No."]
    assert shown.status

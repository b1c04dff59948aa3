"""A turn in this process, from prompt to stop, with the stand-in as the model."""

import asyncio
import time
from contextlib import aclosing

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.db import connection
from django.utils import timezone

from chat import conf, runs
from chat.actions.indexes import delete_index
from chat.actions.sessions import delete_session
from chat.actions.turns import cancel_turn, queue_prompt, start_turn
from chat.agent import prompts
from chat.errors import Conflict, Invalid, NotFound, Settled, Unavailable
from chat.events.leases import row
from chat.events.log import log
from chat.events.transcript import fold
from chat.events.types import (
    Stamped,
    Stop,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    UserInput,
    Warning_,
)
from chat.models import Actor, Document, Event, Index, Session, Turn, TurnWords
from chat.runs import ALL_WANTED, NO_INDEX, STOPPED, jobs, start_next
from chat.runs.claims import BUSY, LOCKED
from tests.factories import make_actor, make_index, make_session

from .conftest import TEXT, to_stop

pytestmark = pytest.mark.django_db(transaction=True)


def types(events: list[Stamped]) -> list[str]:
    """Event types in order, runs of deltas told once."""
    found = [stamped.event.type for stamped in events]
    return [kind for at, kind in enumerate(found) if at == 0 or found[at - 1] != kind]


def last(events: list[Stamped], kind: type):
    return [stamped.event for stamped in events if isinstance(stamped.event, kind)][-1]


async def test_a_turn_retrieves_then_answers_and_cites(ask, model):
    model.say(text="The lamps are green [1]. Also [9].")

    events = await ask("What colour are the lamps?")

    assert types(events) == [
        "user_input",
        "tool_call",
        "tool_result",
        "text_delta",
        "text",
        "stop",
    ]
    text = last(events, Text)
    deltas = [s.event.content for s in events if s.event.type == "text_delta"]
    assert "".join(deltas) == text.content == "The lamps are green [1]. Also [9]."
    assert [(c["number"], c["file_name"], c["check"]) for c in text.citations] == [
        (1, "rules.md", "near")
    ]
    stop = last(events, Stop)
    assert (stop.is_error, stop.error, stop.usage["turns"]) == (False, None, 1)
    assert stop.usage["total_output_tokens"] > 0


def copy_of(index: Index, text: str) -> Index:
    """Another index over the same file, which read this in it."""
    copy = make_index("Copy", index.directory)
    filed = index.documents.get().directory_file
    document = Document.objects.create(
        index=copy, directory_file=filed, name="rules.md", text=text, state="ready", chunk_count=1
    )
    chunk = document.chunks.create(
        index=copy, ordinal=0, text=text, start_char=0, end_char=len(text), token_count=20
    )
    conf.search_backend().write([chunk.pk])
    return copy


@pytest.mark.parametrize(
    ("question", "searched", "answer"),
    [
        ("How do I oil pumps?", "How do I oil pumps?", "To oil a pump, open its lid."),
        ("What lamp colour?", "reading room open What lamp colour?", "Its lamps are green."),
    ],
)
async def test_a_short_question_leans_on_the_last_one_if_more_is_found_so(
    index, question, searched, answer
):
    other = await sync_to_async(copy_of)(index, "To oil a pump, open its lid. Close it again.")
    session = await sync_to_async(make_session)(indexes=(index, other))
    actor = Actor(await sync_to_async(lambda: session.owner)())

    for prompt in ("When does the reading room open?", question):
        turn = await start_turn(actor, session.pk, prompt)
        events = await to_stop(session, turn.seq - 1)

    assert last(events, ToolCall).arguments["query"] == searched
    assert answer in last(events, Text).content


async def test_a_passage_that_had_no_room_cannot_be_cited(model, index, settings):
    settings.LLM_CONTEXT_TOKENS = 10
    other = await sync_to_async(copy_of)(index, TEXT.replace("nine", "five"))
    session = await sync_to_async(make_session)(indexes=(index, other))
    model.say(text="Nine [1], or five [2].")
    actor = Actor(await sync_to_async(lambda: session.owner)())

    turn = await start_turn(actor, session.pk, "When does the reading room open?")
    events = await to_stop(session, turn.seq - 1)

    found = last(events, ToolResult).result["results"]
    assert [one["number"] for one in found] == [1]
    assert [one["number"] for one in last(events, Text).citations] == [1]


async def test_a_passage_that_two_indexes_have_is_shown_once(model, index):
    other = await sync_to_async(copy_of)(index, TEXT)
    session = await sync_to_async(make_session)(indexes=(index, other))
    actor = Actor(await sync_to_async(lambda: session.owner)())

    turn = await start_turn(actor, session.pk, "What colour are the lamps?")
    events = await to_stop(session, turn.seq - 1)

    assert [one["number"] for one in last(events, ToolResult).result["results"]] == [1]


@pytest.mark.parametrize(("text", "citations"), [("Green [1]. Also [9].", 1), ("No.", 0)])
async def test_a_turn_keeps_how_often_its_answer_cites(session, ask, model, text, citations):
    model.say(text=text)

    await ask("What colour are the lamps?")

    turn = await session.turns.aget()
    assert turn.citations == citations
    assert await Turn.objects.without_sources().acount() == (citations == 0)


async def test_the_model_is_shown_the_passages_and_the_tools(ask, model):
    await ask("What colour are the lamps?")

    (body, *_) = model.bodies
    assert "[1] rules.md\nThe reading room opens at nine." in body["messages"][-1]["content"]
    assert [tool["function"]["name"] for tool in body["tools"]] == [
        "retrieve",
        "find",
        "grep",
        "read",
    ]


async def test_tool_calls_are_done_side_by_side_and_told_to_the_model(ask, model, index):
    file_id = (await index.documents.afirst()).directory_file_id
    place = {"index_id": index.pk, "file_id": file_id}
    model.say(
        {
            "calls": [
                {"name": "grep", "arguments": {**place, "pattern": "g.een"}},
                {"name": "read", "arguments": {**place, "offset": 4, "max_length": 12}},
                {"name": "find", "arguments": {"index_id": index.pk, "file_name_contains": "RUL"}},
            ],
            "fragment": 3,
        },
        {"text": "Green [2]."},
    )

    events = await ask("What colour are the lamps?")

    results = [s.event for s in events if isinstance(s.event, ToolResult)]
    assert [result.name for result in results] == ["retrieve", "grep", "read", "find"]
    assert results[1].result["items"][0]["content"].count("green") == 1
    assert results[2].result["content"] == "reading room"
    assert results[3].result["items"] == [{"file_id": file_id, "file_name": "rules.md"}]
    assert last(events, Stop).usage["turns"] == 2
    told = [m for m in model.bodies[1]["messages"] if m["role"] == "tool"]
    assert [m["tool_call_id"] for m in told] == ["call_0", "call_1", "call_2"]


@pytest.mark.parametrize(
    "call, complaint",
    [
        ({"name": "delete_everything", "arguments": {}}, "There is no tool"),
        ({"name": "retrieve", "arguments": "{oops"}, "not a JSON object"),
        ({"name": "retrieve", "arguments": {}}, "query is missing"),
        ({"name": "retrieve", "arguments": {"query": 7}}, "must be of type string"),
        ({"name": "retrieve", "arguments": {"query": "x", "index_ids": ["idx-1"]}}, "not an index"),
        ({"name": "read", "arguments": {"index_id": "INDEX", "file_id": "dfl-1"}}, "no file dfl-1"),
        (
            {
                "name": "grep",
                "arguments": {"index_id": "INDEX", "file_id": "FILE", "pattern": "("},
            },
            "pattern cannot be used",
        ),
    ],
    ids=["name", "json", "missing", "kind", "foreign index", "unknown file", "pattern"],
)
async def test_a_bad_call_is_told_to_the_model_which_goes_on(ask, model, index, call, complaint):
    file_id = (await index.documents.afirst()).directory_file_id
    arguments = call["arguments"]
    if isinstance(arguments, dict):
        names = {"INDEX": index.pk, "FILE": file_id}
        arguments = {
            key: names.get(value, value) if isinstance(value, str) else value
            for key, value in arguments.items()
        }
    model.say({"calls": [{**call, "arguments": arguments}]}, {"text": "Sorry."})

    events = await ask("What colour are the lamps?")

    assert complaint in last(events, ToolResult).result["error"]
    assert last(events, Text).content == "Sorry."
    assert not last(events, Stop).is_error


async def test_a_model_that_only_calls_tools_is_made_to_answer_in_the_end(ask, model):
    model.say(calls=[{"name": "retrieve", "arguments": {"query": "again"}}], when="Rules")
    for _ in range(8):
        model.say(calls=[{"name": "retrieve", "arguments": {"query": "again"}}])

    events = await ask("What colour are the lamps?")

    assert len([s for s in events if isinstance(s.event, ToolCall)]) == 1 + 5
    assert len(model.bodies) == 6 and "tools" not in model.bodies[5]
    assert "without a word" in last(events, Stop).error


@pytest.mark.parametrize(
    "reply, said, complaint",
    [
        ({"text": "The reading room", "fault": "cut", "after": 2}, True, "closed the connection"),
        ({"status": 401}, False, "LLM_API_KEY"),
        ({"status": 404}, False, "LLM_MODEL"),
        ({"text": "Half of it", "fault": "silent_middle", "after": 2}, True, ""),
        ({"text": ""}, False, "without a word"),
    ],
    ids=["cut", "key", "model", "silence", "nothing"],
)
async def test_a_failing_model_ends_the_turn_with_what_was_written(
    ask, model, settings, reply, said, complaint, caplog
):
    settings.LLM_TIMEOUT = 1.0 if "fault" in reply else 60.0
    model.say(**reply, again=True)

    events = await ask("What colour are the lamps?")

    stop = last(events, Stop)
    assert stop.is_error and complaint in stop.error and stop.error.endswith(".")
    assert ("text" in types(events)) is said
    if said:
        deltas = [s.event.content for s in events if s.event.type == "text_delta"]
        assert last(events, Text).content == "".join(deltas) != ""
    turn = await Turn.objects.aget()
    assert (turn.state, turn.error) == ("failed", stop.error)
    assert f"turn failed turn={turn.pk} code=model_" in caplog.text


async def test_a_nul_costs_no_answer(ask, model):
    search = {"name": "retrieve", "arguments": {"query": "lamps\0", "index_ids": []}}
    model.say({"calls": [search], "thinking": "Where\0?"}, {"text": "Gre\0en [1]."})

    events = await ask("What colour are the lamps?")

    assert not last(events, Stop).is_error
    assert last(events, Text).content == "Gre\ufffden [1]."
    assert last(events, Thinking).content == "Where\ufffd?"
    assert last(events, ToolCall).arguments["query"] == "lamps\ufffd"


async def test_an_answer_that_was_too_long_for_the_model_is_kept_and_says_so(ask, model):
    model.say(text="Half of the", finish="length")

    events = await ask("What colour are the lamps?")

    assert types(events)[-3:] == ["text", "warning", "stop"]
    assert last(events, Text).content == "Half of the"
    assert "no more at once" in last(events, Warning_).content
    assert not last(events, Stop).is_error


async def test_stopping_keeps_what_was_written_and_closes_the_request(session, model):
    model.say(tokens=500, rate=50)
    actor = Actor(await sync_to_async(lambda: session.owner)())
    turn = await start_turn(actor, session.pk, "Go on")
    async for batch in log.follow(session.pk, turn.seq):
        if any(s.event.type == "text_delta" for s in batch):
            break

    assert await cancel_turn(session)

    events = await to_stop(session, turn.seq - 1)
    stop = last(events, Stop)
    assert (stop.is_error, stop.error) == (False, STOPPED)
    assert last(events, Text).content.startswith("t000000")
    await asyncio.to_thread(model.wait_until, open=0, left=1)
    assert (await Turn.objects.aget()).state == "stopped"
    assert not await cancel_turn(session)


async def test_a_process_that_is_about_to_end_begins_no_turn(session, model, monkeypatch):
    monkeypatch.setattr(runs, "_is_ending", False)  # and is put back
    model.say(tokens=20, hold=5)
    actor = Actor(await sync_to_async(lambda: session.owner)())
    turn = await start_turn(actor, session.pk, "Go on")
    await queue_prompt(actor, session.pk, "And now?")

    model.go_on()
    await runs.drain()

    assert last(await to_stop(session, turn.seq), Stop).error is None
    assert await session.queued_prompts.acount() == 1  # for whoever looks after it next
    with pytest.raises(Unavailable, match="Try again"):
        await start_turn(actor, session.pk, "And now?")
    await start_next(session.pk)
    assert await session.turns.acount() == 1


async def test_a_second_prompt_meanwhile_is_refused_and_leaves_no_trace(session, ask, model):
    model.say(tokens=50, hold=5)
    actor = Actor(await sync_to_async(lambda: session.owner)())
    turn = await start_turn(actor, session.pk, "Go on")

    with pytest.raises(Conflict, match=BUSY[:20]):
        await start_turn(actor, session.pk, "And now?")

    assert await Event.objects.filter(type="user_input").acount() == 1
    await cancel_turn(session)
    await to_stop(session, turn.seq)
    assert types(await ask("And now?"))[-1] == "stop"


async def test_two_prompts_at_the_same_moment_start_one_turn(session, model):
    model.say(tokens=50, hold=5, again=True)
    actor = Actor(await sync_to_async(lambda: session.owner)())

    results = await asyncio.gather(
        *(start_turn(actor, session.pk, "Go") for _ in range(5)), return_exceptions=True
    )

    started = [result for result in results if isinstance(result, Turn)]
    assert len(started) == 1
    assert all(isinstance(r, Conflict) for r in results if r not in started)
    await cancel_turn(session)
    await to_stop(session, started[0].seq)


async def test_a_bound_session_searches_no_other_index(session, ask, model):
    other = await sync_to_async(make_index)("Other")
    actor = Actor(await sync_to_async(lambda: session.owner)())

    with pytest.raises(Settled, match=LOCKED[:20]):
        await start_turn(actor, session.pk, "Why?", [other.pk])

    assert not await Turn.objects.aexists()


async def test_an_unbound_session_must_name_an_index_that_is_there(index):
    session = await sync_to_async(make_session)()
    actor = Actor(await sync_to_async(lambda: session.owner)())
    foreign = await sync_to_async(make_actor)()

    with pytest.raises(Invalid):
        await start_turn(actor, session.pk, "Why?", [])
    with pytest.raises(Invalid, match="twice"):
        await start_turn(actor, session.pk, "Why?", [index.pk, index.pk])
    with pytest.raises(NotFound):
        await start_turn(actor, session.pk, "Why?", ["idx-unknown"])

    assert foreign.person != actor.person
    assert not await Turn.objects.aexists()


@pytest.mark.parametrize("prompt", ["", " \n ", "a\0b", "\ud800", "x" * 32_001])
async def test_a_prompt_that_cannot_be_asked_is_refused(session, prompt):
    actor = Actor(await sync_to_async(lambda: session.owner)())

    with pytest.raises(Invalid):
        await start_turn(actor, session.pk, prompt)

    assert not await Event.objects.aexists()


async def test_an_index_that_cannot_be_searched_is_skipped_with_a_warning(model, index):
    fresh = await sync_to_async(make_index)("Fresh", synced=False)
    session = await sync_to_async(make_session)(indexes=(index, fresh))
    actor = Actor(await sync_to_async(lambda: session.owner)())

    turn = await start_turn(actor, session.pk, "What colour are the lamps?")
    events = await to_stop(session, turn.seq - 1)

    assert types(events)[:3] == ["user_input", "warning", "tool_call"]
    assert events[1].event.content == (
        "The index “Fresh” was skipped: its first sync is not done yet. Ask again when the library "
        "shows it as ready."
    )
    assert last(events, Stop).skipped_index_ids == (fresh.pk,)
    assert not last(events, Stop).is_error


async def test_an_index_that_is_gone_is_named_and_what_to_do_is_said(model, index):
    gone = await sync_to_async(make_index)("Old rules")
    session = await sync_to_async(make_session)(indexes=(index, gone))
    actor = Actor(await sync_to_async(lambda: session.owner)())
    await sync_to_async(delete_index)(gone)

    turn = await start_turn(actor, session.pk, "What colour are the lamps?")
    warning = last(await to_stop(session, turn.seq - 1), Warning_)

    assert warning.content == (
        "The index “Old rules” was skipped: it was deleted, or you may not use it any more. Ask in "
        "a new session without it, or ask a manager of its project."
    )


async def test_the_words_of_an_ended_turn_are_kept_for_the_search(session, ask, model):
    model.say(text="**Dark** Grün [1].")

    await ask("What colour are the LAMPS?")

    words = await TurnWords.objects.aget(session=session)
    assert words.text == "what colour are the lamps?\n**dark** grun [1]."


@pytest.mark.parametrize("every", [True, False])
async def test_a_turn_that_wants_all_indexes_or_has_none_ends_in_an_error(model, index, every):
    fresh = await sync_to_async(make_index)("Fresh", synced=False)
    indexes = (index, fresh) if every else (fresh,)
    session = await sync_to_async(make_session)(indexes=indexes)
    actor = Actor(await sync_to_async(lambda: session.owner)())

    turn = await start_turn(actor, session.pk, "Why?", require_all_indexes=every)
    events = await to_stop(session, turn.seq - 1)

    stop = last(events, Stop)
    assert (stop.is_error, stop.error) == (True, ALL_WANTED if every else NO_INDEX)
    assert stop.skipped_index_ids == (fresh.pk,)


async def test_the_next_prompt_knows_the_conversation(ask, model):
    model.say({"text": "At nine [1]."}, {"text": "Green."})
    await ask("When does the reading room open in the morning?")
    model.forget()

    await ask("Which colour do the lamps of the reading room have?")

    messages = model.bodies[0]["messages"]
    assert [m["role"] for m in messages] == ["system", "user", "assistant", "user"]
    assert messages[2]["content"] == "At nine."


@pytest.mark.parametrize("length", [4, 400, 4_000])
def test_no_more_is_read_of_a_long_session_than_the_model_can_be_told(session, length):
    budget = int(django_settings.LLM_CONTEXT_TOKENS * prompts.HISTORY_SHARE)
    for seq in range(0, 1_000, 4):
        turn = session.turns.create(seq=seq + 1, parent=session.tip, state="done")
        session.tip = turn
        found = {"results": [{"number": 1, "content": "The lamps are green. " * 50}]}
        said = [
            UserInput(f"Question {seq}?"),
            ToolCall(f"call_{seq}", "retrieve", {}),
            ToolResult(f"call_{seq}", "retrieve", found),
            Text("x" * length),
        ]
        stamped = [Stamped(seq + 1 + n, turn.pk, timezone.now(), one) for n, one in enumerate(said)]
        Event.objects.bulk_create(row(session.pk, one) for one in stamped)
    session.save()
    whole = fold(log.history(session.pk))

    next_one = session.turns.create(seq=1_001, parent=session.tip)
    read = jobs.read_earlier(next_one)

    assert prompts.history(read, budget) == prompts.history(whole, budget) != []
    assert not any(use.result for one in read.exchanges for use in one.tool_uses)
    assert len(read.exchanges) < 250 or length == 4
    assert set(jobs._call_ids(next_one)) == {f"call_{seq}" for seq in range(0, 1_000, 4)}


async def test_calls_of_later_turns_have_ids_of_their_own(session, ask, model):
    await ask("When does the reading room open?")
    await ask("Which colour do the lamps of the reading room have?")

    calls = session.events.filter(type="tool_call")
    ids = [one["call_id"] async for one in calls.values_list("payload", flat=True)]
    assert len(ids) == len(set(ids)) == 2


async def test_a_session_takes_its_title_from_its_first_prompt_and_keeps_it(session, ask, model):
    await ask("When does it open?")
    await ask("Which colour do the lamps of the reading room have?")

    await session.arefresh_from_db()

    assert session.title == "When does it open?"


async def test_a_long_first_prompt_gets_the_model_s_title_once_it_is_answered(session, ask, model):
    prompt = "I would like to know in detail when the reading room opens in the morning."
    model.say({"text": "At nine [1]."}, {"text": "Opening hours"})
    follower = log.join(session.pk)

    await ask(prompt)

    async with aclosing(log.follow(session.pk, 1_000, follower=follower)) as changes:
        assert await anext(changes) == []  # told to open pages
    await session.arefresh_from_db()
    assert session.title == "Opening hours"


def lose_connection() -> None:
    """As a restart of PostgreSQL does."""
    connection.ensure_connection()
    connection.connection.close()


async def test_a_run_needs_no_connection_that_it_did_not_open(session, ask, model, index):
    file_id = (await index.documents.afirst()).directory_file_id
    place = {"index_id": index.pk, "file_id": file_id}
    model.say({"calls": [{"name": "read", "arguments": place}]}, {"text": "At nine [1]."})
    await sync_to_async(lose_connection)()

    events = await ask("I would like to know in detail when the room opens in the morning. " * 3)
    await asyncio.gather(*runs._tasks.values())

    await sync_to_async(lambda: connection.close())()
    assert last(events, ToolResult).result["content"] == TEXT
    assert not last(events, Stop).is_error
    await session.arefresh_from_db()
    assert session.title == "About I would like to know"


async def test_more_stops_break_off_the_answer_and_not_its_end(session, model):
    model.say({"tokens": 500, "rate": 50}, {"text": "Now this."})
    actor = Actor(await sync_to_async(lambda: session.owner)())
    turn = await start_turn(actor, session.pk, "Go on")
    await queue_prompt(actor, session.pk, "Which colour do the lamps of the reading room have?")
    async for batch in log.follow(session.pk, turn.seq):
        if any(s.event.type == "text_delta" for s in batch):
            break
    log.writer._thread.submit(time.sleep, 1.5)  # a slow commit

    for _ in range(4):
        await cancel_turn(session)
        await asyncio.sleep(0.1)

    async with asyncio.timeout(30):
        stopped = await to_stop(session, turn.seq)
        following = await to_stop(session, stopped[-1].seq)
    assert last(stopped, Stop).error == STOPPED
    assert last(following, Text).content == "Now this."


async def test_deleting_a_session_stops_its_turn(session, model):
    model.say(tokens=500, rate=50)
    actor = Actor(await sync_to_async(lambda: session.owner)())
    turn = await start_turn(actor, session.pk, "Go on")

    await sync_to_async(delete_session, thread_sensitive=False)(session)

    await to_stop(session, turn.seq)
    assert (await Turn.objects.aget()).state == "stopped"
    assert not await sync_to_async(Session.objects.visible_to(actor).exists)()


async def test_a_context_that_is_too_long_is_halved_and_tried_once_more(ask, model):
    await ask("When does the reading room open in the morning?")
    model.forget()
    model.say({"status": 400, "code": "context_length_exceeded"}, {"text": "Green [1]."})

    events = await ask("Which colour do the lamps of the reading room have?")

    assert last(events, Text).content == "Green [1]."
    assert not last(events, Stop).is_error
    assert len(model.bodies) == 2


async def test_a_context_that_stays_too_long_ends_the_turn(ask, model):
    model.say(status=400, code="context_length_exceeded", again=True)

    events = await ask("What colour are the lamps?")

    assert "more text than the model can read" in last(events, Stop).error
    assert len(model.bodies) == 2


@pytest.mark.parametrize("reply", [{"status": 404}, {"status": 500}, {"fault": "silence"}])
async def test_the_fallback_answers_and_says_so_when_the_model_cannot(ask, model, settings, reply):
    settings.LLM_TIMEOUT = 1.0 if "fault" in reply else 60.0
    settings.LLM_FALLBACK_MODEL = "spare?text=By+the+spare+one."
    model.say(**reply)

    events = await ask("What colour are the lamps?")

    assert last(events, Text).content == "By the spare one."
    assert "spare" in last(events, Warning_).content
    assert not last(events, Stop).is_error
    assert [body["model"] for body in model.bodies] == ["small", settings.LLM_FALLBACK_MODEL]


async def test_the_embedded_model_can_be_the_fallback(ask, model, settings):
    settings.LLM_FALLBACK_MODEL = "embedded"
    model.say(status=401)

    events = await ask("What colour are the lamps?")

    assert "lamps are green" in last(events, Text).content


async def test_no_other_model_goes_on_with_an_answer_that_has_begun(ask, model, settings):
    settings.LLM_FALLBACK_MODEL = "embedded"
    model.say(text="The reading room is open", fault="cut", after=2)

    events = await ask("What colour are the lamps?")

    assert last(events, Stop).is_error
    assert "warning" not in types(events)

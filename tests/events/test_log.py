"""The event log over real rows: order, resuming, group commit, and turns that die."""

import asyncio
from datetime import timedelta

import pytest
from django.utils import timezone

from chat.events.leases import INTERRUPTED, process_name, row, settle_dead, stamped_rows
from chat.events.log import EventLog
from chat.events.transcript import fold
from chat.events.turn_log import KEPT, LostTurn, TurnLog
from chat.events.types import (
    Stamped,
    Stop,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    ToolCall,
    ToolResult,
    UserInput,
)
from chat.events.writer import Ending
from chat.models import Event, Project, Session, Turn
from chat.models.sessions import lease_end

pytestmark = pytest.mark.django_db(transaction=True)

USAGE = {"duration_ms": 5, "total_input_tokens": 1, "total_output_tokens": 2, "turns": 1}
STOP = Stop(False, None, USAGE)


@pytest.fixture
def session(django_user_model) -> Session:
    owner = django_user_model.objects.create_user("ada")
    return Session.objects.create(project=Project.default(), owner=owner)


def begin(session: Session, seq: int = 1, **fields) -> tuple[Turn, Stamped]:
    fields = {"lease_owner": process_name(), "lease_expires_at": lease_end(), **fields}
    turn = session.turns.create(seq=seq, **fields)
    first = Stamped(seq, turn.pk, timezone.now(), UserInput("Why?"))
    row(session.pk, first).save()
    return turn, first


async def begin_here(log: EventLog, session: Session, seq: int = 1) -> TurnLog:
    turn, first = await asyncio.to_thread(begin, session, seq)
    return log.open(turn, first)


async def follow_to_stop(log: EventLog, session: Session, after: int = 0) -> list[Stamped]:
    seen: list[Stamped] = []
    async for batch in log.follow(session.pk, after):
        seen += batch
        if any(isinstance(stamped.event, Stop) for stamped in batch):
            return seen
    raise AssertionError("a follower never ends by itself")


def rows(session: Session) -> list[Stamped]:
    return stamped_rows(session.events.order_by("seq"))


async def test_a_follower_sees_what_is_saved(session):
    log = EventLog()
    turn_log = await begin_here(log, session)
    follower = asyncio.create_task(follow_to_stop(log, session))

    for word in ("The ", "reading ", "room"):
        turn_log.gather(TextDelta(word))
        await asyncio.sleep(0.03)
    turn_log.append(Text("The reading room"))
    await turn_log.finish(STOP, Ending(Turn.State.DONE))

    seen = await follower
    assert seen == await asyncio.to_thread(rows, session)
    assert "".join(s.event.content for s in seen if isinstance(s.event, TextDelta)) == (
        "The reading room"
    )
    turn = await Turn.objects.aget()
    assert (turn.state, turn.output_tokens, turn.rounds) == ("done", 2, 1)


async def test_the_first_delta_goes_out_alone_and_later_ones_are_gathered(session):
    log = EventLog()
    turn_log = await begin_here(log, session)

    for word in ("a", "b", "c", "d"):
        turn_log.gather(TextDelta(word))
    await turn_log.finish(STOP, Ending(Turn.State.DONE))

    contents = [s.event.content for s in turn_log.events if isinstance(s.event, TextDelta)]
    assert contents == ["a", "bcd"]


async def test_thinking_and_text_are_not_gathered_into_each_other(session):
    log = EventLog()
    turn_log = await begin_here(log, session)

    for delta in (ThinkingDelta("hm"), ThinkingDelta("m"), TextDelta("So"), TextDelta(" it")):
        turn_log.gather(delta)
    await turn_log.finish(STOP, Ending(Turn.State.DONE))

    deltas = [s.event for s in turn_log.events[1:-1]]
    assert "".join(d.content for d in deltas if isinstance(d, ThinkingDelta)) == "hmm"
    assert "".join(d.content for d in deltas if isinstance(d, TextDelta)) == "So it"
    kinds = [type(delta) for delta in deltas]
    assert kinds == sorted(kinds, key=[ThinkingDelta, TextDelta].index)


@pytest.mark.parametrize("joins_after", range(0, 8))
async def test_resuming_anywhere_gives_the_rest_once_and_in_order(session, joins_after):
    log = EventLog()
    turn_log = await begin_here(log, session)
    whole = asyncio.create_task(follow_to_stop(log, session))
    for word in ["one", "two", "three"]:
        turn_log.gather(TextDelta(word))
        await asyncio.sleep(0.03)
    late = asyncio.create_task(follow_to_stop(log, session, joins_after))
    turn_log.append(Text("onetwothree"))
    await turn_log.finish(STOP, Ending(Turn.State.DONE))

    seen = await late

    assert seen == [stamped for stamped in await whole if stamped.seq > joins_after] or (
        joins_after >= (await whole)[-1].seq
    )


async def test_a_long_answer_is_kept_in_rows_and_lost_to_nobody(session):
    log = EventLog()
    turn_log = await begin_here(log, session)
    slow = log.follow(session.pk)
    seen = [*await anext(slow)]
    for number in range(1_000):
        turn_log.append(TextDelta(f"{number} "))
        if number % 100 == 99:
            await asyncio.shield(turn_log._saving)
    kept = len(turn_log.events)
    late, seen_late = log.follow(session.pk, after=300), []
    while len(seen_late) < 701:
        seen_late += await anext(late)
    turn_log.append(TextDelta("1000 "))
    for follower, told, count in ((slow, seen, 1_002), (late, seen_late, 702)):
        while len(told) < count:
            told += await anext(follower)
    turn_log.end_unsaved(STOP)
    seen_late += await anext(late)

    whole = "".join(f"{number} " for number in range(1_001))
    assert kept <= 2 * KEPT + 100
    assert "".join(one.event.content for one in seen[1:]) == whole
    assert [one.seq for one in seen] == list(range(1, 1_003))
    assert [one.seq for one in seen_late] == list(range(301, 1_005))
    assert turn_log.events[-2].event == Text(whole)
    await slow.aclose()
    await late.aclose()


async def test_another_process_reads_the_same_events_from_rows(session):
    here, elsewhere = EventLog(), EventLog()
    turn_log = await begin_here(here, session)
    follower = asyncio.create_task(follow_to_stop(elsewhere, session))

    turn_log.gather(TextDelta("Hello"))
    await asyncio.sleep(0.1)
    turn_log.append(Text("Hello"))
    await turn_log.finish(STOP, Ending(Turn.State.DONE))

    assert await asyncio.wait_for(follower, 30) == turn_log.events


async def test_a_second_turn_follows_the_first_in_the_same_stream(session):
    log = EventLog()
    first = await begin_here(log, session)
    await first.finish(STOP, Ending(Turn.State.DONE))
    stream = log.follow(session.pk)
    seen = [*await anext(stream)]

    second = await begin_here(log, session, seq=first.events[-1].seq + 1)
    await second.finish(STOP, Ending(Turn.State.DONE))
    while len(seen) < 4:
        seen += await anext(stream)

    await stream.aclose()
    assert [s.event.type for s in seen] == ["user_input", "stop"] * 2
    assert [s.seq for s in seen] == sorted({s.seq for s in seen})


async def test_a_follower_of_a_quiet_session_leaves_nothing_behind(session, monkeypatch):
    monkeypatch.setattr("chat.events.log.POLL_IDLE", 0.01)
    log = EventLog()
    stream = log.follow(session.pk)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(stream), 0.5)

    await stream.aclose()
    assert not log.waiters._futures


async def test_a_follower_who_never_runs_dry_still_learns_what_changed_beside(session):
    log = EventLog()
    turn_log = await begin_here(log, session)
    stream = log.follow(session.pk)
    await anext(stream)
    turn_log.append(TextDelta("Because"))

    await log.announce(session.pk)
    batches = [await anext(stream), await anext(stream)]

    await stream.aclose()
    await turn_log.finish(STOP, Ending(Turn.State.DONE))
    assert [[s.event for s in batch] for batch in batches] == [[], [TextDelta("Because")]]


async def test_history_leaves_out_the_deltas_of_ended_turns(session):
    log = EventLog()
    turn_log = await begin_here(log, session)
    turn_log.gather(TextDelta("Hi"))
    turn_log.append(Text("Hi"))
    await turn_log.finish(STOP, Ending(Turn.State.DONE))

    history = await asyncio.to_thread(log.history, session.pk)

    assert [s.event.type for s in history] == ["user_input", "text", "stop"]


async def test_a_turn_settled_by_others_takes_no_more_events(session):
    log = EventLog()
    turn_log = await begin_here(log, session)
    await Turn.objects.filter(session=session).aupdate(lease_owner="somewhere/1/else")

    turn_log.append(Text("too late"))
    await log.writer.drain()

    with pytest.raises(LostTurn):
        turn_log.append(Text("still too late"))
    assert not await Event.objects.filter(type="text").aexists()


@pytest.mark.parametrize(
    "owner, expires_in, dead",
    [
        ("elsewhere/1/abc", -1, True),
        ("elsewhere/1/abc", 10, False),
        ("", 10, False),
        (process_name(), 10, False),
        (process_name().rsplit("/", 1)[0] + "/0000", 10, True),
        (process_name().rsplit("/", 2)[0] + "/4194305/0000", 10, True),
    ],
    ids=["lapsed", "fresh", "no name", "this one", "this number before", "no such process"],
)
def test_only_a_dead_run_is_settled(session, owner, expires_in, dead):
    lease = timezone.now() + timedelta(seconds=expires_in)
    begin(session, lease_owner=owner, lease_expires_at=lease)

    assert settle_dead(session.pk) is dead

    assert Turn.objects.get().state == ("interrupted" if dead else "running")


def test_settling_keeps_what_was_written_and_makes_it_whole(session):
    turn, _ = begin(session, lease_owner="gone", lease_expires_at=timezone.now())
    now = timezone.now()
    written = [
        ToolCall("c1", "retrieve", {"query": "why"}),
        ThinkingDelta("Let me "),
        ThinkingDelta("see"),
        Thinking("Let me see"),
        TextDelta("Because "),
        TextDelta("it"),
    ]
    Event.objects.bulk_create(
        row(session.pk, Stamped(2 + i, turn.pk, now, event)) for i, event in enumerate(written)
    )

    history = EventLog().history(session.pk)

    (exchange,) = fold(history).exchanges
    assert exchange.answer == "Because it"
    assert exchange.tool_uses[0].result == ToolResult(
        "c1", "retrieve", {"error": "This call did not finish."}
    )
    assert exchange.stop and exchange.stop.is_error and exchange.stop.error == INTERRUPTED
    assert [s.event.type for s in history].count("stop") == 1
    assert history[-1].seq > 1_000  # beyond what any follower can have seen unsaved


def test_a_settled_answer_keeps_its_citations(session):
    turn, _ = begin(session, lease_owner="gone", lease_expires_at=timezone.now())
    passage = {
        "number": 1,
        "index_id": "idx-1",
        "content": "The lamps are green.",
        "metadata": {"file_name": "rules.md"},
        "static_fields": {
            "parsed_directory_file_id": "dfl-1",
            "page_range_start": None,
            "chunk_start_char": 10,
            "chunk_end_char": 30,
        },
    }
    written = [
        ToolCall("c1", "retrieve", {"query": "lamps"}),
        ToolResult("c1", "retrieve", {"results": [passage]}),
        TextDelta("The lamps are green [1]. And"),
    ]
    Event.objects.bulk_create(
        row(session.pk, Stamped(2 + i, turn.pk, timezone.now(), event))
        for i, event in enumerate(written)
    )

    (exchange,) = fold(EventLog().history(session.pk)).exchanges

    assert [(one["number"], one["file_name"], one["check"]) for one in exchange.citations] == [
        (1, "rules.md", "exact")
    ]


def test_a_turn_that_died_with_its_prompt_is_settled(session):
    turn, first = begin(session, lease_owner="gone", lease_expires_at=timezone.now())
    Turn.objects.filter(pk=turn.pk).update(created_at=first.at + timedelta(milliseconds=9))

    assert settle_dead(session.pk)

    assert Turn.objects.get().duration_ms == 0


def test_a_settled_turn_ends_as_any_other_does(session):
    before = session.last_used_at
    turn, _ = begin(session, lease_owner="gone", lease_expires_at=timezone.now())

    settle_dead(session.pk)

    turn.refresh_from_db()
    session.refresh_from_db()
    stop = stamped_rows(turn.events.order_by("-seq"))[0]
    assert isinstance(stop.event, Stop)
    assert session.last_used_at == turn.finished_at == stop.at > before
    assert turn.rounds == stop.event.usage["turns"] == 1


def test_two_readers_settle_a_dead_turn_once(session):
    begin(session, lease_owner="gone", lease_expires_at=timezone.now())

    assert [settle_dead(session.pk), settle_dead(session.pk)] == [True, False]

    assert Event.objects.filter(type="stop").count() == 1

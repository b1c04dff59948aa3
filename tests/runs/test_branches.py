"""Asking again, going back to an earlier answer, and prompts that wait their turn."""

import asyncio

import pytest
from asgiref.sync import sync_to_async

from chat.actions.turns import (
    cancel_turn,
    change_queued,
    choose_branch,
    queue_prompt,
    start_turn,
)
from chat.errors import Conflict, Invalid, Settled
from chat.events.log import log
from chat.events.transcript import fold
from chat.models import Actor, QueuedPrompt, Session, Turn
from tests.factories import make_index, make_user

from .conftest import to_stop

pytestmark = pytest.mark.django_db(transaction=True)


def reads(session: Session) -> list[tuple[str, str]]:
    """Questions and answers, as the session reads now."""
    return [(one.question, one.answer) for one in fold(log.history(session.pk)).exchanges]


async def test_a_turn_asked_again_is_a_branch_and_the_old_one_is_kept(session, ask, model):
    model.say({"text": "Nine."}, {"text": "Green."}, {"text": "At nine o'clock."})
    await ask("When does the reading room open?")
    await ask("Which colour do the lamps of the reading room have?")
    first = await session.turns.order_by("seq").afirst()

    await ask("When exactly does it open?", instead_of=first)

    assert await sync_to_async(reads)(session) == [
        ("When exactly does it open?", "At nine o'clock.")
    ]
    siblings = [turn.pk async for turn in first.siblings()]
    assert len(siblings) == 2 and siblings[0] == first.pk
    assert await session.turns.acount() == 3
    assert "Green" not in str(model.bodies[-1]["messages"])


async def test_an_earlier_branch_is_chosen_with_all_that_followed_it(session, ask, model):
    model.say({"text": "One."}, {"text": "Two."}, {"text": "Other."})
    await ask("What comes first in the reading room rules?")
    await ask("What comes second in the reading room rules?")
    first = await session.turns.order_by("seq").afirst()
    await ask("What else?", instead_of=first)

    await sync_to_async(choose_branch)(session, first)

    answers = [answer for _, answer in await sync_to_async(reads)(session)]
    assert answers == ["One.", "Two."]


async def test_the_conversation_goes_on_from_the_chosen_branch(session, ask, model):
    model.say({"text": "One."}, {"text": "Other."}, {"text": "Three."})
    await ask("What comes first in the reading room rules?")
    first = await session.turns.afirst()
    await ask("What else stands in the rules?", instead_of=first)
    await sync_to_async(choose_branch)(session, first)

    await ask("What comes third in the reading room rules?")

    assert [a for _, a in await sync_to_async(reads)(session)] == ["One.", "Three."]
    assert "Other." not in str(model.bodies[-1]["messages"])


async def test_a_branch_cannot_be_chosen_while_a_turn_runs(session, model):
    model.say(tokens=200, hold=5)
    actor = Actor(await sync_to_async(lambda: session.owner)())
    turn = await start_turn(actor, session.pk, "Go on")

    with pytest.raises(Conflict):
        await sync_to_async(choose_branch)(session, turn)

    await cancel_turn(session)
    await to_stop(session, turn.seq)


async def test_a_queued_prompt_starts_by_itself_when_the_running_turn_ends(session, model):
    model.say({"tokens": 20, "hold": 5}, {"text": "Second."}, {"text": "Third."})
    actor = Actor(await sync_to_async(lambda: session.owner)())
    turn = await start_turn(actor, session.pk, "First question about the reading room")

    for prompt in ("Second question about the lamps", "Third question about the pencils"):
        await queue_prompt(actor, session.pk, prompt)
    assert await QueuedPrompt.objects.acount() == 2
    model.go_on()

    seen = await to_stop(session, turn.seq - 1)
    for _ in range(2):
        seen = await to_stop(session, seen[-1].seq)
    assert [answer for _, answer in (await sync_to_async(reads)(session))[1:]] == [
        "Second.",
        "Third.",
    ]
    assert not await QueuedPrompt.objects.aexists()


async def test_a_prompt_queued_when_nothing_runs_starts_at_once(session, model):
    model.say(text="Here.")
    actor = Actor(await sync_to_async(lambda: session.owner)())

    await queue_prompt(actor, session.pk, "Where is the reading room?")

    await to_stop(session, 0)
    assert await sync_to_async(reads)(session) == [("Where is the reading room?", "Here.")]


async def test_a_waiting_prompt_can_be_changed_until_it_starts(session, model):
    model.say({"tokens": 20, "hold": 5}, {"text": "Changed."})
    actor = Actor(await sync_to_async(lambda: session.owner)())
    turn = await start_turn(actor, session.pk, "First question about the reading room")
    queued = await queue_prompt(actor, session.pk, "Sceond")

    assert await sync_to_async(change_queued)(queued, "Second question")
    with pytest.raises(Invalid):
        await sync_to_async(change_queued)(queued, "  ")
    model.go_on()

    seen = await to_stop(session, turn.seq)
    await to_stop(session, seen[-1].seq)
    assert (await sync_to_async(reads)(session))[1] == ("Second question", "Changed.")
    assert not await sync_to_async(change_queued)(queued, "Too late")


async def test_a_queued_prompt_of_someone_who_may_not_ask_any_more_is_dropped(session, model):
    guest = await sync_to_async(make_user)()
    await Session.objects.filter(pk=session.pk).aupdate(sharing="query")
    model.say(tokens=20, hold=5)
    owner = Actor(await sync_to_async(lambda: session.owner)())
    turn = await start_turn(owner, session.pk, "First question about the reading room")
    await queue_prompt(Actor(guest), session.pk, "May I?")

    await Session.objects.filter(pk=session.pk).aupdate(sharing="private")
    model.go_on()
    await to_stop(session, turn.seq)

    async with asyncio.timeout(30):  # it is looked at after the stop was shown
        while await QueuedPrompt.objects.aexists():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert await Turn.objects.acount() == 1


async def test_a_prompt_for_another_index_is_not_queued(session, model):
    other = await sync_to_async(make_index)("Other")
    actor = Actor(await sync_to_async(lambda: session.owner)())

    with pytest.raises(Settled):
        await queue_prompt(actor, session.pk, "Why?", [other.pk])

    assert not await QueuedPrompt.objects.aexists()

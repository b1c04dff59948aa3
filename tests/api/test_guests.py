"""What the key of another member is told of a shared session."""

import json
import re

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import AbstractUser, Group

from chat.api.events import frames
from chat.api.guests import Guest
from chat.events.log import log
from chat.events.types import Stop, Text, Thinking, ThinkingDelta, ToolCall, ToolResult, UserInput
from chat.models import Actor, Session
from tests.api.conftest import Caller
from tests.factories import make_index, make_key, make_session, make_user
from tests.web.conftest import write_turn

SECRET = "The safe is behind the clock."
USAGE = {"duration_ms": 1, "total_input_tokens": 1, "total_output_tokens": 1, "turns": 1}


def found(index: str, text: str) -> dict:
    return {"number": 1, "index_id": index, "content": text}


@pytest.fixture
def session(db) -> Session:
    """Shared; of its two indexes one is narrowed to a group."""
    owner = make_user("owner")
    narrow, wide = make_index("Safe"), make_index("Rules")
    group = Group.objects.create(name="Keepers")
    owner.groups.add(group)
    narrow.groups.add(group)
    session = make_session(owner, (narrow, wide))
    Session.objects.update(sharing=Session.Sharing.READ_ONLY)
    write_turn(
        session,
        UserInput("Where is the safe?"),
        ToolCall("a", "retrieve", {"query": "safe", "index_ids": [narrow.pk, wide.pk]}),
        ToolResult(
            "a", "retrieve", {"results": [found(narrow.pk, SECRET), found(wide.pk, "Pencils.")]}
        ),
        ThinkingDelta(SECRET),
        Thinking(SECRET),
        ToolCall("b", "read", {"index_id": narrow.pk, "file_id": "dfl-1"}),
        ToolResult("b", "read", {"index_id": narrow.pk, "content": SECRET}),
        ToolCall("c", "find", {"index_id": narrow.pk, "file_name_contains": "safe"}),
        ToolResult("c", "find", {"items": [{"file_name": "safe.md"}], "total_size": 1}),
        Text("I may not say."),
        Stop(False, None, USAGE),
    )
    return session


@pytest.fixture
def member(session) -> AbstractUser:
    return make_user("member")


def history(key: str, session: Session) -> list[dict]:
    return Caller(key).get(f"/chat/{session.pk}").json()["events"]


def test_a_member_is_told_nothing_of_an_index_that_is_closed_to_them(session, member):
    owners = history(make_key(session.owner)[1], session)
    members = history(make_key(member)[1], session)

    results = [one["result"] for one in members if one["type"] == "tool_result"]
    assert json.dumps(owners).count(SECRET) == 3
    assert SECRET not in json.dumps(members) and "safe.md" not in json.dumps(members)
    assert [one["content"] for one in results[0]["results"]] == ["Pencils."]
    assert all("may not use" in one["error"] for one in results[1:])
    assert [one["type"] for one in members] == [
        one["type"] for one in owners if one["type"] != "thinking"
    ]


def test_whoever_may_use_all_indexes_is_told_all(session, member):
    member.groups.add(Group.objects.get())

    assert history(make_key(member)[1], session) == history(make_key(session.owner)[1], session)


def test_whoever_asked_is_told_what_was_found_for_them(session, member):
    session.turns.update(asked_by=member)

    assert SECRET in json.dumps(history(make_key(member)[1], session))


@pytest.mark.django_db(transaction=True)
async def test_the_stream_tells_what_the_history_tells(session, member):
    async def may_read() -> bool:
        return True

    guest = Guest(Actor(member))
    told = frames(session.pk, 0, member.pk, may_read, until_stop=True, guest=guest)
    stream = b"".join([frame async for frame in told]).decode()

    told_later = await sync_to_async(guest.told)(await sync_to_async(log.history)(session.pk))
    assert SECRET not in stream and "Pencils." in stream
    assert [int(number) for number in re.findall(r"^id: (\d+)", stream, re.M)] == [
        one.seq for one in told_later
    ]

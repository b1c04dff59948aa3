"""What the database itself refuses, whoever writes to it."""

import pytest
from django.db import IntegrityError

from chat.models import BoundIndex, Event, Sync, Turn
from tests.factories import make_directory, make_file, make_index, make_session

pytestmark = pytest.mark.django_db


def test_a_session_runs_one_turn_at_a_time():
    session = make_session()
    Turn.objects.create(session=session, seq=1)

    with pytest.raises(IntegrityError):
        Turn.objects.create(session=session, seq=2)


def test_a_session_has_room_for_the_next_turn_once_the_last_is_done():
    session = make_session()
    Turn.objects.create(session=session, seq=1, state=Turn.State.DONE)

    Turn.objects.create(session=session, seq=2)

    assert session.turns.count() == 2


def test_an_index_syncs_one_at_a_time():
    index = make_index()
    Sync.objects.create(index=index, state=Sync.State.RUNNING)

    with pytest.raises(IntegrityError):
        Sync.objects.create(index=index)


def test_a_turn_stops_once(event_fields):
    Event.objects.create(seq=2, type=Event.Type.STOP, **event_fields)

    with pytest.raises(IntegrityError):
        Event.objects.create(seq=3, type=Event.Type.STOP, **event_fields)


def test_a_place_in_a_session_is_taken_once(event_fields):
    Event.objects.create(seq=2, type=Event.Type.TEXT_DELTA, **event_fields)

    with pytest.raises(IntegrityError):
        Event.objects.create(seq=2, type=Event.Type.TEXT_DELTA, **event_fields)


def test_an_eleventh_index_is_not_bound():
    session = make_session(indexes=tuple(make_index() for _ in range(10)))

    with pytest.raises(IntegrityError):
        BoundIndex.objects.create(session=session, index=make_index(), position=10)


def test_a_directory_has_a_name():
    with pytest.raises(IntegrityError):
        make_directory(name="")


def test_a_unique_id_is_free_again_once_its_file_is_removed():
    directory = make_directory()
    first = make_file(directory, "note.md")
    type(first).objects.filter(pk=first.pk).update(deleted_at=first.created_at)

    again = make_file(directory, "note.md")

    assert again.unique_id == first.unique_id


@pytest.fixture
def event_fields() -> dict:
    session = make_session()
    turn = Turn.objects.create(session=session, seq=1)
    return {"session": session, "turn": turn, "payload": {}, "created_at": turn.created_at}

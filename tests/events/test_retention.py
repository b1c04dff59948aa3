"""Rows that the log lets go of, by way of the worker's own rounds."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from chat.events import retention
from chat.events.leases import row
from chat.events.log import EventLog
from chat.events.types import Stamped, Stop, Text, TextDelta, UserInput
from chat.models import Event, Project, Session, Turn
from tests.factories import make_session

pytestmark = pytest.mark.django_db(transaction=True)
USAGE = {"duration_ms": 5, "total_input_tokens": 1, "total_output_tokens": 2, "turns": 1}


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_whole_up_to", 0)


def answered(ended: timedelta | None) -> Session:
    """A session with one turn, which ended so long ago, or runs."""
    now = timezone.now()
    session = make_session()
    state = Turn.State.RUNNING if ended is None else Turn.State.DONE
    turn = session.turns.create(
        seq=1,
        state=state,
        lease_owner="elsewhere/1/abc",
        lease_expires_at=now + timedelta(hours=1),
        finished_at=None if ended is None else now - ended,
    )
    events = [UserInput("Why?"), TextDelta("Be"), TextDelta("cause")]
    if ended is not None:
        events += [Text("Because"), Stop(False, None, USAGE)]
    Event.objects.bulk_create(
        row(session.pk, Stamped(seq, turn.pk, now, event)) for seq, event in enumerate(events, 1)
    )
    return session


def test_deltas_go_some_minutes_after_their_turn_and_nothing_else_does():
    old, fresh, running = (
        answered(timedelta(hours=1)),
        answered(timedelta(minutes=1)),
        answered(None),
    )
    history = EventLog().history(old.pk)

    call_command("worker", batch=True)

    assert EventLog().history(old.pk) == history
    counts = [session.events.filter(type="text_delta").count() for session in (old, fresh, running)]
    assert counts == [0, 2, 2]


def test_deltas_that_were_too_young_go_later():
    session = answered(timedelta(minutes=1))
    assert retention.drop_deltas() == 0
    session.turns.update(finished_at=timezone.now() - timedelta(hours=1))

    assert retention.drop_deltas() == 2
    assert retention.drop_deltas() == 0


def test_a_deleted_session_is_purged_once_it_cannot_be_brought_back():
    gone, undoable, kept = (answered(timedelta(hours=1)) for _ in range(3))
    now = timezone.now()
    Session.objects.filter(pk=gone.pk).update(deleted_at=now - timedelta(days=2))
    Session.objects.filter(pk=undoable.pk).update(deleted_at=now - timedelta(minutes=5))

    call_command("worker", batch=True)

    assert set(Session.objects.values_list("pk", flat=True)) == {undoable.pk, kept.pk}
    assert not Event.objects.filter(session=gone.pk).exists()


def test_a_dead_turn_that_nobody_reads_is_ended():
    session, running = answered(None), answered(None)
    session.turns.update(lease_expires_at=timezone.now())

    call_command("worker", "--batch")

    assert session.turns.get().state == Turn.State.INTERRUPTED
    assert running.turns.get().state == Turn.State.RUNNING


def test_sessions_go_that_nobody_uses_for_longer_than_their_project_keeps_them():
    old, fresh, running = answered(timedelta(hours=1)), answered(timedelta(hours=1)), answered(None)
    long_ago = timezone.now() - timedelta(days=31)
    Session.objects.exclude(pk=fresh.pk).update(last_used_at=long_ago)

    call_command("worker", batch=True)
    assert Session.objects.live().count() == 3  # as long as no project says how long

    Project.objects.update(sessions_kept_days=30)
    call_command("worker", batch=True)

    assert {*Session.objects.live()} == {fresh, running}
    assert Session.objects.filter(pk=old.pk).exists()  # for a day yet, as any that is deleted

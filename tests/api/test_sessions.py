"""Sessions over the API, where no turn need run."""

from django.utils import timezone

from chat.events.leases import row
from chat.events.types import Stamped, UserInput
from chat.models import Session

from .conftest import Caller


def test_a_summary_ends_the_turn_of_a_process_that_died(api: Caller):
    session = Session.objects.get(pk=api.post("/chat").json()["session_id"])
    turn = session.turns.create(seq=1, lease_owner="gone", lease_expires_at=timezone.now())
    row(session.pk, Stamped(1, turn.pk, timezone.now(), UserInput("Why?"))).save()

    job = api.get(f"/chat/{session.pk}/summary").json()["job_metadata"]
    events = api.get(f"/chat/{session.pk}").json()["events"]

    assert job["is_error"] is True
    assert [event["type"] for event in events] == ["user_input", "stop"]
    assert job == {"export_config_ids": [], "error": events[-1]["error"]} | {
        "is_error": True,
        **events[-1]["usage"],
    }

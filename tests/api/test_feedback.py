"""Rating an answer over the API."""

import pytest

from chat.models import Feedback, Session, Turn

from .conftest import Caller


@pytest.fixture
def rated(api: Caller) -> str:
    """Where to rate the one turn of a session."""
    session = Session.objects.get(pk=api.post("/chat").json()["session_id"])
    Turn.objects.create(session=session, asked_by=session.owner, seq=1, state=Turn.State.DONE)
    return f"/chat/{session.pk}/turns/1/feedback"


def test_a_second_rating_replaces_the_first_and_null_takes_it_back(api: Caller, rated: str):
    api.post(rated, {"rating": "bad", "comment": "Not so."})
    second = api.post(rated, {"rating": "good"})
    kept = list(Feedback.objects.values_list("rating", "comment"))
    api.post(rated, {"rating": None})

    assert (second.status_code, second.json()) == (200, {})
    assert kept == [("good", "")]
    assert not Feedback.objects.exists()


@pytest.mark.parametrize("body", [{}, {"rating": "fine"}, {"rating": "good", "comment": 7}])
def test_a_rating_is_good_or_bad(api: Caller, rated: str, body: dict):
    assert api.post(rated, body).status_code == 422


def test_only_a_turn_of_ones_own_session_can_be_rated(api: Caller, stranger: Caller, rated: str):
    foreign = stranger.post(rated, {"rating": "good"})
    unknown = api.post(rated.replace("/1/", "/2/"), {"rating": "good"})

    assert (foreign.status_code, unknown.status_code) == (404, 404)

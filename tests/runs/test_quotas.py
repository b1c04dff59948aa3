"""How much people may ask, and what is said to who asks more."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import AbstractUser, Group
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.utils import timezone

from chat.errors import QuotaReached
from chat.models import Actor, Quota, Session, Turn
from chat.runs import claims
from chat.runs.claims import Prompt
from chat.runs.quotas import DAY, HOUR, allowances, check_quota
from tests.factories import make_session, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def session(index) -> Session:
    return make_session(indexes=(index,))


@pytest.fixture
def person(session: Session) -> AbstractUser:
    return session.owner


@pytest.fixture
def actor(person: AbstractUser) -> Actor:
    return Actor(person)


def asked(session: Session, ago: timedelta, tokens: int = 0) -> Turn:
    """One of its owner's turns elsewhere, of so long ago, which took so many tokens."""
    turn = make_session(session.owner).turns.create(
        seq=1,
        asked_by=session.owner,
        state=Turn.State.DONE,
        input_tokens=tokens,
        lease_expires_at=timezone.now(),
    )
    Turn.objects.filter(pk=turn.pk).update(created_at=timezone.now() - ago)
    return turn


def limit(group: str | None = None, *members: AbstractUser, **limits: int) -> Quota:
    row = None
    if group:
        row = Group.objects.create(name=group)
        row.user_set.set(members)
    return Quota.objects.create(group=row, **limits)


def limits(actor: Actor) -> dict[timedelta, int]:
    return {one.within: one.limit for one in allowances(actor)}


def test_without_a_quota_everyone_asks_as_much_as_they_like(actor, session):
    limit("others", make_user(), turns_per_hour=1)
    asked(session, timedelta(minutes=1))

    check_quota(actor)
    assert allowances(actor) == []


def test_a_groups_quota_goes_before_everyones_and_the_largest_before_the_others(actor, person):
    limit(turns_per_hour=5, tokens_per_day=1_000)
    assert limits(actor) == {HOUR: 5, DAY: 1_000}

    limit("guests", person, turns_per_hour=2, tokens_per_day=300)
    assert limits(actor) == {HOUR: 2, DAY: 300}

    limit("staff", person, turns_per_hour=40)  # as many tokens as they like
    assert limits(actor) == {HOUR: 40}


def test_turns_of_the_last_hour_count_until_the_oldest_of_them_is_older(actor, session):
    limit(turns_per_hour=2)
    asked(session, timedelta(minutes=70))
    asked(session, timedelta(minutes=50))
    check_quota(actor)
    asked(session, timedelta(minutes=5))

    with pytest.raises(QuotaReached) as refused:
        check_quota(actor)

    assert refused.value.wait == pytest.approx(600, abs=5)
    assert refused.value.message == (
        "Your quota of questions within an hour (2) is used up. Try again in 10 minutes."
    )


def test_tokens_of_the_last_day_count_until_enough_of_them_are_older(actor, session):
    limit(tokens_per_day=1_000)
    asked(session, timedelta(hours=23), tokens=400)
    asked(session, timedelta(hours=20), tokens=500)
    check_quota(actor)
    asked(session, timedelta(hours=1), tokens=700)

    with pytest.raises(
        QuotaReached, match=r"tokens within 24 hours \(1,000\) is used up. Try again in 4 hours"
    ):
        check_quota(actor)


def test_somebody_elses_turns_do_not_count(session):
    limit(turns_per_hour=1)
    asked(session, timedelta(minutes=1))

    check_quota(Actor(make_user()))


def test_who_asks_too_much_is_refused_and_nothing_is_kept(actor, session):
    limit(turns_per_hour=1)
    asked(session, timedelta(minutes=1))

    with pytest.raises(QuotaReached):
        claims.claim(actor, session.pk, Prompt("And now?"))
    with pytest.raises(QuotaReached):
        claims.queue(actor, session.pk, Prompt("And then?"))

    assert not session.turns.exists()
    assert not session.queued_prompts.exists()


def test_a_prompt_that_waits_has_counted_already_and_begins(actor, session):
    limit(turns_per_hour=2)
    asked(session, timedelta(minutes=1))
    claims.queue(actor, session.pk, Prompt("And then?"))

    with pytest.raises(QuotaReached):
        claims.queue(actor, session.pk, Prompt("And after that?"))
    _, turn, _ = claims.claim_queued(session.pk)

    assert turn.is_running


def test_where_only_prompts_wait_nobody_is_told_to_come_back_at_once(actor, session):
    limit(turns_per_hour=1)
    claims.queue(actor, session.pk, Prompt("And then?"))

    with pytest.raises(QuotaReached) as refused:
        check_quota(actor)

    assert refused.value.wait == 60


def test_what_waits_in_a_deleted_session_does_not_count(actor, session):
    limit(turns_per_hour=1)
    claims.queue(actor, session.pk, Prompt("And then?"))
    Session.objects.update(deleted_at=timezone.now())

    check_quota(actor)


def test_a_prompt_waits_on_while_its_author_has_no_tokens_left(actor, session):
    limit(tokens_per_day=1_000)
    claims.queue(actor, session.pk, Prompt("And then?"))
    used = asked(session, timedelta(hours=1), tokens=1_000)

    assert claims.claim_queued(session.pk) is None
    assert session.queued_prompts.count() == 1

    Turn.objects.filter(pk=used.pk).update(created_at=timezone.now() - timedelta(hours=25))
    assert claims.claim_queued(session.pk)


def test_who_is_over_both_limits_is_told_the_longer_wait(actor, session):
    limit(turns_per_hour=1, tokens_per_day=100)
    asked(session, timedelta(minutes=59), tokens=100)

    with pytest.raises(QuotaReached, match=r"tokens within 24 hours .* Try again in 24 hours"):
        check_quota(actor)


@pytest.mark.parametrize("group", [None, "staff"])
def test_nobody_has_two_quotas_of_one_group(group):
    first = limit(group, turns_per_hour=5)
    second = Quota(group=first.group, turns_per_hour=6)

    with pytest.raises(ValidationError, match="change that one"):
        second.full_clean()
    with pytest.raises(IntegrityError):
        second.save()


def test_room_comes_back_by_itself(actor, session):
    limit(turns_per_hour=1)
    old = asked(session, timedelta(minutes=59))
    with pytest.raises(QuotaReached):
        claims.claim(actor, session.pk, Prompt("And now?"))
    Turn.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(minutes=61))

    turn, _ = claims.claim(actor, session.pk, Prompt("And now?"))

    assert turn.is_running

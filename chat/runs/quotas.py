"""How much a person may still ask, by what they asked lately."""

import logging
import math
from dataclasses import dataclass
from datetime import timedelta
from operator import itemgetter
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db.models import F, QuerySet, Sum, Value
from django.utils import timezone

from chat.errors import QuotaReached, spelled
from chat.models import Actor, QueuedPrompt, Quota, Turn
from chat.models.prepared import Prepared

logger = logging.getLogger(__name__)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LEAST_WAIT = 60  # seconds, where only prompts that wait are in the way


@dataclass(frozen=True, slots=True)
class Allowance:
    """One of a person's limits: turns within an hour, or tokens within a day."""

    within: timedelta
    limit: int
    used: int

    @property
    def is_used_up(self) -> bool:
        return self.used >= self.limit

    @property
    def unit(self) -> str:
        return "turns" if self.within == HOUR else "tokens"


def check_quota(actor: Actor) -> None:
    """Raises QuotaReached where the actor's person has asked as much as they may.

    Those who ask in the same moment do not wait for one another, and may pass it by as many.
    """
    waits = [(_wait(actor.person, one), one) for one in allowances(actor) if one.is_used_up]
    if waits:
        wait, reached = max(waits, key=itemgetter(0))
        logger.info("quota reached person=%s unit=%s", actor.person.pk, reached.unit)
        raise QuotaReached(f"{_said(reached)} Try again in {spelled(wait)}.", wait)


def has_tokens(actor: Actor) -> bool:
    """Whether a prompt that waits may begin. Of the turns in an hour it is one already."""
    return not any(one.is_used_up for one in allowances(actor) if one.within == DAY)


def allowances(actor: Actor) -> list[Allowance]:
    """None for who has no limit. As ``Quota`` says, the largest of several groups' counts."""
    quotas = _quotas.rows(actor=actor)
    quotas = [one for one in quotas if one[0] is not None] or quotas
    found = []
    for within, column in ((HOUR, 1), (DAY, 2)):
        limits = [one[column] for one in quotas]
        if limits and None not in limits:
            found.append(Allowance(within, max(limits), _used(actor.person, within)))
    return found


_quotas = Prepared(
    lambda actor: (
        Quota.objects.of(actor.person)
        .order_by()
        .values_list("group", "turns_per_hour", "tokens_per_day")
    )
)


def _said(one: Allowance) -> str:
    if one.unit == "turns":
        return f"Your quota of questions within an hour ({one.limit:,}) is used up."
    return f"Your quota of tokens within 24 hours ({one.limit:,}) is used up."


def _used(person: AbstractUser, within: timedelta) -> int:
    used = _turns(person, within).aggregate(used=Sum("weight", default=0))["used"]
    return used + _waiting(person, within)


def _wait(person: AbstractUser, reached: Allowance) -> int:
    """Seconds until enough of what was asked is too long ago to count."""
    room = reached.limit - _waiting(person, reached.within)
    newest_first = _turns(person, reached.within).order_by("-created_at")
    for at, weight in newest_first.values_list("created_at", "weight").iterator():
        room -= weight
        if room <= 0:
            return max(1, math.ceil((at + reached.within - timezone.now()).total_seconds()))
    return LEAST_WAIT


def _turns(person: AbstractUser, within: timedelta) -> QuerySet[Any]:
    """What counts, each with its ``weight``."""
    weight = Value(1) if within == HOUR else F("input_tokens") + F("output_tokens")
    lately = Turn.objects.filter(asked_by=person, created_at__gt=timezone.now() - within)
    return lately.annotate(weight=weight)


def _waiting(person: AbstractUser, within: timedelta) -> int:
    """What counts though it is no turn yet: prompts that will be turns without being asked again.

    How many tokens they will take nobody knows.
    """
    if within == DAY:
        return 0
    return QueuedPrompt.objects.filter(asked_by=person, session__deleted_at=None).count()

"""What is not kept: deltas whose whole is there, and sessions deleted or too long out of use."""

import logging
from datetime import timedelta

from django.db.models import Max, Min
from django.utils import timezone

from chat.models import Event, Project, Session, Turn

logger = logging.getLogger(__name__)

DELTAS_FOR = timedelta(minutes=10)  # after their turn's end: a client that lost its line resumes
DELETED_FOR = timedelta(days=1)  # long after a deletion can be undone
AT_ONCE = 2_000  # rows a transaction, so that no answer waits long to be saved

_whole_up_to = 0  # the primary key up to which no delta is left, as far as this process knows


def drop_deltas() -> int:
    """Drop the deltas of turns that ended a while ago; answers how many."""
    global _whole_up_to
    newest = Event.objects.aggregate(newest=Max("pk"))["newest"] or 0
    deltas = Event.objects.filter(type__in=Event.DELTAS, pk__gt=_whole_up_to)
    old = deltas.filter(turn__finished_at__lt=timezone.now() - DELTAS_FOR).order_by("pk")
    count = 0
    while found := list(old.values_list("pk", flat=True)[:AT_ONCE]):
        count += Event.objects.filter(pk__in=found).delete()[0]
    left = deltas.aggregate(first=Min("pk"))["first"]
    _whole_up_to = newest if left is None else min(newest, left - 1)
    return count


def retire_sessions() -> int:
    """Delete sessions out of use for longer than their project keeps them; answers how many."""
    count = 0
    told = Project.objects.exclude(sessions_kept_days=None)
    for project, days in told.values_list("pk", "sessions_kept_days"):
        since = timezone.now() - timedelta(days=days)
        old = Session.objects.live().filter(project=project, last_used_at__lt=since)
        unused = old.exclude(turns__state=Turn.State.RUNNING)
        count += unused.update(deleted_at=timezone.now())
    if count:
        logger.info("sessions retired count=%d", count)
    return count


def purge_sessions() -> int:
    """Remove the rows of sessions deleted a while ago; answers how many sessions."""
    gone = Session.objects.filter(deleted_at__lt=timezone.now() - DELETED_FOR)
    count = 0
    for session in gone.exclude(turns__state=Turn.State.RUNNING):
        rows = Event.objects.filter(session=session).order_by("pk")
        while found := list(rows.values_list("pk", flat=True)[:AT_ONCE]):
            Event.objects.filter(pk__in=found).delete()
        session.delete()
        count += 1
    return count

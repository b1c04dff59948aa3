"""The list of sessions beside the page: grouped by age, read by keyset."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import groupby

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from chat.models import Actor, Session, Turn
from chat.models.sessions import SessionQuerySet

AT_ONCE = 50

Groups = list[tuple[str, list[Session]]]


def rail_groups(actor: Actor, before: str = "") -> tuple[Groups, str]:
    """Sessions under their headings, and the cursor of the next page ("" when there is none).

    ``before`` is such a cursor; without it the pinned ones lead.
    """
    mine = with_signs(Session.objects.owned_by(actor).filter(archived_at=None))
    unpinned = mine.filter(pinned_at=None).filter(_older_than(before)).recent()
    rows = list(unpinned[: AT_ONCE + 1])
    cursor = cursor_of(rows[AT_ONCE - 1]) if len(rows) > AT_ONCE else ""
    groups = by_age(rows[:AT_ONCE])
    if not before:
        if not groups or groups[0][0] != _("Today"):
            groups.insert(0, (_("Today"), []))
        if pinned := list(mine.exclude(pinned_at=None).order_by("-pinned_at")[:AT_ONCE]):
            groups.insert(0, (_("Pinned"), pinned))
    return groups, cursor


def with_signs(sessions: SessionQuerySet) -> SessionQuerySet:
    """With ``is_running`` on each."""
    running = Turn.objects.running().filter(session=OuterRef("pk"))
    return sessions.annotate(is_running=Exists(running))


def by_age(sessions: Iterable[Session]) -> Groups:
    today = timezone.localdate()
    return [
        (heading, list(group))
        for heading, group in groupby(sessions, lambda one: _heading(one.last_used_at, today))
    ]


def cursor_of(session: Session) -> str:
    return f"{session.last_used_at.isoformat()}~{session.pk}"


def _older_than(cursor: str) -> Q:
    moment, _tilde, pk = cursor.partition("~")
    try:
        used = parse_datetime(moment)
    except ValueError:
        used = None
    if used is None or timezone.is_naive(used):
        return Q()
    return Q(last_used_at__lt=used) | Q(last_used_at=used, pk__lt=pk)


def _heading(moment: datetime, today) -> str:
    day = timezone.localtime(moment).date()
    if day >= today:
        return _("Today")
    if day == today - timedelta(days=1):
        return _("Yesterday")
    if day > today - timedelta(days=8):
        return _("Previous 7 days")
    return date_format(day, "F Y")

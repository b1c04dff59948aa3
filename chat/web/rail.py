"""The list of sessions beside the page: grouped by age, read by keyset."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import groupby
from typing import NamedTuple

from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from chat.models import Actor, Session, Turn, Visit
from chat.models.sessions import SessionQuerySet

AT_ONCE = 50
MOST = 1_000  # rows that are read anew where someone has gone far down
SHARED_AT_ONCE = 10
VISITS_AT_ONCE = 200  # searched for sessions of others: one's own may be ten thousand


class Group(NamedTuple):
    heading: str
    sessions: list[Session]
    kind: str = ""  # "today": what is used now goes to its top; "fixed": its rows stay in place


def rail_groups(actor: Actor, before: str = "", count: int = AT_ONCE) -> tuple[list[Group], str]:
    """Sessions under their headings, and the cursor of the next page ("" when there is none).

    ``before`` is such a cursor; without it the pinned ones lead, and those of others that the
    actor has opened follow. At most ``count`` of the actor's own are listed by age.
    """
    mine = with_signs(Session.objects.owned_by(actor).filter(archived_at=None), actor)
    unpinned = mine.filter(pinned_at=None).filter(_older_than(before)).recent()
    rows = list(unpinned[: count + 1])
    cursor = cursor_of(rows[count - 1]) if len(rows) > count else ""
    groups = by_age(rows[:count])
    if before:
        return groups, cursor
    if not groups or groups[0].kind != "today":
        groups.insert(0, Group(_("Today"), [], "today"))
    pinned = list(mine.filter(pinned_at__isnull=False).order_by("-pinned_at")[:AT_ONCE])
    shared = list(opened_by(actor)[:SHARED_AT_ONCE])
    fixed = [Group(_("Pinned"), pinned, "fixed"), Group(_("Shared with you"), shared, "fixed")]
    return [*(group for group in fixed if group.sessions), *groups], cursor


def opened_by(actor: Actor) -> SessionQuerySet:
    """Sessions of others that the actor has opened lately and still may, last read first."""
    lately = Visit.objects.filter(user=actor.person).order_by("-seen_at")[:VISITS_AT_ONCE]
    theirs = Session.objects.visible_to(actor).exclude(owner=actor.person)
    opened = theirs.filter(visits__in=list(lately.values_list("pk", flat=True)))
    return with_signs(opened, actor).order_by("-visits__seen_at")


def with_signs(sessions: SessionQuerySet, actor: Actor) -> SessionQuerySet:
    """With ``is_running`` on each, and ``is_unread``: answered since the actor last looked."""
    running = Turn.objects.running().filter(session=OuterRef("pk"))
    unread = Visit.objects.filter(
        session=OuterRef("pk"),
        user=actor.person,
        session__turns__finished_at__gt=F("seen_at"),
    )
    return sessions.annotate(is_running=Exists(running), is_unread=Exists(unread))


def by_age(sessions: Iterable[Session]) -> list[Group]:
    """Under the days of the reader's time zone."""
    today = timezone.localdate()
    return [
        Group(heading, list(group), "today" if heading == _("Today") else "")
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

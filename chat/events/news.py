"""A word to people's open pages: something they list has changed. It never carries data.

django-eventstream brings it, on a channel for each person, across processes by Redis. Nothing is
kept for those who do not listen: a page that finds the line again reads all of it anew.
"""

import logging
from collections.abc import Iterable
from functools import partial

from django.db import models, transaction
from django_eventstream import send_event

from chat.models import Membership, Session, Visit
from chat.models.prepared import Prepared
from chat.models.threads import in_thread

logger = logging.getLogger(__name__)

SESSION = "session"  # its row reads otherwise: {"id": ..., "moved": to the top of the list}
RAIL = "rail"  # the list itself is another
INDEX = "index"  # {"id": ...}


def channel_of(person_id: int) -> str:
    return f"person-{person_id}"


def session_changed(session_id: str, moved: bool = False) -> None:
    """To its owner and to whoever has opened it, once what was done is saved. Synchronous."""
    transaction.on_commit(partial(_session_changed, session_id, moved))


def rail_changed(session: Session) -> None:
    """To its owner: the session is listed elsewhere now, or not at all."""
    transaction.on_commit(partial(_tell, [session.owner_id], RAIL, {}))


def visited(session: Session, person_id: int) -> None:
    """To the reader alone: it is not unread any more, or is opened for the first time."""
    kind = SESSION if session.owner_id == person_id else RAIL
    transaction.on_commit(partial(_tell, [person_id], kind, {"id": session.pk, "moved": False}))


def index_changed(index_id: str, project_id: str) -> None:
    """To the members of its project: its sync has come further, or its files are others."""
    members = Membership.objects.filter(project=project_id).values_list("user", flat=True)
    transaction.on_commit(partial(_tell, members, INDEX, {"id": index_id}))


def _session_changed(session_id: str, moved: bool) -> None:
    if row := _owner.first(session=session_id):
        readers = {reader for (reader,) in _readers.rows(session=session_id)}
        _tell(row, SESSION, {"id": session_id, "moved": moved})
        _tell(readers.difference(row), SESSION, {"id": session_id, "moved": False})


_owner = Prepared(
    lambda session: Session.objects.filter(pk=session).values_list("owner"),
    session=models.CharField(),
)
_readers = Prepared(
    lambda session: Visit.objects.filter(session=session).values_list("user"),
    session=models.CharField(),
)


session_changed_soon = in_thread(_session_changed)


def _tell(people: Iterable[int], kind: str, data: dict[str, object]) -> None:
    try:
        for person_id in people:
            send_event(channel_of(person_id), kind, data)
    except Exception:  # Redis is away: pages read on reload what they were not told
        logger.warning("news not told kind=%s", kind, exc_info=True)

"""What a person does to a session as a whole."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from asgiref.sync import async_to_sync
from django.db import transaction
from django.utils import timezone

from chat import runs
from chat.errors import Invalid, NotFound
from chat.events import news
from chat.events.log import log
from chat.models import Actor, BoundIndex, Project, Session, Turn
from chat.runs.claims import check_index_ids, require_visible

UNDO_FOR = timedelta(minutes=10)


@transaction.atomic
def create_session(
    actor: Actor,
    project: Project,
    index_ids: Sequence[str] | None = None,
    sharing: str = Session.Sharing.PRIVATE,
) -> Session:
    """A session of the actor's; bound to these indexes, in this order, unless None is given.

    Raises Invalid for too many or repeated ids, NotFound for one that is not there for the actor.
    """
    check_index_ids(index_ids or ())
    session = Session.objects.create(
        project=project, owner=actor.person, is_bound=bool(index_ids), sharing=sharing
    )
    # To the microsecond: walks of the list rest on it.
    session.last_used_at = session.created_at
    session.save(update_fields=["last_used_at"])
    require_visible(actor, project.pk, index_ids or ())
    BoundIndex.objects.bulk_create(
        BoundIndex(session=session, index_id=index_id, position=position)
        for position, index_id in enumerate(index_ids or ())
    )
    return session


def rename_session(session: Session, title: str) -> None:
    """Give the session another title; blank is refused."""
    title = " ".join(title.split())[:100]
    if not title:
        raise Invalid("Give the session a title of at least one character.", "title")
    session.title = title
    session.save(update_fields=["title"])
    news.session_changed(session.pk)


def share_session(session: Session, sharing: str) -> None:
    """Open the session to its project's members, or close it again."""
    if sharing not in Session.Sharing.values:
        raise Invalid("Choose private, read_only or query.", "sharing")
    session.sharing = sharing
    session.save(update_fields=["sharing"])
    _announce(session)
    news.session_changed(session.pk)


def archive_session(session: Session, archived: bool = True) -> None:
    """Put the session out of the way, or take it back. It can still be read and asked."""
    session.archived_at = timezone.now() if archived else None
    session.save(update_fields=["archived_at"])
    news.rail_changed(session)


def pin_session(session: Session, pinned: bool = True) -> None:
    """Keep the session at the top of the list, or let it go."""
    session.pinned_at = timezone.now() if pinned else None
    session.save(update_fields=["pinned_at"])
    news.rail_changed(session)


def delete_session(session: Session) -> None:
    """Take the session away from everyone at once, and stop what is running in it."""
    Session.objects.filter(pk=session.pk).update(deleted_at=timezone.now())
    for turn in Turn.objects.running().filter(session=session):
        runs.request_stop(turn)
    _announce(session)
    news.session_changed(session.pk)


def _announce(session: Session) -> None:
    """To all who have it open: they may have lost sight of it."""
    transaction.on_commit(partial(async_to_sync(log.announce), session.pk))


def restore_session(actor: Actor, session_id: str) -> Session:
    """Bring back what its owner has just deleted. Raises NotFound once it is too late."""
    mine = Session.objects.filter(owner=actor.person, pk=session_id)
    if not mine.filter(deleted_at__gt=timezone.now() - UNDO_FOR).update(deleted_at=None):
        raise NotFound("This session cannot be brought back any more.")
    session = mine.get()
    news.rail_changed(session)
    return session

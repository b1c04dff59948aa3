"""Chat sessions and their history."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, Self

from django.db.models import Case, F, OuterRef, Prefetch, QuerySet, Subquery, When
from django.db.models.functions import Coalesce
from ninja import Query
from pydantic import BaseModel, Field

from chat.actions import sessions
from chat.events.leases import settle_dead
from chat.events.log import log
from chat.events.types import to_wire
from chat.models import BoundIndex, Event, Session, Turn

from .documented import HISTORY
from .errors import or_else
from .example import AS_HISTORY, NOT_IN_HISTORY
from .guests import guest_in
from .idempotency import idempotent
from .openapi import A_SESSION, AN_INDEX, OWN
from .pagination import Page, Paging, paginate
from .routing import NO_CONTENT, ProjectRouter, Request, find, find_editable

router = ProjectRouter(tags=["Chat"])

Access = Literal["read_only", "query"]


class Job(BaseModel):
    """The latest finished run."""

    duration_ms: float | None = Field(examples=[640])
    error: str | None
    is_error: bool
    total_input_tokens: int = Field(examples=[812])
    total_output_tokens: int = Field(examples=[9])
    turns: int = Field(examples=[1])
    export_config_ids: list[str] = Field(examples=[[AN_INDEX]])

    @classmethod
    def of(cls, turn: Turn) -> Self:
        return cls(
            duration_ms=turn.duration_ms,
            error=turn.error or None,
            is_error=turn.state in (Turn.State.FAILED, Turn.State.INTERRUPTED),
            total_input_tokens=turn.input_tokens,
            total_output_tokens=turn.output_tokens,
            turns=turn.rounds,
            export_config_ids=turn.index_ids,
        )


class Summary(BaseModel):
    session_id: str = Field(examples=[A_SESSION])
    generated_title: str | None = Field(examples=["When is the pump oiled?"])
    index_ids: list[str] | None = Field(
        description="Null for a session that is not bound.", examples=[[AN_INDEX]]
    )
    shared_access: Access = Field(description="What the session's link grants once it is shared.")
    job_metadata: Job | None = Field(description="Null before the first run has ended.")
    last_updated_at: datetime


class Conversation(Summary):
    events: list[dict[str, Any]] = Field(
        description="What happened, oldest first, without deltas and warnings.",
        examples=[AS_HISTORY],
        json_schema_extra={"items": HISTORY},
    )


class NewSession(BaseModel):
    index_ids: list[str] | None = Field(
        default=None,
        description="Up to ten, locked by the first message. Null: each message names some.",
    )
    shared_access: Access | None = Field(default=None, description="Null: not shared.")


UNBOUND = NewSession()


class SessionChanges(BaseModel):
    title: str | None = None
    shared_access: Access | Literal["private"] | None = None
    archived: bool | None = None
    pinned: bool | None = None


@router.post("", response={200: Summary} | or_else(409, 413), summary="Create a session")
@idempotent
def create_session(request: Request, new: NewSession = UNBOUND):
    session = sessions.create_session(
        request.auth,
        request.project,
        new.index_ids or None,
        new.shared_access or Session.Sharing.PRIVATE,
    )
    return summary(session)


@router.get("", response=Page[Summary], summary="List your sessions")
def list_sessions(request: Request, paging: Query[Paging]):
    """Most recently used first."""
    rows = with_details(Session.objects.owned_by(request.auth).filter(project=request.project))
    return paginate(rows, ["-used_at", "-id"], paging, summaries, as_at_start=used_by)


def used_by(rows: QuerySet[Session], moment: str | None) -> QuerySet[Session]:
    """With ``used_at``: when each was last used, not counting any use after the moment.

    A session that is used while someone walks the list moves to its top, and would be missed. So
    the later pages order as the first did; what happened by then is in the events, which stay.
    """
    if moment is None:
        return rows.annotate(used_at=F("last_used_at"))
    uses = Event.objects.filter(
        session=OuterRef("pk"),
        type__in=[Event.Type.USER_INPUT, Event.Type.STOP],
        created_at__lte=moment,
    )
    then = Coalesce(
        Subquery(uses.order_by("-created_at").values("created_at")[:1]), F("created_at")
    )
    unmoved = When(last_used_at__lte=moment, then=F("last_used_at"))
    return rows.annotate(used_at=Case(unmoved, default=then))


@router.get("/{session_id}/summary", response=Summary, summary="Get a session's summary")
def get_summary(request: Request, session_id: str):
    session = readable(request, session_id)
    settle_dead(session.pk)  # before it says that the latest run has not ended
    return summary(session)


@router.get("/{session_id}", response=Conversation, summary="Get a session with its history")
def get_session(request: Request, session_id: str):
    session = readable(request, session_id)
    history, guest = log.history(session.pk), guest_in(session, request.auth)
    events = [
        to_wire(stamped.event)
        for stamped in (guest.told(history) if guest else history)
        if not isinstance(stamped.event, NOT_IN_HISTORY)
    ]
    # Events first: whoever sees a stop there also sees what it is summed up to.
    return Conversation(events=events, **summary(session).model_dump())


@router.patch(
    "/{session_id}",
    response={200: Summary} | or_else(403, 413),
    tags=[OWN],
    summary="Rename, share, archive or pin",
)
def update_session(request: Request, session_id: str, changes: SessionChanges):
    """What is null or left out stays as it is."""
    session = owned(request, session_id)
    if changes.title is not None:
        sessions.rename_session(session, changes.title)
    if changes.shared_access is not None:
        sessions.share_session(session, changes.shared_access)
    if changes.archived is not None:
        sessions.archive_session(session, changes.archived)
    if changes.pinned is not None:
        sessions.pin_session(session, changes.pinned)
    return summary(session)


@router.delete("/{session_id}", response={204: None} | or_else(403), summary="Delete a session")
def delete_session(request: Request, session_id: str):
    """Stops a running turn."""
    sessions.delete_session(owned(request, session_id))
    return NO_CONTENT


def readable(request: Request, session_id: str) -> Session:
    return find(Session.objects.visible_to(request.auth), session_id)


def owned(request: Request, session_id: str) -> Session:
    rows = Session.objects.visible_to(request.auth)
    return find_editable(rows, Session.objects.owned_by(request.auth), session_id)


def with_details(rows: QuerySet[Session]) -> QuerySet[Session]:
    """All that a summary shows, in as many queries for a page of sessions as for one."""
    ended = Turn.objects.filter(session=OuterRef("pk")).exclude(finished_at=None)
    latest = Subquery(ended.order_by("-seq").values("pk")[:1])
    bound = Prefetch("bound_indexes", BoundIndex.objects.order_by("position"))
    return rows.annotate(latest_turn=latest).prefetch_related(bound)


def summary(session: Session) -> Summary:
    return summaries(list(with_details(Session.objects.filter(pk=session.pk))))[0]


def summaries(found: Sequence[Session]) -> list[Summary]:
    latest = Turn.objects.in_bulk({s.latest_turn for s in found if s.latest_turn})
    return [
        Summary(
            session_id=session.pk,
            generated_title=session.title or None,
            index_ids=[bound.index_id for bound in session.bound_indexes.all()]
            if session.is_bound
            else None,
            shared_access="query" if session.sharing == Session.Sharing.QUERY else "read_only",
            job_metadata=Job.of(latest[session.latest_turn]) if session.latest_turn else None,
            last_updated_at=session.last_used_at,
        )
        for session in found
    ]

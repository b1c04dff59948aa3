"""Turns of a session: asking, and the stream of what is answered."""

from collections.abc import Awaitable, Callable
from typing import Literal, cast

from django.db import models
from django.db.models import Exists
from django.http import HttpRequest
from ninja import P, PathEx, Query
from pydantic import BaseModel, Field, model_validator

from chat.actions import feedback, turns
from chat.errors import NotFound, Settled
from chat.models import APIKey, Session
from chat.models.prepared import Prepared
from chat.models.threads import in_thread
from chat.runs.claims import Prompt

from .documented import EVENT_STREAM, LAST_EVENT_ID
from .errors import or_else
from .events import frames, streaming
from .guests import guest_in
from .openapi import OWN
from .routing import ProjectRouter, Request, find_editable
from .sessions import readable

router = ProjectRouter(tags=["Chat"])


class NewMessage(BaseModel):
    index_ids: list[str] = Field(
        description="Bound session: some of its indexes, `[]` for all. Else one to ten."
    )
    prompt: str = Field(examples=["How do I connect Ollama?"])
    require_all_indexes: bool = Field(
        default=False, description="End the turn with an error if one of them cannot be searched."
    )

    @model_validator(mode="after")
    def can_be_asked(self):
        """Here, since what is wrong with a message is said before whether there is a session."""
        Prompt(self.prompt, self.index_ids).check()
        return self


@router.post(
    "/{session_id}/messages/stream",
    response={200: None} | or_else(403, 409, 413, 429),
    openapi_extra=EVENT_STREAM,
    summary="Ask, and stream the answer",
)
async def stream_message(request: Request, session_id: str, message: NewMessage):
    """The turn goes on when the stream is left; the history has all of it afterwards."""
    try:
        turn = await turns.start_turn(
            request.auth,
            session_id,
            message.prompt,
            message.index_ids,
            require_all_indexes=message.require_all_indexes,
        )
    except NotFound:
        await _askable(request, session_id)  # which knows more about one that may only be read
        raise
    person, may_read = request.auth.person.pk, still_reads(request, session_id)
    return streaming(frames(session_id, turn.seq - 1, person, may_read, until_stop=True))


@router.post(
    "/{session_id}/cancel",
    response={200: dict} | or_else(403, 409),
    tags=[OWN],
    summary="Stop the running turn",
)
async def cancel_turn(request: Request, session_id: str):
    """What was written so far stays."""
    session = await _askable(request, session_id)
    if not await turns.cancel_turn(session):
        raise Settled("No turn of this session is running.")
    return {}


class Opinion(BaseModel):
    rating: Literal["good", "bad"] | None = Field(description="Null takes it back.")
    comment: str | None = Field(default=None, max_length=10_000)


@router.post(
    "/{session_id}/turns/{seq}/feedback",
    response={200: dict} | or_else(413),
    tags=[OWN],
    summary="Rate an answer",
)
def rate_turn(
    request: Request, session_id: str, seq: PathEx[int, P(ge=0, lt=2**63)], opinion: Opinion
):
    """`seq` is the `id` of the turn's `user_input`; a second rating replaces the first."""
    turn = readable(request, session_id).turns.filter(seq=seq).first()
    if turn is None:
        raise NotFound("No such turn.")
    if opinion.rating is None:
        feedback.take_back_feedback(request.auth, turn)
    else:
        feedback.give_feedback(request.auth, turn, opinion.rating, opinion.comment or "")
    return {}


class Following(BaseModel):
    after: int = Field(default=0, ge=0, lt=2**63, description="The `id` of the last event seen.")


@router.get(
    "/{session_id}/events",
    response={200: None},
    openapi_extra=EVENT_STREAM | {"parameters": [LAST_EVENT_ID]},
    tags=[OWN],
    summary="Follow a session",
)
async def follow_session(request: Request, session_id: str, query: Query[Following]):
    """Never ends by itself; a `Last-Event-ID` header wins over `after`."""
    session = await _readable(request, session_id)
    after = last_seen(request, query.after)
    person, may_read = request.auth.person.pk, still_reads(request, session.pk)
    guest = guest_in(session, request.auth)
    return streaming(frames(session.pk, after, person, may_read, guest=guest))


def askable(request: Request, session_id: str) -> Session:
    rows = Session.objects.visible_to(request.auth).select_related("project")
    return find_editable(rows, Session.objects.askable_by(request.auth), session_id)


_readable, _askable = in_thread(readable), in_thread(askable)


def last_seen(request: HttpRequest, after: int) -> int:
    given = request.headers.get("Last-Event-ID", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 19 else after


def still_reads(request: Request, session_id: str) -> Callable[[], Awaitable[bool]]:
    """Asks again, while a stream is open, what was asked when it was opened."""
    key = cast(APIKey, request.auth.key)
    return in_thread(lambda: bool(_read_by.rows(actor=request.auth, key=key.pk, pk=session_id)))


_read_by = Prepared(
    lambda actor, key, pk: (
        Session.objects.visible_to(actor)
        .filter(Exists(APIKey.objects.live().filter(pk=key)), pk=pk)
        .values_list("pk")
    ),
    key=models.BigAutoField(),
    pk=models.CharField(),
)

"""A session as it happens, in pieces of HTML."""

import asyncio
from collections.abc import AsyncIterator
from time import monotonic

from asgiref.sync import sync_to_async
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    StreamingHttpResponse,
)
from django.template.loader import render_to_string
from django.views.decorators.http import require_GET

from chat.events import sse
from chat.events.log import log
from chat.events.types import Stop, Text, ToolResult, UserInput
from chat.models import Actor, Session
from chat.web.fragments import Fragments
from chat.web.people import aactor_of
from chat.web.rail import with_signs

CHEAP = 0.005  # seconds of rendering that may be spent on every batch
REST = 4.0  # times what a dearer one took, so that one reader never takes more than a fifth
GONE = sse.frame("gone", event="close")
SIGNPOSTS = (UserInput, ToolResult, Text, Stop)  # after these the session's row may read anew


@require_GET
async def events(request: HttpRequest, session_id: str) -> HttpResponseBase:
    """Follow the session after ``Last-Event-ID``, else after ``?after=``; ends with the page.

    A page whose session or sign-in has ended is told to stop: a 404 it would try again.
    """
    actor = await aactor_of(request)
    session = await _visible(actor, session_id)
    if session is None and request.htmx:
        return HttpResponse(GONE, content_type="text/event-stream", headers=sse.HEADERS)
    if session is None:
        raise Http404
    asked = request.headers.get("Last-Event-ID") or request.GET.get("after", "")
    seen = int(asked[:18]) if asked.isdecimal() else 0
    frames = follow(request, actor, session, seen)
    return StreamingHttpResponse(frames, content_type="text/event-stream", headers=sse.HEADERS)


async def follow(
    request: HttpRequest, actor: Actor, session: Session, seen: int
) -> AsyncIterator[bytes]:
    """Frames for ever, until the session is no longer the actor's to see."""
    yield sse.PING  # the line is open: the browser need not wait for the first word to know
    fragments = Fragments(session, seen, request)
    async for batch in log.follow(session.pk, after=await _start_of_turn(session, seen)):
        if not batch:
            yield sse.PING
            if await _visible(actor, session.pk) is None:
                yield GONE
                return
            continue
        began = monotonic()
        html = fragments.take(batch)
        if not html:
            continue
        cost = monotonic() - began
        kinds = {type(stamped.event) for stamped in batch}
        if kinds.intersection(SIGNPOSTS):
            html += await sync_to_async(_signs)(request, actor, session.pk, UserInput in kinds)
        yield sse.frame(html, id=fragments.seen)
        if cost > CHEAP:  # a long open block: gather more before it is rendered again
            await asyncio.sleep(REST * cost)


async def _visible(actor: Actor, session_id: str) -> Session | None:
    if not actor.person.is_authenticated:
        return None
    return await Session.objects.visible_to(actor).filter(pk=session_id).afirst()


async def _start_of_turn(session: Session, seen: int) -> int:
    """Just before the turn that ``seen`` lies in, so that its open block can be made again."""
    turn = await session.turns.filter(seq__lte=seen).order_by("-seq").afirst()
    return turn.seq - 1 if turn else seen


def _signs(request: HttpRequest, actor: Actor, session_id: str, moved: bool) -> str:
    """The session's row in the rail and its title, as they are now; ``moved``: to the top."""
    session = with_signs(Session.objects.visible_to(actor)).filter(pk=session_id).first()
    if session is None:
        return ""
    is_owner = session.owner_id == actor.person.pk
    context = {"session": session, "is_owner": is_owner, "moved": moved}
    return render_to_string("chat/_signs.html", context, request)

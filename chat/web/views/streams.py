"""A session as it happens, in pieces of HTML."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from time import monotonic
from typing import cast

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
from chat.events.types import Stamped, Stop, Text, ToolResult, UserInput
from chat.models import Actor, Session
from chat.models.threads import in_thread, page_in_thread
from chat.runs import start_next
from chat.web.conversation import turns_shown, waiting
from chat.web.fragments import Fragments, partial
from chat.web.notes import notes_on
from chat.web.people import actor_of, is_signed_in, is_still_signed_in, note_visit

CHEAP = 0.005  # seconds of rendering that may be spent on every batch
REST = 4.0  # times what a dearer one took, so that one reader never takes more than a fifth
GONE = sse.frame("gone", event="close")
LOOK_EVERY = 5.0  # seconds between looks whether the reader still may, while events keep coming
SIGNPOSTS = (UserInput, ToolResult, Text, Stop)  # after these the session's title may be another

_thread = ThreadPoolExecutor(1, thread_name_prefix="rendering")  # more would wait for each other


@dataclass(frozen=True, slots=True)
class Place:
    """How far a page has come: the last event it shows, and the last turn (None: not told).

    Written ``seq-turn``; a branch begun or chosen meanwhile is known by its turn.
    """

    seen: int = 0
    tip: int | None = None

    @classmethod
    def read(cls, text: str) -> "Place":
        seen, _, tip = (part[:18] for part in text.partition("-"))
        return cls(int(seen) if seen.isdecimal() else 0, int(tip) if tip.isdecimal() else None)

    def __str__(self) -> str:
        return f"{self.seen}-{self.tip or ''}"


@require_GET
async def events(request: HttpRequest, session_id: str) -> HttpResponseBase:
    """Follow the session after ``Last-Event-ID``, else after ``?after=``; ends with the page.

    A page whose session or sign-in has ended is told to stop: a 404 it would try again.
    """
    await is_signed_in(request)
    actor = actor_of(request)
    if await in_thread(_visible)(actor, session_id) is None:
        if not request.htmx:
            raise Http404
        frames = await farewell(request, session_id)
        return HttpResponse(frames, content_type="text/event-stream", headers=sse.HEADERS)
    place = Place.read(request.headers.get("Last-Event-ID") or request.GET.get("after", ""))
    frames = follow(request, actor, session_id, place)
    return StreamingHttpResponse(frames, content_type="text/event-stream", headers=sse.HEADERS)


async def follow(
    request: HttpRequest, actor: Actor, session_id: str, place: Place
) -> AsyncIterator[bytes]:
    """Frames for ever, until the session is no longer the actor's to see."""
    yield sse.PING  # the line is open: the browser need not wait for the first word to know
    while True:
        follower = log.join(session_id, actor.person.pk)
        view = View(request, actor, session_id, place)
        if (html := await view.open()) is None:
            yield await farewell(request, session_id)
            return
        await start_next(session_id)  # the process that was to do it may have died
        if html:
            yield view.frame(html)
        batches = cast(
            AsyncGenerator[list[Stamped]], log.follow(session_id, view.begin, follower=follower)
        )
        async with aclosing(batches):
            async for batch in batches:
                if (html := await view.take(batch)) is None:
                    break  # another branch is read now, or nothing at all: look afresh
                if html:
                    yield view.frame(html)
                elif not batch:
                    yield sse.PING
                if view.cost > CHEAP:  # a long open block: gather more before it is rendered again
                    await asyncio.sleep(REST * view.cost)
        place = view.place


@page_in_thread
def farewell(request: HttpRequest, session_id: str) -> bytes:
    """The last frames of a page that may see no more: why that is and what to do, then the end."""
    context = {"session_id": session_id, "is_signed_in": is_still_signed_in(request)}
    html = render_to_string("chat/_gone.html", context, request).strip()
    return sse.frame(html) + GONE


class View:
    """One page that follows a session: what it shows, and what it must be sent."""

    def __init__(self, request: HttpRequest, actor: Actor, session_id: str, place: Place):
        self.request = request
        self.actor = actor
        self.session_id = session_id
        self.place = place
        self.begin = 0  # follow from here: just before the turn that the page shows last
        self.queue: str | None = None  # as the page shows it
        self.title = ""  # ... and this
        self.cost = 0.0  # seconds that rendering the last batch took
        self.looked_at = monotonic()
        self.fragments: Fragments

    def frame(self, html: str) -> bytes:
        return sse.frame(html, id=str(self.place))

    @page_in_thread
    def open(self) -> str | None:
        """What the page lacks, beside events that will follow; None if it may see nothing."""
        session = self._session()
        if session is None:
            return None
        html = ""
        if _has_left(session, self.place.tip):
            html, self.place = self._branch(session)
        turns = session.turns.filter(seq__lte=self.place.seen).order_by("-seq")
        last = turns.filter(pk=self.place.tip).first() if self.place.tip else turns.first()
        self.begin = last.seq - 1 if last else self.place.seen
        self.fragments = Fragments(session, self.place.seen, self.request, self.place.tip)
        self._note(session, [last.pk] if last else [])
        note_visit(self.actor, session)
        return html + self._title(session) + self._queue(session)

    async def take(self, batch: list[Stamped]) -> str | None:
        """Partials for a batch, or what changed beside the events where it is empty; None if the
        page must be opened anew."""
        kinds = {type(stamped.event) for stamped in batch}
        asked = any(isinstance(one.event, UserInput) and one.seq > self.place.seen for one in batch)
        due = monotonic() - self.looked_at > LOOK_EVERY
        beside = await self._look(batch) if asked or due or not batch else ""
        if beside is None:
            return None
        is_light = self.fragments.is_light(batch)
        html = self._render(batch) if is_light else await self._render_aside(batch)
        self.place = Place(self.fragments.seen, self.fragments.tip)
        if any(isinstance(one.event, Stop) and one.event.is_error for one in batch):
            await start_next(self.session_id)
        if html and kinds.intersection(SIGNPOSTS):
            html += await self._signs(Stop in kinds)
        return html + beside

    def _render(self, batch: list[Stamped]) -> str:
        began = monotonic()
        html = self.fragments.take(batch)
        self.cost = monotonic() - began
        return html

    _render_aside = sync_to_async(_render, thread_sensitive=False, executor=_thread)

    @page_in_thread
    def _look(self, batch: Collection[Stamped]) -> str | None:
        """Title and queue if they have changed; None if the page's turns are not what is to be read
        now."""
        self.looked_at = monotonic()
        session = self._session()
        if session is None or _has_left(session, self.fragments.tip):
            return None
        self._note(session, {stamped.turn for stamped in batch})
        title = "" if session.title == self.title else self._title(session)
        return title + self._queue(session)

    def _session(self) -> Session | None:
        """None once the reader is signed out, or may not see it any more."""
        if not is_still_signed_in(self.request):
            return None
        return _visible(self.actor, self.session_id)

    def _note(self, session: Session, turns: Collection[int]) -> None:
        if turns:
            self.fragments.notes |= notes_on(self.actor, session, turns)

    def _queue(self, session: Session) -> str:
        context = {"session": session, "queue": waiting(self.actor, session)}
        html = render_to_string("chat/_queue.html", context, self.request).strip()
        if html == self.queue:
            return ""
        self.queue = html
        return partial("#queue", "innerMorph", html)

    def _branch(self, session: Session) -> tuple[str, Place]:
        """All turns of the branch that is read now, in place of those the page shows."""
        context = turns_shown(self.actor, session)
        html = render_to_string("chat/_older.html", context, self.request)
        return partial("#turns", "innerMorph", html), Place(context["seq"], context["tip"])

    @page_in_thread
    def _signs(self, ended: bool) -> str:
        """The session's title as it is now; ``ended``: the reader has seen a turn to its end."""
        session = _visible(self.actor, self.session_id)
        if session is None:
            return ""
        if ended:
            note_visit(self.actor, session)
        return self._title(session)

    def _title(self, session: Session) -> str:
        self.title = session.title
        return render_to_string("chat/_signs.html", {"session": session}, self.request)


def _visible(actor: Actor, session_id: str) -> Session | None:
    if not actor.person.is_authenticated:
        return None
    return Session.objects.visible_to(actor).filter(pk=session_id).first()


def _has_left(session: Session, tip: int | None) -> bool:
    """True if the session no longer reads on through this turn."""
    return session.is_branched and tip is not None and tip not in session.branch()

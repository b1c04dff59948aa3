"""Asking, asking again, stopping, and what is said of one turn."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from asgiref.sync import sync_to_async
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import aget_object_or_404, get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from chat.actions.feedback import give_feedback, take_back_feedback
from chat.actions.sessions import create_session, delete_session
from chat.actions.turns import (
    cancel_turn,
    change_queued,
    choose_branch,
    queue_prompt,
    remove_queued,
    start_turn,
)
from chat.errors import CarrelError, Conflict, Invalid, Settled
from chat.models import Actor, Feedback, Index, QueuedPrompt, Session, Turn
from chat.web.conversation import conversation, empty_conversation, turn_shown, waiting
from chat.web.document import number_of
from chat.web.people import actor_of, note_visit, signed_in
from chat.web.said import said

from .sessions import show_main

LONGEST_COMMENT = 2_000  # characters
TWICE = timedelta(seconds=2)  # at most between the two halves of a double click


@signed_in
@require_http_methods(["GET", "POST"])
async def begin(request: HttpRequest) -> HttpResponse:
    """A new session with its first prompt; it has its own address from here on."""
    if request.method == "GET":
        return redirect("home")
    actor = actor_of(request)
    chosen = request.POST.getlist("index")
    if twin := await _sent_before(request, actor, parent=None):
        return redirect(twin)
    try:
        session = await sync_to_async(_open_session)(actor, chosen)
        turn = await _ask(actor, session, request)
    except CarrelError as error:
        return await sync_to_async(_refused)(request, actor, None, error)
    if not request.htmx:
        return redirect(f"{reverse('session', args=[session.pk])}#turn-{turn.pk}")
    return await sync_to_async(_begun)(request, actor, session)


@signed_in
@require_http_methods(["GET", "POST"])
async def turns(request: HttpRequest, session_id: str) -> HttpResponse:
    """POST asks, or queues what is asked while a turn runs; with ``instead_of``, the seq of a turn,
    it makes a branch beside that one. GET reads the turns before ``?before=``,
    on the branch of the one with the id ``?turn=``."""
    actor = actor_of(request)
    if request.method == "GET":
        return await sync_to_async(_older)(request, actor, session_id)
    session = await aget_object_or_404(Session.objects.askable_by(actor), pk=session_id)
    if twin := await _sent_before(request, actor, session=session):
        return redirect(twin)
    if twin := await sync_to_async(_under_way)(request, actor, session):
        return redirect(twin)
    try:
        if "instead_of" in request.POST:
            anchor = f"turn-{(await _ask_again(actor, session, request)).pk}"
        else:
            anchor = await _ask_or_queue(actor, session, request)
    except CarrelError as error:
        if twin := await sync_to_async(_under_way)(request, actor, session):
            return redirect(twin)  # both came at once
        return await sync_to_async(_refused)(request, actor, session, error)
    if not request.htmx:
        return redirect(f"{reverse('session', args=[session.pk])}#{anchor}")
    # The question arrives on the stream, here as everywhere.
    return HttpResponse(status=204)


@signed_in
@require_POST
async def stop(request: HttpRequest, session_id: str) -> HttpResponse:
    actor = actor_of(request)
    session = await aget_object_or_404(Session.objects.askable_by(actor), pk=session_id)
    await cancel_turn(session)
    return HttpResponse(status=204) if request.htmx else redirect("session", session.pk)


@signed_in
@require_GET
def show(request: HttpRequest, session_id: str, seq: int) -> HttpResponse:
    """One turn alone, as it stands again where its question was not changed after all."""
    session, turn = _turn(actor_of(request), session_id, seq)
    if not request.htmx:
        return redirect(f"{reverse('session', args=[session.pk])}#turn-{turn.pk}")
    reading = turn_shown(actor_of(request), session, turn)
    context = {"session": session, "turn": reading, "is_unchanged": True}
    return render(request, "chat/_turn.html", context)


@signed_in
@require_GET
def step(request: HttpRequest, session_id: str, seq: int, at: int) -> HttpResponse:
    """What one step of the answer's making brought, as far as the viewer may see it."""
    actor = actor_of(request)
    session, turn = _turn(actor, session_id, seq)
    reading = turn_shown(actor, session, turn)
    found = next((one for one in reading.steps if one.at == at), None)
    if found is None:
        raise Http404
    template = "chat/_step.html" if request.htmx else "chat/step.html"
    return render(request, template, {"session": session, "turn": reading, "step": found})


@signed_in
@require_GET
def edit(request: HttpRequest, session_id: str, seq: int) -> HttpResponse:
    """The question, to be put in other words beside the one it was."""
    actor = actor_of(request)
    session = get_object_or_404(Session.objects.askable_by(actor), pk=session_id)
    turn = get_object_or_404(Turn, session=session, seq=seq)
    context = {"session": session, "turn": turn_shown(actor, session, turn)}
    template = "chat/_edit.html" if request.htmx else "chat/edit.html"
    return render(request, template, context)


@signed_in
@require_POST
def choose(request: HttpRequest, session_id: str) -> HttpResponse:
    """Read the session on through another of the ways it went."""
    actor = actor_of(request)
    session = get_object_or_404(Session.objects.askable_by(actor), pk=session_id)
    turn = get_object_or_404(Turn, session=session, seq=_number(request, "turn"))
    try:
        choose_branch(session, turn)
    except Conflict as error:
        return _refused(request, actor, session, error)
    if request.htmx:
        return HttpResponse(status=204)  # the stream brings it, here as everywhere
    return redirect(f"{reverse('session', args=[session.pk])}#turn-{turn.pk}")


@signed_in
@require_POST
def queue(request: HttpRequest, session_id: str) -> HttpResponse:
    """``change=PK`` gives a waiting prompt the words of ``prompt-PK``; ``remove=PK`` takes it
    back. One that has started meanwhile stays as it is."""
    actor = actor_of(request)
    session = get_object_or_404(Session.objects.visible_to(actor), pk=session_id)
    verb = "remove" if "remove" in request.POST else "change"
    pk = _number(request, verb)
    prompt = QueuedPrompt.objects.editable_by(actor).filter(session=session, pk=pk).first()
    try:
        if prompt and verb == "remove":
            remove_queued(prompt)
        elif prompt:
            change_queued(prompt, request.POST.get(f"prompt-{pk}", "").strip())
    except CarrelError as error:
        return _refused(request, actor, session, error)
    if not request.htmx:
        return redirect("session", session_id)
    changed = [one for one in waiting(actor, session) if one.pk == pk]
    return render(request, "chat/_queue_again.html", {"session": session, "queue": changed})


@signed_in
@require_POST
def rate(request: HttpRequest, session_id: str) -> HttpResponse:
    """``good=SEQ`` or ``bad=SEQ``, with ``comment``; ``none=SEQ`` takes it back."""
    actor = actor_of(request)
    rating = next((word for word in ("good", "bad", "none") if word in request.POST), "none")
    session, turn = _turn(actor, session_id, _number(request, rating))
    if rating == "none":
        take_back_feedback(actor, turn)
    else:
        comment = request.POST.get("comment", "").strip()[:LONGEST_COMMENT]
        give_feedback(actor, turn, Feedback.Rating(rating), comment)
    if not request.htmx:
        return redirect(f"{reverse('session', args=[session.pk])}#turn-{turn.pk}")
    is_told_why = "comment" in request.POST
    context = {
        "session": session,
        "turn": turn_shown(actor, session, turn),
        "asks": rating != "none" and not is_told_why,
        "is_told_why": is_told_why,
    }
    return render(request, "chat/_feedback_again.html", context)


@signed_in
@require_GET
def answer(request: HttpRequest, session_id: str, seq: int) -> HttpResponse:
    """One answer as Markdown, with its sources named."""
    session, turn = _turn(actor_of(request), session_id, seq)
    context = {"turn": turn_shown(actor_of(request), session, turn)}
    return render(request, "chat/answer.md", context, content_type="text/markdown; charset=utf-8")


def _turn(actor: Actor, session_id: str, seq: int) -> tuple[Session, Turn]:
    session = get_object_or_404(Session.objects.visible_to(actor), pk=session_id)
    return session, get_object_or_404(Turn, session=session, seq=seq)


def _open_session(actor: Actor, chosen: list[str]) -> Session:
    if not chosen:
        raise Invalid("Choose at least one index to search.", "index_ids")
    first = Index.objects.visible_to(actor).filter(pk=chosen[0]).select_related("project").first()
    if first is None:
        raise Invalid("This index is gone. Choose another.", "index_ids")
    return create_session(actor, first.project, index_ids=chosen)


async def _sent_before(request: HttpRequest, actor: Actor, **where: Any) -> str | None:
    """Where the same question went a moment ago: a button was pressed twice.

    With a script the page itself sends nothing twice, see send-once.js.
    """
    if request.htmx or not (text := _text(request)):
        return None
    return await sync_to_async(_find_twin)(actor, text, where)


def _find_twin(actor: Actor, text: str, where: Mapping[str, Any]) -> str | None:
    soon = {"asked_by": actor.person, "created_at__gt": timezone.now() - TWICE}
    asked = Turn.objects.filter(events__type="user_input", events__payload__content=text)
    if turn := asked.filter(session__deleted_at=None, **soon, **where).first():
        return f"{reverse('session', args=[turn.session_id])}#turn-{turn.pk}"
    waits = QueuedPrompt.objects.filter(prompt=text, **soon, session=where.get("session")).first()
    return f"{reverse('session', args=[waits.session_id])}#queue" if waits else None


def _under_way(request: HttpRequest, actor: Actor, session: Session) -> str | None:
    """Where the answer is that was asked for again a moment ago, or is still being written."""
    if request.htmx or _text(request):
        return None
    old = session.turns.filter(seq=_number(request, "instead_of")).first()
    if old is None:
        return None
    is_new = Q(created_at__gt=timezone.now() - TWICE) | Q(state=Turn.State.RUNNING)
    again = old.siblings().filter(is_new, asked_by=actor.person, seq__gt=old.seq).last()
    return f"{reverse('session', args=[session.pk])}#turn-{again.pk}" if again else None


async def _ask(actor: Actor, session: Session, request: HttpRequest) -> Turn:
    """Start the turn; a session that was made for a refused prompt goes again."""
    chosen = [] if session.is_bound else request.POST.getlist("index")
    model = request.POST.get("model", "")
    try:
        return await start_turn(actor, session.pk, _text(request), index_ids=chosen, model=model)
    except CarrelError:
        if not await session.turns.aexists() and session.is_bound and "index" in request.POST:
            await sync_to_async(delete_session)(session)
        raise


async def _ask_or_queue(actor: Actor, session: Session, request: HttpRequest) -> str:
    """The element of the page that shows what became of the prompt."""
    try:
        return f"turn-{(await _ask(actor, session, request)).pk}"
    except Settled:
        raise
    except Conflict:
        chosen = [] if session.is_bound else request.POST.getlist("index")
        model = request.POST.get("model", "")
        await queue_prompt(actor, session.pk, _text(request), index_ids=chosen, model=model)
        return "queue"


async def _ask_again(actor: Actor, session: Session, request: HttpRequest) -> Turn:
    """The same question, or other words for it, where it was put before."""
    seq = _number(request, "instead_of")
    turn = await aget_object_or_404(Turn, session=session, seq=seq)
    prompt = _text(request) or (await turn.events.aget(seq=turn.seq)).payload["content"]
    return await start_turn(
        actor, session.pk, prompt, index_ids=turn.index_ids, model=turn.model, instead_of=turn
    )


def _text(request: HttpRequest) -> str:
    prompts = [text.strip() for text in request.POST.getlist("prompt")]  # the box's, a button's
    return next(filter(None, reversed(prompts)), "").replace("\r\n", "\n")


def _number(request: HttpRequest, name: str) -> int:
    """A seq from the form; what is none is the seq of no turn."""
    text = request.POST.get(name, "")[:18]
    return int(text) if text.isdecimal() else 0


def _refused(
    request: HttpRequest, actor: Actor, session: Session | None, error: CarrelError
) -> HttpResponse:
    """Say why at the composer; the text stays where it was written."""
    context = {"error": said(error.message)}
    if request.htmx:
        return render(request, "chat/_refused.html", context, status=error.status)
    chosen = request.POST.getlist("index")
    page = conversation(actor, session) if session else empty_conversation(actor, chosen)
    written = {"draft": request.POST.get("prompt", ""), "model": request.POST.get("model", "")}
    context |= page | written
    return render(request, "chat/session.html", context, status=error.status)


def _begun(request: HttpRequest, actor: Actor, session: Session) -> HttpResponse:
    session.refresh_from_db()
    note_visit(actor, session)
    response = show_main(request, conversation(actor, session) | {"is_new": True})
    response["HX-Push-Url"] = reverse("session", args=[session.pk])
    return response


def _older(request: HttpRequest, actor: Actor, session_id: str) -> HttpResponse:
    session = get_object_or_404(Session.objects.visible_to(actor), pk=session_id)
    before = number_of(request, "before")
    if not before:
        return redirect("session", session.pk)
    wanted = session.turns.filter(pk=number_of(request, "turn")).first()
    context = conversation(actor, session, before, wanted)
    template = "chat/_older.html" if request.htmx else "chat/session.html"
    return render(request, template, context)

"""Asking, stopping, and reading one answer."""

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse
from django.shortcuts import aget_object_or_404, get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from chat.actions.sessions import create_session, delete_session
from chat.actions.turns import cancel_turn, start_turn
from chat.errors import CarrelError, Invalid
from chat.events.log import log
from chat.events.transcript import fold
from chat.models import Actor, Index, Session, Turn
from chat.web.conversation import conversation, empty_conversation
from chat.web.people import aactor_of, actor_of, signed_in
from chat.web.reading import Reading

from .sessions import show_main


@signed_in
@require_http_methods(["GET", "POST"])
async def begin(request: HttpRequest) -> HttpResponse:
    """A new session with its first prompt; it has its own address from here on."""
    if request.method == "GET":
        return redirect("home")
    actor = await aactor_of(request)
    chosen = request.POST.getlist("index")
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
    """POST asks; GET reads the turns before ``?before=``."""
    actor = await aactor_of(request)
    if request.method == "GET":
        return await sync_to_async(_older)(request, actor, session_id)
    session = await aget_object_or_404(Session.objects.askable_by(actor), pk=session_id)
    try:
        turn = await _ask(actor, session, request)
    except CarrelError as error:
        return await sync_to_async(_refused)(request, actor, session, error)
    if not request.htmx:
        return redirect(f"{reverse('session', args=[session.pk])}#turn-{turn.pk}")
    response = HttpResponse(status=204)  # the question arrives on the stream, here as everywhere
    response["HX-Trigger"] = "prompt-accepted"
    return response


@signed_in
@require_POST
async def stop(request: HttpRequest, session_id: str) -> HttpResponse:
    actor = await aactor_of(request)
    session = await aget_object_or_404(Session.objects.askable_by(actor), pk=session_id)
    await cancel_turn(session)
    return HttpResponse(status=204) if request.htmx else redirect("session", session.pk)


@signed_in
@require_GET
def answer(request: HttpRequest, session_id: str, seq: int) -> HttpResponse:
    """One answer as Markdown, with its sources named."""
    session = get_object_or_404(Session.objects.visible_to(actor_of(request)), pk=session_id)
    turn = get_object_or_404(Turn, session=session, seq=seq)
    exchange = fold(log.history(session.pk, after=turn.seq - 1)).exchanges[0]
    context = {"turn": Reading(exchange, session.pk)}
    return render(request, "chat/answer.md", context, content_type="text/markdown; charset=utf-8")


def _open_session(actor: Actor, chosen: list[str]) -> Session:
    if not chosen:
        raise Invalid("Choose at least one index to search.", "index_ids")
    first = Index.objects.visible_to(actor).filter(pk=chosen[0]).select_related("project").first()
    if first is None:
        raise Invalid("This index is gone. Choose another.", "index_ids")
    return create_session(actor, first.project, index_ids=chosen)


async def _ask(actor: Actor, session: Session, request: HttpRequest) -> Turn:
    """Start the turn; a session that was made for a refused prompt goes again."""
    prompts = [text.strip() for text in request.POST.getlist("prompt")]  # the box's, a button's
    prompt = next(filter(None, reversed(prompts)), "").replace("\r\n", "\n")
    chosen = [] if session.is_bound else request.POST.getlist("index")
    model = request.POST.get("model", "")
    try:
        return await start_turn(actor, session, prompt, index_ids=chosen, model=model)
    except CarrelError:
        if not await session.turns.aexists() and session.is_bound and "index" in request.POST:
            await sync_to_async(delete_session)(session)
        raise


def _refused(
    request: HttpRequest, actor: Actor, session: Session | None, error: CarrelError
) -> HttpResponse:
    """Say why at the composer; the text stays where it was written."""
    context = {"error": error.message}
    if request.htmx:
        return render(request, "chat/_refused.html", context, status=error.status)
    chosen = request.POST.getlist("index")
    page = conversation(actor, session) if session else empty_conversation(actor, chosen)
    context |= page | {"draft": request.POST.get("prompt", "")}
    return render(request, "chat/session.html", context, status=error.status)


def _begun(request: HttpRequest, actor: Actor, session: Session) -> HttpResponse:
    session.refresh_from_db()
    response = show_main(request, conversation(actor, session) | {"is_new": True})
    response["HX-Push-Url"] = reverse("session", args=[session.pk])
    return response


def _older(request: HttpRequest, actor: Actor, session_id: str) -> HttpResponse:
    session = get_object_or_404(Session.objects.visible_to(actor), pk=session_id)
    before = request.GET.get("before", "")
    if not before.isdecimal():
        return redirect("session", session.pk)
    context = conversation(actor, session, before=int(before[:18]))
    template = "chat/_older.html" if request.htmx else "chat/session.html"
    return render(request, template, context)

"""Sessions: the empty page, the conversation, and what its owner may do with it."""

from collections.abc import Callable
from typing import Any

from asgiref.sync import async_to_sync
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from chat.actions.sessions import (
    archive_session,
    delete_session,
    pin_session,
    rename_session,
    restore_session,
    share_session,
)
from chat.errors import NotFound
from chat.models import Session, Visit
from chat.runs import start_next
from chat.web.conversation import conversation, empty_conversation
from chat.web.document import number_of
from chat.web.export import as_json, as_markdown
from chat.web.people import actor_of, note_visit, signed_in
from chat.web.picker import suggestions as suggested
from chat.web.rail import with_signs

VISITS_SHOWN = 50
MAIN = "main#main"  # the part of the page htmx asks for when the rail is already there


@signed_in
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """A new chat. ``?index=`` chooses indexes."""
    chosen = request.GET.getlist("index") or None
    return show_main(request, empty_conversation(actor_of(request), chosen))


@signed_in
@require_GET
def suggestions(request: HttpRequest) -> HttpResponse:
    questions = suggested(actor_of(request), request.GET.getlist("index"))
    return render(request, "chat/_suggestions.html", {"suggestions": questions})


@signed_in
@require_GET
def show(request: HttpRequest, session_id: str) -> HttpResponse:
    """The conversation; ``?turn=`` is the id of one that is to be among those shown."""
    actor = actor_of(request)
    session = get_object_or_404(Session.objects.visible_to(actor), pk=session_id)
    wanted = session.turns.filter(pk=number_of(request, "turn")).first()
    page = conversation(actor, session, wanted=wanted)
    if page["queue"] and not page["is_running"]:  # the process that ran the last turn has died
        async_to_sync(start_next)(session.pk)
        page = conversation(actor, session)
    note_visit(actor, session)
    return show_main(request, page)


def show_main(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """The whole page, or what stands beside the rail when only that is asked for."""
    partial = request.headers.get("HX-Target") == MAIN
    template = "chat/_main.html" if partial else "chat/session.html"
    response = render(request, template, context)
    response["Vary"] = "HX-Target"
    return response


@signed_in
@require_http_methods(["GET", "POST"])
def details(request: HttpRequest, session_id: str) -> HttpResponse:
    """Everything its owner may do with a session; POST renames it."""
    session = own_session(request, session_id)
    if request.method == "POST":
        if request.POST.get("title", "").strip():
            rename_session(session, request.POST["title"])
        return answer_with_row(request, session)
    template = "chat/_details.html" if request.htmx else "chat/details.html"
    return render(request, template, {"session": session})


@signed_in
@require_POST
def pin(request: HttpRequest, session_id: str) -> HttpResponse:
    session = own_session(request, session_id)
    pin_session(session, session.pinned_at is None)
    return _listed_elsewhere(request, session)


@signed_in
@require_POST
def archive(request: HttpRequest, session_id: str) -> HttpResponse:
    """Out of the rail, or back into it; searched as before."""
    session = own_session(request, session_id)
    archive_session(session, session.archived_at is None)
    return _listed_elsewhere(request, session)


@signed_in
@require_http_methods(["GET", "POST"])
def share(request: HttpRequest, session_id: str) -> HttpResponse:
    """Who may see the session, and who has; POST changes the former."""
    session = own_session(request, session_id)
    if request.method == "POST" and request.POST.get("sharing") in Session.Sharing.values:
        share_session(session, request.POST["sharing"])
        if not request.htmx:
            return redirect("share", session.pk)
    context = {
        "session": session,
        "choices": sharing_choices(),
        "link": request.build_absolute_uri(reverse("session", args=[session.pk])),
        "visits": Visit.objects.by_others(session)[:VISITS_SHOWN],
    }
    piece = "chat/_sheet.html" if request.method == "GET" else "chat/_shared.html"
    return render(request, piece if request.htmx else "chat/share.html", context)


@signed_in
@require_POST
def delete(request: HttpRequest, session_id: str) -> HttpResponse:
    """Away with it, no question asked: for a while it can be brought back."""
    session = own_session(request, session_id)
    delete_session(session)
    if not request.htmx:
        messages.info(request, render_to_string("chat/_undo.html", {"session": session}, request))
        return redirect("home")
    was_open = session.pk in (request.htmx.current_url or "")
    page = empty_conversation(actor_of(request)) if was_open else {}
    context = page | {"deleted": session, "was_open": was_open}
    response = render(request, "chat/_deleted.html", context)
    if was_open:
        response["HX-Push-Url"] = reverse("home")
    return response


@signed_in
@require_POST
def restore(request: HttpRequest, session_id: str) -> HttpResponse:
    """Undo ``delete``."""
    try:
        session = restore_session(actor_of(request), session_id)
    except NotFound as error:
        raise Http404 from error
    return redirect("session", session.pk)


@signed_in
@require_GET
def export(request: HttpRequest, session_id: str) -> HttpResponse:
    """The conversation as one Markdown document."""
    return _download(request, session_id, as_markdown, "md", "text/markdown; charset=utf-8")


@signed_in
@require_GET
def export_json(request: HttpRequest, session_id: str) -> HttpResponse:
    return _download(request, session_id, as_json, "json", "application/json")


def _download(
    request: HttpRequest, session_id: str, form: Callable[[Session], str], ending: str, kind: str
) -> HttpResponse:
    sessions = Session.objects.visible_to(actor_of(request))
    session = get_object_or_404(sessions, pk=session_id)
    response = HttpResponse(form(session), content_type=kind)
    response["Content-Disposition"] = f'attachment; filename="{session.pk}.{ending}"'
    return response


def own_session(request: HttpRequest, session_id: str) -> Session:
    return get_object_or_404(Session.objects.editable_by(actor_of(request)), pk=session_id)


def answer_with_row(request: HttpRequest, session: Session) -> HttpResponse:
    """After a change: the session's row and title anew, or its page without script."""
    if not request.htmx:
        return redirect("session", session.pk)
    again = with_signs(Session.objects.live(), actor_of(request)).get(pk=session.pk)
    return render(request, "chat/_changed.html", {"session": again})


def _listed_elsewhere(request: HttpRequest, session: Session) -> HttpResponse:
    """The page asks for the list itself: it knows how far down its reader has come."""
    if not request.htmx:
        return redirect("session", session.pk)
    response = render(request, "chat/_listed_elsewhere.html")
    response["HX-Trigger"] = "rail-changed"
    return response


def sharing_choices() -> list[tuple[str, str, str]]:
    return [
        (Session.Sharing.PRIVATE, _("Private"), _("Only you.")),
        (Session.Sharing.READ_ONLY, _("Can read"), _("Project members with the link.")),
        (Session.Sharing.QUERY, _("Can ask"), _("They may put questions here too.")),
    ]

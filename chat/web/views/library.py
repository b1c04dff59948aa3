"""Indexes: which there are, how each is, and what its editors may do with it."""

from contextlib import suppress
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import aget_object_or_404, get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from chat.actions.directories import create_directory
from chat.actions.indexes import cancel_sync, create_index, delete_index, request_sync_soon
from chat.errors import CarrelError, Settled
from chat.models import Actor, Document, Index, Project, Role, Session
from chat.retrieval.base import Query
from chat.retrieval.search import search
from chat.web.files import table, time_left
from chat.web.library import editable_index, groups_of, sources, with_facts, without_index
from chat.web.people import actor_of, signed_in
from chat.web.said import said

DIRECTORIES_AT_ONCE = 50
DIRECTORIES_OFFERED = 200  # to choose from for a new index, the newest
SESSIONS_NAMED = 5  # of those that use an index which may be deleted


@signed_in
@require_http_methods(["GET", "POST"])
def indexes(request: HttpRequest) -> HttpResponse:
    """All the viewer may search, and directories that nothing searches yet; POST makes a new index,
    of a directory that is there or of one of its own."""
    actor = actor_of(request)
    projects = Project.objects.visible_to(actor, Role.EDITOR)
    if request.method == "POST" and (made := _make_index(request, actor, projects)):
        return redirect("index", made.pk)
    ready = Count("documents", filter=Q(documents__state=Document.State.READY))
    rows = list(
        Index.objects.visible_to(actor)
        .select_related("project")
        .annotate(ready=ready)
        .order_by("name", "pk")
    )
    directories = sources(actor)
    loose = Paginator(without_index(directories), DIRECTORIES_AT_ONCE)
    context = {
        "indexes": with_facts(actor, rows),
        "projects": list(projects),
        "directories": directories[:DIRECTORIES_OFFERED],
        "page": loose.get_page(request.GET.get("page")),
    }
    return render(request, "library/indexes.html", context)


@signed_in
@require_GET
def index(request: HttpRequest, index_id: str) -> HttpResponse:
    context = _index_context(request, index_id)
    template = "library/_state.html" if request.htmx else "library/index.html"
    return render(request, template, context)


@signed_in
@require_POST
def sync(request: HttpRequest, index_id: str) -> HttpResponse:
    _actor, row = editable_index(request, index_id)
    request_sync_soon(row)
    return redirect("index", row.pk)


@signed_in
@require_POST
def cancel(request: HttpRequest, index_id: str) -> HttpResponse:
    """Stop the sync; what it has read so far stays."""
    _actor, row = editable_index(request, index_id)
    with suppress(Settled):  # it ended meanwhile
        cancel_sync(row)
    return redirect("index", row.pk)


@signed_in
@require_POST
def change(request: HttpRequest, index_id: str) -> HttpResponse:
    actor, row = editable_index(request, index_id)
    row.name = request.POST.get("name", "").strip()[:200] or row.name
    row.description = request.POST.get("description", "").strip()[:300] or None
    if request.POST.get("sync_frequency") in Index.Frequency.values:
        row.sync_frequency = request.POST["sync_frequency"]
    row.store_screenshots = "store_screenshots" in request.POST
    row.save(
        update_fields=[
            *("name", "description", "sync_frequency", "store_screenshots", "updated_at")
        ]
    )
    # Only one's own groups can be chosen: nobody shuts themselves out, or learns of others.
    mine = groups_of(actor)
    others = row.groups.exclude(pk__in=mine)
    chosen = mine.filter(pk__in=[pk for pk in request.POST.getlist("group") if pk.isdecimal()])
    row.groups.set([*others, *chosen])
    return redirect("index", row.pk)


@signed_in
@require_GET
async def try_search(request: HttpRequest, index_id: str) -> HttpResponse:
    """What a question would find, with the scores of each stage."""
    actor = actor_of(request)
    row = await aget_object_or_404(Index.objects.visible_to(actor), pk=index_id)
    query = request.GET.get("q", "").strip()[:1000]
    context: dict[str, Any] = {"index": row, "query": query, "passages": []}
    try:
        if query and row.last_synced_at:
            context["passages"] = await search(Query(query, (row.pk,)))
    except CarrelError as error:  # the embedding endpoint's
        context["error"] = said(error.message)
    template = "library/_found.html" if request.htmx else "library/found.html"
    return await sync_to_async(render)(request, template, context)


@signed_in
@require_POST
def delete(request: HttpRequest, index_id: str) -> HttpResponse:
    _actor, row = editable_index(request, index_id)
    delete_index(row)
    messages.success(request, _("“%(name)s” was deleted.") % {"name": row.name})
    return redirect("library")


def _make_index(request: HttpRequest, actor: Actor, projects: QuerySet[Project]) -> Index | None:
    """None where it was given neither a name nor a directory to take one from."""
    name = request.POST.get("name", "").strip()[:200]
    if chosen := request.POST.get("directory"):
        directory = get_object_or_404(sources(actor), pk=chosen)
    elif name:
        named = request.POST.get("project")
        project = next((one for one in projects if str(one.pk) == named), None)
        if project is None:
            raise Http404
        directory = create_directory(actor, project, name)
    else:
        messages.error(request, _("An index needs a name."))
        return None
    description = request.POST.get("description", "").strip()[:300]
    return create_index(actor, directory, name or None, description=description or None)


def _index_context(request: HttpRequest, index_id: str) -> dict[str, Any]:
    actor = actor_of(request)
    row = get_object_or_404(
        Index.objects.visible_to(actor).select_related("directory", "project"), pk=index_id
    )
    with_facts(actor, [row])
    can_edit = Index.objects.editable_by(actor).filter(pk=row.pk).exists()
    return {
        "index": row,
        "sync": row.latest_sync,
        "time_left": time_left(row.latest_sync),
        **table(request, row),
        "upload_limit": settings.MAX_UPLOAD_MB * 1024 * 1024,
        "frequencies": Index.Frequency.choices,
        "can_edit": can_edit,
        **(_editing(actor, row) if can_edit else {}),
    }


def _editing(actor: Actor, row: Index) -> dict[str, Any]:
    """What its editors decide on: who may use it, and what goes when it is deleted."""
    users = row.sessions.live()
    seen = Session.objects.visible_to(actor).filter(indexes=row).recent()
    return {
        "groups": groups_of(actor),
        "chosen_groups": set(row.groups.values_list("pk", flat=True)),
        "used_by": users.count(),
        "used_by_mine": seen[:SESSIONS_NAMED],
    }

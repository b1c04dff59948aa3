"""Indexes and the files in them."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import UploadedFile
from django.core.paginator import Paginator
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import aget_object_or_404, get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from chat.actions.directories import create_directory, remove_file, update_file, upload_file
from chat.actions.files import store_file
from chat.actions.indexes import cancel_sync, create_index, delete_index, request_sync_soon
from chat.errors import CarrelError, Settled
from chat.models import (
    Actor,
    Directory,
    DirectoryFile,
    Document,
    Index,
    Project,
    Role,
    Session,
    Sync,
)
from chat.retrieval.base import Query
from chat.retrieval.search import search
from chat.web.document import shown
from chat.web.files import table, time_left
from chat.web.people import aactor_of, actor_of, signed_in
from chat.web.said import said

LONGEST_PATH = 500  # characters
CHUNKS_AT_ONCE = 50
SESSIONS_NAMED = 5  # of those that use an index which may be deleted


@signed_in
@require_http_methods(["GET", "POST"])
def indexes(request: HttpRequest) -> HttpResponse:
    """All the viewer may search; POST makes a new one, with a directory of its own."""
    actor = actor_of(request)
    projects = Project.objects.visible_to(actor, Role.EDITOR)
    if request.method == "POST":
        project = get_object_or_404(projects, pk=request.POST.get("project"))
        name = request.POST.get("name", "").strip()[:200]
        if name:
            directory = create_directory(actor, project, name)
            description = request.POST.get("description", "").strip()
            index = create_index(actor, directory, name, description=description or None)
            return redirect("index", index.pk)
    ready = Count("documents", filter=Q(documents__state=Document.State.READY))
    rows = list(
        Index.objects.visible_to(actor)
        .select_related("project")
        .annotate(ready=ready)
        .order_by("name", "pk")
    )
    _with_latest_sync(rows)
    context = {"indexes": rows, "projects": list(projects)}
    return render(request, "library/indexes.html", context)


@signed_in
@require_GET
def index(request: HttpRequest, index_id: str) -> HttpResponse:
    context = _index_context(request, index_id)
    template = "library/_state.html" if request.htmx else "library/index.html"
    return render(request, template, context)


@signed_in
@require_POST
def upload(request: HttpRequest, index_id: str) -> HttpResponse:
    """File what was sent and start a sync. A file that cannot be taken is named with the reason.

    A script sends one file at a time with its ``path`` in the folder it came from; it is answered
    with a status, and the reason alone.
    """
    actor, row = _editable(request, index_id)
    files = request.FILES.getlist("files")
    if path := _path(request.POST.get("path", "")):
        return _take_one(actor, row, path, files)
    taken = 0
    for file in files:
        try:
            _file_or_replace(actor, row.directory, file.name or "upload", file)
            taken += 1
        except CarrelError as error:
            messages.error(request, f"{file.name}: {said(error.message)}")
    if taken:
        request_sync_soon(row)
        words = ngettext("%(n)d file was added.", "%(n)d files were added.", taken)
        messages.success(request, words % {"n": taken})
    return redirect("index", row.pk)


@signed_in
@require_POST
def sync(request: HttpRequest, index_id: str) -> HttpResponse:
    _actor, row = _editable(request, index_id)
    request_sync_soon(row)
    return redirect("index", row.pk)


@signed_in
@require_POST
def cancel(request: HttpRequest, index_id: str) -> HttpResponse:
    """Stop the sync; what it has read so far stays."""
    _actor, row = _editable(request, index_id)
    with suppress(Settled):  # it ended meanwhile
        cancel_sync(row)
    return redirect("index", row.pk)


@signed_in
@require_POST
def change(request: HttpRequest, index_id: str) -> HttpResponse:
    actor, row = _editable(request, index_id)
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
    mine = _groups_of(actor)
    others = row.groups.exclude(pk__in=mine)
    chosen = mine.filter(pk__in=[pk for pk in request.POST.getlist("group") if pk.isdecimal()])
    row.groups.set([*others, *chosen])
    return redirect("index", row.pk)


@signed_in
@require_GET
async def try_search(request: HttpRequest, index_id: str) -> HttpResponse:
    """What a question would find, with the scores of each stage."""
    actor = await aactor_of(request)
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
def remove(request: HttpRequest, index_id: str, file_id: str) -> HttpResponse:
    _actor, row = _editable(request, index_id)
    entry = get_object_or_404(DirectoryFile.objects.live(), directory=row.directory, pk=file_id)
    remove_file(entry)
    messages.success(request, _("“%(name)s” was removed.") % {"name": entry.display_name})
    request_sync_soon(row)
    return redirect("index", row.pk)


@signed_in
@require_POST
def delete(request: HttpRequest, index_id: str) -> HttpResponse:
    _actor, row = _editable(request, index_id)
    delete_index(row)
    messages.success(request, _("“%(name)s” was deleted.") % {"name": row.name})
    return redirect("library")


@signed_in
@require_GET
def document(request: HttpRequest, index_id: str, file_id: str) -> HttpResponse:
    """A document as it was read, or the passages that it was split into."""
    found = get_object_or_404(
        Document.objects.visible_to(actor_of(request)).readable().select_related("index"),
        index=index_id,
        directory_file=file_id,
    )
    context = shown(request, found)
    if request.GET.get("view") == "passages":
        chunks = found.chunks.order_by("ordinal").defer("embedding")
        context["page"] = Paginator(chunks, CHUNKS_AT_ONCE).get_page(request.GET.get("page"))
    return render(request, "library/document.html", context)


def _index_context(request: HttpRequest, index_id: str) -> dict[str, Any]:
    actor = actor_of(request)
    row = get_object_or_404(
        Index.objects.visible_to(actor).select_related("directory", "project"), pk=index_id
    )
    _with_latest_sync([row])
    can_edit = Index.objects.editable_by(actor).filter(pk=row.pk).exists()
    return {
        "index": row,
        "sync": row.latest_sync,
        "time_left": time_left(row.latest_sync),
        **table(request, row),
        "upload_limit": settings.MAX_UPLOAD_MB * 1024 * 1024,
        "frequencies": [
            (Index.Frequency.MANUAL, _("when someone asks for it")),
            (Index.Frequency.ON_SOURCE_CHANGE, _("when a file is added, changed or removed")),
            (Index.Frequency.DAILY, _("every day")),
        ],
        "can_edit": can_edit,
        **(_editing(actor, row) if can_edit else {}),
    }


def _editing(actor: Actor, row: Index) -> dict[str, Any]:
    """What its editors decide on: who may use it, and what goes when it is deleted."""
    users = row.sessions.live()
    seen = Session.objects.visible_to(actor).filter(indexes=row).recent()
    return {
        "groups": _groups_of(actor),
        "chosen_groups": set(row.groups.values_list("pk", flat=True)),
        "used_by": users.count(),
        "used_by_mine": seen[:SESSIONS_NAMED],
    }


def _groups_of(actor: Actor) -> QuerySet[Group]:
    everyone = actor.person.is_superuser
    return (Group.objects.all() if everyone else actor.person.groups.all()).order_by("name")


def _with_latest_sync(rows: list[Index]) -> None:
    """Sets ``latest_sync`` on each, in one query."""
    newest: dict[str, Sync] = {}
    for one in Sync.objects.filter(index__in=rows).order_by("-pk"):
        newest.setdefault(one.index_id, one)
    for row in rows:
        row.latest_sync = newest.get(row.pk)


def _editable(request: HttpRequest, index_id: str) -> tuple[Actor, Index]:
    actor = actor_of(request)
    indexes = Index.objects.editable_by(actor).select_related("directory__project")
    return actor, get_object_or_404(indexes, pk=index_id)


def _path(text: str) -> str:
    """A file's path below the folder it was taken from: a name with slashes, and nothing more."""
    parts = [part for part in text.replace("\0", "").split("/") if part not in ("", ".", "..")]
    return "/".join(parts)[-LONGEST_PATH:]


def _take_one(actor: Actor, row: Index, path: str, files: Sequence[UploadedFile]) -> HttpResponse:
    """201, or the status of what is wrong with the file and the reason in words."""
    if not files:
        return HttpResponse(status=400)
    try:
        _file_or_replace(actor, row.directory, path, files[0])
    except CarrelError as error:
        plain = "text/plain; charset=utf-8"
        return HttpResponse(said(error.message), status=error.status, content_type=plain)
    request_sync_soon(row)
    return HttpResponse(status=201)


def _file_or_replace(actor: Actor, directory: Directory, name: str, upload: UploadedFile) -> None:
    """A file of a name that is already there takes its place, and keeps its id."""
    entry = directory.directory_files.filter(unique_id=name, deleted_at=None).first()
    if entry is None:
        upload_file(actor, directory, name, upload)
    else:
        update_file(entry, file=store_file(actor, directory.project, name, upload))

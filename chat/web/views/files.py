"""The files of an index: added, replaced, read again, taken out, and read."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import PurePosixPath

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from chat.actions.directories import remove_file, update_file, upload_file
from chat.actions.files import store_file
from chat.actions.indexes import request_sync_soon, retry_file
from chat.errors import CarrelError, Settled
from chat.models import Actor, Directory, DirectoryFile, Document, Index
from chat.web.document import number_of, shown
from chat.web.library import editable_index
from chat.web.passages import Step, passage_marks
from chat.web.people import actor_of, signed_in
from chat.web.said import said

LONGEST_PATH = 500  # characters
CHUNKS_AT_ONCE = 50


@signed_in
@require_POST
def upload(request: HttpRequest, index_id: str) -> HttpResponse:
    """File what was sent and start a sync. A file that cannot be taken is named with the reason.

    A script sends one file at a time with its ``path`` in the folder it came from; it is answered
    with a status, and the reason alone.
    """
    actor, row = editable_index(request, index_id)
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
@require_http_methods(["GET", "POST"])
def replace(request: HttpRequest, index_id: str, file_id: str) -> HttpResponse:
    """Other bytes in the place of a file's, which keeps its id and its name."""
    actor, row = editable_index(request, index_id)
    entry = _entry(row, file_id)
    if request.method == "GET":
        template = "library/_replace.html" if request.htmx else "library/replace.html"
        return render(request, template, {"index": row, "file": entry, "kind": _kind(entry)})
    named = {"name": entry.display_name}
    sent = request.FILES.get("file")
    if sent is None:
        messages.error(request, _("Choose the file to put in the place of “%(name)s”.") % named)
    elif PurePosixPath(sent.name or "").suffix.lower() != _kind(entry):
        words = _(
            "“%(sent)s” is of another kind than “%(name)s”: replace it by a file with the same "
            "ending, or add this one beside it."
        )
        messages.error(request, words % (named | {"sent": sent.name}))
    else:
        try:
            _put_in_place(actor, entry, sent)
        except CarrelError as error:
            messages.error(request, f"{sent.name}: {said(error.message)}")
        else:
            messages.success(request, _("“%(name)s” was replaced.") % named)
            request_sync_soon(row)
    return redirect("index", row.pk)


@signed_in
@require_POST
def retry(request: HttpRequest, index_id: str, file_id: str) -> HttpResponse:
    """Try once more to read a file that could not be read."""
    _actor, row = editable_index(request, index_id)
    entry = _entry(row, file_id)
    retry_file(row, entry)
    messages.success(request, _("“%(name)s” is being read again.") % {"name": entry.display_name})
    return redirect("index", row.pk)


@signed_in
@require_POST
def remove(request: HttpRequest, index_id: str, file_id: str) -> HttpResponse:
    _actor, row = editable_index(request, index_id)
    entry = _entry(row, file_id)
    remove_file(entry)
    messages.success(request, _("“%(name)s” was removed.") % {"name": entry.display_name})
    request_sync_soon(row)
    return redirect("index", row.pk)


@signed_in
@require_GET
def document(request: HttpRequest, index_id: str, file_id: str) -> HttpResponse:
    """A document as it was read, its passages in the margin and one of them marked; or a list."""
    found = get_object_or_404(
        Document.objects.visible_to(actor_of(request)).readable().select_related("index"),
        index=index_id,
        directory_file=file_id,
    )
    span = number_of(request, "start"), number_of(request, "end")
    marks = passage_marks(found, *span)
    context = shown(request, found, marks=marks)
    if request.GET.get("view") == "passages":
        chunks = found.chunks.order_by("ordinal").defer("embedding")
        context["page"] = Paginator(chunks, CHUNKS_AT_ONCE).get_page(request.GET.get("page"))
    else:
        context["step"] = Step.of(found, *span)
        if context["as_page"]:
            context["on_page"] = marks(*context["leaf"].span_in(found))
    return render(request, "library/document.html", context)


def _entry(index: Index, file_id: str) -> DirectoryFile:
    files = DirectoryFile.objects.live().select_related("file", "directory__project")
    return get_object_or_404(files, directory=index.directory, pk=file_id)


def _kind(entry: DirectoryFile) -> str:
    """The ending by which it is read, with its dot; "" if it has none."""
    name = entry.display_name
    return PurePosixPath(name if PurePosixPath(name).suffix else entry.file.name).suffix.lower()


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
    entries = directory.directory_files.filter(unique_id=name, deleted_at=None)
    if not entries.exists():
        with suppress(Settled):  # the same one was sent twice, and the other was filed first
            upload_file(actor, directory, name, upload)
            return
    _put_in_place(actor, entries.get(), upload)


def _put_in_place(actor: Actor, entry: DirectoryFile, upload: UploadedFile) -> None:
    file = store_file(actor, entry.directory.project, entry.display_name, upload)
    update_file(entry, file=file)

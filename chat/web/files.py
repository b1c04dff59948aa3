"""The files of an index as a table: filtered, sorted, a page at a time."""

from dataclasses import dataclass
from typing import Any

from django.core.paginator import Paginator
from django.db.models import F, FilteredRelation, OrderBy, Prefetch, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from chat.models import DirectoryFile, Document, Index, Sync

AT_ONCE = 100
COLUMNS = {  # what the address calls it: heading, what is sorted by, whether a number
    "name": (gettext_lazy("File"), "display_name", False),
    "type": (gettext_lazy("Type"), "file__name", False),
    "size": (gettext_lazy("Size"), "file__size", True),
    "pages": (gettext_lazy("Pages"), "", True),
    "passages": (gettext_lazy("Passages"), "reading__chunk_count", True),
    "state": (gettext_lazy("State"), "reading__state", False),
    "updated": (gettext_lazy("Updated"), "updated_at", False),
}
STATES = {
    "ready": (gettext_lazy("Ready"), Q(reading__state=Document.State.READY)),
    "failed": (gettext_lazy("Could not be read"), Q(reading__state=Document.State.FAILED)),
    "new": (gettext_lazy("Not synced yet"), Q(reading=None)),
}


@dataclass(frozen=True, slots=True)
class Column:
    heading: str
    is_number: bool
    sort: str = ""  # the value of ``sort`` that a click asks for; "" where nothing sorts
    order: str = ""  # ascending or descending, while the table is sorted by it


def table(request: HttpRequest, index: Index) -> dict[str, Any]:
    """``page`` of files, each with the ``read`` document, and what the head of the table needs.

    ``q`` is a part of the name, ``state`` one of STATES, ``sort`` a column, with a minus downwards.
    """
    sort = request.GET.get("sort", "")
    name = request.GET.get("q", "").strip()
    state = request.GET.get("state", "")
    files = _files(index)
    if name:
        files = files.filter(display_name__icontains=name)
    if state in STATES:
        files = files.filter(STATES[state][1])
    files = files.order_by(*_order(sort), "display_name", "pk")
    page = Paginator(files, AT_ONCE).get_page(request.GET.get("page"))
    return {
        "page": page,
        "columns": _columns(sort),
        "states": [(key, words) for key, (words, _condition) in STATES.items()],
        "filter": {"q": name, "state": state, "sort": sort},
        "is_filtered": bool(name or state in STATES),
    }


def time_left(sync: Sync | None) -> str:
    """How long the sync will go on if the rest of its files take as long as the first."""
    if sync is None or sync.started_at is None or not sync.is_active or not sync.files_done:
        return ""
    passed = (timezone.now() - sync.started_at).total_seconds()
    left = round(passed / sync.files_done * (sync.files_total - sync.files_done))
    if left < 60:
        return _("about %(n)d s left") % {"n": left}
    words = ngettext("about %(n)d minute left", "about %(n)d minutes left", left // 60)
    return words % {"n": left // 60}


def _files(index: Index) -> QuerySet[DirectoryFile]:
    read = Document.objects.filter(index=index).defer("text")
    return (
        DirectoryFile.objects.live()
        .filter(directory=index.directory)
        .annotate(reading=FilteredRelation("documents", condition=Q(documents__index=index)))
        .select_related("file")
        .prefetch_related(Prefetch("documents", queryset=read, to_attr="read"))
    )


def _order(sort: str) -> list[OrderBy]:
    _heading, field, _is_number = COLUMNS.get(sort.removeprefix("-"), ("", "", False))
    if not field:
        return []
    down = sort.startswith("-")
    return [F(field).desc(nulls_last=True) if down else F(field).asc(nulls_last=True)]


def _columns(sort: str) -> list[Column]:
    columns = []
    for key, (heading, field, is_number) in COLUMNS.items():
        order = {key: "ascending", f"-{key}": "descending"}.get(sort, "")
        turned = f"-{key}" if order == "ascending" else key
        columns.append(Column(str(heading), is_number, turned if field else "", order))
    return columns

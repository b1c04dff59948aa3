from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from chat.actions.indexes import cancel_sync, delete_index, request_sync
from chat.models import Index, Sync
from chat.retrieval.status import index_status

from .base import DeletedFilter, DeletesByAction, FirstRows, HasButtons, ReadOnly, do_each


class SyncInline(FirstRows):
    model = Sync
    shown = 10
    verbose_name_plural = gettext_lazy("latest syncs")
    fields: ClassVar = ["state", "files_done", "files_failed", "chunks", "error", "created_at"]
    readonly_fields: ClassVar = fields


def _latest_syncs() -> QuerySet[Sync]:
    return Sync.objects.filter(index=OuterRef("pk")).order_by("-id")


class LatestSyncFilter(admin.SimpleListFilter):
    title = gettext_lazy("latest sync")
    parameter_name = "sync"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(value, _(value)) for value in Sync.State.values]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Index]) -> QuerySet[Index]:
        return queryset.filter(latest_sync=self.value()) if self.value() else queryset


@admin.register(Index)
class IndexAdmin(HasButtons, DeletesByAction):
    delete_action = delete_index
    list_display: ClassVar = [
        "name",
        "project",
        "directory",
        "latest_sync",
        "failed_count",
        "last_synced_at",
    ]
    list_filter: ClassVar = [
        DeletedFilter,
        LatestSyncFilter,
        "project",
        "sync_frequency",
        "uses_vectors",
    ]
    list_select_related: ClassVar = ["project", "directory"]
    search_fields: ClassVar = ["name", "=id", "directory__name"]
    autocomplete_fields: ClassVar = ["directory"]
    filter_horizontal: ClassVar = ["groups"]
    date_hierarchy = "created_at"
    readonly_fields: ClassVar = [
        *("standing", "failed_files"),
        *("project", "last_synced_at", "created_at", "deleted_at"),
    ]
    inlines: ClassVar = [SyncInline]
    actions: ClassVar = ["sync_now", "stop_sync"]
    buttons = actions

    def get_queryset(self, request: HttpRequest) -> QuerySet[Index]:
        failed = _latest_syncs().values("files_failed")[:1]
        latest = _latest_syncs().values("state")[:1]
        return (
            super()
            .get_queryset(request)
            .annotate(latest_sync=Subquery(latest), failed_count=Subquery(failed))
        )

    def save_model(self, request: HttpRequest, obj: Index, form: Any, change: bool) -> None:
        """An index is in its directory's project, and a new one is synced at once."""
        obj.project = obj.directory.project
        super().save_model(request, obj, form, change)
        if not change:
            request_sync(obj)

    @admin.display(description=gettext_lazy("latest sync"), ordering="latest_sync")
    def latest_sync(self, index: Index) -> str:
        return _(index.latest_sync) if index.latest_sync else _("none yet")

    @admin.display(description=gettext_lazy("failed files"), ordering="failed_count")
    def failed_count(self, index: Index) -> int | None:
        return index.failed_count

    @admin.display(description=gettext_lazy("state"))
    def standing(self, index: Index) -> str:
        status = index_status(index)
        counts = _("%(files_done)d of %(files_total)d files, %(pages)d pages, %(chunks)d passages")
        return " · ".join(
            filter(None, [_(status["status"]), counts % status, status["error_message"]])
        )

    @admin.display(description=gettext_lazy("files that could not be read"))
    def failed_files(self, index: Index) -> SafeString:
        context = {"failed": index_status(index)["failed_files"]}
        return render_to_string("admin/chat/index/failed.html", context)

    @admin.action(description=gettext_lazy("Sync now"), permissions=["change"])
    def sync_now(self, request: HttpRequest, indexes: QuerySet[Index]) -> None:
        do_each(request, indexes.live(), request_sync, _("Syncs asked for"))

    @admin.action(description=gettext_lazy("Cancel the sync"), permissions=["change"])
    def stop_sync(self, request: HttpRequest, indexes: QuerySet[Index]) -> None:
        do_each(request, indexes, cancel_sync, _("Syncs asked to stop"))


@admin.register(Sync)
class SyncAdmin(ReadOnly):
    list_display: ClassVar = [
        "id",
        "index",
        "state",
        "progress",
        "files_failed",
        "chunks",
        "attempts",
        "error",
        "created_at",
        "finished_at",
    ]
    list_filter: ClassVar = ["state", "created_at"]
    list_select_related: ClassVar = ["index"]
    search_fields: ClassVar = ["index__name", "=index__id", "error"]
    date_hierarchy = "created_at"
    actions: ClassVar = ["retry"]

    @admin.display(description=gettext_lazy("files"))
    def progress(self, sync: Sync) -> str:
        return _("%(done)d of %(total)d") % {"done": sync.files_done, "total": sync.files_total}

    @admin.action(description=gettext_lazy("Sync the indexes of these again"), permissions=["view"])
    def retry(self, request: HttpRequest, syncs: QuerySet[Sync]) -> None:
        indexes = Index.objects.live().filter(syncs__in=syncs).distinct()
        do_each(request, indexes, request_sync, _("Syncs asked for"))

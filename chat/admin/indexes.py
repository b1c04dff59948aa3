from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest

from chat.actions.indexes import cancel_sync, delete_index, request_sync
from chat.models import Index, Sync

from .base import DeletedFilter, DeletesByAction, FirstRows, ReadOnly, do_each


class SyncInline(FirstRows):
    model = Sync
    shown = 10
    verbose_name_plural = "latest syncs"
    fields: ClassVar = ["state", "files_done", "files_failed", "chunks", "error", "created_at"]
    readonly_fields: ClassVar = fields


@admin.register(Index)
class IndexAdmin(DeletesByAction):
    delete_action = delete_index
    list_display: ClassVar = ["name", "project", "directory", "latest_sync", "last_synced_at"]
    list_filter: ClassVar = [DeletedFilter, "project", "sync_frequency", "uses_vectors"]
    list_select_related: ClassVar = ["project", "directory"]
    search_fields: ClassVar = ["name", "=id", "directory__name"]
    autocomplete_fields: ClassVar = ["directory"]
    filter_horizontal: ClassVar = ["groups"]
    date_hierarchy = "created_at"
    readonly_fields: ClassVar = ["project", "last_synced_at", "created_at", "deleted_at"]
    inlines: ClassVar = [SyncInline]
    actions: ClassVar = ["sync_now", "stop_sync"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Index]:
        latest = Sync.objects.filter(index=OuterRef("pk")).order_by("-id").values("state")[:1]
        return super().get_queryset(request).annotate(latest_sync=Subquery(latest))

    def save_model(self, request: HttpRequest, obj: Index, form: Any, change: bool) -> None:
        """An index is in its directory's project, and a new one is synced at once."""
        obj.project = obj.directory.project
        super().save_model(request, obj, form, change)
        if not change:
            request_sync(obj)

    @admin.display(description="latest sync")
    def latest_sync(self, index: Index) -> str:
        return index.latest_sync or "none yet"

    @admin.action(description="Sync selected indexes now", permissions=["change"])
    def sync_now(self, request: HttpRequest, indexes: QuerySet[Index]) -> None:
        do_each(request, indexes.live(), request_sync, "Syncs asked for")

    @admin.action(description="Cancel the syncs of selected indexes", permissions=["change"])
    def stop_sync(self, request: HttpRequest, indexes: QuerySet[Index]) -> None:
        do_each(request, indexes, cancel_sync, "Syncs asked to stop")


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

    @admin.display(description="files")
    def progress(self, sync: Sync) -> str:
        return f"{sync.files_done} of {sync.files_total}"

    @admin.action(description="Sync the indexes of selected syncs again", permissions=["view"])
    def retry(self, request: HttpRequest, syncs: QuerySet[Sync]) -> None:
        indexes = Index.objects.live().filter(syncs__in=syncs).distinct()
        do_each(request, indexes, request_sync, "Syncs asked for")

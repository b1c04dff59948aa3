from typing import ClassVar

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext_lazy as _

from chat.actions.directories import delete_directory, remove_file
from chat.actions.files import delete_file
from chat.models import Directory, DirectoryFile, File

from .base import DeletedFilter, DeletesByAction, FirstRows


@admin.register(File)
class FileAdmin(DeletesByAction):
    """Bytes come in through the library and the API, which measure and hash them."""

    delete_action = delete_file
    list_display: ClassVar = ["name", "bytes", "project", "purpose", "created_at", "deleted_at"]
    list_filter: ClassVar = [DeletedFilter, "purpose", "project", "created_at"]
    list_select_related: ClassVar = ["project"]
    search_fields: ClassVar = ["name", "=id", "=external_file_id", "=sha256"]
    date_hierarchy = "created_at"
    show_full_result_count = False
    given: ClassVar = ["name", "purpose", "external_file_id", "expires_at"]
    kept: ClassVar = [
        "id",
        "project",
        "bytes",
        "sha256",
        "created_at",
        "last_modified_at",
        "deleted_at",
    ]
    readonly_fields: ClassVar = kept
    fieldsets: ClassVar = [(None, {"fields": given}), (_("Kept"), {"fields": kept})]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @admin.display(description=_("size"), ordering="size")
    def bytes(self, file: File) -> str:
        return filesizeformat(file.size)


class DirectoryFileInline(FirstRows):
    model = DirectoryFile
    verbose_name_plural = _("files (the first 50)")
    fields: ClassVar = ["display_name", "unique_id", "metadata", "updated_at"]
    readonly_fields: ClassVar = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[DirectoryFile]:
        return super().get_queryset(request).filter(deleted_at=None)


@admin.register(Directory)
class DirectoryAdmin(DeletesByAction):
    delete_action = delete_directory
    list_display: ClassVar = ["name", "project", "type", "file_count", "created_at", "deleted_at"]
    list_filter: ClassVar = [DeletedFilter, "type", "project"]
    list_select_related: ClassVar = ["project"]
    search_fields: ClassVar = ["name", "=id"]
    autocomplete_fields: ClassVar = ["project"]
    date_hierarchy = "created_at"
    readonly_fields: ClassVar = ["id", "created_at", "updated_at", "deleted_at"]
    inlines: ClassVar = [DirectoryFileInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Directory]:
        live = Q(directory_files__deleted_at=None)
        counted = Count("directory_files", filter=live)
        return super().get_queryset(request).annotate(file_count=counted)

    @admin.display(description=_("files"), ordering="file_count")
    def file_count(self, directory: Directory) -> int:
        return directory.file_count


@admin.register(DirectoryFile)
class DirectoryFileAdmin(DeletesByAction):
    delete_action = remove_file
    list_display: ClassVar = ["display_name", "directory", "unique_id", "updated_at", "deleted_at"]
    list_filter: ClassVar = [DeletedFilter, "updated_at"]
    list_select_related: ClassVar = ["directory"]
    search_fields: ClassVar = ["display_name", "unique_id", "=id", "=directory__id"]
    autocomplete_fields: ClassVar = ["directory", "file"]
    date_hierarchy = "created_at"
    show_full_result_count = False
    readonly_fields: ClassVar = ["id", "created_at", "updated_at", "deleted_at"]

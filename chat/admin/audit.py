from typing import ClassVar

from django.contrib import admin
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from .base import ReadOnly
from .reasons import READ

FLAGS = {
    ADDITION: _("added"),
    CHANGE: _("changed"),
    DELETION: _("deleted"),
    READ: _("read"),
}


class FlagFilter(admin.SimpleListFilter):
    title = _("what was done")
    parameter_name = "did"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list:
        return [(str(flag), words) for flag, words in FLAGS.items()]

    def queryset(self, request: HttpRequest, queryset):
        flag = self.value() or ""
        return queryset.filter(action_flag=int(flag)) if flag.isdecimal() else queryset


@admin.register(LogEntry)
class AuditAdmin(ReadOnly):
    """Who did what here, and who read whose session, and why."""

    list_display: ClassVar = ["action_time", "user", "did", "content_type", "object_repr", "words"]
    list_filter: ClassVar = [FlagFilter, "action_time", "content_type"]
    list_select_related: ClassVar = ["user", "content_type"]
    search_fields: ClassVar = ["user__username", "object_repr", "=object_id", "change_message"]
    date_hierarchy = "action_time"

    @admin.display(description=_("did"), ordering="action_flag")
    def did(self, entry: LogEntry) -> str:
        return str(FLAGS.get(entry.action_flag, entry.action_flag))

    @admin.display(description=_("in words"))
    def words(self, entry: LogEntry) -> str:
        return entry.get_change_message()

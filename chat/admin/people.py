from typing import ClassVar

from django.contrib import admin

from chat.models import Preferences, Visit

from .base import ReadOnly


@admin.register(Preferences)
class PreferencesAdmin(ReadOnly):
    list_display: ClassVar = ["user", "language", "theme", "font"]
    list_filter: ClassVar = ["language", "theme", "font"]
    list_select_related: ClassVar = ["user"]
    search_fields: ClassVar = ["user__username"]


@admin.register(Visit)
class VisitAdmin(ReadOnly):
    """Who has opened whose session."""

    list_display: ClassVar = ["session", "user", "opened_at", "seen_at"]
    list_filter: ClassVar = ["seen_at"]
    list_select_related: ClassVar = ["session", "user"]
    search_fields: ClassVar = ["=session__id", "user__username"]
    date_hierarchy = "opened_at"

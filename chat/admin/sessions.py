from typing import ClassVar

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from chat.actions.sessions import delete_session
from chat.models import BoundIndex, Event, Session, Turn

from .base import DeletedFilter, DeletesByAction, FirstRows
from .events import summary

TIMELINE = 500  # events shown on a session's page


class BoundIndexInline(FirstRows):
    model = BoundIndex
    fields: ClassVar = ["position", "index"]
    readonly_fields: ClassVar = fields


class TurnInline(FirstRows):
    model = Turn
    verbose_name_plural = "turns (the first 50)"
    fields: ClassVar = ["seq", "state", "asked_by", "model", "duration_ms", "rounds", "error"]
    readonly_fields: ClassVar = fields


@admin.register(Session)
class SessionAdmin(DeletesByAction):
    delete_action = delete_session
    list_display: ClassVar = [
        "__str__",
        "owner",
        "project",
        "sharing",
        "turn_count",
        "last_used_at",
        "deleted_at",
    ]
    list_filter: ClassVar = [DeletedFilter, "sharing", "is_bound", "project", "last_used_at"]
    list_select_related: ClassVar = ["owner", "project"]
    search_fields: ClassVar = ["title", "=id", "owner__username"]
    date_hierarchy = "last_used_at"
    show_full_result_count = False
    inlines: ClassVar = [BoundIndexInline, TurnInline]
    given: ClassVar = ["title", "sharing", "pinned_at", "archived_at"]
    kept: ClassVar = ["id", "owner", "project", "is_bound", "created_at", "last_used_at"]
    readonly_fields: ClassVar = [*kept, "timeline"]
    fieldsets: ClassVar = [
        (None, {"fields": given}),
        ("Kept", {"fields": kept}),
        ("What happened", {"fields": ["timeline"]}),
    ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Session]:
        return super().get_queryset(request).annotate(turn_count=Count("turns"))

    @admin.display(description="turns", ordering="turn_count")
    def turn_count(self, session: Session) -> int:
        return session.turn_count

    @admin.display(description="events")
    def timeline(self, session: Session) -> SafeString:
        events = session.events.exclude(type__in=Event.DELTAS).order_by("seq")[:TIMELINE]
        rows = format_html_join(
            "\n",
            '<tr><td><a href="{}">{}</a></td><td>{}</td><td>{}</td><td>{}</td></tr>',
            (
                (
                    reverse("admin:chat_event_change", args=[event.pk]),
                    event.seq,
                    event.created_at.strftime("%Y-%m-%d %H:%M:%S"),
                    event.type,
                    summary(event),
                )
                for event in events
            ),
        )
        head = "<tr><th>seq</th><th>time</th><th>type</th><th>what</th></tr>"
        return format_html("<table><thead>{}</thead>{}</table>", SafeString(head), rows)

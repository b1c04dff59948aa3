from typing import Any, ClassVar

from asgiref.sync import async_to_sync
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from chat.actions.turns import cancel_turn
from chat.models import BoundIndex, Feedback, QueuedPrompt, Session, Turn

from .base import ReadOnly, do_each
from .reasons import AsksForReason


class SourcesFilter(admin.SimpleListFilter):
    """What people asked and the documents did not tell them."""

    title = _("sources")
    parameter_name = "sources"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("none", _("Answered without sources")), ("some", _("Answered from sources"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Turn]) -> QuerySet[Turn]:
        match self.value():
            case "none":
                return queryset.without_sources()
            case "some":
                return queryset.filter(citations__gt=0)
        return queryset


@admin.register(Turn)
class TurnAdmin(ReadOnly):
    list_display: ClassVar = [
        "id",
        "session",
        "asked_by",
        "state",
        "model",
        "created_at",
        "first_text_ms",
        "duration_ms",
        "input_tokens",
        "output_tokens",
        "rounds",
        "citations",
    ]
    list_filter: ClassVar = ["state", SourcesFilter, "model", "created_at"]
    list_select_related: ClassVar = ["session", "asked_by"]
    search_fields: ClassVar = ["=session__id", "session__title", "asked_by__username", "error"]
    date_hierarchy = "created_at"
    actions: ClassVar = ["stop"]

    @admin.action(description=_("Stop selected turns that are running"), permissions=["view"])
    def stop(self, request: HttpRequest, turns: QuerySet[Turn]) -> None:
        sessions = Session.objects.filter(turns__in=turns.running()).distinct()
        do_each(request, sessions, async_to_sync(cancel_turn), _("Answers asked to stop"))


@admin.register(BoundIndex)
class BoundIndexAdmin(ReadOnly):
    list_display: ClassVar = ["session", "position", "index"]
    list_select_related: ClassVar = ["session", "index"]
    search_fields: ClassVar = ["=session__id", "index__name", "=index__id"]


@admin.register(QueuedPrompt)
class QueuedPromptAdmin(AsksForReason, ReadOnly):
    list_display: ClassVar = ["id", "session", "asked_by", "created_at"]
    list_select_related: ClassVar = ["session", "asked_by"]
    search_fields: ClassVar = ["=session__id", "asked_by__username"]


@admin.register(Feedback)
class FeedbackAdmin(ReadOnly):
    list_display: ClassVar = ["turn", "user", "rating", "comment", "updated_at"]
    list_filter: ClassVar = ["rating", "updated_at"]
    list_select_related: ClassVar = ["turn", "user"]
    search_fields: ClassVar = ["comment", "user__username", "=turn__session__id"]

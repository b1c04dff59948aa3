from typing import Any, ClassVar

from asgiref.sync import async_to_sync
from django.contrib import admin
from django.contrib.admin.models import CHANGE
from django.contrib.admin.views.main import ChangeList
from django.db.models import Count, Exists, OuterRef, QuerySet, Sum
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from chat.actions.sessions import archive_session, delete_session, share_session
from chat.actions.turns import cancel_turn
from chat.events.log import log
from chat.events.transcript import fold
from chat.models import BoundIndex, Event, Session, Turn

from .base import DeletesByAction, FirstRows, HasButtons, do_each
from .events import summary
from .reasons import AsksForReason, keep

TIMELINE = 500  # events shown on a session's page
EXPORTS = ("json", "md")  # endings of a file's name


class BoundIndexInline(FirstRows):
    model = BoundIndex
    fields: ClassVar = ["position", "index"]
    readonly_fields: ClassVar = fields


class TurnInline(FirstRows):
    model = Turn
    verbose_name_plural = gettext_lazy("turns (the first 50)")
    fields: ClassVar = ["seq", "state", "asked_by", "model", "duration_ms", "rounds", "error"]
    readonly_fields: ClassVar = fields


class StateFilter(admin.SimpleListFilter):
    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("running", gettext_lazy("Being answered")),
            ("live", gettext_lazy("Live")),
            ("archived", gettext_lazy("Archived")),
            ("deleted", gettext_lazy("Deleted")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Session]) -> QuerySet[Session]:
        match self.value():
            case "running":
                return queryset.filter(pk__in=Turn.objects.running().values("session"))
            case "live":
                return queryset.filter(deleted_at=None, archived_at=None)
            case "archived":
                return queryset.filter(deleted_at=None, archived_at__isnull=False)
            case "deleted":
                return queryset.filter(deleted_at__isnull=False)
        return queryset


class WithUsage(ChangeList):
    """Counts the turns and tokens of the sessions on this page alone: one query, however many
    sessions there are."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        turns = Turn.objects.filter(session__in=[row.pk for row in self.result_list])
        counted = (
            turns.order_by()
            .values("session")
            .annotate(turns=Count("pk"), input=Sum("input_tokens"), output=Sum("output_tokens"))
        )
        usage = {row["session"]: row for row in counted}
        for row in self.result_list:
            row.usage = usage.get(row.pk, {"turns": 0, "input": 0, "output": 0})


@admin.register(Session)
class SessionAdmin(AsksForReason, HasButtons, DeletesByAction):
    change_form_template = "admin/chat/session/with_downloads.html"
    delete_action = delete_session
    list_display: ClassVar = [
        "__str__",
        "owner",
        "searched",
        "turn_count",
        "tokens",
        "state",
        "sharing",
        "last_used_at",
    ]
    list_filter: ClassVar = [StateFilter, "sharing", "is_bound", "project", "last_used_at"]
    list_select_related: ClassVar = ["owner"]
    search_fields: ClassVar = ["title", "=id", "owner__username"]
    date_hierarchy = "last_used_at"
    show_full_result_count = False
    inlines: ClassVar = [BoundIndexInline, TurnInline]
    actions: ClassVar = ["stop", "make_private", "archive"]
    buttons = actions
    summary: ClassVar = ["owner", "usage", "last_used_at"]
    kept: ClassVar = [
        *("id", "project", "is_bound", "created_at", "pinned_at", "archived_at", "deleted_at"),
    ]
    readonly_fields: ClassVar = [*summary, *kept, "timeline"]
    fieldsets: ClassVar = [
        (None, {"fields": ["title", "sharing", *summary]}),
        (gettext_lazy("What happened"), {"fields": ["timeline"]}),
        (gettext_lazy("Kept"), {"fields": kept}),
    ]

    def session_of(self, obj: Session) -> Session:
        return obj

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return WithUsage

    def get_queryset(self, request: HttpRequest) -> QuerySet[Session]:
        running = Turn.objects.running().filter(session=OuterRef("pk"))
        sessions = super().get_queryset(request).annotate(is_running=Exists(running))
        return sessions.prefetch_related("indexes")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.export)
        export = path("<str:session_id>/export.<str:kind>", view, name="chat_session_export")
        return [export, *super().get_urls()]

    def export(self, request: HttpRequest, session_id: str, kind: str) -> HttpResponse:
        """The session as a file: every event as JSON, or as it reads now as Markdown."""
        if kind not in EXPORTS:
            raise Http404
        session = get_object_or_404(Session.objects.select_related("owner"), pk=session_id)
        if page := self.reason_page(request, session):
            return page
        keep(request, session, _("Exported it as %(kind)s.") % {"kind": kind}, CHANGE)
        headers = {"Content-Disposition": f'attachment; filename="{session.pk}.{kind}"'}
        if kind == "json":
            return JsonResponse(_as_json(session), headers=headers)
        context = {"session": session, "exchanges": fold(log.history(session.pk)).exchanges}
        text = render_to_string("admin/chat/session/export.md", context)
        return HttpResponse(text, content_type="text/markdown; charset=utf-8", headers=headers)

    # Columns --------------------------------------------------------------------------------------

    @admin.display(description=gettext_lazy("indexes"))
    def searched(self, session: Session) -> str:
        return ", ".join(index.name for index in session.indexes.all())

    @admin.display(description=gettext_lazy("turns"))
    def turn_count(self, session: Session) -> int:
        return session.usage["turns"]

    @admin.display(description=gettext_lazy("tokens in / out"))
    def tokens(self, session: Session) -> str:
        return f"{session.usage['input']:,} / {session.usage['output']:,}"

    @admin.display(description=gettext_lazy("state"))
    def state(self, session: Session) -> str:
        if session.deleted_at:
            return _("deleted")
        if session.is_running:
            return _("being answered")
        return _("archived") if session.archived_at else _("live")

    # One session ----------------------------------------------------------------------------------

    @admin.display(description=gettext_lazy("usage"))
    def usage(self, session: Session) -> str:
        total = session.turns.aggregate(
            turns=Count("pk"), input=Sum("input_tokens"), output=Sum("output_tokens")
        )
        words = _("Turns: %(turns)d, tokens read: %(input)d, tokens written: %(output)d")
        return words % {name: number or 0 for name, number in total.items()}

    @admin.display(description=gettext_lazy("events"))
    def timeline(self, session: Session) -> SafeString:
        events = session.events.exclude(type__in=Event.DELTAS).order_by("seq")
        rows = [
            {"event": event, "what": summary(event), "after": after}
            for event, after in _with_waits(events[: TIMELINE + 1])
        ]
        context = {"rows": rows[:TIMELINE], "limit": TIMELINE, "is_cut": len(rows) > TIMELINE}
        return render_to_string("admin/chat/session/timeline.html", context)

    # Actions --------------------------------------------------------------------------------------

    @admin.action(description=gettext_lazy("Stop the running answer"), permissions=["change"])
    def stop(self, request: HttpRequest, sessions: QuerySet[Session]) -> None:
        self._do(request, sessions, async_to_sync(cancel_turn), _("Answers asked to stop"))

    @admin.action(description=gettext_lazy("Make private"), permissions=["change"])
    def make_private(self, request: HttpRequest, sessions: QuerySet[Session]) -> None:
        def close(session: Session) -> None:
            share_session(session, Session.Sharing.PRIVATE)

        self._do(request, sessions, close, _("Made private"))

    @admin.action(description=gettext_lazy("Put into the archive"), permissions=["change"])
    def archive(self, request: HttpRequest, sessions: QuerySet[Session]) -> None:
        self._do(request, sessions, archive_session, _("Archived"))

    def _do(self, request: HttpRequest, sessions: QuerySet[Session], verb: Any, done: str) -> None:
        def do(session: Session) -> None:
            verb(session)
            keep(request, session, done, CHANGE)

        do_each(request, sessions, do, done)


def _with_waits(events: QuerySet[Event]) -> Any:
    """Each event with the seconds since the prompt of its turn."""
    asked = {}
    for event in events:
        start = asked.setdefault(event.turn_id, event.created_at)
        yield event, (event.created_at - start).total_seconds()


def _as_json(session: Session) -> dict[str, Any]:
    events = session.events.exclude(type__in=Event.DELTAS).order_by("seq")
    return {
        "id": session.pk,
        "title": session.title,
        "owner": session.owner.get_username(),
        "created_at": session.created_at,
        "turns": list(
            session.turns.order_by("seq").values(
                *("seq", "state", "model", "created_at", "duration_ms"),
                *("input_tokens", "output_tokens", "rounds", "error"),
            )
        ),
        "events": [
            {
                "seq": event.seq,
                "type": event.type,
                "created_at": event.created_at,
                **event.payload,
            }
            for event in events
        ],
    }

"""Reading what another person asked: a reason first, and a row that keeps it.

The row is one of Django's own admin log, with a flag of ours, so that the history of a session
tells who has read it and why.
"""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import unquote
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from chat.models import Session

READ = 4  # beside Django's addition, change and deletion
GOOD_FOR = timedelta(hours=1)
SHORTEST = 5  # characters


class AsksForReason(admin.ModelAdmin):
    """For rows that hold what was asked and answered in a session."""

    def session_of(self, obj: Any) -> Session:
        return obj.session

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        obj = self.get_object(request, unquote(object_id))
        if obj is not None and (page := self.reason_page(request, self.session_of(obj))):
            return page
        return super().change_view(request, object_id, form_url, extra_context)

    def reason_page(self, request: HttpRequest, session: Session) -> HttpResponse | None:
        """A page that asks why, or takes the answer; None for who may read on."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if session.owner_id == request.user.pk or _has_given_one(request, session):
            return None
        reason = " ".join(request.POST.get("reason", "").split())
        if len(reason) >= SHORTEST:
            keep(request, session, _("Read it: %(reason)s") % {"reason": reason}, READ)
            return redirect(request.get_full_path())
        context = {
            **self.admin_site.each_context(request),
            "title": _("Why do you read this session?"),
            "session": session,
            "shortest": SHORTEST,
            "is_too_short": "reason" in request.POST,
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/reason.html", context, status=403)


def keep(request: HttpRequest, session: Session, words: str, flag: int) -> None:
    """Write down what was done with a session, where its history shows it."""
    LogEntry.objects.create(
        user_id=request.user.pk,
        content_type=ContentType.objects.get_for_model(Session),
        object_id=session.pk,
        object_repr=str(session)[:200],
        action_flag=flag,
        change_message=words,
    )


def _has_given_one(request: HttpRequest, session: Session) -> bool:
    return LogEntry.objects.filter(
        user=request.user.pk,
        content_type=ContentType.objects.get_for_model(Session),
        object_id=session.pk,
        action_flag=READ,
        action_time__gt=timezone.now() - GOOD_FOR,
    ).exists()

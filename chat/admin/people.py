from typing import ClassVar

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from chat.models import Preferences, SignIn, Visit
from chat.models.sign_ins import SignInQuerySet

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


@admin.register(SignIn)
class SignInAdmin(ReadOnly):
    """In which browsers people are signed in, without the keys that open those."""

    list_display: ClassVar = ["user", "browser", "signed_in_at", "seen_at"]
    list_filter: ClassVar = ["seen_at"]
    list_select_related: ClassVar = ["user"]
    search_fields: ClassVar = ["user__username", "browser"]
    date_hierarchy = "seen_at"
    fields: ClassVar = list_display
    actions: ClassVar = ["end"]

    @admin.action(description=gettext_lazy("Sign out"), permissions=["view"])
    def end(self, request: HttpRequest, sign_ins: SignInQuerySet) -> None:
        count = sign_ins.count()
        sign_ins.end()
        messages.success(request, _("Signed out: %(n)d.") % {"n": count})

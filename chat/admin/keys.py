from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from chat.models import APIKey, CreateOnce

from .base import ReadOnly


class APIKeyForm(forms.ModelForm):
    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        user, project = values.get("user"), values.get("project")
        if user and project and not project.memberships.filter(user=user).exists():
            words = _("%(user)s is not a member of %(project)s: the key would be no use.")
            self.add_error("user", words % {"user": user, "project": project})
        return values


@admin.register(APIKey)
class APIKeyAdmin(admin.ModelAdmin):
    form = APIKeyForm
    list_display: ClassVar = [
        "name",
        "prefix",
        "user",
        "project",
        "opens",
        "created_at",
        "last_used_at",
        "expires_at",
    ]
    list_filter: ClassVar = [("revoked_at", admin.EmptyFieldListFilter), "project", "expires_at"]
    list_select_related: ClassVar = ["user", "project"]
    search_fields: ClassVar = ["name", "prefix", "user__username"]
    autocomplete_fields: ClassVar = ["user", "project"]
    date_hierarchy = "created_at"
    actions: ClassVar = ["revoke"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[APIKey]:
        live = APIKey.objects.live().filter(pk=OuterRef("pk"))
        return super().get_queryset(request).annotate(is_live=Exists(live))

    def get_fields(self, request: HttpRequest, obj: APIKey | None = None) -> list[str]:
        asked = ["name", "user", "project", "expires_at"]
        return [*asked, "revoked_at", *self.kept] if obj else asked

    kept: ClassVar = ["prefix", "created_at", "last_used_at"]

    def get_readonly_fields(self, request: HttpRequest, obj: APIKey | None = None) -> list[str]:
        return ["user", "project", *self.kept] if obj else []

    def save_model(self, request: HttpRequest, obj: APIKey, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        key, secret = APIKey.issue(obj.name, obj.user, obj.project, expires_at=obj.expires_at)
        obj.pk, obj.prefix = key.pk, key.prefix
        words = _("Copy the key now, it cannot be shown again: %(key)s")
        messages.warning(request, words % {"key": secret})

    @admin.display(boolean=True)
    def opens(self, key: APIKey) -> bool:
        return key.is_live

    @admin.action(description=gettext_lazy("Revoke selected keys"), permissions=["change"])
    def revoke(self, request: HttpRequest, keys: QuerySet[APIKey]) -> None:
        revoked = keys.filter(revoked_at=None)
        for key in revoked:
            key.revoke()
        words = _("Revoked: %(n)s. They open nothing from now on.")
        messages.success(request, words % {"n": len(revoked)})


@admin.register(CreateOnce)
class CreateOnceAdmin(ReadOnly):
    list_display: ClassVar = ["route", "name", "key", "created_at"]
    list_select_related: ClassVar = ["key"]
    search_fields: ClassVar = ["name", "route", "key__name"]
    date_hierarchy = "created_at"

from typing import ClassVar

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from chat.models import Membership, Project


class MemberInline(admin.TabularInline):
    model = Membership
    extra = 0
    autocomplete_fields: ClassVar = ["user"]


@admin.register(Project)
class ProjectAdmin(admin.ModelAdmin):
    list_display: ClassVar = ["name", "is_default", "member_count", "created_at"]
    search_fields: ClassVar = ["name", "=id"]
    readonly_fields: ClassVar = ["id", "is_default", "created_at", "updated_at"]
    inlines: ClassVar = [MemberInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Project]:
        return super().get_queryset(request).annotate(member_count=Count("memberships"))

    @admin.display(description=_("members"), ordering="member_count")
    def member_count(self, project: Project) -> int:
        return project.member_count


@admin.register(Membership)
class MembershipAdmin(admin.ModelAdmin):
    list_display: ClassVar = ["user", "project", "role"]
    list_filter: ClassVar = ["role", "project"]
    list_select_related: ClassVar = ["user", "project"]
    search_fields: ClassVar = ["user__username", "user__email", "project__name"]
    autocomplete_fields: ClassVar = ["user", "project"]

"""What several admin pages have in common."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _

from chat.errors import CarrelError


class DeletedFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "deleted"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("no", _("Live")), ("yes", _("Deleted"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() is None:
            return queryset
        return queryset.filter(deleted_at__isnull=self.value() == "no")


class ReadOnly(admin.ModelAdmin):
    """For what is written by the machine alone."""

    show_full_result_count = False  # these are the big tables

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class DeletesByAction(admin.ModelAdmin):
    """For what has an action to delete it, which knows what else must happen."""

    delete_action: ClassVar[Callable[[Any], None]]

    def get_deleted_objects(
        self, objs: Sequence[Model] | QuerySet[Model], request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Only what was chosen. The usual page would list every chunk that hangs on it."""
        names = [str(obj) for obj in objs]
        return names, {str(self.opts.verbose_name_plural): len(names)}, set(), []

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        type(self).delete_action(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> None:
        for obj in queryset:
            type(self).delete_action(obj)


class HasButtons(admin.ModelAdmin):
    """Offers some of the list's actions as buttons on the page of a single row, too."""

    buttons: ClassVar[Sequence[str]]
    change_form_template = "admin/with_buttons.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.press)
        pressed = path("<path:object_id>/do/<str:name>/", view, name=self._button_url)
        return [pressed, *super().get_urls()]

    def press(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Do what the button says, and show the page again."""
        action = self.get_actions(request).get(name) if name in self.buttons else None
        rows = self.get_queryset(request).filter(pk=unquote(object_id))
        if action is None or request.method != "POST" or not rows.exists():
            raise Http404
        action[0](self, request, rows)
        page = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        return redirect(reverse(page, args=[object_id], current_app=self.admin_site.name))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        actions = self.get_actions(request)
        shown = [
            (reverse(f"admin:{self._button_url}", args=[object_id, name]), actions[name][2])
            for name in self.buttons
            if name in actions
        ]
        context = {**(extra_context or {}), "buttons": shown}
        return super().change_view(request, object_id, form_url, context)

    @property
    def _button_url(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_press"


class FirstRows(admin.TabularInline):
    """A look at what belongs to the page's object, however much that is; nothing to edit."""

    shown = 50
    extra = 0
    can_delete = False
    show_change_link = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        parent = request.resolver_match.kwargs.get("object_id") if request.resolver_match else None
        foreign_key = next(
            field.name
            for field in self.opts.get_fields()
            if field.many_to_one and field.related_model is self.parent_model
        )
        first = rows.filter(**{foreign_key: parent}).values("pk")[: self.shown]
        return rows.filter(pk__in=first)

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def do_each(
    request: HttpRequest, rows: Iterable[Any], verb: Callable[[Any], object], done: str
) -> None:
    """Do it to each row and say how it went; one that refuses does not stop the others."""
    count = 0
    for row in rows:
        try:
            verb(row)
            count += 1
        except CarrelError as error:
            messages.warning(request, f"{row}: {error.message}")
    if count:
        messages.success(request, f"{done}: {count}.")

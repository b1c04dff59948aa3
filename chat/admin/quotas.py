from typing import ClassVar

from django.contrib import admin

from chat.models import Quota


@admin.register(Quota)
class QuotaAdmin(admin.ModelAdmin):
    list_display: ClassVar = ["__str__", "turns_per_hour", "tokens_per_day"]
    list_editable: ClassVar = ["turns_per_hour", "tokens_per_day"]
    list_select_related: ClassVar = ["group"]
    search_fields: ClassVar = ["group__name"]
    autocomplete_fields: ClassVar = ["group"]

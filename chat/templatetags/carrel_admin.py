"""What the admin's own templates need."""

from typing import Any

from django import template

from chat.admin.dashboard import dashboard

register = template.Library()


@register.inclusion_tag("admin/_dashboard.html", name="dashboard")
def show_dashboard() -> dict[str, Any]:
    return dashboard()

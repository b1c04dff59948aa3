"""What the admin's own templates need."""

from typing import Any

from django import template

register = template.Library()


@register.inclusion_tag("admin/_dashboard.html", name="dashboard")
def show_dashboard() -> dict[str, Any]:
    # Imported late: system checks load every tag library, and not yet every app's admin.
    from chat.admin.dashboard import dashboard

    return dashboard()

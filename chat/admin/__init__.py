"""The administrator's door: every row there is, to find, to read, and where it helps to mend."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from . import (
    audit,
    documents,
    events,
    files,
    indexes,
    keys,
    people,
    projects,
    quotas,
    sessions,
    turns,
)

__all__ = [
    "audit",
    "documents",
    "events",
    "files",
    "indexes",
    "keys",
    "people",
    "projects",
    "quotas",
    "sessions",
    "turns",
]

admin.site.site_header = "Carrel"
admin.site.site_title = "Carrel"
admin.site.index_title = _("Administration")

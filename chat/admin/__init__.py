"""The administrator's door: every row there is, to find, to read, and where it helps to mend."""

from django.contrib import admin

from . import documents, events, files, indexes, keys, projects, sessions, turns

__all__ = ["documents", "events", "files", "indexes", "keys", "projects", "sessions", "turns"]

admin.site.site_header = "Carrel"
admin.site.site_title = "Carrel"
admin.site.index_title = "Administration"

"""The administrator's door: every row there is, to find, to read, and where it helps to mend."""

from django.contrib import admin

from . import documents, events, files, indexes, keys, projects

__all__ = ["documents", "events", "files", "indexes", "keys", "projects"]

admin.site.site_header = "Carrel"
admin.site.site_title = "Carrel"
admin.site.index_title = "Administration"

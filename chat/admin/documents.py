from typing import ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from chat.models import Chunk, Document

from .base import FirstRows, ReadOnly


class ChunkInline(FirstRows):
    model = Chunk
    verbose_name_plural = gettext_lazy("chunks (the first 50)")
    fields: ClassVar = ["ordinal", "heading", "page_start", "token_count", "text"]
    readonly_fields: ClassVar = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Chunk]:
        return super().get_queryset(request).defer("embedding")


@admin.register(Document)
class DocumentAdmin(ReadOnly):
    list_display: ClassVar = ["name", "index", "state", "chunk_count", "error", "synced_at"]
    list_filter: ClassVar = ["state", "embedder", "reader", "synced_at"]
    list_select_related: ClassVar = ["index"]
    search_fields: ClassVar = ["name", "title", "=index__id"]
    date_hierarchy = "synced_at"
    inlines: ClassVar = [ChunkInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Document]:
        return super().get_queryset(request).defer("text", "page_starts")


@admin.register(Chunk)
class ChunkAdmin(ReadOnly):
    list_display: ClassVar = ["document", "ordinal", "heading", "token_count", "beginning"]
    list_select_related: ClassVar = ["document"]
    search_fields: ClassVar = ["document__name", "=index__id"]
    ordering: ClassVar = ["-id"]
    exclude: ClassVar = ["embedding"]
    readonly_fields: ClassVar = ["vector"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Chunk]:
        rows = super().get_queryset(request)
        return rows.defer("document__text", "document__page_starts")

    @admin.display(description=gettext_lazy("text"))
    def beginning(self, chunk: Chunk) -> str:
        return Truncator(chunk.text).chars(100)

    @admin.display(description=gettext_lazy("vector"))
    def vector(self, chunk: Chunk) -> str:
        if not chunk.embedding:
            return _("no vector")
        return _("%(n)s numbers") % {"n": len(chunk.embedding) // 4}

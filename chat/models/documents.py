"""What a search finds: documents, and the chunks they are cut into."""

from bisect import bisect_right
from typing import ClassVar, Self

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from .files import DirectoryFile
from .indexes import Index
from .projects import Actor


class DocumentQuerySet(models.QuerySet["Document"]):
    def visible_to(self, actor: Actor) -> Self:
        return self.filter(index__in=Index.objects.visible_to(actor))

    def readable(self) -> Self:
        return self.filter(state=Document.State.READY)


class Document(models.Model):
    """A directory file as an index last read it. Its text is what every offset counts in."""

    class State(models.TextChoices):
        READY = "ready", _("Ready")
        FAILED = "failed", _("Failed")

    index = models.ForeignKey(
        Index, models.CASCADE, related_name="documents", verbose_name=_("index")
    )
    directory_file = models.ForeignKey(
        DirectoryFile, models.CASCADE, related_name="documents", verbose_name=_("file")
    )
    name = models.TextField(_("name"))  # the directory file's display name at the last sync
    metadata = models.JSONField(_("metadata"), default=dict, blank=True)
    sha256 = models.CharField(_("SHA-256"), max_length=64)  # of the bytes that were read
    reader = models.CharField(  # version of reading and splitting: a new one re-reads
        _("reader"), max_length=40
    )
    embedder = models.CharField(  # whose vectors the chunks hold
        _("embedder"), max_length=200, blank=True
    )
    state = models.CharField(_("state"), max_length=10, choices=State)
    error = models.TextField(_("error"), blank=True)
    title = models.TextField(_("title"), blank=True)
    text = models.TextField(_("text"), blank=True)
    page_starts = models.JSONField(  # offset of each page; [] if unpaged
        _("where pages begin"), default=list, blank=True
    )
    chunk_count = models.PositiveIntegerField(_("chunks"), default=0)
    synced_at = models.DateTimeField(_("last synced"), auto_now=True)

    objects = DocumentQuerySet.as_manager()

    class Meta:
        verbose_name = _("document")
        verbose_name_plural = _("documents")
        ordering: ClassVar = ["name", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["index", "directory_file"], name="one_document_per_file"
            ),
            models.CheckConstraint(
                condition=Q(state="ready") | (Q(state="failed") & ~Q(error="")),
                name="failed_document_says_why",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def pages(self) -> list[str]:
        """The text of each page; all of it as one for a document without pages."""
        starts = self.page_starts or [0]
        ends = [*starts[1:], len(self.text)]
        return [self.text[start:end] for start, end in zip(starts, ends, strict=True)]

    def page_at(self, offset: int) -> int | None:
        """The page, from 1, on which a character stands; None for a document without pages."""
        return bisect_right(self.page_starts, offset) or None


class Chunk(models.Model):
    """A span of a document's text, in characters; ``text`` equals ``document.text[start:end]``."""

    document = models.ForeignKey(
        Document, models.CASCADE, related_name="chunks", db_index=False, verbose_name=_("document")
    )
    index = models.ForeignKey(Index, models.CASCADE, related_name="chunks", verbose_name=_("index"))
    ordinal = models.PositiveIntegerField(_("ordinal"))  # from 0, in reading order
    heading = models.TextField(  # the heading path above it, " › " between levels
        _("heading"), blank=True
    )
    text = models.TextField(_("text"))
    start_char = models.PositiveIntegerField(_("first character"))
    end_char = models.PositiveIntegerField(_("last character"))
    page_start = models.PositiveIntegerField(  # 1-based; null where there are no pages
        _("first page"), null=True
    )
    page_end = models.PositiveIntegerField(_("last page"), null=True)
    token_count = models.PositiveIntegerField(_("tokens"))
    embedding = models.BinaryField(  # float32, little-endian; null: words alone
        _("vector"), null=True
    )

    class Meta:
        verbose_name = _("chunk")
        verbose_name_plural = _("chunks")
        ordering: ClassVar = ["document", "ordinal"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["document", "ordinal"], name="chunk_order"),
            models.CheckConstraint(
                condition=Q(start_char__lt=F("end_char")), name="chunk_span_runs_forward"
            ),
        ]

    def __str__(self) -> str:
        return f"chunk {self.ordinal} of {self.document_id}"

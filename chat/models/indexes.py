"""Indexes, and the syncs that make them equal to their directories."""

from typing import ClassVar, Self

from django.contrib.auth.models import Group
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from .files import Directory
from .ids import index_id
from .projects import Actor, Project, Role, in_reach


class IndexQuerySet(models.QuerySet["Index"]):
    def live(self) -> Self:
        return self.filter(deleted_at=None)

    def visible_to(self, actor: Actor, at_least: Role = Role.VIEWER) -> Self:
        """Live indexes of the actor's projects; one narrowed to groups, only for their members."""
        narrowed = Index.groups.through.objects.filter(index=OuterRef("pk"))
        mine = narrowed.filter(group__user=actor.person)
        return self.live().filter(in_reach(actor, at_least), ~Exists(narrowed) | Exists(mine))

    def editable_by(self, actor: Actor) -> Self:
        return self.visible_to(actor, at_least=Role.EDITOR)

    def queryable(self) -> Self:
        """Those with something to answer from: synced to the end at least once."""
        return self.live().exclude(last_synced_at=None)


class Index(models.Model):
    class Frequency(models.TextChoices):
        MANUAL = "manual", _("when someone asks for it")
        ON_SOURCE_CHANGE = "on_source_change", _("when a file is added, changed or removed")
        DAILY = "daily", _("every day")

    id = models.CharField(primary_key=True, max_length=40, default=index_id, editable=False)
    project = models.ForeignKey(
        Project, models.CASCADE, related_name="indexes", verbose_name=_("project")
    )
    directory = models.ForeignKey(
        Directory, models.PROTECT, related_name="indexes", verbose_name=_("directory")
    )
    name = models.TextField(_("name"))
    description = models.TextField(_("description"), null=True, blank=True)
    groups = models.ManyToManyField(
        Group,
        blank=True,
        related_name="indexes",
        help_text=_("Leave empty for everyone in the project; else only these groups may use it."),
        verbose_name=_("groups"),
    )
    uses_vectors = models.BooleanField(
        _("search by meaning"), default=True, help_text=_("Off: searched by its words alone.")
    )
    store_screenshots = models.BooleanField(_("keep pictures of pages"), default=False)
    store_items = models.BooleanField(_("keep items of pages"), default=False)
    sync_frequency = models.CharField(
        _("synced"), max_length=20, choices=Frequency, default=Frequency.MANUAL
    )
    last_synced_at = models.DateTimeField(_("last synced"), null=True, blank=True, editable=False)
    # Counts the changes of its chunks, so that what is kept of them in memory knows when it is old.
    revision = models.PositiveBigIntegerField(_("revision"), default=0, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)
    deleted_at = models.DateTimeField(_("deleted"), null=True, blank=True, editable=False)

    objects = IndexQuerySet.as_manager()

    class Meta:
        verbose_name = _("index")
        verbose_name_plural = _("indexes")
        ordering: ClassVar = ["-created_at", "id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(name=""), name="index_has_a_name"),
        ]

    def __str__(self) -> str:
        return self.name


class SyncQuerySet(models.QuerySet["Sync"]):
    def active(self) -> Self:
        return self.filter(state__in=Sync.ACTIVE)


class Sync(models.Model):
    """One making-equal of an index with its directory; the worker that runs it holds a lease."""

    class State(models.TextChoices):
        QUEUED = "queued", _("Waiting")
        RUNNING = "running", _("Running")
        SUCCEEDED = "succeeded", _("Succeeded")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    ACTIVE: ClassVar = (State.QUEUED, State.RUNNING)

    index = models.ForeignKey(Index, models.CASCADE, related_name="syncs", verbose_name=_("index"))
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.QUEUED)
    cancel_requested = models.BooleanField(_("asked to stop"), default=False, editable=False)
    files_total = models.PositiveIntegerField(_("files in all"), default=0)
    files_done = models.PositiveIntegerField(_("files done"), default=0)  # failed ones included
    files_failed = models.PositiveIntegerField(_("files failed"), default=0)
    pages = models.PositiveIntegerField(_("pages"), default=0)
    chunks = models.PositiveIntegerField(_("chunks"), default=0)
    error = models.TextField(_("error"), blank=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0, editable=False)
    worker = models.CharField(_("worker"), max_length=100, blank=True, editable=False)
    lease_expires_at = models.DateTimeField(_("lease expires"), null=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    started_at = models.DateTimeField(_("begun"), null=True, editable=False)
    finished_at = models.DateTimeField(_("finished"), null=True, editable=False)

    objects = SyncQuerySet.as_manager()

    class Meta:
        verbose_name = _("sync")
        verbose_name_plural = _("syncs")
        ordering: ClassVar = ["-created_at", "-id"]
        indexes: ClassVar = [models.Index(fields=["index", "-id"], name="sync_latest")]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["index"],
                condition=Q(state__in=["queued", "running"]),
                name="one_active_sync",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["queued", "running", "succeeded", "failed", "cancelled"]),
                name="sync_state_known",
            ),
        ]

    def __str__(self) -> str:
        return f"sync {self.pk} of {self.index_id}"

    @property
    def is_active(self) -> bool:
        return self.state in self.ACTIVE

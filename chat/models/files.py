"""Bytes that were given to Carrel, and the directories they are filed in."""

import uuid
from pathlib import PurePosixPath
from typing import ClassVar, Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from .ids import directory_file_id, directory_id
from .projects import Actor, Project, Role, in_reach


def storage_path(file: "File", _name: str) -> str:
    """Where the bytes go. The name given by a person stays in the database: it is only a name."""
    return f"{file.pk.hex[:2]}/{file.pk.hex}"


class FileQuerySet(models.QuerySet["File"]):
    def live(self) -> Self:
        return self.filter(deleted_at=None)

    def visible_to(self, actor: Actor) -> Self:
        """Originals are for those who keep the documents; a reader sees them through an index."""
        return self.live().filter(in_reach(actor, Role.EDITOR))

    editable_by = visible_to


class File(models.Model):
    class Purpose(models.TextChoices):
        USER_DATA = "user_data"
        PARSE = "parse"
        EXTRACT = "extract"
        SPLIT = "split"
        CLASSIFY = "classify"
        SHEET = "sheet"
        AGENT_APP = "agent_app"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(
        Project, models.CASCADE, related_name="files", verbose_name=_("project")
    )
    name = models.TextField(_("name"))
    purpose = models.CharField(
        _("purpose"), max_length=20, choices=Purpose, default=Purpose.USER_DATA
    )
    external_file_id = models.TextField(_("external ID"), null=True, blank=True)
    content = models.FileField(_("content"), upload_to=storage_path, max_length=255)
    size = models.PositiveBigIntegerField(_("size"), editable=False)  # bytes
    sha256 = models.CharField(_("SHA-256"), max_length=64, editable=False, db_index=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    last_modified_at = models.DateTimeField(_("changed"), auto_now=True)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    deleted_at = models.DateTimeField(_("deleted"), null=True, blank=True, editable=False)

    objects = FileQuerySet.as_manager()

    class Meta:
        verbose_name = _("file")
        verbose_name_plural = _("files")
        ordering: ClassVar = ["-created_at", "id"]
        indexes: ClassVar = [
            models.Index(fields=["project", "name"], name="file_by_name"),
            models.Index(fields=["project", "-created_at", "id"], name="file_by_age"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def file_type(self) -> str | None:
        """The extension, lower case and without its dot; None for a name that has none."""
        return PurePosixPath(self.name).suffix.removeprefix(".").lower() or None


class DirectoryQuerySet(models.QuerySet["Directory"]):
    def live(self) -> Self:
        return self.filter(deleted_at=None)

    def visible_to(self, actor: Actor) -> Self:
        """Deleted ones included: lists may ask for them. Everything else starts at ``live()``."""
        return self.filter(in_reach(actor, Role.EDITOR))

    editable_by = visible_to


class Directory(models.Model):
    class Type(models.TextChoices):
        USER = "user"
        INDEX = "index"
        EPHEMERAL = "ephemeral"

    id = models.CharField(primary_key=True, max_length=40, default=directory_id, editable=False)
    project = models.ForeignKey(
        Project, models.CASCADE, related_name="directories", verbose_name=_("project")
    )
    name = models.TextField(_("name"))
    description = models.TextField(_("description"), null=True, blank=True)
    type = models.CharField(_("type"), max_length=10, choices=Type, default=Type.USER)
    system_metadata = models.JSONField(_("system metadata"), null=True, blank=True)
    connector_subscription_id = models.TextField(_("connector subscription"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)
    deleted_at = models.DateTimeField(_("deleted"), null=True, blank=True, editable=False)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)

    objects = DirectoryQuerySet.as_manager()

    class Meta:
        verbose_name = _("directory")
        verbose_name_plural = _("directories")
        ordering: ClassVar = ["-created_at", "id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(name=""), name="directory_has_a_name"),
        ]

    def __str__(self) -> str:
        return self.name


class DirectoryFileQuerySet(models.QuerySet["DirectoryFile"]):
    def live(self) -> Self:
        return self.filter(deleted_at=None, directory__deleted_at=None)

    def visible_to(self, actor: Actor) -> Self:
        """Deleted ones included, as for directories."""
        return self.filter(in_reach(actor, Role.EDITOR, path="directory__project"))

    editable_by = visible_to


class DirectoryFile(models.Model):
    """A file as filed in a directory, under a name and with metadata of its own."""

    id = models.CharField(
        primary_key=True, max_length=40, default=directory_file_id, editable=False
    )
    directory = models.ForeignKey(
        Directory, models.CASCADE, related_name="directory_files", verbose_name=_("directory")
    )
    file = models.ForeignKey(
        File, models.CASCADE, related_name="directory_files", verbose_name=_("file")
    )
    display_name = models.TextField(_("name"))
    unique_id = models.TextField(_("unique ID"))
    metadata = models.JSONField(  # {key: str|int|float|bool|None|[str]}
        _("metadata"), default=dict, blank=True
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)
    deleted_at = models.DateTimeField(_("deleted"), null=True, blank=True, editable=False)

    objects = DirectoryFileQuerySet.as_manager()

    class Meta:
        verbose_name = _("file in a directory")
        verbose_name_plural = _("files in directories")
        ordering: ClassVar = ["display_name", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["directory", "unique_id"],
                condition=Q(deleted_at=None),
                name="unique_id_in_directory",
            )
        ]

    def __str__(self) -> str:
        return self.display_name

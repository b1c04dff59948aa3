"""Filing: directories, and files in them."""

from collections.abc import Mapping
from typing import Any

from django.core.files.base import File as Upload
from django.db import IntegrityError, transaction
from django.utils import timezone

from chat.errors import Settled
from chat.models import Actor, Directory, DirectoryFile, File, Project

from .files import allow_editing, delete_file, store_file


def create_directory(actor: Actor, project: Project, name: str, **fields: Any) -> Directory:
    """``fields`` are those of the model. Raises ``Forbidden``."""
    allow_editing(actor, project)
    return Directory.objects.create(project=project, name=name, **fields)


def update_directory(directory: Directory, **changes: Any) -> Directory:
    for field, value in changes.items():
        setattr(directory, field, value)
    directory.save(update_fields=[*changes, "updated_at"])
    return directory


def delete_directory(directory: Directory) -> None:
    """Its files go with it; indexes that follow it keep what they have until their next sync."""
    now = timezone.now()
    with transaction.atomic():
        directory.directory_files.filter(deleted_at=None).update(deleted_at=now, updated_at=now)
        Directory.objects.filter(pk=directory.pk).update(deleted_at=now, updated_at=now)


def add_file(
    directory: Directory,
    file: File,
    *,
    display_name: str | None = None,
    unique_id: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> DirectoryFile:
    """File it. Raises ``Settled`` when the directory has a file of that unique id."""
    entry = DirectoryFile(
        directory=directory,
        file=file,
        display_name=display_name or file.name,
        unique_id=unique_id or file.external_file_id or file.name,
        metadata=dict(metadata or {}),
    )
    return _save(entry, force_insert=True)


def upload_file(
    actor: Actor,
    directory: Directory,
    name: str,
    upload: Upload,
    *,
    external_file_id: str | None = None,
    **entry: Any,
) -> DirectoryFile:
    """Store the bytes and file them, or neither. ``entry`` is as for ``add_file``.

    Raises ``Forbidden``, ``TooLarge`` and ``Settled``.
    """
    file = store_file(actor, directory.project, name, upload, external_file_id=external_file_id)
    try:
        return add_file(directory, file, **entry)
    except BaseException:
        delete_file(file)
        raise


def update_file(entry: DirectoryFile, **changes: Any) -> DirectoryFile:
    """Rename, describe or move (``directory``) an entry. Raises ``Settled`` as ``add_file``."""
    for field, value in changes.items():
        setattr(entry, field, value)
    return _save(entry, update_fields=[*changes, "updated_at"])


def remove_file(entry: DirectoryFile) -> None:
    """Take it out of its directory; the file itself stays."""
    now = timezone.now()
    DirectoryFile.objects.filter(pk=entry.pk, deleted_at=None).update(
        deleted_at=now, updated_at=now
    )


def _save(entry: DirectoryFile, **how: Any) -> DirectoryFile:
    try:
        with transaction.atomic():
            entry.save(**how)
    except IntegrityError as exc:
        raise Settled(
            f"This directory already has a file with the unique id “{entry.unique_id}”."
        ) from exc
    return entry

"""Taking in bytes, and giving them up."""

import hashlib

from django.conf import settings
from django.core.files.base import File as Upload
from django.db import transaction
from django.utils import timezone

from chat.errors import Forbidden, NoRoom, TooLarge, is_full
from chat.models import Actor, DirectoryFile, File, Project, Role


def allow_editing(actor: Actor, project: Project) -> None:
    """Raises ``Forbidden`` unless the actor may add documents to the project."""
    if not Project.objects.visible_to(actor, Role.EDITOR).filter(pk=project.pk).exists():
        raise Forbidden("You may read this project, but not change its documents.")


def store_file(
    actor: Actor,
    project: Project,
    name: str,
    upload: Upload,
    purpose: str = File.Purpose.USER_DATA,
    external_file_id: str | None = None,
) -> File:
    """Keep the upload's bytes under the name, which is only a name and may look like a path.

    Read in pieces, never held whole. Raises ``Forbidden``, ``TooLarge`` and ``NoRoom``.
    """
    allow_editing(actor, project)
    if upload.size > settings.MAX_UPLOAD_MB * 1024 * 1024:
        raise TooLarge(f"This file is larger than the {settings.MAX_UPLOAD_MB} MB allowed here.")
    file = File(
        project=project,
        name=name,
        purpose=purpose,
        external_file_id=external_file_id,
        size=upload.size,
        sha256=_sha256(upload),
    )
    content = file.content
    try:
        content.save(file.pk.hex, upload, save=False)
        file.save(force_insert=True)
    except BaseException as exc:
        content.storage.delete(content.name or content.field.generate_filename(file, file.pk.hex))
        if is_full(exc):
            raise NoRoom from exc
        raise
    return file


def _sha256(upload: Upload) -> str:
    digest = hashlib.sha256()
    for piece in upload.chunks():
        digest.update(piece)
    upload.seek(0)
    return digest.hexdigest()


def delete_file(file: File) -> None:
    """Take the file out of every directory and forget its bytes.

    What an index read from it is forgotten when the index is next synced.
    """
    now = timezone.now()
    with transaction.atomic():
        File.objects.filter(pk=file.pk, deleted_at=None).update(deleted_at=now)
        DirectoryFile.objects.filter(file=file, deleted_at=None).update(
            deleted_at=now, updated_at=now
        )
        transaction.on_commit(lambda: file.content.storage.delete(file.content.name))

"""Forgetting for good what was deleted: an index's chunks, a file's bytes.

Deleting only marks rows, which is done at once and can be undone for a while. What they held is
taken away later, a little at a time, so that nothing else has to wait.
"""

from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from chat import conf
from chat.models import Document, File

from .attachments import forget_attachments

KEPT_FOR = timedelta(hours=1)  # longer than a turn that began before may still search
AT_ONCE = 20  # documents, or files


def is_purge_due() -> bool:
    return _documents().exists() or _files().exists()


def purge_some() -> bool:
    """Do a small part of what is due; False when nothing was."""
    return _purge_documents() or _purge_files()


def _documents() -> QuerySet[Document]:
    """What deleted indexes have read. The indexes' rows stay: sessions name them."""
    return Document.objects.filter(index__deleted_at__lt=timezone.now() - KEPT_FOR)


def _purge_documents() -> bool:
    with transaction.atomic():
        found = list(_documents().order_by("pk").values_list("pk", flat=True)[:AT_ONCE])
        conf.search_backend().remove(found)
        Document.objects.filter(pk__in=found).delete()
    return bool(found)


def _files() -> QuerySet[File]:
    """Deleted files that still have bytes, or attachments."""
    return File.objects.exclude(deleted_at=None).exclude(content="")


def _purge_files() -> bool:
    found = list(_files().order_by("pk")[:AT_ONCE])
    for file in found:
        forget_attachments(file)
        file.content.storage.delete(file.content.name)
        File.objects.filter(pk=file.pk).update(content="")  # last: cut off before, it is redone
    return bool(found)

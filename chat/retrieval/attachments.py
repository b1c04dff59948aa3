"""What a sync keeps beside a file's text when its index asks: page images, items of each page.

Kept by storage under the file they were made from, by the name the wire knows them by.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from chat.models import File

KINDS = ("screenshots", "items")
SUFFIX = {"screenshots": "jpg", "items": "json"}
NAME = re.compile(r"(?:screenshots/page_[1-9]\d{0,6}\.jpg|items/page_[1-9]\d{0,6}\.json)")


@dataclass(frozen=True, slots=True)
class Attachment:
    name: str  # screenshots/page_1.jpg
    size: int  # bytes
    last_modified: datetime


def path_of(file: File, name: str) -> str:
    """Where storage keeps it. Raises ``ValueError`` for what cannot be an attachment's name."""
    if not NAME.fullmatch(name):
        raise ValueError(name)
    return f"attachments/{file.pk.hex}/{name}"


def attachments(file: File) -> list[Attachment]:
    """Those of a file, by kind and page."""
    return [_attachment(file, name) for kind in KINDS for name in _names(file, kind)]


def attachment(file: File, name: str) -> Attachment | None:
    try:
        return _attachment(file, name)
    except (ValueError, FileNotFoundError):
        return None


def save_attachment(file: File, name: str, content: bytes) -> None:
    """Keep it, in place of one of the same name."""
    path = path_of(file, name)
    default_storage.delete(path)
    default_storage.save(path, ContentFile(content))


def count_attachments(file: File, kind: str) -> int:
    return sum(1 for _ in _names(file, kind))


def names_between(kinds: Iterable[str], first: int | None, last: int | None) -> list[str]:
    """The attachments of those pages; of the only one where a file has none."""
    pages = range(first or 1, (last or first or 1) + 1)
    return [f"{kind}/page_{page}.{SUFFIX[kind]}" for kind in kinds for page in pages]


def forget_attachments(file: File) -> None:
    for one in attachments(file):
        default_storage.delete(path_of(file, one.name))


def _attachment(file: File, name: str) -> Attachment:
    path = path_of(file, name)
    return Attachment(name, default_storage.size(path), default_storage.get_modified_time(path))


def _names(file: File, kind: str) -> Iterator[str]:
    try:
        _, found = default_storage.listdir(f"attachments/{file.pk.hex}/{kind}")
    except FileNotFoundError:
        return
    names = [f"{kind}/{name}" for name in found]
    yield from sorted(filter(NAME.fullmatch, names), key=lambda name: (len(name), name))

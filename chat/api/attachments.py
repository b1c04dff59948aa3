"""Page images and items that a sync kept beside a file."""

from datetime import datetime

from django.db.models import Exists, OuterRef, Q
from ninja import Query
from pydantic import BaseModel, Field

from chat.errors import NotFound
from chat.models import DirectoryFile, Document, File
from chat.retrieval.attachments import attachment, attachments, path_of

from .content import SignedURL, sign
from .pagination import Page, Paging, paginate_list
from .routing import ProjectRouter, Request, find

router = ProjectRouter(tags=["Attachments"])


class Source(BaseModel):
    source_id: str = Field(description="A directory file (`dfl-…`) or a file.")


class AttachmentList(Source, Paging):
    pass


class AttachmentShown(BaseModel):
    name: str = Field(examples=["screenshots/page_1.jpg"])
    size: int = Field(examples=[48_213])
    last_modified: datetime


@router.get("", response=Page[AttachmentShown], summary="List a file's attachments")
def list_attachments(request: Request, query: Query[AttachmentList]):
    found = [
        AttachmentShown(name=one.name, size=one.size, last_modified=one.last_modified)
        for one in attachments(source(request, query.source_id))
    ]
    return paginate_list(
        found, "attachments", lambda one: [len(one.name), one.name], query, where="query"
    )


@router.get("/{path:attachment_name}", response=SignedURL, summary="Get an attachment's bytes")
def get_attachment(request: Request, attachment_name: str, query: Query[Source]):
    """Answers an address on this server that needs no key."""
    file = source(request, query.source_id)
    found = attachment(file, attachment_name)
    if found is None:
        raise NotFound("No such attachment.")
    return sign(request, path_of(file, found.name), found.name.rpartition("/")[2])


def source(request: Request, source_id: str) -> File:
    """The file, for those who keep it and those who may search an index that read it."""
    read = Document.objects.visible_to(request.auth)
    if not source_id.startswith("dfl-"):
        kept = Q(pk__in=File.objects.visible_to(request.auth))
        searched = Exists(read.filter(directory_file__file=OuterRef("pk")))
        return find(File.objects.live().filter(kept | searched), source_id)
    kept = Q(pk__in=DirectoryFile.objects.visible_to(request.auth))
    searched = Exists(read.filter(directory_file=OuterRef("pk")))
    entries = DirectoryFile.objects.live().filter(kept | searched)
    return find(entries.select_related("file"), source_id).file

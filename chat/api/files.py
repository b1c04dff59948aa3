"""Files: bytes with a name."""

from datetime import datetime, timedelta
from typing import Literal, Self
from uuid import UUID

from django.db.models import QuerySet
from ninja import File as FilePart
from ninja import Form, Query, UploadedFile
from pydantic import BaseModel, Field

from chat.actions import files
from chat.errors import Invalid
from chat.models import File, Project

from .content import LIFETIME, LONGEST, SignedURL, sign
from .errors import or_else
from .idempotency import idempotent_upload
from .pagination import Page, Paging, paginate
from .routing import NO_CONTENT, ProjectRouter, Request, find, find_all

router = ProjectRouter(tags=["Files"])

Purpose = Literal["user_data", "parse", "extract", "split", "classify", "sheet", "agent_app"]


class FileShown(BaseModel):
    id: UUID
    name: str = Field(examples=["pump.md"])
    project_id: UUID
    file_type: str | None = Field(
        description="The extension, lower case, without its dot.", examples=["md"]
    )
    purpose: str = Field(examples=["user_data"])
    external_file_id: str | None
    last_modified_at: datetime
    expires_at: datetime | None = Field(examples=[None])
    download_url: SignedURL | None = Field(
        description="Only with `expand=download_url`.", examples=[None]
    )

    @classmethod
    def of(cls, file: File, download_url: SignedURL | None = None) -> Self:
        return cls(
            id=file.pk,
            name=file.name,
            project_id=file.project_id,
            file_type=file.file_type,
            purpose=file.purpose,
            external_file_id=file.external_file_id,
            last_modified_at=file.last_modified_at,
            expires_at=file.expires_at,
            download_url=download_url,
        )


class Expansion(BaseModel):
    expand: list[str] = Field(default=[], description="`download_url` adds a signed address.")


class FileList(Expansion, Paging):
    file_name: str | None = Field(default=None, description="Exact.")
    file_ids: list[str] | None = None
    external_file_id: str | None = None
    order_by: Literal["name", "id", "created_at"] = Field(
        default="created_at", description="`name` and `id` ascending, `created_at` newest first."
    )


class FileFilter(BaseModel):
    file_name: str | None = None
    file_ids: list[str] | None = None
    external_file_id: str | None = None
    project_id: str | None = None
    data_source_id: str | None = Field(
        default=None, description="There are no data sources: finds none."
    )
    only_manually_uploaded: bool | None = None


class FileQuery(Paging):
    filter: FileFilter | None = None
    order_by: str | None = Field(default=None, examples=["name desc"])


EVERYTHING = FileQuery(page_size=None, page_token=None)


def shown(request: Request, file: File, expand: list[str]) -> FileShown:
    url = sign(request, file.content.name, file.name) if "download_url" in expand else None
    return FileShown.of(file, url)


def matching(request: Request, wanted: FileList | FileFilter) -> QuerySet[File]:
    """Files that pass the filters. Raises ``NotFound`` for an id that is not the caller's."""
    rows = File.objects.visible_to(request.auth).filter(project=request.project)
    if wanted.file_ids is not None:
        rows = find_all(rows, wanted.file_ids)
    if wanted.file_name:
        rows = rows.filter(name=wanted.file_name)
    if wanted.external_file_id:
        rows = rows.filter(external_file_id=wanted.external_file_id)
    return rows


def ordering(order_by: str | None) -> list[str]:
    """The fields of ``name, created_at desc``, made unique. Raises ``Invalid``."""
    fields = []
    for term in (order_by or "created_at desc").split(","):
        match term.split():
            case [("name" | "id" | "created_at") as field]:
                fields.append(field)
            case [("name" | "id" | "created_at") as field, ("asc" | "desc") as way]:
                fields.append(f"-{field}" if way == "desc" else field)
            case _:
                raise Invalid("Order by name, id or created_at, with asc or desc.", "order_by")
    return fields if {"id", "-id"} & set(fields) else [*fields, "id"]


@router.post("", response={200: FileShown} | or_else(403, 409, 413), summary="Upload a file")
@idempotent_upload
def create_file(
    request: Request,
    file: FilePart[UploadedFile],
    purpose: Form[Purpose],
    external_file_id: Form[str | None] = None,
):
    stored = files.store_file(
        request.auth, request.project, file.given_name, file, purpose, external_file_id
    )
    return FileShown.of(stored)


@router.get("", response=Page[FileShown], summary="List files")
def list_files(request: Request, query: Query[FileList]):
    order = {"name": ["name", "id"], "id": ["id"], "created_at": ["-created_at", "id"]}
    return paginate(
        matching(request, query),
        order[query.order_by],
        query,
        lambda found: [shown(request, file, query.expand) for file in found],
    )


@router.post("/query", response={200: Page[FileShown]} | or_else(413), summary="Find files")
def query_files(request: Request, query: FileQuery = EVERYTHING):
    wanted, order = query.filter or FileFilter(), ordering(query.order_by)
    if wanted.project_id:
        request.project = find(Project.objects.visible_to(request.auth), wanted.project_id)
    rows = matching(request, wanted)
    if wanted.data_source_id:
        rows = rows.none()
    return paginate(
        rows,
        order,
        query,
        lambda found: [FileShown.of(file) for file in found],
        where="body",
    )


@router.get("/{file_id}", response=FileShown, summary="Get a file")
def get_file(request: Request, file_id: str, query: Query[Expansion]):
    return shown(request, find(File.objects.visible_to(request.auth), file_id), query.expand)


@router.delete("/{file_id}", response={204: None}, summary="Delete a file")
def delete_file(request: Request, file_id: str):
    files.delete_file(find(File.objects.editable_by(request.auth), file_id))
    return NO_CONTENT


class Lifetime(BaseModel):
    expires_at_seconds: int = Field(
        default=int(LIFETIME.total_seconds()), ge=1, le=int(LONGEST.total_seconds())
    )


@router.get("/{file_id}/content", response=SignedURL, summary="Get a file's bytes")
def get_file_content(request: Request, file_id: str, query: Query[Lifetime]):
    """Answers an address on this server that needs no key and serves the exact bytes."""
    file = find(File.objects.visible_to(request.auth), file_id)
    lifetime = timedelta(seconds=query.expires_at_seconds)
    return sign(request, file.content.name, file.name, lifetime)

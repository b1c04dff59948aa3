"""Indexes and their syncs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from ninja import Query
from pydantic import BaseModel, Field

from chat.actions import indexes
from chat.models import Directory, Index
from chat.retrieval.status import index_statuses

from .errors import or_else
from .idempotency import idempotent
from .openapi import A_DIRECTORY, AN_INDEX
from .pagination import Page, Paging, paginate
from .routing import NO_CONTENT, ProjectRouter, Request, find, find_editable

router = ProjectRouter(tags=["Indexes"])


class IndexShown(BaseModel):
    """``sync_config_id`` and ``export_config_id`` are the index's own id: it is taken for both."""

    id: str = Field(examples=[AN_INDEX])
    name: str = Field(examples=["Manuals"])
    description: str | None
    project_id: UUID
    source_directory_id: str = Field(examples=[A_DIRECTORY])
    output_directory_id: str = Field(examples=[A_DIRECTORY])
    sync_config_id: str = Field(examples=[AN_INDEX])
    export_config_id: str = Field(examples=[AN_INDEX])
    created_at: datetime
    updated_at: datetime
    last_synced_at: datetime | None
    last_exported_at: datetime | None
    metadata: dict[str, Any] = Field(
        description="`status`: `pending`, `syncing`, then `ready` or `failed` with an "
        "`error_message`; counts of files, pages and chunks; `failed_files`.",
        examples=[
            {
                "status": "ready",
                "error_message": None,
                "files_total": 3,
                "files_done": 3,
                "files_failed": 0,
                "pages": 12,
                "chunks": 40,
                "failed_files": [],
            }
        ],
    )
    sync_in_progress: bool | None = Field(
        description="Only with `expand=sync_in_progress`.", examples=[None]
    )

    @classmethod
    def of(cls, index: Index, status: dict[str, Any], expand: Sequence[str] = ()) -> Self:
        in_progress = status["status"] in {"pending", "syncing"}
        return cls(
            id=index.pk,
            name=index.name,
            description=index.description,
            project_id=index.project_id,
            source_directory_id=index.directory_id,
            output_directory_id=index.directory_id,
            sync_config_id=index.pk,
            export_config_id=index.pk,
            created_at=index.created_at,
            updated_at=index.updated_at,
            last_synced_at=index.last_synced_at,
            last_exported_at=index.last_synced_at,
            metadata=status,
            sync_in_progress=in_progress if "sync_in_progress" in expand else None,
        )


class Product(BaseModel):
    product_type: Literal["parse", "extract"]
    product_config_id: str


class NewIndex(BaseModel):
    source_directory_id: str
    name: str | None = Field(default=None, description="Left out: the directory's.")
    description: str | None = None
    products: list[Product] | None = Field(
        default=None, description="Accepted; there is one way to parse."
    )
    store_attachments: list[Literal["screenshots", "items"]] | None = None
    sync_frequency: Literal["manual", "daily", "on_source_change"] = "manual"
    vector_target: Literal["DEFAULT", "DISABLED"] = Field(
        default="DEFAULT", description="`DISABLED`: searched by words alone."
    )


class IndexList(Paging):
    source_directory_id: str | None = None


class IndexExpansion(BaseModel):
    expand: list[Literal["sync_in_progress"]] = []


@router.post("", response={200: IndexShown} | or_else(409, 413), summary="Create an index")
@idempotent
def create_index(request: Request, new: NewIndex):
    """Its first sync starts at once; poll the index until `metadata.status` is `ready`."""
    rows = Directory.objects.editable_by(request.auth).live().filter(project=request.project)
    stored = set(new.store_attachments or ())
    index = indexes.create_index(
        request.auth,
        find(rows.select_related("project"), new.source_directory_id),
        new.name,
        description=new.description,
        store_screenshots="screenshots" in stored,
        store_items="items" in stored,
        sync_frequency=new.sync_frequency,
        uses_vectors=new.vector_target == "DEFAULT",
    )
    return shown([index])[0]


@router.get("", response=Page[IndexShown], summary="List indexes")
def list_indexes(request: Request, query: Query[IndexList]):
    rows = Index.objects.visible_to(request.auth).filter(project=request.project)
    if query.source_directory_id:
        directories = Directory.objects.filter(project=request.project)
        rows = rows.filter(directory=find(directories, query.source_directory_id))
    return paginate(rows, ["-created_at", "id"], query, shown)


@router.get("/{index_id}", response=IndexShown, summary="Get an index")
def get_index(request: Request, index_id: str, query: Query[IndexExpansion]):
    return shown([find(Index.objects.visible_to(request.auth), index_id)], query.expand)[0]


@router.delete("/{index_id}", response={204: None} | or_else(403), summary="Delete an index")
def delete_index(request: Request, index_id: str):
    """Its directory, the files in it and the sessions about it stay."""
    indexes.delete_index(editable(request, index_id))
    return NO_CONTENT


@router.post("/{index_id}/sync", response={200: dict} | or_else(403, 409), summary="Sync an index")
def sync_index(request: Request, index_id: str):
    """Makes the index equal its directory; until that is done the last version answers."""
    indexes.request_sync(editable(request, index_id))
    return {}


@router.post(
    "/{index_id}/sync/cancel", response={200: dict} | or_else(403, 409), summary="Cancel a sync"
)
def cancel_sync(request: Request, index_id: str):
    indexes.cancel_sync(editable(request, index_id))
    return {}


def shown(found: Sequence[Index], expand: Sequence[str] = ()) -> list[IndexShown]:
    statuses = index_statuses(found)
    return [IndexShown.of(index, statuses[index.pk], expand) for index in found]


def editable(request: Request, index_id: str) -> Index:
    actor = request.auth
    return find_editable(
        Index.objects.visible_to(actor), Index.objects.editable_by(actor), index_id
    )

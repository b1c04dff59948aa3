"""Directories, and the files filed in them."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

import orjson
import pydantic
from django.db.models import QuerySet
from ninja import File as FilePart
from ninja import Form, Query, UploadedFile
from pydantic import AfterValidator, BaseModel, Field, TypeAdapter

from chat.actions import directories
from chat.errors import Invalid, NotFound
from chat.models import Directory, DirectoryFile, File

from .content import SignedURL, sign
from .errors import or_else
from .files import Expansion
from .idempotency import idempotent, idempotent_upload
from .openapi import A_DIRECTORY, A_DIRECTORY_FILE
from .pagination import Page, Paging, paginate
from .parsing import holds_nul
from .routing import NO_CONTENT, ProjectRouter, Request, find

router = ProjectRouter(tags=["Directories"])


def in_utc(moment: datetime) -> datetime:
    """A time without an offset is taken to be in UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


Kind = Literal["user", "index", "ephemeral"]
Moment = Annotated[datetime, AfterValidator(in_utc)]
Metadata = dict[str, str | bool | int | float | list[str] | None]


class DirectoryShown(BaseModel):
    id: str = Field(examples=[A_DIRECTORY])
    name: str = Field(examples=["Manuals"])
    project_id: UUID
    description: str | None
    type: Kind
    system_metadata: dict[str, Any] | None = Field(examples=[None])
    connector_subscription_id: str | None
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = Field(examples=[None])
    expires_at: datetime | None = Field(examples=[None])

    @classmethod
    def of(cls, directory: Directory) -> Self:
        return cls.model_validate(directory, from_attributes=True)


class NewDirectory(BaseModel):
    name: str = Field(min_length=1, examples=["Handbooks"])
    description: str | None = None
    type: Literal["user", "ephemeral"] = "user"
    system_metadata: dict[str, Any] | None = None
    connector_subscription_id: str | None = Field(
        default=None, description="Kept, not acted on: there are no connectors."
    )


class DirectoryChanges(BaseModel):
    name: str | None = Field(default=None, min_length=1)
    description: str | None = None


class DirectoryList(Paging):
    name: str | None = Field(default=None, description="Exact.")
    type: Kind | None = None
    types: list[Kind] | None = None
    include_deleted: bool = False


@router.post(
    "", response={200: DirectoryShown} | or_else(403, 409, 413), summary="Create a directory"
)
@idempotent
def create_directory(request: Request, directory: NewDirectory):
    return DirectoryShown.of(
        directories.create_directory(request.auth, request.project, **directory.model_dump())
    )


@router.get("", response=Page[DirectoryShown], summary="List directories")
def list_directories(request: Request, query: Query[DirectoryList]):
    rows = Directory.objects.visible_to(request.auth).filter(project=request.project)
    if not query.include_deleted:
        rows = rows.live()
    if query.name:
        rows = rows.filter(name=query.name)
    kinds = {*(query.types or ()), *([query.type] if query.type else ())}
    if kinds:
        rows = rows.filter(type__in=kinds)
    return paginate(
        rows, ["-created_at", "id"], query, lambda found: [DirectoryShown.of(one) for one in found]
    )


@router.get("/{directory_id}", response=DirectoryShown, summary="Get a directory")
def get_directory(request: Request, directory_id: str):
    return DirectoryShown.of(directory_of(request, directory_id))


@router.patch(
    "/{directory_id}", response={200: DirectoryShown} | or_else(413), summary="Change a directory"
)
def update_directory(request: Request, directory_id: str, changes: DirectoryChanges):
    given = changes.model_dump(exclude_unset=True)
    if given.get("name", "") is None:
        del given["name"]  # some clients send null for what they leave alone
    directory = directory_of(request, directory_id)
    return DirectoryShown.of(directories.update_directory(directory, **given))


@router.delete("/{directory_id}", response={204: None}, summary="Delete a directory")
def delete_directory(request: Request, directory_id: str):
    directories.delete_directory(directory_of(request, directory_id))
    return NO_CONTENT


def directory_of(request: Request, directory_id: str) -> Directory:
    rows = Directory.objects.editable_by(request.auth).live().select_related("project")
    return find(rows, directory_id)


# The files in a directory ---------------------------------------------------------------------


class DirectoryFileShown(BaseModel):
    id: str = Field(examples=[A_DIRECTORY_FILE])
    directory_id: str = Field(examples=[A_DIRECTORY])
    project_id: UUID
    display_name: str = Field(examples=["pump.md"])
    unique_id: str = Field(examples=["pump.md"])
    file_id: UUID
    metadata: Metadata = Field(examples=[{"year": 2026, "teams": ["legal"]}])
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = Field(examples=[None])
    download_url: SignedURL | None = Field(
        description="Only with `expand=download_url`.", examples=[None]
    )

    @classmethod
    def of(cls, entry: DirectoryFile, download_url: SignedURL | None = None) -> Self:
        return cls(
            id=entry.pk,
            directory_id=entry.directory_id,
            project_id=entry.directory.project_id,
            display_name=entry.display_name,
            unique_id=entry.unique_id,
            file_id=entry.file_id,
            metadata=entry.metadata,
            created_at=entry.created_at,
            updated_at=entry.updated_at,
            deleted_at=entry.deleted_at,
            download_url=download_url,
        )


class NewDirectoryFile(BaseModel):
    file_id: str
    display_name: str | None = Field(default=None, description="Left out: the file's name.")
    unique_id: str | None = Field(
        default=None, description="Left out: the file's `external_file_id`, else its name."
    )
    metadata: Metadata | None = Field(default=None, examples=[{"year": 2026, "teams": ["legal"]}])


class DirectoryFileChanges(BaseModel):
    display_name: str | None = Field(default=None, min_length=1)
    unique_id: str | None = Field(default=None, min_length=1)
    metadata: Metadata | None = Field(default=None, description="Replaces what was there.")
    target_directory_id: str | None = Field(default=None, description="Moves the file there.")


class DirectoryFileList(Expansion, Paging):
    display_name: str | None = Field(default=None, description="Exact.")
    display_name_contains: str | None = Field(default=None, description="Whatever its case.")
    file_id: str | None = None
    unique_id: str | None = None
    updated_at_on_or_after: Moment | None = None
    updated_at_on_or_before: Moment | None = None
    include_deleted: bool = False


@router.post(
    "/{directory_id}/files",
    response={200: DirectoryFileShown} | or_else(409, 413),
    summary="File a file",
)
@idempotent
def add_file(request: Request, directory_id: str, new: NewDirectoryFile):
    directory = directory_of(request, directory_id)
    rows = File.objects.visible_to(request.auth).filter(project=directory.project)
    entry = directories.add_file(
        directory, find(rows, new.file_id), **new.model_dump(exclude={"file_id"})
    )
    return DirectoryFileShown.of(entry)


@router.post(
    "/{directory_id}/files/upload",
    response={200: DirectoryFileShown} | or_else(409, 413),
    summary="Upload and file",
)
@idempotent_upload
def upload_file(
    request: Request,
    directory_id: str,
    upload_file: FilePart[UploadedFile],
    display_name: Form[str | None] = None,
    unique_id: Form[str | None] = None,
    external_file_id: Form[str | None] = None,
    metadata: Form[str | None] = None,
):
    described = metadata_of(metadata)
    entry = directories.upload_file(
        request.auth,
        directory_of(request, directory_id),
        upload_file.given_name,
        upload_file,
        external_file_id=external_file_id,
        display_name=display_name,
        unique_id=unique_id,
        metadata=described,
    )
    return DirectoryFileShown.of(entry)


def metadata_of(text: str | None) -> Metadata:
    """The metadata in a form field. Raises ``Invalid``."""
    if not text:
        return {}
    try:
        metadata = TypeAdapter(Metadata).validate_python(orjson.loads(text))
    except (orjson.JSONDecodeError, pydantic.ValidationError) as exc:
        raise Invalid(
            "Metadata is a JSON object of texts, numbers, booleans, nulls and lists of texts.",
            "metadata",
        ) from exc
    if holds_nul(metadata):
        raise Invalid("Text may not contain the character NUL.", "metadata")
    return metadata


@router.get("/{directory_id}/files", response=Page[DirectoryFileShown], summary="List its files")
def list_directory_files(request: Request, directory_id: str, query: Query[DirectoryFileList]):
    rows = filtered(request, directory_of(request, directory_id), query)
    return paginate(
        rows.select_related("directory", "file"),
        ["display_name", "id"],
        query,
        lambda found: [shown(request, entry, query.expand) for entry in found],
    )


def filtered(
    request: Request, directory: Directory, query: DirectoryFileList
) -> QuerySet[DirectoryFile]:
    rows = DirectoryFile.objects.visible_to(request.auth).filter(directory=directory)
    if not query.include_deleted:
        rows = rows.live()
    if query.file_id:
        rows = rows.filter(file=find(File.objects.visible_to(request.auth), query.file_id))
    conditions = {
        "display_name": query.display_name,
        "display_name__icontains": query.display_name_contains,
        "unique_id": query.unique_id,
        "updated_at__gte": query.updated_at_on_or_after,
        "updated_at__lte": query.updated_at_on_or_before,
    }
    return rows.filter(**{key: value for key, value in conditions.items() if value is not None})


@router.get(
    "/{directory_id}/files/{directory_file_id}",
    response=DirectoryFileShown,
    summary="Get a filed file",
)
def get_directory_file(
    request: Request, directory_id: str, directory_file_id: str, query: Query[Expansion]
):
    return shown(request, entry_of(request, directory_id, directory_file_id), query.expand)


@router.patch(
    "/{directory_id}/files/{directory_file_id}",
    response={200: DirectoryFileShown} | or_else(409, 413),
    summary="Rename, describe or move a filed file",
)
def update_directory_file(
    request: Request, directory_id: str, directory_file_id: str, changes: DirectoryFileChanges
):
    entry = entry_of(request, directory_id, directory_file_id)
    given = {k: v for k, v in changes.model_dump(exclude_unset=True).items() if v is not None}
    if target := given.pop("target_directory_id", None):
        given["directory"] = directory_of(request, target)
        if given["directory"].project_id != entry.directory.project_id:
            raise NotFound("No such directory.")
    return DirectoryFileShown.of(directories.update_file(entry, **given))


@router.delete(
    "/{directory_id}/files/{directory_file_id}", response={204: None}, summary="Take a file out"
)
def remove_directory_file(request: Request, directory_id: str, directory_file_id: str):
    directories.remove_file(entry_of(request, directory_id, directory_file_id))
    return NO_CONTENT


def entry_of(request: Request, directory_id: str, directory_file_id: str) -> DirectoryFile:
    """The entry, if it is in that directory."""
    rows = DirectoryFile.objects.editable_by(request.auth).live()
    directory = directory_of(request, directory_id)
    return find(
        rows.filter(directory=directory).select_related("directory", "file"), directory_file_id
    )


def shown(request: Request, entry: DirectoryFile, expand: list[str]) -> DirectoryFileShown:
    wanted = "download_url" in expand and not entry.file.deleted_at
    url = sign(request, entry.file.content.name, entry.display_name) if wanted else None
    return DirectoryFileShown.of(entry, url)

"""Projects, in the two shapes the SDKs ask for: a plain list, and pages."""

from datetime import datetime
from typing import Self
from uuid import UUID

from ninja import Query, Router
from pydantic import BaseModel, Field

from chat.models import ORGANIZATION_ID, Project

from .errors import EVERYWHERE
from .pagination import Page, Paging, paginate
from .routing import AbsentOrUUID, Request, Scope, find, project_of

v1 = Router(tags=["Projects"])
v2 = Router(tags=["Projects"])


class ProjectShown(BaseModel):
    id: UUID
    name: str = Field(examples=["Default"])
    organization_id: UUID = Field(examples=[str(ORGANIZATION_ID)])
    is_default: bool = Field(examples=[True])
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, project: Project) -> Self:
        return cls(
            id=project.pk,
            name=project.name,
            organization_id=ORGANIZATION_ID,
            is_default=project.is_default,
            created_at=project.created_at,
            updated_at=project.updated_at,
        )


class Organization(BaseModel):
    organization_id: AbsentOrUUID = Field(default=None, description="This installation has one.")


class ByProjectName(Organization):
    project_name: str | None = None


class ByName(Organization):
    name: str | None = None


def visible(request: Request, organization: Organization, name: str | None = None):
    """The caller's projects. Raises ``NotFound`` for a foreign organisation."""
    project_of(request.auth, Scope(organization_id=organization.organization_id))
    rows = Project.objects.visible_to(request.auth)
    return rows.filter(name=name) if name else rows


@v1.get("", response={200: list[ProjectShown]} | EVERYWHERE, summary="List projects")
def list_projects(request: Request, query: Query[ByProjectName]):
    return [ProjectShown.of(project) for project in visible(request, query, query.project_name)]


@v1.get("/{project_id}", response={200: ProjectShown} | EVERYWHERE, summary="Get a project")
def get_project(request: Request, project_id: str, query: Query[Organization]):
    return ProjectShown.of(find(visible(request, query), project_id))


@v2.get("", response={200: Page[ProjectShown]} | EVERYWHERE, summary="List projects in pages")
def list_projects_v2(request: Request, query: Query[ByName], paging: Query[Paging]):
    rows = visible(request, query, query.name)
    return paginate(
        rows, ["name", "id"], paging, lambda found: [ProjectShown.of(one) for one in found]
    )


@v2.get("/{project_id}", response={200: ProjectShown} | EVERYWHERE, summary="Get a project")
def get_project_v2(request: Request, project_id: str, query: Query[Organization]):
    return ProjectShown.of(find(visible(request, query), project_id))

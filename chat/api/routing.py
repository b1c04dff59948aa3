"""How an operation gets at its project and its rows."""

from collections.abc import Callable, Collection
from contextlib import suppress
from functools import wraps
from typing import Annotated, Any, TypeVar, cast
from uuid import UUID

from asgiref.sync import iscoroutinefunction
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from ninja import Router, Status
from ninja.params.models import Query as QueryPart
from ninja.utils import contribute_operation_args
from pydantic import BaseModel, Field, WithJsonSchema

from chat.errors import Forbidden, NotFound
from chat.models import ORGANIZATION_ID, Actor, Project
from chat.models.threads import in_thread

from .auth import WaitingKey
from .errors import EVERYWHERE

Row = TypeVar("Row", bound=Model)

NO_CONTENT = Status(204, None)


class Request(HttpRequest):
    """A request that came through a key, to a project the key opens."""

    auth: Actor
    project: Project


# An empty value is an absent one; some clients write null that way.
AbsentOrUUID = Annotated[
    UUID | None,
    WithJsonSchema(
        {"anyOf": [{"type": "string", "format": "uuid"}, {"const": ""}, {"type": "null"}]}
    ),
]


class Scope(BaseModel):
    project_id: AbsentOrUUID = Field(default=None, description="Left out: the key's own project.")
    organization_id: AbsentOrUUID = Field(
        default=None, description="Left out: this installation's only one."
    )


class ProjectRouter(Router):
    """Its operations accept ``project_id`` and ``organization_id`` and find ``request.project``.

    The project is looked up after the request was found well formed, before the operation runs.
    """

    def add_api_operation(
        self,
        path: str,
        methods: list[str],
        view_func: Callable,
        *,
        response: Any = None,
        **rest: Any,
    ) -> None:
        success = response if isinstance(response, dict) else {200: response}
        if iscoroutinefunction(view_func):
            rest["auth"] = WaitingKey()
        super().add_api_operation(
            path, methods, in_project(view_func), response=success | EVERYWHERE, **rest
        )


def in_project(view: Callable) -> Callable:
    @wraps(view)
    def direct(request: Request, scope: Scope, **values: Any) -> Any:
        request.project = project_of(request.auth, scope)
        return view(request, **values)

    @wraps(view)
    async def waiting(request: Request, scope: Scope, **values: Any) -> Any:
        own = own_project(request.auth, scope)
        request.project = own or await _project_of(request.auth, scope)
        return await view(request, **values)

    scoped = waiting if iscoroutinefunction(view) else direct
    contribute_operation_args(scoped, "scope", Scope, QueryPart(...))
    return scoped


def project_of(actor: Actor, scope: Scope) -> Project:
    """The project a request is about. Raises ``NotFound`` for one that is not the caller's."""
    own = own_project(actor, scope)
    project = own or Project.objects.visible_to(actor).filter(pk=scope.project_id).first()
    if project is None:
        raise NotFound("No such project.")
    return project


_project_of = in_thread(project_of)


def own_project(actor: Actor, scope: Scope) -> Project | None:
    """The key's own, which was read with it, if the request names no other."""
    if scope.organization_id not in (None, ORGANIZATION_ID):
        raise NotFound("No such organization.")
    key = actor.key
    return key.project if key and scope.project_id in (None, key.project_id) else None


def find(rows: QuerySet[Row], pk: object) -> Row:
    """The row, or ``NotFound``: worded alike for an id that is unknown, foreign or nonsense."""
    try:
        return rows.get(pk=pk)
    except (rows.model.DoesNotExist, ValidationError, ValueError) as exc:
        raise no_such(rows) from exc


def find_all(rows: QuerySet[Row], pks: Collection[str]) -> QuerySet[Row]:
    """Those rows alone, in one query; ``NotFound`` as from ``find`` if one of them is missing."""
    missing, key = no_such(rows), cast(models.Field, rows.model._meta.pk)
    try:
        wanted = {key.to_python(pk) for pk in pks}  # one may be spelt in many ways
    except ValidationError as exc:
        raise missing from exc
    found = rows.filter(pk__in=wanted)
    if found.count() < len(wanted):
        raise missing
    return found


def find_editable(rows: QuerySet[Row], editable: QuerySet[Row], pk: object) -> Row:
    """As ``find``; raises ``Forbidden`` for a row that may be read but not changed."""
    with suppress(NotFound):
        return find(editable, pk)
    find(rows, pk)
    raise Forbidden(f"You may see this {rows.model._meta.verbose_name}, but not change it.")


def no_such(rows: QuerySet) -> NotFound:
    return NotFound(f"No such {rows.model._meta.verbose_name}.")

"""Rows to test with, each made with the fewest words; what is not said does not matter."""

from itertools import count
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser
from django.core.files.base import ContentFile
from django.utils import timezone

from chat.actions.directories import add_file
from chat.actions.files import store_file
from chat.models import (
    Actor,
    APIKey,
    BoundIndex,
    Directory,
    DirectoryFile,
    Index,
    Membership,
    Project,
    Role,
    Session,
)

numbers = count(1)


def make_project(name: str = "") -> Project:
    return Project.objects.create(name=name or f"Project {next(numbers)}")


def make_user(
    name: str = "", role: Role | None = Role.VIEWER, project: Project | None = None, **fields: Any
) -> AbstractUser:
    """An account with this role in this project (the default one) and in no other."""
    fields = {"password": "reading room", **fields}
    user = get_user_model().objects.create_user(name or f"person{next(numbers)}", **fields)
    Membership.objects.filter(user=user).delete()
    if role is not None:
        Membership.objects.create(user=user, project=project or Project.default(), role=role)
    return user


def make_admin(name: str = "") -> AbstractUser:
    return make_user(name, Role.MANAGER, is_staff=True, is_superuser=True)


def make_actor(role: Role | None = Role.EDITOR, project: Project | None = None) -> Actor:
    return Actor(make_user(role=role, project=project))


def make_key(
    user: AbstractUser | None = None, project: Project | None = None
) -> tuple[APIKey, str]:
    """A key and its secret; a manager's own, unless told whose."""
    project = project or Project.default()
    return APIKey.issue("test", user or make_user(role=Role.MANAGER, project=project), project)


def make_directory(name: str = "Papers", project: Project | None = None) -> Directory:
    return Directory.objects.create(name=name, project=project or Project.default())


def make_file(
    directory: Directory, name: str = "note.md", content: str | bytes = "# Note\n\nA reading room."
) -> DirectoryFile:
    """Stored and filed, as by an upload."""
    upload = ContentFile(content.encode() if isinstance(content, str) else content, name=name)
    editor = make_actor(Role.EDITOR, directory.project)
    return add_file(directory, store_file(editor, directory.project, name, upload))


def make_index(
    name: str = "Papers",
    directory: Directory | None = None,
    project: Project | None = None,
    synced: bool = True,
    **fields: Any,
) -> Index:
    """A row that says it was synced, so it may be asked; what it holds is nothing yet."""
    directory = directory or make_directory(name, project)
    fields.setdefault("last_synced_at", timezone.now() if synced else None)
    return Index.objects.create(name=name, directory=directory, project=directory.project, **fields)


def make_session(
    owner: AbstractUser | None = None,
    indexes: tuple[Index, ...] = (),
    project: Project | None = None,
    **fields: Any,
) -> Session:
    """Bound to these indexes, or unbound when none is given."""
    project = project or (indexes[0].project if indexes else Project.default())
    session = Session.objects.create(
        owner=owner or make_user(project=project),
        project=project,
        is_bound=bool(indexes),
        **fields,
    )
    for position, index in enumerate(indexes):
        BoundIndex.objects.create(session=session, index=index, position=position)
    return session

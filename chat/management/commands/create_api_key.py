"""``manage.py create_api_key NAME``: a key for a script or another program."""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q

from chat.models import APIKey, Project


class Command(BaseCommand):
    help = "Make an API key and print it, alone, on stdout. It cannot be shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="what the key is for")
        parser.add_argument("--user", help="whose rights it has (default: the first superuser)")
        parser.add_argument("--project", help="name or id of the project (default: the default)")

    def handle(self, *, name: str, user: str | None, project: str | None, **options: Any) -> None:
        owner = find_user(user)
        _key, secret = APIKey.issue(name, owner, find_project(owner, project))
        self.stdout.write(secret)


def find_user(username: str | None) -> AbstractUser:
    accounts = get_user_model()._default_manager.filter(is_active=True)
    wanted = Q(username=username) if username else Q(is_superuser=True)
    user = accounts.filter(wanted).order_by("pk").first()
    if user is None and username:
        raise CommandError(f"No active user is called {username!r}.")
    if user is None:
        raise CommandError("There is no superuser yet. Run manage.py quickstart --no-serve first.")
    return user


def find_project(owner: AbstractUser, project: str | None) -> Project:
    """One of the owner's: a key to any other would open nothing."""
    if not project:
        return Project.default()
    projects = Project.objects.filter(members=owner)
    found = list(projects.filter(Q(pk=project) if is_uuid(project) else Q(name=project))[:2])
    if len(found) != 1:
        several = "More than one project is" if found else f"{owner} is a member of no project"
        raise CommandError(f"{several} called {project!r}. Give its id.")
    return found[0]


def is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True

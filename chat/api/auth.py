"""Who is calling: a bearer key, and nothing else. A browser's cookie opens nothing here."""

from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db import models
from django.http import HttpRequest
from django.utils import timezone
from ninja.security import HttpBearer

from chat.errors import if_there_is_room
from chat.models import Actor, APIKey, Project
from chat.models.prepared import Prepared, columns, made
from chat.models.projects import digest
from chat.models.threads import in_thread

OPERATIONS = ("/api/v1/", "/api/v2/")  # where their addresses begin; else there are but pages
USE_NOTED_EVERY = timedelta(minutes=1)


class Key(HttpBearer):
    """An API key, as ``Authorization: Bearer crl-…``."""

    def authenticate(self, request: HttpRequest, token: str) -> Actor | None:
        return actor_of(token)


class WaitingKey(HttpBearer):
    """The same, for operations that must not block."""

    async def authenticate(self, request: HttpRequest, token: str) -> Actor | None:
        return await in_thread(actor_of)(token)


async def is_known(scope: dict[str, Any]) -> bool:
    """Whether a request that is answered before Django reads it has a key, or needs none."""
    if not scope["path"].startswith(OPERATIONS):
        return True
    given = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
    kind, _, token = given.partition(" ")
    return kind.lower() == "bearer" and await in_thread(actor_of)(token) is not None


WaitingKey.__name__ = Key.__name__  # to whoever reads the API's document, the two are one


def _with_user_and_project(digest: str) -> models.QuerySet:
    user, project = columns(get_user_model(), "user__"), columns(Project, "project__")
    return APIKey.objects.with_digest(digest).values_list(*columns(APIKey), *user, *project)


_keys = Prepared(_with_user_and_project, digest=models.CharField())


def actor_of(token: str) -> Actor | None:
    row = _keys.first(digest=digest(token.strip()))
    if row is None:
        return None
    of_key, of_project = len(columns(APIKey)), len(columns(Project))
    key = made(APIKey, row[:of_key])
    key.user = made(get_user_model(), row[of_key:-of_project])
    key.project = made(Project, row[-of_project:])
    note_use(key)
    return Actor(key.user, key)


def note_use(key: APIKey) -> None:
    """Write down that the key is in use; not at every call, each write would wait its turn."""
    now = timezone.now()
    if key.last_used_at is None or key.last_used_at < now - USE_NOTED_EVERY:
        with if_there_is_room():
            APIKey.objects.filter(pk=key.pk).update(last_used_at=now)

"""Who is calling: a bearer key, and nothing else. A browser's cookie opens nothing here."""

from datetime import timedelta

from django.http import HttpRequest
from django.utils import timezone
from ninja.security import HttpBearer

from chat.models import Actor, APIKey
from chat.models.threads import in_thread

USE_NOTED_EVERY = timedelta(minutes=1)


class Key(HttpBearer):
    """An API key, as ``Authorization: Bearer crl-…``."""

    def authenticate(self, request: HttpRequest, token: str) -> Actor | None:
        return actor_of(token)


class WaitingKey(HttpBearer):
    """The same, for operations that must not block."""

    async def authenticate(self, request: HttpRequest, token: str) -> Actor | None:
        return await in_thread(actor_of)(token)


WaitingKey.__name__ = Key.__name__  # to whoever reads the API's document, the two are one


def actor_of(token: str) -> Actor | None:
    key = APIKey.objects.for_secret(token.strip()).first()
    if key is None:
        return None
    note_use(key)
    return Actor(key.user, key)


def note_use(key: APIKey) -> None:
    """Write down that the key is in use; not at every call, each write would wait its turn."""
    now = timezone.now()
    if key.last_used_at is None or key.last_used_at < now - USE_NOTED_EVERY:
        APIKey.objects.filter(pk=key.pk).update(last_used_at=now)

"""Addresses of bytes that need no key: signed, for a while, and served as attachments only."""

import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

from asgiref.sync import sync_to_async
from django.core import signing
from django.core.files.storage import default_storage
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import content_disposition_header
from pydantic import BaseModel, Field

from .errors import problem

SALT = "chat.api.content"
LIFETIME = timedelta(hours=1)
LONGEST = timedelta(days=7)
PIECE = 256 * 1024
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class SignedURL(BaseModel):
    """Where to fetch the bytes until then, without a key."""

    url: str = Field(examples=["https://carrel.example.org/api/v1/content/WyJmaWxlcy8wYjdm…"])
    expires_at: datetime
    form_fields: dict[str, str] | None = Field(default=None, examples=[None])


def sign(request: HttpRequest, path: str, name: str, lifetime: timedelta = LIFETIME) -> SignedURL:
    """An address for what storage keeps at the path, to be saved under the name."""
    expires_at = timezone.now().replace(microsecond=0) + lifetime
    token = signing.dumps([path, name, int(expires_at.timestamp())], salt=SALT)
    return SignedURL(
        url=request.build_absolute_uri(reverse("api-content", args=[token])), expires_at=expires_at
    )


async def content(request: HttpRequest, token: str) -> HttpResponse | StreamingHttpResponse:
    """The exact bytes. 403 for an address that is not ours or too old, 404 once they are gone."""
    try:
        path, name, expires = signing.loads(token, salt=SALT)
    except signing.BadSignature:
        return problem("This address was not made here, or has been changed.", 403)
    if expires < timezone.now().timestamp():
        return problem("This address has expired. Ask for a new one.", 403)
    try:
        size = await sync_to_async(default_storage.size)(path)
    except FileNotFoundError:
        return problem("These bytes have been deleted.", 404)
    return attachment(path, name, size)


def attachment(path: str, name: str, size: int) -> StreamingHttpResponse:
    """A download, which no browser shows in place whatever its bytes claim to be."""
    headers: dict[str, Any] = {
        "Content-Disposition": content_disposition_header(True, CONTROL.sub("_", name)),
        "Content-Length": size,
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
    }
    return StreamingHttpResponse(
        pieces(path), content_type="application/octet-stream", headers=headers
    )


async def pieces(path: str) -> AsyncIterator[bytes]:
    opened = await sync_to_async(default_storage.open)(path)
    with opened:
        while piece := await sync_to_async(opened.read)(PIECE):
            yield piece

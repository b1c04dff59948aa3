"""The bodies of requests: refused where they are too large, and read from disk bit by bit."""

import asyncio
import json
import logging
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from django.conf import settings

from chat.errors import CarrelError, NoKey, NoRoom, TooLarge

logger = logging.getLogger(__name__)

SEND_KEY = "Send a valid API key as “Authorization: Bearer …”."

MEGABYTE = 1024 * 1024
ROOM = MEGABYTE  # for what wraps the file in a form
CHUNK = 256 * 1024  # bytes

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class TooLong(Exception):
    """More has come than may."""


def largest_body() -> int:
    """In bytes."""
    return settings.MAX_UPLOAD_MB * MEGABYTE + ROOM


def limited(application: Application, is_known: Callable[[Scope], Awaitable[bool]]) -> Application:
    """The same application, which need not fear a body: 413 as soon as it is known to be too long,
    or 401 to a caller that may know nothing."""

    async def stop(scope: Scope, send: Send) -> None:
        await refuse(scope, send, too_large() if await is_known(scope) else NoKey(SEND_KEY))

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        received = 0

        async def receive_so_much() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > largest_body():
                raise TooLong
            return message

        if declared_length(scope) > largest_body():
            return await stop(scope, send)
        try:
            await application(scope, receive_so_much, send)
        except TooLong:  # Django receives all before it answers anything
            await stop(scope, send)

    return serve


def from_disk(application: Application) -> Application:
    """The same application, fed from the file in the scope instead of from the server's queue."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        body = scope.pop("carrel.body")
        if scope.pop("carrel.is_lost"):
            logger.error("the disk is full, make room path=%s", scope["path"])
            await refuse(scope, send, NoRoom())
            return

        async def receive_body_first() -> Message:
            nonlocal body
            if body is None:
                return await receive()
            chunk = body.read(CHUNK)
            if len(chunk) < CHUNK:
                body.close()
                body = None
                await receive()  # the empty body daphne queued
                return {"type": "http.request", "body": chunk, "more_body": False}
            await asyncio.sleep(0)  # Django asks for all of it at once; others have their turn
            return {"type": "http.request", "body": chunk, "more_body": True}

        await application(scope, receive_body_first, send)

    return serve


def too_large() -> TooLarge:
    return TooLarge(f"A request may have at most {settings.MAX_UPLOAD_MB} MB here.")


def declared_length(scope: Scope) -> int:
    given = dict(scope.get("headers", ())).get(b"content-length", b"")
    return int(given) if given.isdigit() else 0


async def refuse(scope: Scope, send: Send, error: CarrelError) -> None:
    """Without Django: to the API's clients in their shape, to a page's script as it is."""
    body, kind = error.message.encode(), "text/plain; charset=utf-8"
    if scope["path"].startswith("/api/"):
        body, kind = json.dumps({"detail": error.message}).encode(), "application/json"
    headers = {
        "Content-Type": kind,
        "Content-Length": str(len(body)),
        "Connection": "close",
        "X-Request-ID": uuid.uuid4().hex,
    }
    if isinstance(error, NoKey):
        headers["WWW-Authenticate"] = "Bearer"
    written = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": written})
    await send({"type": "http.response.body", "body": body})

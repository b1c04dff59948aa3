"""Sessions to take away: for people as Markdown, for programs as JSON, all of them as a zip."""

import json
from collections.abc import AsyncIterator
from io import RawIOBase
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from channels.db import database_sync_to_async
from django.core.serializers.json import DjangoJSONEncoder
from django.template.loader import render_to_string
from django.utils.text import slugify

from chat.events.log import log
from chat.events.transcript import Exchange, fold
from chat.models import Actor, Session

from .reading import Reading

LIMIT_OF_NAME = 60  # characters of a title within a file's name


def as_markdown(session: Session) -> str:
    exchanges = fold(log.history(session.pk)).exchanges
    turns = [Reading(one, session.pk) for one in exchanges]
    return render_to_string("chat/export.md", {"session": session, "turns": turns})


def as_json(session: Session) -> str:
    """``{id, title, created_at, last_used_at, indexes: [{id, name}], turns: [{asked_at, asked_by,
    question, answer, citations, warnings, error, usage}]}``, times in ISO 8601."""
    transcript = fold(log.history(session.pk))
    askers = dict(session.turns.values_list("pk", "asked_by__username"))
    facts = {
        "id": session.pk,
        "title": session.title,
        "created_at": session.created_at,
        "last_used_at": session.last_used_at,
        "indexes": [
            {"id": pk, "name": name}
            for pk, name in session.bound_indexes.values_list("index", "index__name")
        ],
        "turns": [_turn(one, askers.get(one.turn)) for one in transcript.exchanges],
    }
    return _dump(facts)


async def as_zip(actor: Actor) -> AsyncIterator[bytes]:
    """All that is the actor's, piece by piece: one session is held in memory at a time."""
    pipe = _Pipe()
    with ZipFile(pipe, "w", ZIP_DEFLATED) as files:
        for pk in await _begin(files, actor):
            await _add(files, actor, pk)
            yield pipe.take()
    yield pipe.take()


class _Pipe(RawIOBase):
    """Where a zip is written to that nobody keeps."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self._pieces.append(bytes(piece))
        return len(self._pieces[-1])

    def take(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


@database_sync_to_async
def _begin(files: ZipFile, actor: Actor) -> list[str]:
    person = actor.person
    facts = {
        "user_name": person.get_username(),
        "first_name": person.first_name,
        "last_name": person.last_name,
        "email": person.email,
        "joined_at": person.date_joined,
        "api_keys": list(person.api_keys.values("name", "prefix", "created_at", "revoked_at")),
        "feedback": list(person.feedback.values("turn__session", "turn__seq", "rating", "comment")),
    }
    files.writestr("profile.json", _dump(facts))
    return list(Session.objects.owned_by(actor).order_by("created_at").values_list("pk", flat=True))


@database_sync_to_async
def _add(files: ZipFile, actor: Actor, pk: str) -> None:
    session = Session.objects.owned_by(actor).filter(pk=pk).first()
    if session is None:  # deleted since the zip was begun
        return
    title = slugify(session.title)[:LIMIT_OF_NAME]
    name = f"sessions/{session.created_at:%Y-%m-%d} {title} {session.pk}"
    files.writestr(f"{name}.md", as_markdown(session))
    files.writestr(f"{name}.json", as_json(session))


def _turn(exchange: Exchange, asker: str | None) -> dict[str, Any]:
    stop = exchange.stop
    return {
        "asked_at": exchange.asked_at,
        "asked_by": asker,
        "question": exchange.question,
        "answer": exchange.answer,
        "citations": exchange.citations,
        "warnings": exchange.warnings,
        "error": stop.error if stop else None,
        "usage": stop.usage if stop else None,
    }


def _dump(facts: dict[str, Any]) -> str:
    return json.dumps(facts, cls=DjangoJSONEncoder, ensure_ascii=False, indent=2)

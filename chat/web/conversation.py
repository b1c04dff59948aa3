"""What the page of a session shows."""

from collections.abc import Mapping
from typing import Any

from chat.conf import model_names
from chat.events.log import log
from chat.events.transcript import fold
from chat.models import Actor, Session

from .fragments import Answer
from .picker import asked_last, choices, first_choice, suggestions
from .reading import Reading

TURNS_AT_ONCE = 20


def empty_conversation(actor: Actor, chosen: list[str] | None = None) -> dict[str, Any]:
    """The page before the first prompt."""
    indexes = choices(actor)
    chosen = first_choice(actor, indexes) if chosen is None else chosen
    return {
        "session": None,
        "turns": [],
        "can_ask": True,
        "indexes": indexes,
        "chosen": chosen,
        "suggestions": suggestions(actor, chosen),
        "models": model_names(),
    }


def conversation(actor: Actor, session: Session, before: int | None = None) -> dict[str, Any]:
    """The newest turns of a session, or those before the one with seq ``before``.

    ``seq`` is the last event shown: a follower that asks for what comes after misses nothing.
    """
    seqs, older = _window(session, before)
    transcript = fold(log.history(session.pk, after=seqs[0] - 1) if seqs else [])
    askers = _askers(session)
    readings = [
        Reading(exchange, session.pk, askers.get(exchange.turn, ""))
        for exchange in transcript.exchanges
        if before is None or exchange.seq < before
    ]
    for reading in readings:
        reading.parts = None if reading.exchange.stop else Answer(reading)
    is_owner = session.owner_id == actor.person.pk
    return {
        "session": session,
        "turns": readings,
        "older": older,
        "seq": transcript.seq,
        "is_owner": is_owner,
        "can_ask": is_owner or session.sharing == Session.Sharing.QUERY,
        "is_running": bool(readings) and readings[-1].state == "running",
        "indexes": [] if session.is_bound else choices(actor),
        "chosen": asked_last(session),
        "bound": list(session.indexes.order_by("bound_sessions__position").distinct())
        if session.is_bound
        else [],
        "models": model_names(),
    }


def _window(session: Session, before: int | None) -> tuple[list[int], int | None]:
    """Seqs of turns in order, and the ``before`` of the page above (None at the beginning)."""
    turns = session.turns.order_by("-seq")
    if before is not None:
        turns = turns.filter(seq__lt=before)
    seqs = list(turns.values_list("seq", flat=True)[: TURNS_AT_ONCE + 1])
    more = len(seqs) > TURNS_AT_ONCE
    seqs = seqs[:TURNS_AT_ONCE][::-1]
    return seqs, seqs[0] if more else None


def _askers(session: Session) -> Mapping[int, str]:
    """Who put each question, where it need not have been the owner."""
    if session.sharing != Session.Sharing.QUERY:
        return {}
    rows = session.turns.exclude(asked_by=session.owner).select_related("asked_by")
    return {
        turn.pk: turn.asked_by.get_full_name() or turn.asked_by.username
        for turn in rows
        if turn.asked_by
    }

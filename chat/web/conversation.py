"""What the page of a session shows."""

from typing import Any

from chat.conf import model_names
from chat.events.leases import stamped_rows
from chat.events.log import log
from chat.events.transcript import fold
from chat.models import Actor, QueuedPrompt, Session, Turn

from .fragments import Answer
from .notes import may_ask, notes_on
from .picker import asked_last, choices, first_choice, model_used_last, suggestions
from .reading import Reading

TURNS_AT_ONCE = 10  # a screen holds two or three


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


def conversation(
    actor: Actor, session: Session, before: int | None = None, wanted: Turn | None = None
) -> dict[str, Any]:
    """The newest turns of a session's branch, or those before the one with seq ``before``, and
    what surrounds them; as many as it takes to show the one that is ``wanted``.

    That one may be on another branch, which then is what is shown, to be read and no more.
    """
    models = model_names()
    bound = session.indexes.order_by("bound_sessions__position").distinct()
    queue = waiting(actor, session)  # before the turns: one that begins meanwhile is not missed
    shown = turns_shown(actor, session, before, wanted)
    if queue and shown["is_running"]:
        queue = waiting(actor, session)  # ... nor shown twice
    return shown | {
        "is_owner": session.owner_id == actor.person.pk,
        "can_ask": may_ask(actor, session),
        "aside": wanted if shown["is_aside"] else None,
        "queue": queue,
        "indexes": [] if session.is_bound else choices(actor),
        "chosen": asked_last(session),
        "bound": list(bound) if session.is_bound else [],
        "models": models,
        "model": model_used_last(session) if len(models) > 1 else "",
    }


def turns_shown(
    actor: Actor, session: Session, before: int | None = None, wanted: Turn | None = None
) -> dict[str, Any]:
    """``turns`` to show. ``seq`` is the last event among them and ``tip`` the last turn: a follower
    that asks for what comes after misses nothing."""
    branch = session.branch() if session.is_branched else None
    end = None
    if wanted and branch and wanted.pk not in branch:
        end = session.end_of(wanted.pk)
        branch = session.branch(end)
    seqs, older = _window(session, before, wanted, branch)
    events = log.history(session.pk, seqs[0] - 1, before, end) if seqs else []
    transcript = fold(events)
    notes = notes_on(actor, session, [one.turn for one in transcript.exchanges], end is not None)
    readings = [Reading(one, session.pk, notes[one.turn]) for one in transcript.exchanges]
    for reading in readings:
        reading.parts = None if reading.exchange.stop else Answer(reading)
    return {
        "session": session,
        "turns": readings,
        "older": older,
        "is_aside": end is not None,
        "seq": transcript.seq,
        "tip": readings[-1].exchange.turn if readings else None,
        "is_running": bool(readings) and readings[-1].state == "running",
    }


def turn_shown(actor: Actor, session: Session, turn: Turn) -> Reading:
    """One turn, on whichever branch, as its session's page shows it."""
    exchange = fold(stamped_rows(turn.events.order_by("seq"))).exchanges[0]
    reading = Reading(exchange, session.pk, notes_on(actor, session, [turn.pk])[turn.pk])
    reading.parts = None if exchange.stop else Answer(reading)
    return reading


def waiting(actor: Actor, session: Session) -> list[QueuedPrompt]:
    """Prompts that wait for the running turn to end, with ``is_editable`` on each."""
    rows = list(session.queued_prompts.select_related("asked_by"))
    for row in rows:
        row.is_editable = actor.person.pk in (row.asked_by_id, session.owner_id)
    return rows


def _window(
    session: Session, before: int | None, wanted: Turn | None, branch: list[int] | None
) -> tuple[list[int], int | None]:
    """Seqs of turns in order, and the ``before`` of the page above (None at the beginning)."""
    turns = session.turns.order_by("-seq")
    if branch is not None:
        turns = turns.filter(pk__in=branch)
    if before is not None:
        turns = turns.filter(seq__lt=before)
    count = TURNS_AT_ONCE
    if wanted is not None and before is None:
        # With some before it, so that it stays in its place when those above are read.
        count = turns.filter(seq__gte=wanted.seq).count() + TURNS_AT_ONCE
    seqs = list(turns.values_list("seq", flat=True)[: count + 1])
    more = len(seqs) > count
    seqs = seqs[:count][::-1]
    return seqs, seqs[0] if more else None

"""Who runs a turn, whether they still live, and how a dead run's turn is brought to its end.

A process is named by the place its process number counts in, that number, and a random token. A
reader in the same place need not wait for a lease to run out: it can see that the process is gone.
"""

import logging
import os
import secrets
import socket
from functools import cache
from pathlib import Path
from typing import cast

from django.db import DatabaseError, models, transaction
from django.db.models import Max, Min
from django.utils import timezone

from chat import conf
from chat.models import Event, Session, Turn, TurnWords
from chat.models.prepared import Prepared

from .transcript import Exchange, fold
from .types import Event as AnyEvent
from .types import Stamped, Stop, Text, Thinking, ToolResult, from_payload, to_payload

logger = logging.getLogger(__name__)

# Followers of the dead process may have seen events that were never saved. The settling events
# are numbered far beyond them, so that a client resuming from the last one it saw misses nothing.
SETTLING_GAP = 1_000
INTERRUPTED = "The answer was interrupted: the server stopped while writing it. Ask again to retry."


@cache
def _place() -> str:
    """Where process numbers mean the same: one boot of one machine, one PID namespace."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
        return f"{boot}-{os.readlink('/proc/self/ns/pid')}"
    except OSError:  # not Linux
        return socket.gethostname()[:40]


_token = secrets.token_hex(4)
_given_up: set[int] = set()  # turns of this process that nothing could be saved of


def process_name() -> str:
    """This process, as a lease's owner."""
    return f"{_place()}/{os.getpid()}/{_token}"


def is_dead(owner: str) -> bool:
    """True if that process certainly is gone; False if it lives or cannot be seen from here."""
    place, pid, token = owner.rsplit("/", 2) if owner.count("/") >= 2 else ("", "0", "")
    if place != _place():
        return False
    if int(pid) == os.getpid():
        return token != _token
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def is_over(turn: Turn) -> bool:
    """Whether nobody runs this running turn any more."""
    lapsed = turn.lease_expires_at is None or turn.lease_expires_at < timezone.now()
    return lapsed or turn.pk in _given_up or is_dead(turn.lease_owner)


def dead_turn(session_id: str) -> Turn | None:
    """The session's running turn, if nobody runs it any more."""
    turn = Turn.objects.running().filter(session=session_id).first()
    return turn if turn and is_over(turn) else None


def settle_dead(session_id: str) -> bool:
    """End the session's running turn if nobody runs it any more. True if that was so."""
    turn = dead_turn(session_id)
    return turn is not None and settle(turn)


def end_dead(session_id: str) -> list[Stamped] | None:
    """``settle_dead``, for a reader, who must not fail or wait where nothing can be saved.

    None if there was nothing to end; else the events of the end that are in no row yet.
    """
    turn = dead_turn(session_id)
    if turn is None:
        return None
    try:
        return [] if settle(turn) else None
    except DatabaseError as exc:
        logger.warning("turn not settled yet turn=%s error=%s", turn.pk, exc)
        return _end_of(turn)


def settle_lapsed() -> int:
    """End all turns whose lease has run out, also those that nobody reads; answers how many."""
    return sum(settle(turn) for turn in Turn.objects.lapsed())


def give_up(turn: Turn) -> None:
    """End a turn of this process that can be written on no more, unless another already has."""
    _given_up.add(turn.pk)
    held = Turn.objects.running().filter(pk=turn.pk, lease_owner=process_name())
    held.update(lease_owner="", lease_expires_at=timezone.now())
    settle_dead(turn.session_id)
    _given_up.discard(turn.pk)


@transaction.atomic
def settle(turn: Turn) -> bool:
    """Keep what a dead run had written, and stop its turn. False if someone else just did."""
    ended = Turn.objects.running().filter(
        pk=turn.pk, lease_owner=turn.lease_owner, lease_expires_at=turn.lease_expires_at
    )
    if not ended.update(state=Turn.State.INTERRUPTED, error=INTERRUPTED):
        return False
    events = _end_of(turn)
    Event.objects.bulk_create(row(turn.session_id, stamped) for stamped in events)
    usage, now = cast(Stop, events[-1].event).usage, events[-1].at
    Turn.objects.filter(pk=turn.pk).update(
        finished_at=now, duration_ms=usage["duration_ms"], rounds=usage["turns"]
    )
    Session.objects.filter(pk=turn.session_id).update(last_used_at=now)
    said = turn.events.filter(type__in=Event.SAID).order_by("seq")
    contents = said.values_list("payload__content", flat=True)
    TurnWords.keep(turn.pk, turn.session_id, contents)
    return True


def _end_of(turn: Turn) -> list[Stamped]:
    """What a dead turn lacks; the same again until it is saved."""
    exchange = fold(stamped_rows(turn.events.order_by("seq"))).exchanges[0]
    # By the events' own clock: the turn's row is made a moment after its first event is stamped.
    span = turn.events.aggregate(began=Min("created_at"), ended=Max("created_at"))
    stop = Stop(
        is_error=True,
        error=INTERRUPTED,
        usage={
            "duration_ms": int((span["ended"] - span["began"]).total_seconds() * 1000),
            "total_input_tokens": turn.input_tokens,
            "total_output_tokens": turn.output_tokens,
            "turns": max(turn.rounds, 1),
        },
        skipped_index_ids=tuple(turn.skipped_index_ids) or None,
    )
    seq, now = next_seq(turn.session_id) + SETTLING_GAP, timezone.now()
    events = enumerate([*loose_ends(exchange), stop], seq)
    return [Stamped(number, turn.pk, now, event) for number, event in events]


def loose_ends(exchange: Exchange) -> list[AnyEvent]:
    """The events that make whole what a broken-off turn has begun, all but its stop."""
    ends: list[AnyEvent] = [
        ToolResult(use.call.call_id, use.call.name, {"error": "This call did not finish."})
        for use in exchange.tool_uses
        if use.result is None
    ]
    if exchange.open_thinking:
        ends.append(Thinking(exchange.open_thinking))
    if exchange.open_text:
        cited = conf.citations_in(exchange, exchange.open_text)
        ends.append(Text(exchange.open_text, cited))
    return ends


def next_seq(session_id: str) -> int:
    """The number for the session's next event; call it where no other writer can be."""
    newest = _newest.first(session=session_id)
    return newest[0] + 1 if newest else 1


_newest = Prepared(
    lambda session: Event.objects.filter(session=session).order_by("-seq").values_list("seq")[:1],
    session=models.CharField(),
)


def row(session_id: str, stamped: Stamped) -> Event:
    return Event(
        session_id=session_id,
        turn_id=stamped.turn,
        seq=stamped.seq,
        type=stamped.event.type,
        payload=to_payload(stamped.event),
        created_at=stamped.at,
    )


def stamped_rows(rows) -> list[Stamped]:
    """Rows of the event table, or a queryset of them, as values."""
    fields = ("seq", "turn_id", "created_at", "type", "payload")
    return [
        Stamped(seq, turn, at, from_payload(type, payload))
        for seq, turn, at, type, payload in rows.values_list(*fields)
    ]

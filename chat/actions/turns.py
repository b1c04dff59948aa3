"""Asking, and stopping an answer."""

import asyncio
from collections.abc import Sequence

from channels.db import database_sync_to_async
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from chat import runs
from chat.agent.titles import first_line
from chat.errors import Conflict, Invalid, NotFound, Settled
from chat.events.leases import next_seq, process_name, row, settle_dead
from chat.events.types import Stamped, UserInput
from chat.models import Actor, Event, Session, Turn
from chat.models.sessions import lease_end

from .sessions import check_index_ids, require_visible

BUSY = "An answer is still being written in this session. Wait for it, or stop it first."
LOCKED = (
    "This session's indexes were fixed by its first message. Name some of those, or start a new "
    "session for others."
)


async def start_turn(
    actor: Actor,
    session: Session,
    prompt: str,
    index_ids: Sequence[str] = (),
    *,
    require_all_indexes: bool = False,
    model: str = "",
) -> Turn:
    """Accept a prompt and begin to answer it in this process; the answer outlives the caller.

    ``session`` comes from ``askable_by(actor)``. Raises Invalid, NotFound, Settled (the session
    is bound to other indexes) or Conflict (a turn is running); then nothing was kept.
    """
    check_prompt(prompt)
    check_index_ids(index_ids)

    async def start() -> Turn:
        turn, first = await _claim(actor, session, prompt, index_ids, require_all_indexes, model)
        runs.launch(actor, turn, first)
        return turn

    # A caller that goes away between the two steps must not leave a turn nobody runs.
    return await asyncio.shield(asyncio.ensure_future(start()))


async def cancel_turn(session: Session) -> bool:
    """Stop the running turn, wherever it runs. False if there is none."""
    turn = await Turn.objects.running().filter(session=session).afirst()
    if turn is None:
        return False
    await database_sync_to_async(runs.request_stop, thread_sensitive=False)(turn)
    return True


def check_prompt(prompt: str) -> None:
    """Raises Invalid for a prompt that cannot be asked."""
    if not prompt.strip():
        raise Invalid("Write a question first.", "prompt")
    if len(prompt) > settings.MAX_PROMPT_CHARS:
        limit = settings.MAX_PROMPT_CHARS
        raise Invalid(
            f"A prompt may have {limit:,} characters; this has {len(prompt):,}.", "prompt"
        )
    if "\0" in prompt or any("\ud800" <= character <= "\udfff" for character in prompt):
        raise Invalid("The prompt holds characters that are not text; remove them.", "prompt")


@transaction.atomic
def _claim_turn(
    actor: Actor,
    session: Session,
    prompt: str,
    index_ids: Sequence[str],
    require_all_indexes: bool,
    model: str,
) -> tuple[Turn, Stamped]:
    """The turn and its user_input, in one transaction."""
    session = Session.objects.select_for_update().live().filter(pk=session.pk).first()
    if session is None:
        raise NotFound("No such session.")
    named = _indexes_of_turn(actor, session, index_ids)
    settle_dead(session.pk)
    if session.turns.running().exists():
        raise Conflict(BUSY)
    seq, now = next_seq(session.pk), timezone.now()
    try:
        turn = session.turns.create(
            asked_by=actor.person,
            seq=seq,
            model=model,
            index_ids=named,
            require_all_indexes=require_all_indexes,
            lease_owner=process_name(),
            lease_expires_at=lease_end(),
        )
    except IntegrityError as exc:  # the constraint, where no row lock held the other one back
        raise Conflict(BUSY) from exc
    first = Stamped(seq, turn.pk, now, UserInput(prompt))
    Event.objects.bulk_create([row(session.pk, first)])
    session.title = session.title or first_line(prompt)
    session.last_used_at = now
    session.save(update_fields=["title", "last_used_at"])
    return turn, first


_claim = database_sync_to_async(_claim_turn, thread_sensitive=False)


def _indexes_of_turn(actor: Actor, session: Session, index_ids: Sequence[str]) -> list[str]:
    if not session.is_bound:
        if not index_ids:
            raise Invalid("Name at least one index to search.", "index_ids")
        require_visible(actor, session.project, index_ids)
        return list(index_ids)
    bound = list(session.bound_indexes.values_list("index", flat=True))
    others = [index_id for index_id in index_ids if index_id not in bound]
    if others:
        require_visible(actor, session.project, others)
        raise Settled(LOCKED)
    return list(index_ids) or bound

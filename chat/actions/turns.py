"""Asking, asking again, and stopping an answer."""

from collections.abc import Sequence
from functools import partial

from asgiref.sync import async_to_sync
from channels.db import database_sync_to_async
from django.db import transaction

from chat import runs
from chat.errors import Conflict, NotFound
from chat.events.log import log
from chat.models import Actor, QueuedPrompt, Session, Turn
from chat.runs import claims
from chat.runs.claims import Prompt


async def start_turn(
    actor: Actor,
    session_id: str,
    prompt: str,
    index_ids: Sequence[str] = (),
    *,
    require_all_indexes: bool = False,
    model: str = "",
    instead_of: Turn | None = None,
) -> Turn:
    """Accept a prompt and begin to answer it in this process; the answer outlives the caller.

    With ``instead_of``, a turn of the session, the new one is a branch beside it, and the session
    goes on from there. Raises Invalid, NotFound (the actor may not ask there, or not search that),
    Settled (the session is bound to other indexes), Conflict (a turn is running), QuotaReached or
    Unavailable (this process is about to end); then nothing was kept.
    """
    asked = Prompt(prompt, index_ids, require_all_indexes, model, instead_of)
    asked.check()

    return await runs.start(actor, session_id, asked)


async def queue_prompt(
    actor: Actor, session_id: str, prompt: str, index_ids: Sequence[str] = (), model: str = ""
) -> QueuedPrompt:
    """Keep a prompt until the running turn ends; it then starts by itself.

    Raises as ``start_turn``, but for Conflict.
    """
    asked = Prompt(prompt, index_ids, model=model)
    asked.check()
    queued = await _queue(actor, session_id, asked)
    await runs.start_next(session_id)  # the turn may have ended meanwhile
    await log.announce(session_id)
    return queued


_queue = database_sync_to_async(claims.queue, thread_sensitive=False)


def change_queued(queued: QueuedPrompt, prompt: str) -> bool:
    """Give a waiting prompt other words. False if it has started meanwhile."""
    Prompt(prompt).check()
    changed = QueuedPrompt.objects.filter(pk=queued.pk).update(prompt=prompt) == 1
    async_to_sync(log.announce)(queued.session_id)
    return changed


def remove_queued(queued: QueuedPrompt) -> None:
    """Take a waiting prompt back, unless it has started meanwhile."""
    QueuedPrompt.objects.filter(pk=queued.pk).delete()
    async_to_sync(log.announce)(queued.session_id)


@transaction.atomic
def choose_branch(session: Session, turn: Turn) -> None:
    """Let the session read on through this turn, to the newest end of what followed it.

    Raises Conflict while a turn is running.
    """
    locked = Session.objects.live().select_for_update().filter(pk=session.pk).first()
    if locked is None:
        raise NotFound("No such session.")
    if locked.turns.running().exists():
        raise Conflict(claims.BUSY)
    Session.objects.filter(pk=session.pk).update(tip=locked.end_of(turn.pk))
    transaction.on_commit(partial(async_to_sync(log.announce), session.pk))


async def cancel_turn(session: Session) -> bool:
    """Stop the running turn, wherever it runs. False if there is none."""
    turn = await Turn.objects.running().filter(session=session).afirst()
    if turn is None:
        return False
    await database_sync_to_async(runs.request_stop, thread_sensitive=False)(turn)
    return True

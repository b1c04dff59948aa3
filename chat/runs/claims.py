"""From a prompt to a turn that this process holds, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, models, transaction
from django.utils import timezone

from chat.agent.titles import first_line
from chat.errors import Conflict, Invalid, NotFound, Settled
from chat.events.leases import next_seq, process_name, settle_dead
from chat.events.types import Stamped, UserInput
from chat.events.writer import insert_events
from chat.models import (
    MAX_INDEXES,
    Actor,
    BoundIndex,
    Index,
    QueuedPrompt,
    Session,
    Turn,
    TurnWords,
)
from chat.models.prepared import Prepared, insert, made, update
from chat.models.sessions import lease_end

from .quotas import check_quota, has_tokens

BUSY = "An answer is still being written in this session. Wait for it, or stop it first."
LOCKED = (
    "This session's indexes were fixed by its first message. Name some of those, or start a new "
    "session for others."
)


@dataclass(frozen=True, slots=True)
class Prompt:
    """What someone asks, and how it is to be answered."""

    text: str
    index_ids: Sequence[str] = ()
    require_all_indexes: bool = False
    model: str = ""  # "" for the default one
    instead_of: Turn | None = None  # ask again from where this turn began: a new branch

    def check(self) -> None:
        """Raises Invalid for what nobody could answer, whatever the session."""
        limit, length = settings.MAX_PROMPT_CHARS, len(self.text)
        if not self.text.strip():
            raise Invalid("Write a question first.", "prompt")
        if length > limit:
            raise Invalid(f"A prompt may have {limit:,} characters; this has {length:,}.", "prompt")
        if "\0" in self.text or any("\ud800" <= char <= "\udfff" for char in self.text):
            raise Invalid("The prompt holds characters that are not text; remove them.", "prompt")
        check_index_ids(self.index_ids)


@transaction.atomic
def claim(actor: Actor, session_id: str, prompt: Prompt) -> tuple[Turn, Stamped]:
    """The new turn, leased to this process, and its ``user_input``.

    Raises NotFound (the actor may not ask there, or not search that), Invalid, Settled (the
    session is bound to other indexes), Conflict (a turn is running) or QuotaReached.
    """
    session = lock(actor, session_id)
    named = indexes_of(actor, session, prompt.index_ids)
    if _running.rows(session=session.pk) and not settle_dead(session.pk):
        raise Conflict(BUSY)
    check_quota(actor)
    return _begin(actor, session, prompt, named)


@transaction.atomic
def claim_queued(session_id: str) -> tuple[Actor, Turn, Stamped] | None:
    """The session's oldest queued prompt as a turn; None if there is none, or a turn is running.

    A prompt whose author may not ask here any more is dropped; one whose author has no tokens left
    waits on.
    """
    if not _queued.rows(session=session_id):
        return None
    session = Session.objects.select_for_update().live().filter(pk=session_id).first()
    if session is None or session.turns.running().exists():
        return None
    for queued in session.queued_prompts.select_related("asked_by"):
        actor = Actor(queued.asked_by)
        may_ask = Session.objects.askable_by(actor).filter(pk=session_id).exists()
        if may_ask and not has_tokens(actor):
            return None
        queued.delete()
        if may_ask:
            prompt = Prompt(queued.prompt, model=queued.model)
            return actor, *_begin(actor, session, prompt, queued.index_ids)
    return None


@transaction.atomic
def queue(actor: Actor, session_id: str, prompt: Prompt) -> QueuedPrompt:
    """Keep the prompt for when the running turn ends. Raises as ``claim``, but never Conflict."""
    session = lock(actor, session_id)
    index_ids = indexes_of(actor, session, prompt.index_ids)
    check_quota(actor)
    return session.queued_prompts.create(
        asked_by=actor.person,
        prompt=prompt.text,
        index_ids=index_ids,
        model=prompt.model,
    )


_askable = Prepared(
    lambda actor, session: Session.objects.askable_by(actor).filter(pk=session).select_for_update(),
    session=models.CharField(),
)
_running = Prepared(
    lambda session: Turn.objects.running().filter(session=session).values_list("pk"),
    session=models.CharField(),
)
_queued = Prepared(
    lambda session: QueuedPrompt.objects.filter(session=session).values_list("pk")[:1],
    session=models.CharField(),
)
_bound = Prepared(
    lambda session: BoundIndex.objects.filter(session=session).values_list("index"),
    session=models.CharField(),
)


def lock(actor: Actor, session_id: str) -> Session:
    """The session, held against other claims to the end of the transaction, if the actor may ask
    there; else NotFound."""
    row = _askable.first(actor=actor, session=session_id)
    if row is None:
        raise NotFound("No such session.")
    return made(Session, row)


def _begin(
    actor: Actor, session: Session, prompt: Prompt, index_ids: Sequence[str]
) -> tuple[Turn, Stamped]:
    seq, now = next_seq(session.pk), timezone.now()
    try:
        turn = Turn(
            session=session,
            parent_id=prompt.instead_of.parent_id if prompt.instead_of else session.tip_id,
            asked_by=actor.person,
            seq=seq,
            model=prompt.model,
            index_ids=list(index_ids),
            require_all_indexes=prompt.require_all_indexes,
            lease_owner=process_name(),
            lease_expires_at=lease_end(),
        )
        insert(turn)
    except IntegrityError as exc:  # the constraint, where no row lock held the other one back
        raise Conflict(BUSY) from exc
    first = Stamped(seq, turn.pk, now, UserInput(prompt.text))
    insert_events([(session.pk, first)])
    TurnWords.keep(turn.pk, session.pk, [prompt.text])
    session.tip = turn
    session.is_branched = session.is_branched or prompt.instead_of is not None
    session.title = session.title or first_line(prompt.text)
    session.last_used_at = now
    update(session, "tip", "is_branched", "title", "last_used_at")
    return turn, first


def indexes_of(actor: Actor, session: Session, index_ids: Sequence[str]) -> list[str]:
    """Those a prompt is to search: the ones it names, or all that the session is bound to."""
    if not session.is_bound:
        if not index_ids:
            raise Invalid("Name at least one index to search.", "index_ids")
        require_visible(actor, session.project_id, index_ids)
        return list(index_ids)
    bound = [index_id for (index_id,) in _bound.rows(session=session.pk)]
    others = [index_id for index_id in index_ids if index_id not in bound]
    if others:
        require_visible(actor, session.project_id, others)
        raise Settled(LOCKED)
    return list(index_ids) or bound


def check_index_ids(index_ids: Sequence[str]) -> None:
    """Raises Invalid unless these are at most ten different ids."""
    if len(index_ids) > MAX_INDEXES:
        raise Invalid(f"At most {MAX_INDEXES} indexes can be searched at once.", "index_ids")
    if len(set(index_ids)) < len(index_ids):
        raise Invalid("An index is named twice; name each one once.", "index_ids")


def require_visible(actor: Actor, project_id: UUID, index_ids: Sequence[str]) -> None:
    """Raises NotFound unless the actor may search all of these in this project."""
    visible = Index.objects.visible_to(actor).filter(project=project_id, pk__in=index_ids)
    if visible.count() < len(index_ids):
        raise NotFound("No such index.")

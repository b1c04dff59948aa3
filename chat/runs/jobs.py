"""What a run has to know before it answers, read in one go."""

from collections.abc import Mapping, Sequence
from itertools import dropwhile

from django.conf import settings
from django.db import models

from chat import conf
from chat.agent import prompts
from chat.agent.run import Job
from chat.events.log import log
from chat.events.transcript import Transcript, fold
from chat.events.types import ToolCall, UserInput
from chat.models import Actor, Event, Index, Turn
from chat.models.prepared import Prepared

SPOKEN_FIRST = 64  # questions, calls and parts of answers before it that a turn looks at, at first

_indexes = Prepared(
    lambda actor, ids: (
        Index.objects.visible_to(actor)
        .filter(pk__in=ids)
        .values_list("pk", "name", "last_synced_at")
    ),
    ids=models.CharField(),
)


def read_job(actor: Actor, turn: Turn, question: str) -> tuple[Job, dict[str, str]]:
    """The job, and by id a sentence on each index that was asked for but cannot be searched."""
    asked = _indexes.rows(actor=actor, ids=turn.index_ids)
    names = {pk: name for pk, name, synced in asked if synced}
    fresh = {pk: name for pk, name, synced in asked if not synced}
    skipped = [index_id for index_id in turn.index_ids if index_id not in names]
    warnings = _warnings(skipped, fresh) if skipped else {}
    job = Job(
        question=question,
        transcript=read_earlier(turn) if turn.parent_id else Transcript(),
        call_ids=_call_ids(turn) if turn.parent_id else (),
        index_names={pk: names[pk] for pk in turn.index_ids if pk in names},
        model=conf.chat_model(turn.model),
        context_tokens=settings.LLM_CONTEXT_TOKENS,
        fallback=conf.fallback_model(),
    )
    return job, warnings


def _warnings(skipped: Sequence[str], fresh: Mapping[str, str]) -> dict[str, str]:
    """Why each of these indexes cannot be searched; ``fresh`` are those without a sync, by name."""
    # Those that are gone are named too: they could be searched when they were asked for.
    gone = dict(Index.objects.filter(pk__in=skipped).values_list("pk", "name"))
    return {
        index_id: f"The index “{fresh[index_id]}” was skipped: its first sync is not done yet. "
        "Ask again when the library shows it as ready."
        if index_id in fresh
        else f"The index “{gone.get(index_id, index_id)}” was skipped: it was deleted, or you may "
        "not use it any more. Ask in a new session without it, or ask a manager of its project."
        for index_id in skipped
    }


def read_earlier(turn: Turn) -> Transcript:
    """What was said before, in as many of the last turns as the model can be told of."""
    count = SPOKEN_FIRST
    while True:
        spoken = log.spoken(turn.session_id, turn.seq, count)
        is_all = len(spoken) < count
        earlier = fold(dropwhile(lambda one: not isinstance(one.event, UserInput), spoken))
        if is_all or not prompts.is_told_whole(earlier, settings.LLM_CONTEXT_TOKENS):
            return earlier
        count *= 4


def _call_ids(turn: Turn) -> list[str]:
    calls = Event.objects.filter(session=turn.session_id, type=ToolCall.type)
    return list(calls.values_list("payload__call_id", flat=True))

"""How an answer is made: search, ask the model, do its tool calls, repeat."""

import asyncio
import logging
import uuid
from collections.abc import Callable, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial

from chat.errors import (
    ContextTooLong,
    ModelBroken,
    ModelError,
    ModelRefused,
    ModelTimeout,
    ModelUnreachable,
)
from chat.events.transcript import Transcript
from chat.events.turn_log import TurnLog
from chat.events.types import (
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    ToolCall,
    ToolResult,
    Warning_,
)
from chat.providers.base import (
    Call,
    CallPart,
    ChatModel,
    Excerpt,
    Message,
    TextPart,
    ThinkingPart,
    ToolSpec,
    Usage,
)

from . import citations, prompts
from .followups import standalone
from .tools import TOOLS, Outcome, Toolbox

logger = logging.getLogger(__name__)

MAX_ROUNDS = 6  # of the model; in the last it is offered no tools
MAX_CALLS = 8  # in one round
CUT = (
    "The answer ends where the model may write no more at once. Ask it to go on, or have the "
    "endpoint's limit on the length of a reply raised."
)
AWAY = (ModelUnreachable, ModelTimeout, ModelRefused)


@dataclass(frozen=True, slots=True)
class Job:
    """All that a run needs to know, read before it starts."""

    question: str
    transcript: Transcript  # of the turns before: what was said in those that can be told
    call_ids: Collection[str]  # that the session has
    index_names: dict[str, str]  # by id, those that can be searched
    model: ChatModel
    context_tokens: int
    fallback: ChatModel | None = None  # asked when the model is away


@dataclass(slots=True)
class Tally:
    """What a run has used so far."""

    rounds: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def add(self, usage: Usage) -> None:
        self.input_tokens += usage.input_tokens
        self.output_tokens += usage.output_tokens


async def answer(job: Job, log: TurnLog, tally: Tally) -> None:
    """Write the events of a turn, all but its first and its last.

    Raises ModelError, or whatever the first search failed with. However it ends, every part
    begun is whole in the log and every call there has its result.
    """
    toolbox = Toolbox(job.index_names)
    query = await standalone(job.question, job.transcript, job.model, toolbox.fit)
    taken, tokens = set(job.call_ids), job.context_tokens
    search = Call("retrieve_0", "retrieve", {"query": query, "index_ids": list(job.index_names)})
    (found,) = await _use(
        toolbox, told_apart([search], taken), log, partial(prompts.told_first, tokens)
    )
    if found.failed:
        raise found.failed
    asking = Asking(job, query, toolbox, found.excerpts, log)
    for number in range(1, MAX_ROUNDS + 1):
        tally.rounds = number
        reply = Reply(log, asking)
        tools = TOOLS if number < MAX_ROUNDS else ()
        while True:
            try:
                await reply.stream(asking.model, asking.messages, tools, tally)
                break
            except ModelError as error:
                if reply.has_begun or not asking.mend(error):
                    raise
        wanted = reply.calls[:MAX_CALLS] if tools else []  # some models call what is not offered
        calls = told_apart(wanted, taken)
        if not calls:
            if not reply.said:
                raise ModelBroken(
                    "The model ended its reply without a word. Ask again, or choose another model."
                )
            return
        outcomes = await _use(toolbox, calls, log, partial(prompts.told, tokens, len(calls)))
        asking.add(reply.said, calls, outcomes)


class Asking:
    """Which model is asked, and what it is told."""

    def __init__(
        self, job: Job, query: str, toolbox: Toolbox, excerpts: Sequence[Excerpt], log: TurnLog
    ):
        self.model = job.model
        self._job, self._query = job, query
        self._toolbox, self._excerpts, self._log = toolbox, excerpts, log
        self._tokens = job.context_tokens
        self._rounds: list[Message] = []  # what its tool calls have added
        self._numbers: set[int] = set()  # of the passages in them

    @property
    def messages(self) -> list[Message]:
        names = list(self._job.index_names.values())
        job, tokens = self._job, self._tokens
        return [
            *prompts.opening(
                job.question, self._query, job.transcript, self._excerpts, names, tokens
            ),
            *self._rounds,
        ]

    @property
    def shown(self) -> dict[int, citations.Shown]:
        """The passages that are in its messages: not all that were found have room there."""
        first = {one.number for message in self.messages for one in message.excerpts}
        return {number: self._toolbox.found[number] for number in first | self._numbers}

    def add(self, said: str, calls: Sequence[Call], outcomes: Sequence[Outcome]) -> None:
        """Tell it what a round of its tool calls came to."""
        self._rounds += prompts.round_messages(said, calls, outcomes, self._job.context_tokens)
        for outcome in outcomes:
            self._numbers.update(outcome.numbers)

    def mend(self, error: ModelError) -> bool:
        """Make another try worth its while, if anything can: with less text, or another model."""
        if isinstance(error, ContextTooLong) and self._tokens == self._job.context_tokens:
            logger.info("context too long, asking with half of it tokens=%d", self._tokens // 2)
            self._tokens //= 2
            return True
        fallback = self._job.fallback
        if isinstance(error, AWAY) and fallback and self.model is not fallback:
            logger.warning("model is away, asking the fallback code=%s", error.code)
            self._log.append(
                Warning_(f"{error.message} This answer is by {fallback.name} instead.")
            )
            self.model = fallback
            return True
        return False


def told_apart(calls: Sequence[Call], taken: set[str]) -> list[Call]:
    """The calls, each with an id of its own in the session: some endpoints count from 0 each time.

    Adds their ids to those taken.
    """
    apart = []
    for call in calls:
        if call.id in taken:
            call = replace(call, id=f"call_{uuid.uuid4().hex}")
        taken.add(call.id)
        apart.append(call)
    return apart


async def _use(
    toolbox: Toolbox, calls: Sequence[Call], log: TurnLog, told: Callable[[Outcome], Outcome]
) -> list[Outcome]:
    """Do calls side by side. Each gets exactly one result, even when the turn is broken off.

    The log keeps what the model is ``told`` of it: whoever settles a turn knows no other passages.
    """

    async def use(call: Call) -> Outcome:
        return told(await toolbox.use(call))

    for call in calls:
        log.append(ToolCall(call.id, call.name, call.arguments))
    tasks = [asyncio.ensure_future(use(call)) for call in calls]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for call, task in zip(calls, tasks, strict=True):
            done = task.done() and not task.cancelled()
            result = task.result().result if done else {"error": "This call did not finish."}
            task.cancel()
            log.append(ToolResult(call.id, call.name, result))


@dataclass(slots=True)
class Reply:
    """One round of the model, written to the log as it comes."""

    log: TurnLog
    asking: Asking
    said: str = ""  # all its text
    calls: list[Call] = field(default_factory=list)
    has_begun: bool = False
    _text: str = ""  # of the part that is open
    _thinking: str = ""

    async def stream(
        self, model: ChatModel, messages: Sequence[Message], tools: Sequence[ToolSpec], tally: Tally
    ) -> None:
        try:
            async with aclosing(model.stream(messages, tools)) as parts:
                async for part in parts:
                    self.has_begun = True
                    match part:
                        case TextPart(text) if text:
                            self._end_thinking()
                            self._text += text
                            self.log.gather(TextDelta(text))
                        case ThinkingPart(text) if text:
                            self._end_text()
                            self._thinking += text
                            self.log.gather(ThinkingDelta(text))
                        case CallPart(call):
                            self.calls.append(call)
                        case Usage() as usage:
                            tally.add(usage)
                            if usage.is_cut:
                                self._end_thinking()
                                self._end_text()
                                self.log.append(Warning_(CUT))
        finally:
            self._end_thinking()
            self._end_text()

    def _end_thinking(self) -> None:
        if self._thinking:
            self.log.append(Thinking(self._thinking))
            self._thinking = ""

    def _end_text(self) -> None:
        if self._text:
            self.log.append(Text(self._text, citations.resolve(self._text, self.asking.shown)))
            self.said += self._text
            self._text = ""

"""Turns that run in this process: launched, kept alive, stopped, ended."""

import asyncio
import logging
from collections.abc import Awaitable, Mapping, Sequence
from concurrent.futures import Future
from contextvars import Context
from dataclasses import dataclass
from typing import TypeVar, cast
from weakref import WeakKeyDictionary

from asgiref.sync import async_to_sync
from django.db import DatabaseError

from chat.agent import titles
from chat.agent.run import Job, Tally, answer
from chat.errors import NO_ROOM, CarrelError, Invalid, Unavailable, is_full
from chat.events import news
from chat.events.bell import bell
from chat.events.leases import INTERRUPTED, give_up, process_name
from chat.events.log import log
from chat.events.turn_log import LostTurn, TurnLog
from chat.events.types import Stamped, Stop, UserInput, Warning_
from chat.events.writer import Ending
from chat.models import Actor, Session, Turn
from chat.models.threads import in_thread
from chat.providers.http import close_client

from . import claims
from .claims import Prompt
from .jobs import read_job

logger = logging.getLogger(__name__)

RENEW_EVERY = 1.0  # seconds; also how soon a stop from another process is seen
GRACE = 5.0  # seconds that running turns have to finish once the process is told to stop
TURN_SECONDS = 900  # the longest an answer may take
# Of many who ask at once, the first have their first words while the last still wait. All together,
# each would be kept waiting for all the others' searches; and on SQLite for its lock, asleep.
CLAIMS_AT_ONCE = 2
TOLD_AFTER = 0.1  # seconds: a list of sessions can wait, the first words of an answer cannot

SHUTDOWN = "shutdown"
STOPPED = "Stopped."
TOO_LONG = "The answer took too long and was ended. Ask for less at once, or try again."
BROKEN = (
    "Something went wrong in Carrel while answering. Try again; if it happens again, the server's "
    "log tells the person who runs it why."
)
UNSAVED = "The answer could not be saved: the server's database is away. Ask again to retry."
RESTARTING = "The server is being restarted. Try again in a moment."
NO_INDEX = "None of the indexes can be searched. Choose others, or sync them first."
ALL_WANTED = "Not all of the indexes can be searched, and this message asked for all of them."

T = TypeVar("T")

_tasks: dict[int, asyncio.Task[None]] = {}  # by turn
_answers: dict[int, asyncio.Task[None]] = {}  # ... what a stop breaks off, and nothing else of it
_claiming: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()
_loop: asyncio.AbstractEventLoop | None = None
_keeper: asyncio.Task[None] | None = None
_telling: set[asyncio.Future[None]] = set()
_is_ending = False  # what would begin now would only be broken off


@dataclass(frozen=True, slots=True)
class Claimed:
    """A turn that this process holds."""

    actor: Actor
    turn: Turn
    first: Stamped
    read: Future[tuple[Job, dict[str, str]]]  # what ``read_job`` gave; done

    @property
    def skipped(self) -> tuple[str, ...]:
        """Ids of indexes that were asked for but cannot be searched."""
        return () if self.read.exception() else tuple(self.read.result()[1])


async def start(actor: Actor, session_id: str, prompt: Prompt) -> Turn:
    """Claim a turn and begin to answer it. Raises as ``claims.claim``, and Unavailable."""
    loop = asyncio.get_running_loop()
    few_at_once = _claiming.setdefault(loop, asyncio.Semaphore(CLAIMS_AT_ONCE))

    async def begin() -> Turn:
        async with few_at_once:
            if _is_ending:
                raise Unavailable(RESTARTING)
            claimed = await _claim(actor, session_id, prompt)
        _launch(claimed)
        return claimed.turn

    return await _unbroken(begin())


async def start_next(session_id: str) -> None:
    """Begin the session's oldest queued prompt, if nothing runs in it."""
    if _is_ending:  # another process begins it, or this one when it is back
        return

    async def begin() -> None:
        if claimed := await _claim_queued(session_id):
            _launch(claimed)

    await _unbroken(begin())


async def _unbroken(beginning: Awaitable[T]) -> T:
    """A caller that goes away between claim and launch must not leave a turn nobody runs."""
    return await asyncio.shield(asyncio.ensure_future(beginning))


@in_thread
def _claim(actor: Actor, session_id: str, prompt: Prompt) -> Claimed:
    turn, first = claims.claim(actor, session_id, prompt)
    return _with_job(actor, turn, first)


@in_thread
def _claim_queued(session_id: str) -> Claimed | None:
    claimed = claims.claim_queued(session_id)
    return claimed and _with_job(*claimed)


def _with_job(actor: Actor, turn: Turn, first: Stamped) -> Claimed:
    """Never raises: the turn is ours by now, and has to be brought to its end."""
    read: Future[tuple[Job, dict[str, str]]] = Future()
    try:
        read.set_result(read_job(actor, turn, cast(UserInput, first.event).content))
    except Exception as exc:
        read.set_exception(exc)
    return Claimed(actor, turn, first, read)


def _launch(claimed: Claimed) -> None:
    """Begin to answer. The task belongs to no request and outlives them all."""
    global _loop, _keeper
    _loop = asyncio.get_running_loop()
    bell.listen()
    turn = claimed.turn
    turn_log, tally = log.open(turn, claimed.first), Tally()
    # Empty contexts: the request's own must not keep its thread and connection.
    answering = _loop.create_task(_answer(claimed, turn_log, tally), context=Context())
    task = _loop.create_task(_run(claimed, turn_log, answering, tally), context=Context())
    _answers[turn.pk], _tasks[turn.pk] = answering, task
    answering.add_done_callback(lambda _: _answers.pop(turn.pk, None))
    task.add_done_callback(lambda _: _tasks.pop(turn.pk, None))
    if _keeper is None or _keeper.done():
        _keeper = _loop.create_task(_keep_leases(), context=Context())
    _tell(turn.session_id, moved=True)


def request_stop(turn: Turn) -> None:
    """Stop a turn wherever it runs: at once if the bell reaches its process. From any thread."""
    Turn.objects.running().filter(pk=turn.pk).update(cancel_requested=True)
    if turn.pk in _tasks and _loop is not None:
        _loop.call_soon_threadsafe(_stop_here, [turn.pk])
    else:
        async_to_sync(bell.send)("stop", [turn.pk])


def _stop_here(turns: Sequence[int]) -> None:
    for turn in turns:
        if answering := _answers.get(turn):
            answering.cancel()


bell.on("stop", _stop_here)


async def drain(seconds: float = GRACE) -> None:
    """For a process about to end: give its turns so long, then break them off as interrupted."""
    global _is_ending
    _is_ending = True
    if _tasks:
        await asyncio.wait(set(_tasks.values()), timeout=seconds)
    for answering in list(_answers.values()):
        answering.cancel(SHUTDOWN)
    if _tasks:
        await asyncio.wait(set(_tasks.values()), timeout=5)
    await log.writer.drain()
    await close_client()


@dataclass(slots=True)
class Outcome:
    """How an answer came to its end."""

    state: Turn.State = Turn.State.DONE
    error: str | None = None


async def _run(
    claimed: Claimed, turn_log: TurnLog, answering: asyncio.Task[None], tally: Tally
) -> None:
    """See an answer to its end, whatever it is. Nobody breaks this off."""
    turn, loop = claimed.turn, asyncio.get_running_loop()
    started, outcome = loop.time(), Outcome()
    try:
        outcome = await _outcome(turn, answering)
    except LostTurn:
        turn_log.lost = True
    seconds, first = loop.time() - started, turn_log.first_text_at
    usage = {
        "duration_ms": round(seconds * 1000),
        "total_input_tokens": tally.input_tokens,
        "total_output_tokens": tally.output_tokens,
        "turns": max(tally.rounds, 1),
    }
    if turn_log.lost:
        await _lose(turn, turn_log, usage)
        return
    failed = outcome.state in {Turn.State.FAILED, Turn.State.INTERRUPTED}
    stop = Stop(failed, outcome.error, usage, claimed.skipped or None)
    first_ms = None if first is None else round((first - started) * 1000)
    ending = Ending(outcome.state, first_ms, turn_log.citations, turn_log.said)
    await turn_log.finish(stop, ending)
    if turn_log.lost:
        await _lose(turn, turn_log, usage)
        return
    _tell(turn.session_id)
    if outcome.state != Turn.State.INTERRUPTED:  # this process is ending; another one goes on
        await start_next(turn.session_id)
    logger.info(
        "turn finished turn=%s state=%s rounds=%d seconds=%.2f",
        turn.pk,
        outcome.state,
        tally.rounds,
        seconds,
    )
    if outcome.state == Turn.State.DONE and not turn.parent_id:
        await _entitle(turn, claimed.read.result()[0])


async def _answer(claimed: Claimed, turn_log: TurnLog, tally: Tally) -> None:
    async with asyncio.timeout(TURN_SECONDS):
        job, warnings = claimed.read.result()
        for sentence in warnings.values():
            turn_log.append(Warning_(sentence))
        if warnings and (claimed.turn.require_all_indexes or not job.index_names):
            raise Invalid(ALL_WANTED if job.index_names else NO_INDEX)
        await answer(job, turn_log, tally)


async def _outcome(turn: Turn, answering: asyncio.Task[None]) -> Outcome:
    """Wait for the answer; whatever went wrong is put into words. Raises LostTurn alone."""
    try:
        await answering
    except asyncio.CancelledError as exc:
        if SHUTDOWN in exc.args:
            return Outcome(Turn.State.INTERRUPTED, INTERRUPTED)
        return Outcome(Turn.State.STOPPED, STOPPED)
    except TimeoutError:
        return Outcome(Turn.State.FAILED, TOO_LONG)
    except CarrelError as exc:
        logger.warning("turn failed turn=%s code=%s", turn.pk, exc.code)
        return Outcome(Turn.State.FAILED, exc.message)
    except LostTurn:
        raise
    except Exception:
        logger.exception("turn broke turn=%s", turn.pk)
        return Outcome(Turn.State.FAILED, BROKEN)
    return Outcome()


async def _lose(turn: Turn, turn_log: TurnLog, usage: Mapping[str, float]) -> None:
    """Another process has ended the turn, or its events cannot be saved."""
    try:
        await _give_up(turn)
    except DatabaseError as exc:
        logger.error("turn ended unsaved turn=%s error=%s", turn.pk, exc)
        turn_log.end_unsaved(Stop(True, NO_ROOM if is_full(exc) else UNSAVED, usage))
    else:
        logger.warning("turn lost turn=%s", turn.pk)
        turn_log.abandon()


_give_up = in_thread(give_up)


def _tell(session_id: str, moved: bool = False) -> None:
    """Let pages that list the session know, without waiting for it."""
    told = asyncio.ensure_future(_tell_soon(session_id, moved))
    _telling.add(told)
    told.add_done_callback(_telling.discard)


async def _tell_soon(session_id: str, moved: bool) -> None:
    await asyncio.sleep(TOLD_AFTER)
    await news.session_changed_soon(session_id, moved)


async def _entitle(turn: Turn, job: Job) -> None:
    """Give the session the model's own title, after its first turn and unless someone named it."""
    try:
        title = await titles.from_model(job.model, job.question)
        if title and await _rename(turn.session_id, titles.first_line(job.question), title):
            _tell(turn.session_id)
            await log.announce(turn.session_id)
    except Exception:  # its first line will do
        logger.exception("session not entitled turn=%s", turn.pk)


@in_thread
def _rename(session_id: str, before: str, title: str) -> bool:
    return Session.objects.filter(pk=session_id, title=before).update(title=title) == 1


async def _keep_leases() -> None:
    """Renew the leases of all that runs here, and see who asked for a stop elsewhere."""
    is_failing = False
    while _tasks:
        await asyncio.sleep(RENEW_EVERY)
        try:
            _stop_here(await _renew())
            is_failing = False
        except DatabaseError as exc:
            if not is_failing:  # once, not for every second until it is mended
                logger.warning("leases not renewed error=%s", exc)
            is_failing = True


def _renew_leases() -> list[int]:
    # Not all that bear this process's name: one it could not bring to its end is to run out.
    mine = Turn.objects.running().filter(pk__in=list(_tasks), lease_owner=process_name())
    mine.renew(process_name())
    return list(mine.filter(cancel_requested=True).values_list("pk", flat=True))


_renew = in_thread(_renew_leases)

"""``manage.py worker``: does the tasks in the queue, and sees to it that none is lost."""

import logging
import signal
import threading
from argparse import ArgumentParser
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand
from django.db import OperationalError, close_old_connections, connection
from django_tasks_db.management.commands import db_worker

from chat.events.leases import process_name, settle_lapsed
from chat.events.retention import drop_deltas, purge_sessions, retire_sessions
from chat.retrieval.leases import stopping
from chat.tasks import prune, queue_due_syncs, queue_purge, recover

logger = logging.getLogger(__name__)

POLL = 0.5  # seconds between looks into an empty queue
AWAY = 1.0  # ... and between tries to find a database that is away
ROUNDS = 20.0  # seconds between looks for work that is due, or that nobody does


class Command(BaseCommand):
    requires_system_checks = ()  # pyright: ignore[reportAssignmentType]  # as Django says, not its stubs
    help = "Do background work: syncs, mostly. Any number may run, on any number of machines."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--batch", action="store_true", help="End when nothing is left to do.")

    def handle(self, *, batch: bool, **options: Any) -> None:
        _look_after_work()
        rounds = threading.Thread(target=_make_rounds, name="rounds", daemon=True)
        rounds.start()
        worker = Worker(
            queue_names=["*"],
            excluded_queue_names=[],
            interval=POLL,
            batch=batch,
            backend_name="default",
            startup_delay=False,
            max_tasks=None,
            worker_id=process_name(),
        )
        worker.configure_signals()
        try:
            worker.run()
        finally:
            stopping.set()
            rounds.join()
            stopping.clear()  # ``quickstart`` and tests go on in this process


class Worker(db_worker.Worker):
    """Told to stop, it hands the sync at work back to the queue instead of finishing it. A
    database that is restarted does not end it."""

    def run(self) -> None:
        while True:
            try:
                return super().run()
            except OperationalError as exc:
                if self.batch:
                    raise
                logger.warning("the database is away; trying again error=%s", exc)
                close_old_connections()
                if stopping.wait(AWAY):
                    return

    def shutdown(self, signum: int, frame: FrameType | None) -> None:
        stopping.set()
        self.running = False
        if not self.running_task:
            raise SystemExit(0)

    def configure_signals(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.shutdown)


def _make_rounds() -> None:
    try:
        while not stopping.wait(ROUNDS):
            close_old_connections()
            _look_after_work()
    finally:
        connection.close()


def _look_after_work() -> None:
    for chore in CHORES:
        try:
            chore()
        except Exception:
            logger.exception("looking after the work failed chore=%s", chore.__name__)


def _queue_syncs() -> None:
    if count := recover() + queue_due_syncs():
        logger.info("syncs queued count=%d", count)


# One that fails does not keep the others from theirs.
CHORES = (
    _queue_syncs,
    queue_purge,
    settle_lapsed,
    drop_deltas,
    retire_sessions,
    purge_sessions,
    prune,
)

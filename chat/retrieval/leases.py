"""Who works on a sync: one worker at a time, and another once that one is gone."""

import logging
import threading
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection, models
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from chat.events import news
from chat.events.leases import is_dead, process_name
from chat.models import Sync

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=30)  # a worker that has not renewed for this long is dead
HEARTBEAT = 1.0  # seconds between renewals, and so until a cancel is noticed
MAX_ATTEMPTS = 5  # a sync that outlived this many workers is not given to another

stopping = threading.Event()  # set once this process is to end: syncs at work are handed back


class Broken(Exception):
    """The work must stop. Nothing more may be written under the lease."""


class Cancelled(Broken):
    """Somebody asked for it."""


class HandedBack(Broken):
    """This process is ending."""


class Lost(Broken):
    """The lease ran out, and the sync may be another worker's by now."""


def workable() -> models.QuerySet[Sync]:
    """Syncs that wait for a worker, or whose worker is gone."""
    running = Sync.objects.filter(state=Sync.State.RUNNING)
    dead = [pk for pk, worker in running.values_list("pk", "worker") if is_dead(worker)]
    lapsed = Q(lease_expires_at__lt=timezone.now()) | Q(pk__in=dead)
    return Sync.objects.filter(
        Q(state=Sync.State.QUEUED) | Q(state=Sync.State.RUNNING) & lapsed,
    )


class Lease:
    """The right to work on a sync, renewed by a thread for as long as the ``with`` block lasts.

    ``progress`` holds fields of the sync; they are saved with every renewal. ``on_break`` is
    called, from that thread, when the work must stop.
    """

    def __init__(self, sync: Sync):
        self.sync = sync
        self.progress: dict[str, int] = {}
        self.on_break = lambda: None
        self._reason: Broken | None = None
        self._broken = threading.Event()
        self._ended = threading.Event()
        self._heart = threading.Thread(target=self._beat, name="sync-heartbeat", daemon=True)

    @classmethod
    def take(cls, sync_id: int) -> "Lease | None":
        """A lease on the sync; None if it is over, or another worker's."""
        now = timezone.now()
        claimed = (
            workable()
            .filter(pk=sync_id)
            .update(
                state=Sync.State.RUNNING,
                worker=process_name(),
                lease_expires_at=now + LEASE,
                attempts=F("attempts") + 1,
                started_at=Coalesce("started_at", now),
            )
        )
        return cls(Sync.objects.select_related("index").get(pk=sync_id)) if claimed else None

    def __enter__(self) -> "Lease":
        self._heart.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._heart.join()

    def check(self) -> None:
        """Raises ``Broken`` when the work must stop."""
        if stopping.is_set():  # the next renewal would find it too
            raise HandedBack
        if self._reason is not None:
            raise self._reason

    def wait(self, seconds: float) -> None:
        """Sleep, but not on when the work must stop. Raises ``Broken``."""
        self._broken.wait(seconds)
        self.check()

    def hold(self) -> None:
        """Renew, within the transaction of a write that depends on it.

        Raises ``Lost``, or ``Cancelled`` as soon as somebody has asked for it.
        """
        fields: dict[str, Any] = {**self.progress, "lease_expires_at": timezone.now() + LEASE}
        if not self._mine().filter(cancel_requested=False).update(**fields):
            raise Cancelled if self._mine().exists() else Lost

    def finish(self, state: Sync.State, error: str = "") -> None:
        """End the sync. Raises ``Lost``."""
        fields = {**self.progress, "state": state, "error": error, "lease_expires_at": None}
        if not self._mine().update(finished_at=timezone.now(), **fields):
            raise Lost
        self._tell()

    def hand_back(self) -> None:
        """Let another worker go on; this attempt does not count."""
        fields = {**self.progress, "state": Sync.State.QUEUED, "lease_expires_at": None}
        self._mine().update(worker="", attempts=F("attempts") - 1, **fields)

    def _mine(self) -> models.QuerySet[Sync]:
        return Sync.objects.filter(
            pk=self.sync.pk,
            state=Sync.State.RUNNING,
            worker=self.sync.worker,
            attempts=self.sync.attempts,
        )

    def _beat(self) -> None:
        try:
            while self._reason is None and not self._ended.wait(HEARTBEAT):
                try:
                    self._reason = self._look()
                    self._tell()
                except Exception:  # a database that is away for a moment; the lease lasts longer
                    logger.exception("sync heartbeat failed sync=%s", self.sync.pk)
        finally:
            connection.close()
        if self._reason is not None:
            self._broken.set()
            self.on_break()

    def _tell(self) -> None:
        """Let pages know how far it is, by Redis. Where there is none, web processes look."""
        if settings.REDIS_URL:
            news.index_changed(self.sync.index_id, self.sync.index.project_id)

    def _look(self) -> Broken | None:
        if stopping.is_set():
            return HandedBack()
        try:
            self.hold()
        except (Lost, Cancelled) as broken:
            return broken
        return None

"""Sessions, the indexes they are bound to, and their turns."""

from datetime import timedelta
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from .ids import session_id
from .indexes import Index
from .projects import Actor, Project, in_reach

MAX_INDEXES = 10
LEASE = timedelta(seconds=20)  # a run that has not renewed for this long is dead


class SessionQuerySet(models.QuerySet["Session"]):
    def live(self) -> Self:
        return self.filter(deleted_at=None)

    def owned_by(self, actor: Actor) -> Self:
        return self.live().filter(in_reach(actor), owner=actor.person)

    def visible_to(self, actor: Actor) -> Self:
        """One's own, and those opened to the project by their owner."""
        shared = Q(sharing__in=[Session.Sharing.READ_ONLY, Session.Sharing.QUERY])
        return self.live().filter(in_reach(actor), Q(owner=actor.person) | shared)

    def askable_by(self, actor: Actor) -> Self:
        """Those in which the actor may put a question."""
        return self.visible_to(actor).filter(
            Q(owner=actor.person) | Q(sharing=Session.Sharing.QUERY)
        )

    editable_by = owned_by

    def recent(self) -> Self:
        return self.order_by("-last_used_at", "-id")


class Session(models.Model):
    """A conversation. Bound: its first prompt fixed its indexes; else each prompt names some."""

    class Sharing(models.TextChoices):
        PRIVATE = "private"
        READ_ONLY = "read_only"
        QUERY = "query"

    id = models.CharField(primary_key=True, max_length=40, default=session_id, editable=False)
    project = models.ForeignKey(Project, models.CASCADE, related_name="sessions")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="sessions")
    title = models.CharField(max_length=100, blank=True)
    is_bound = models.BooleanField(default=False)
    sharing = models.CharField(max_length=10, choices=Sharing, default=Sharing.PRIVATE)
    indexes = models.ManyToManyField(Index, through="BoundIndex", related_name="sessions")
    pinned_at = models.DateTimeField(null=True, blank=True)
    archived_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(default=timezone.now)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = SessionQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-last_used_at", "-id"]
        indexes: ClassVar = [
            models.Index(fields=["owner", "-last_used_at", "-id"], name="session_recent"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(sharing__in=["private", "read_only", "query"]),
                name="session_sharing_known",
            ),
        ]

    def __str__(self) -> str:
        return self.title or self.pk


class BoundIndex(models.Model):
    session = models.ForeignKey(Session, models.CASCADE, related_name="bound_indexes")
    index = models.ForeignKey(Index, models.CASCADE, related_name="bound_sessions")
    position = models.PositiveSmallIntegerField()

    class Meta:
        verbose_name_plural = "bound indexes"
        ordering: ClassVar = ["position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["session", "index"], name="index_bound_once"),
            models.UniqueConstraint(fields=["session", "position"], name="bound_in_order"),
            models.CheckConstraint(
                condition=Q(position__lt=MAX_INDEXES), name="at_most_ten_bound_indexes"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.index_id} in {self.session_id}"


class TurnQuerySet(models.QuerySet["Turn"]):
    def running(self) -> Self:
        return self.filter(state=Turn.State.RUNNING)

    def lapsed(self) -> Self:
        """Running on paper only: whoever ran them has not renewed the lease in time."""
        return self.running().filter(lease_expires_at__lt=timezone.now())

    def renew(self, owner: str) -> int:
        """Prolong the leases of one process; answers how many it still holds."""
        return self.running().filter(lease_owner=owner).update(lease_expires_at=lease_end())


class Turn(models.Model):
    """One prompt and all that is done to answer it."""

    class State(models.TextChoices):
        RUNNING = "running"
        DONE = "done"
        STOPPED = "stopped"  # by a person
        FAILED = "failed"
        INTERRUPTED = "interrupted"  # its process died

    session = models.ForeignKey(Session, models.CASCADE, related_name="turns")
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="turns"
    )
    seq = models.PositiveBigIntegerField()  # of its user_input event
    state = models.CharField(max_length=12, choices=State, default=State.RUNNING)
    model = models.CharField(max_length=200, blank=True)
    index_ids = models.JSONField(default=list)  # asked to search, in order
    skipped_index_ids = models.JSONField(default=list)
    require_all_indexes = models.BooleanField(default=False)
    cancel_requested = models.BooleanField(default=False, editable=False)
    lease_owner = models.CharField(max_length=100, blank=True, editable=False)
    lease_expires_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, editable=False)
    duration_ms = models.PositiveIntegerField(null=True, editable=False)
    first_text_ms = models.PositiveIntegerField(null=True, editable=False)
    input_tokens = models.PositiveIntegerField(default=0, editable=False)
    output_tokens = models.PositiveIntegerField(default=0, editable=False)
    rounds = models.PositiveSmallIntegerField(default=0, editable=False)
    error = models.TextField(blank=True)

    objects = TurnQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["session", "seq"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["session"], condition=Q(state="running"), name="one_running_turn"
            ),
            models.UniqueConstraint(fields=["session", "seq"], name="turn_starts_at_its_prompt"),
            models.CheckConstraint(
                condition=Q(state__in=["running", "done", "stopped", "failed", "interrupted"]),
                name="turn_state_known",
            ),
        ]

    def __str__(self) -> str:
        return f"turn {self.pk} of {self.session_id}"

    @property
    def is_running(self) -> bool:
        return self.state == self.State.RUNNING


def lease_end():
    return timezone.now() + LEASE

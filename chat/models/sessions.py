"""Sessions, the indexes they are bound to, and their turns."""

from datetime import timedelta
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

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
        PRIVATE = "private", _("Private")
        READ_ONLY = "read_only", _("Can read")
        QUERY = "query", _("Can ask")

    id = models.CharField(primary_key=True, max_length=40, default=session_id, editable=False)
    project = models.ForeignKey(
        Project, models.CASCADE, related_name="sessions", verbose_name=_("project")
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="sessions", verbose_name=_("owner")
    )
    title = models.CharField(_("title"), max_length=100, blank=True)
    is_bound = models.BooleanField(_("bound"), default=False)
    sharing = models.CharField(
        _("sharing"), max_length=10, choices=Sharing, default=Sharing.PRIVATE
    )
    tip = models.ForeignKey(  # last turn of the current branch
        "Turn",
        models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("last turn"),
    )
    is_branched = models.BooleanField(  # some turn was asked again
        _("has branches"), default=False, editable=False
    )
    indexes = models.ManyToManyField(
        Index, through="BoundIndex", related_name="sessions", verbose_name=_("indexes")
    )
    pinned_at = models.DateTimeField(_("pinned"), null=True, blank=True)
    archived_at = models.DateTimeField(_("archived"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    last_used_at = models.DateTimeField(_("last used"), default=timezone.now)
    deleted_at = models.DateTimeField(_("deleted"), null=True, blank=True, editable=False)

    objects = SessionQuerySet.as_manager()

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")
        ordering: ClassVar = ["-last_used_at", "-id"]
        indexes: ClassVar = [
            models.Index(fields=["owner", "-last_used_at", "-id"], name="session_recent"),
            models.Index(
                fields=["owner", "-pinned_at"],
                condition=Q(pinned_at__isnull=False),
                name="session_pinned",
            ),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(sharing__in=["private", "read_only", "query"]),
                name="session_sharing_known",
            ),
        ]

    def __str__(self) -> str:
        return self.title or self.pk

    def branch(self, tip: int | None = None) -> list[int]:
        """Primary keys of the turns from the first to this one, or to the session's tip: what it
        reads as now."""
        parents = dict(self.turns.order_by().values_list("pk", "parent"))
        path, turn = [], self.tip_id if tip is None else tip
        while turn is not None:
            path.append(turn)
            turn = parents.get(turn)
        return path[::-1]

    def end_of(self, turn: int) -> int:
        """Primary key of the newest end of what followed a turn; its own where nothing did."""
        newest: dict[int | None, int] = {}  # child of each parent
        for pk, parent in self.turns.order_by("seq").values_list("pk", "parent"):
            newest[parent] = pk
        while turn in newest:
            turn = newest[turn]
        return turn


class BoundIndex(models.Model):
    session = models.ForeignKey(
        Session, models.CASCADE, related_name="bound_indexes", verbose_name=_("session")
    )
    index = models.ForeignKey(
        Index, models.CASCADE, related_name="bound_sessions", verbose_name=_("index")
    )
    position = models.PositiveSmallIntegerField(_("position"))

    class Meta:
        verbose_name = _("bound index")
        verbose_name_plural = _("bound indexes")
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

    def without_sources(self) -> Self:
        """Answered, but out of no document: what was asked may be missing in them."""
        return self.filter(state=Turn.State.DONE, citations=0)

    def renew(self, owner: str) -> int:
        """Prolong a process's leases of these; answers how many it still holds."""
        return self.running().filter(lease_owner=owner).update(lease_expires_at=lease_end())


class Turn(models.Model):
    """One prompt and all that is done to answer it."""

    class State(models.TextChoices):
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        STOPPED = "stopped", _("Stopped")  # by a person
        FAILED = "failed", _("Failed")
        INTERRUPTED = "interrupted", _("Interrupted")  # its process died

    session = models.ForeignKey(
        Session, models.CASCADE, related_name="turns", verbose_name=_("session")
    )
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        related_name="turns",
        db_index=False,  # ``turns_of_a_person`` begins with it
        verbose_name=_("asked by"),
    )
    parent = models.ForeignKey(  # the turn it follows; turns with one parent are branches
        "self",
        models.CASCADE,
        null=True,
        editable=False,
        related_name="children",
        verbose_name=_("parent"),
    )
    seq = models.PositiveBigIntegerField(_("number"))  # of its user_input event
    state = models.CharField(_("state"), max_length=12, choices=State, default=State.RUNNING)
    model = models.CharField(_("model"), max_length=200, blank=True)
    index_ids = models.JSONField(_("indexes asked"), default=list)  # asked to search, in order
    skipped_index_ids = models.JSONField(_("indexes skipped"), default=list)
    require_all_indexes = models.BooleanField(_("all indexes needed"), default=False)
    cancel_requested = models.BooleanField(_("asked to stop"), default=False, editable=False)
    lease_owner = models.CharField(_("process"), max_length=100, blank=True, editable=False)
    lease_expires_at = models.DateTimeField(_("lease expires"), null=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    finished_at = models.DateTimeField(_("finished"), null=True, editable=False)
    duration_ms = models.PositiveIntegerField(_("duration (ms)"), null=True, editable=False)
    first_text_ms = models.PositiveIntegerField(
        _("first text after (ms)"), null=True, editable=False
    )
    input_tokens = models.PositiveIntegerField(_("input tokens"), default=0, editable=False)
    output_tokens = models.PositiveIntegerField(_("output tokens"), default=0, editable=False)
    rounds = models.PositiveSmallIntegerField(_("rounds"), default=0, editable=False)
    citations = models.PositiveIntegerField(  # in its answer, once whole
        _("citations"), null=True, editable=False
    )
    error = models.TextField(_("error"), blank=True)

    objects = TurnQuerySet.as_manager()

    class Meta:
        verbose_name = _("turn")
        verbose_name_plural = _("turns")
        ordering: ClassVar = ["session", "seq"]
        indexes: ClassVar = [
            models.Index(
                fields=["-created_at"],
                condition=Q(state="done", citations=0),
                name="turns_without_sources",
            ),
            models.Index(fields=["asked_by", "-created_at"], name="turns_of_a_person"),
        ]
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

    def siblings(self) -> models.QuerySet["Turn"]:
        """All ways the conversation went on from its parent, this one included, oldest first."""
        return Turn.objects.filter(session=self.session_id, parent=self.parent_id).order_by("seq")


class QueuedPromptQuerySet(models.QuerySet["QueuedPrompt"]):
    def visible_to(self, actor: Actor) -> Self:
        return self.filter(session__in=Session.objects.visible_to(actor))

    def editable_by(self, actor: Actor) -> Self:
        """Whoever wrote a prompt may change it until it starts; the session's owner, too."""
        return self.visible_to(actor).filter(
            Q(asked_by=actor.person) | Q(session__owner=actor.person)
        )


class QueuedPrompt(models.Model):
    """A prompt that waits for the running turn to end. When it starts, it becomes a turn."""

    session = models.ForeignKey(
        Session, models.CASCADE, related_name="queued_prompts", verbose_name=_("session")
    )
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        related_name="queued_prompts",
        verbose_name=_("asked by"),
    )
    prompt = models.TextField(_("question"))
    index_ids = models.JSONField(_("indexes asked"), default=list)
    model = models.CharField(_("model"), max_length=200, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    objects = QueuedPromptQuerySet.as_manager()

    class Meta:
        verbose_name = _("waiting question")
        verbose_name_plural = _("waiting questions")
        ordering: ClassVar = ["session", "pk"]

    def __str__(self) -> str:
        return f"queued prompt {self.pk} of {self.session_id}"


def lease_end():
    return timezone.now() + LEASE

"""The event log's rows."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from .sessions import Session, Turn


class Event(models.Model):
    """One thing that happened. Written once, never changed; the rows are the truth."""

    class Type(models.TextChoices):
        USER_INPUT = "user_input"
        THINKING_DELTA = "thinking_delta"
        THINKING = "thinking"
        TEXT_DELTA = "text_delta"
        TEXT = "text"
        TOOL_CALL = "tool_call"
        TOOL_RESULT = "tool_result"
        WARNING = "warning"
        STOP = "stop"

    DELTAS: ClassVar = (Type.THINKING_DELTA, Type.TEXT_DELTA)
    SAID: ClassVar = (Type.USER_INPUT, Type.TEXT)  # by those who talk, each in its ``content``

    # The constraint below finds a session's events, too. One index less halves what a row costs.
    session = models.ForeignKey(
        Session, models.CASCADE, related_name="events", db_index=False, verbose_name=_("session")
    )
    turn = models.ForeignKey(Turn, models.CASCADE, related_name="events", verbose_name=_("turn"))
    seq = models.PositiveBigIntegerField(_("number"))
    type = models.CharField(_("type"), max_length=16, choices=Type)
    payload = models.JSONField(_("payload"))
    created_at = models.DateTimeField(_("created"))

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        ordering: ClassVar = ["session", "seq"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["session", "seq"], name="event_seq_in_session"),
            models.UniqueConstraint(
                fields=["turn"], condition=Q(type="stop"), name="one_stop_per_turn"
            ),
            models.UniqueConstraint(
                fields=["turn"], condition=Q(type="user_input"), name="one_prompt_per_turn"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.seq} in {self.session_id}"

"""What people thought of an answer."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from .sessions import Turn


class Feedback(models.Model):
    """One person's word on one turn; saying it again replaces it."""

    class Rating(models.TextChoices):
        GOOD = "good", _("Good")
        BAD = "bad", _("Bad")

    turn = models.ForeignKey(Turn, models.CASCADE, related_name="feedback", verbose_name=_("turn"))
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="feedback", verbose_name=_("user")
    )
    rating = models.CharField(_("rating"), max_length=4, choices=Rating)
    comment = models.TextField(_("comment"), blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    class Meta:
        verbose_name = _("feedback")
        verbose_name_plural = _("feedback")
        ordering: ClassVar = ["-updated_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["turn", "user"], name="one_feedback_each"),
            models.CheckConstraint(
                condition=Q(rating__in=["good", "bad"]), name="feedback_rating_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rating} for {self.turn}"

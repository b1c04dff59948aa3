"""Who has opened a session, and how far they have read."""

from datetime import timedelta
from typing import ClassVar, Self

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .sessions import Session, Turn

FRESH = timedelta(minutes=1)  # a visit is not written down again sooner, unless it had to read


class VisitQuerySet(models.QuerySet["Visit"]):
    def by_others(self, session: Session) -> Self:
        """Visits to the session but its owner's, newest first."""
        others = self.filter(session=session).exclude(user=session.owner_id)
        return others.select_related("user").order_by("-seen_at")


class Visit(models.Model):
    """One person's reading of one session: all that was there at ``seen_at`` has been seen."""

    session = models.ForeignKey(
        Session, models.CASCADE, related_name="visits", verbose_name=_("session")
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="visits", verbose_name=_("user")
    )
    opened_at = models.DateTimeField(_("first opened"), default=timezone.now)
    seen_at = models.DateTimeField(_("last seen"), default=timezone.now)

    objects = VisitQuerySet.as_manager()

    class Meta:
        verbose_name = _("visit")
        verbose_name_plural = _("visits")
        indexes: ClassVar = [models.Index(fields=["user", "-seen_at"], name="visits_of_a_person")]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["session", "user"], name="one_visit_each")
        ]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.session_id}"

    @classmethod
    def note(cls, session: Session, user: AbstractUser) -> bool:
        """The person looks at the session now. True if the list of sessions shows it otherwise
        from now on: it was unread, or is opened for the first time."""
        now = timezone.now()
        visit, is_new = cls.objects.get_or_create(session=session, user=user)
        if is_new:
            return True
        answered = Turn.objects.filter(session=session, finished_at__gt=visit.seen_at)
        was_unread = answered.exists()
        if was_unread or visit.seen_at < now - FRESH:
            cls.objects.filter(pk=visit.pk).update(seen_at=now)
        return was_unread

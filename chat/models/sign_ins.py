"""In which browsers a person is signed in.

Django keeps its browser sessions without saying whose they are; a row beside each does.
"""

from collections.abc import Sequence
from typing import ClassVar, Self

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.contrib.sessions.models import Session as BrowserSession
from django.db import IntegrityError, models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

LONGEST = 300  # characters of what a browser says of itself


class SignInQuerySet(models.QuerySet["SignIn"]):
    def of(self, user: AbstractUser) -> Self:
        """Those of the person that still open something, last used first."""
        return self.filter(user=user, session__expire_date__gt=timezone.now()).order_by("-seen_at")

    def besides(self, session_key: str | None) -> Self:
        return self.exclude(session=session_key)

    def end(self) -> None:
        """Whoever uses one of them is asked for the password again."""
        keys: Sequence[str] = list(self.values_list("session", flat=True))
        BrowserSession.objects.filter(pk__in=keys).delete()


class SignIn(models.Model):
    session = models.OneToOneField(
        BrowserSession, models.CASCADE, related_name="sign_in", verbose_name=_("session")
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="sign_ins", verbose_name=_("user")
    )
    browser = models.CharField(_("browser"), max_length=LONGEST, blank=True)  # its User-Agent
    signed_in_at = models.DateTimeField(_("signed in"), default=timezone.now)
    seen_at = models.DateTimeField(_("last seen"), default=timezone.now)

    objects = SignInQuerySet.as_manager()

    class Meta:
        verbose_name = _("sign-in")
        verbose_name_plural = _("sign-ins")
        indexes: ClassVar = [models.Index(fields=["user", "-seen_at"], name="sign_ins_of_a_person")]

    def __str__(self) -> str:
        return f"sign-in of {self.user_id}"

    @classmethod
    def note(cls, session_key: str, user_id: int, browser: str) -> None:
        """It is used now, or was just made."""
        row = cls(session_id=session_key, user_id=user_id, browser=browser[:LONGEST])
        try:
            with transaction.atomic():
                cls.objects.bulk_create(
                    [row],
                    update_conflicts=True,
                    unique_fields=["session"],
                    update_fields=["user", "browser", "seen_at"],
                )
        except IntegrityError:  # signed out meanwhile
            return

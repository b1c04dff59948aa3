"""How much people may ask."""

from typing import ClassVar, Self

from django.contrib.auth.models import AbstractUser, Group
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _


class QuotaQuerySet(models.QuerySet["Quota"]):
    def of(self, person: AbstractUser) -> Self:
        """Those of the person's groups, and the one for everyone."""
        return self.filter(Q(group=None) | Q(group__in=Group.objects.filter(user=person)))


class Quota(models.Model):
    """What each person of a group may ask; an empty limit is none.

    Without a group it holds for everyone of whose groups none has a quota. Of several groups' the
    largest limit counts.
    """

    group = models.ForeignKey(
        Group,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="quotas",
        verbose_name=_("group"),
        help_text=_("Empty: everyone who is in no group with a quota of its own."),
    )
    turns_per_hour = models.PositiveIntegerField(
        _("turns per hour"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("Questions that one person may ask within any hour. Empty: no limit."),
    )
    tokens_per_day = models.PositiveBigIntegerField(
        _("tokens per day"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_(
            "Tokens read and written by the model for one person within any 24 hours. "
            "Empty: no limit."
        ),
    )

    objects = QuotaQuerySet.as_manager()

    class Meta:
        verbose_name = _("quota")
        verbose_name_plural = _("quotas")
        ordering: ClassVar = ["group__name"]
        constraints: ClassVar = [
            models.UniqueConstraint(  # and one for everyone: two NULLs would not be alike
                Coalesce("group", 0),
                name="one_quota_a_group",
                violation_error_message=_("There is a quota for these people; change that one."),
            ),
        ]

    def __str__(self) -> str:
        return str(self.group or gettext("Everyone"))

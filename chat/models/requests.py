"""What the API remembers of requests."""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from .projects import APIKey


class CreateOnce(models.Model):
    """A create that carried an ``Idempotency-Key``, and what it answered once it was done."""

    key = models.ForeignKey(APIKey, models.CASCADE, related_name="+", verbose_name=_("API key"))
    name = models.CharField(_("name"), max_length=255)
    route = models.TextField(_("route"))  # method and path
    answer = models.JSONField(_("answer"), null=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("request made once")
        verbose_name_plural = _("requests made once")
        indexes: ClassVar = [models.Index(fields=["created_at"], name="create_once_by_age")]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["key", "name", "route"], name="create_happens_once")
        ]

    def __str__(self) -> str:
        return f"{self.route} {self.name}"

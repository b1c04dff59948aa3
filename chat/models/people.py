"""What a person chose about the pages, on whichever device they read them."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class Preferences(models.Model):
    """An empty one means: as the browser or the system has it."""

    class Theme(models.TextChoices):
        SYSTEM = "", _("As the system says")
        LIGHT = "light", _("Light")
        DARK = "dark", _("Dark")

    class Font(models.TextChoices):
        SANS = "", _("Plain, as everything else")
        SERIF = "serif", _("With serifs, as in a book")

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        primary_key=True,
        related_name="preferences",
        verbose_name=_("user"),
    )
    language = models.CharField(  # one of settings.LANGUAGES
        _("language"), max_length=10, blank=True
    )
    time_zone = models.CharField(  # one that zoneinfo knows
        _("time zone"), max_length=64, blank=True
    )
    theme = models.CharField(_("theme"), max_length=5, blank=True, choices=Theme)
    font = models.CharField(_("font"), max_length=5, blank=True, choices=Font)  # of answers

    class Meta:
        verbose_name = _("preferences")
        verbose_name_plural = _("preferences")

    def __str__(self) -> str:
        return f"preferences of {self.user_id}"

"""What a person chose about the pages, on whichever device they read them."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class Preferences(models.Model):
    """An empty one means: as the browser or the system has it."""

    class Theme(models.TextChoices):
        SYSTEM = ""
        LIGHT = "light"
        DARK = "dark"

    class Font(models.TextChoices):
        SANS = ""
        SERIF = "serif"

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="preferences"
    )
    language = models.CharField(max_length=10, blank=True)  # one of settings.LANGUAGES
    time_zone = models.CharField(max_length=64, blank=True)  # one that zoneinfo knows
    theme = models.CharField(max_length=5, blank=True, choices=Theme)
    font = models.CharField(max_length=5, blank=True, choices=Font)  # of answers

    class Meta:
        verbose_name = _("preferences")
        verbose_name_plural = _("preferences")

    def __str__(self) -> str:
        return f"preferences of {self.user_id}"

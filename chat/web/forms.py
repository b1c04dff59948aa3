"""What a person may say about themselves."""

from datetime import timedelta
from functools import cache
from typing import Any, ClassVar
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.models import AbstractUser
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from chat.models import Actor, APIKey, Preferences, Project

PLACES = (  # what the names of time zones begin with; others are older names of the same
    *("Africa/", "America/", "Antarctica/", "Arctic/", "Asia/"),
    *("Atlantic/", "Australia/", "Europe/", "Indian/", "Pacific/"),
)


class Profile(forms.ModelForm):
    class Meta:
        model = get_user_model()
        fields: ClassVar = ["first_name", "last_name", "email"]
        labels: ClassVar = {"email": _("E-mail")}


@cache
def _zones() -> list[tuple[str, Any]]:
    places = sorted(zone for zone in available_timezones() if zone.startswith(PLACES))
    named = [(zone, zone.replace("_", " ")) for zone in ["UTC", *places]]
    return [("", _("As the browser says")), *named]


class Appearance(forms.ModelForm):
    language = forms.ChoiceField(
        label=_("Language"),
        required=False,
        choices=[("", _("As the browser says")), *settings.LANGUAGES],
    )
    time_zone = forms.ChoiceField(label=_("Time zone"), required=False, choices=_zones)
    theme = forms.ChoiceField(label=_("Colours"), required=False, choices=Preferences.Theme.choices)
    font = forms.ChoiceField(
        label=_("Letters of answers"), required=False, choices=Preferences.Font.choices
    )

    class Meta:
        model = Preferences
        fields: ClassVar = ["language", "time_zone", "theme", "font"]


class Password(PasswordChangeForm):
    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.fields["old_password"].widget.attrs.pop("autofocus")  # one of several forms
        self.fields["new_password1"].help_text = _(
            "At least eight characters, not only digits, no common word and not your name."
        )
        self.fields["new_password2"].help_text = ""


class NewKey(forms.Form):
    """A key to one of the person's projects."""

    name = forms.CharField(
        label=_("What it is for"),
        max_length=100,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    project = forms.ModelChoiceField(
        label=_("Project"), queryset=Project.objects.none(), empty_label=None
    )
    days = forms.TypedChoiceField(
        label=_("Valid for"),
        required=False,
        initial=90,
        coerce=int,
        empty_value=None,
        choices=[(90, _("90 days")), (30, _("30 days")), (365, _("a year")), ("", _("always"))],
    )

    def __init__(self, actor: Actor, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        projects = Project.objects.visible_to(actor).order_by("-is_default", "name")
        self.fields["project"].queryset = projects

    def issue(self, person: AbstractUser) -> tuple[APIKey, str]:
        """The key and its secret, which cannot be had again."""
        asked = self.cleaned_data
        until = timezone.now() + timedelta(days=asked["days"]) if asked["days"] else None
        return APIKey.issue(asked["name"], person, asked["project"], expires_at=until)

"""Small pieces every template uses."""

import re
from datetime import timedelta
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from chat.models import Preferences, Session
from chat.providers.words import content_stems, stem
from chat.web.markdown import plain
from chat.web.people import actor_of
from chat.web.rail import rail_groups
from chat.web.renderer import link_to
from chat.web.said import said
from chat.web.search import places

register = template.Library()
register.filter(plain)
register.filter(said)
register.filter(link_to)

WORD = re.compile(r"[^\W_]+")


@register.simple_tag
def icon(name: str) -> SafeString:
    """A drawing from our sprite; the words beside it, or the label around it, say what it means."""
    sprite = static("icons.svg")
    return format_html(
        '<svg class="icon" aria-hidden="true"><use href="{}#{}"/></svg>', sprite, name
    )


@register.inclusion_tag("chat/_rail.html", takes_context=True)
def rail(context: dict[str, Any]) -> dict[str, Any]:
    """The sessions of whoever is signed in, the newest of them."""
    request = context["request"]
    groups, cursor = rail_groups(actor_of(request))
    return {"request": request, "user": request.user, "groups": groups, "cursor": cursor}


@register.filter
def age(moment: Any) -> str:
    """How long ago, in the fewest letters: now, 5 min, 3 h, 2 d, then the date."""
    if moment is None:
        return ""
    passed = timezone.now() - moment
    if passed < timedelta(minutes=1):
        return _("now")
    if passed < timedelta(hours=1):
        return _("%(n)d min") % {"n": passed.seconds // 60}
    if passed < timedelta(days=1):
        return _("%(n)d h") % {"n": passed.seconds // 3600}
    if passed < timedelta(days=7):
        return _("%(n)d d") % {"n": passed.days}
    return date_format(timezone.localtime(moment), "j M")


@register.filter
def mark_words(text: str, question: str) -> SafeString:
    """The text with the words that the question holds too marked, whatever their endings."""
    asked = set(content_stems(question))
    html, end = [], 0
    for match in WORD.finditer(text):
        if stem(match[0].lower()) in asked:
            html += [
                conditional_escape(text[end : match.start()]),
                format_html("<mark>{}</mark>", match[0]),
            ]
            end = match.end()
    html.append(conditional_escape(text[end:]))
    return mark_safe("".join(html))  # noqa: S308 - every piece of text was escaped


@register.filter
def below(text: str, heading: str) -> str:
    """The text of a passage under its heading, which is said already: without that line."""
    first, _end, rest = text.partition("\n")
    return rest if rest and first.strip() == heading.rpartition("›")[2].strip() else text


@register.filter
def opened(sharing: str) -> bool:
    return sharing != Session.Sharing.PRIVATE


@register.filter
def words(text: str) -> list[str]:
    return text.split()


@register.simple_tag
def scripted(name: str) -> str:
    return static(f"js/{name}.js")


@register.simple_tag(takes_context=True)
def appearance(context: dict[str, Any]) -> SafeString:
    """What a person chose of their pages, as attributes; nothing while they follow their system."""
    chosen = preferences(context)
    theme = format_html('data-theme="{}" ', chosen.theme) if chosen.theme else SafeString("")
    font = format_html('data-font="{}" ', chosen.font) if chosen.font else SafeString("")
    zone = format_html('data-zone="{}"', chosen.time_zone) if chosen.time_zone else SafeString("")
    return theme + font + zone


@register.simple_tag(takes_context=True)
def other_theme(context: dict[str, Any]) -> str:
    return "light" if preferences(context).theme == "dark" else "dark"


def preferences(context: dict[str, Any]) -> Preferences:
    """Of whoever reads; a page of errors may be for nobody."""
    return getattr(context.get("request"), "preferences", None) or Preferences()


@register.filter
def page_name(page: int) -> str:
    return _("p. %(page)d") % {"page": page}


@register.filter
def mark_found(text: Any, words: list[str]) -> SafeString:
    """The text with the words of a search marked wherever they are."""
    text, end = str(text), 0
    html = []
    for start, stop in places(text, words):
        html += [
            conditional_escape(text[end:start]),
            format_html("<mark>{}</mark>", text[start:stop]),
        ]
        end = stop
    html.append(conditional_escape(text[end:]))
    return mark_safe("".join(html))  # noqa: S308 - every piece was escaped


@register.filter
def document_in(file: Any, index: Any) -> Any:
    """The file as that index has read it, or None; from what the view prefetched."""
    return next((document for document in file.read if document.index_id == index.pk), None)

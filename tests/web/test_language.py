"""The pages in German: everything said, nothing left over from English."""

import gettext
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.urls import reverse

from chat.events.types import Stop, UserInput
from chat.runs import NO_INDEX
from tests.web.conftest import done, write_turn

CATALOG = Path(settings.LOCALE_PATHS[0]) / "de" / "LC_MESSAGES"


def test_every_sentence_of_the_catalog_is_in_what_is_loaded():
    source = (CATALOG / "django.po").read_text()
    with (CATALOG / "django.mo").open("rb") as compiled:
        loaded = gettext.GNUTranslations(compiled)

    said = re.findall(r'^msgid "(.+)"\nmsgstr "(.+)"$', source, re.MULTILINE)

    assert len(said) > 100
    assert [(e, loaded.gettext(e)) for e, _ in said] == said


@pytest.mark.django_db(transaction=True)
def test_what_went_wrong_is_said_in_german_too(client, session):
    write_turn(session, UserInput("Why?"), done(NO_INDEX))
    german = {"accept-language": "de"}

    html = client.get(reverse("session", args=[session.pk]), headers=german).content.decode()
    refused = client.post(reverse("turns", args=[session.pk]), {"prompt": " "}, headers=german)

    assert "Keiner der Indizes kann durchsucht werden." in html
    assert "Schreiben Sie zuerst eine Frage." in refused.content.decode()


@pytest.mark.django_db
def test_the_pages_follow_the_browsers_language(client, session, answered):
    answered()

    html = client.get(
        reverse("session", args=[session.pk]), headers={"accept-language": "de"}
    ).content.decode()

    assert '<html lang="de"' in html
    assert "Aus 1 Quelle beantwortet in 1,2 s" in html
    assert "Sucht in 1 Index · 1 Stelle" in html
    assert "Weiterfragen" in html
    assert "Heute" in html


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["Answered without sources in less than 0.1 s", ">1,234 tokens<"]),
        ("de", ["Ohne Quellen beantwortet in weniger als 0,1 s", ">1.234 Token<"]),
    ],
)
def test_an_answer_says_what_it_took_and_that_no_time_is_little(client, session, language, words):
    usage = {"duration_ms": 20, "total_input_tokens": 1200, "total_output_tokens": 34}
    write_turn(session, UserInput("Why?"), Stop(False, None, usage))

    url = reverse("session", args=[session.pk])
    html = client.get(url, headers={"accept-language": language}).content.decode()

    assert [one for one in words if one not in html] == []

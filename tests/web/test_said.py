"""What goes wrong, said in the reader's language, values and all."""

import re
from pathlib import Path

import pytest
from django.utils import translation

from chat.web.said import PLACE, SENTENCES, said

ROOMS = Path(__file__).resolve().parents[2] / "chat"


@pytest.mark.parametrize(
    ("english", "german"),
    [
        (
            "A prompt may have 32,000 characters; this has 40,000.",
            "Eine Frage darf 32,000 Zeichen haben; diese hat 40,000.",
        ),
        (
            "The model endpoint cannot be reached: nothing answers at its address. Try again in a "
            "moment. Whoever runs this server can check LLM_BASE_URL and that the endpoint is "
            "running.",
            "Der Modell-Endpunkt ist nicht zu erreichen: Unter seiner Adresse antwortet niemand. "
            "Versuchen Sie es gleich noch einmal. Wer diesen Server betreibt, kann LLM_BASE_URL "
            "prüfen und ob der Endpunkt läuft.",
        ),
        (
            "The index “Rules” was skipped: its first sync is not done yet. Ask again when the "
            "library shows it as ready.",
            "Der Index „Rules“ wurde ausgelassen: Sein erster Abgleich ist noch nicht fertig. "
            "Fragen Sie noch einmal, wenn die Bibliothek ihn als bereit zeigt.",
        ),
    ],
)
def test_a_message_is_said_in_german_with_its_values(english, german):
    with translation.override("de"):
        assert said(english) == german


def test_what_is_not_known_stays_as_it_is():
    with translation.override("de"):
        assert said("") == ""
        assert said("Odd. Very odd.") == "Odd. Very odd."


@pytest.fixture(scope="module")
def house() -> str:
    """All that the rooms below the pages say."""
    return " ".join(path.read_text() for path in ROOMS.rglob("*.py") if path.name != "said.py")


@pytest.mark.parametrize("sentence", SENTENCES)
def test_every_sentence_has_a_german_one_and_is_still_said_by_the_house(sentence, house):
    with translation.override("de"):
        german = translation.gettext(sentence)

    assert german != sentence
    assert set(PLACE.findall(german)) == set(PLACE.findall(sentence))
    words = re.findall(r"[A-Za-z]{4,}", PLACE.sub("", sentence))
    assert [word for word in words if word not in house] == []

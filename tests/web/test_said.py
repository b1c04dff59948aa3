"""What goes wrong, said in the reader's language, values and all."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from django.utils import translation

from chat.providers.failures import Complaint, Failures
from chat.web.said import BETWEEN, PLACE, SENTENCES, said

ROOMS = Path(__file__).resolve().parents[2] / "chat"


@pytest.mark.parametrize(
    ("english", "german"),
    [
        (
            "A prompt may have 32,000 characters; this has 40,000.",
            "Eine Frage darf 32.000 Zeichen haben; diese hat 40.000.",
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


SPEAK_TO_PEOPLE = ["actions", "agent", "errors.py", "events", "providers", "retrieval", "runs"]
TO_OTHERS = {
    *("prompts.py", "followups.py", "titles.py", "tools.py"),  # to models
    *("evaluation.py", "handbook.py"),  # to whoever runs the server
    "leaves.py",  # to nobody: a picture that is not there says nothing
    "extractive.py",  # in answers, which have a language of their own
}
HOLE = "\ufffc"  # where a value goes


def test_no_room_says_a_sentence_that_is_not_in_the_list():
    listed = [PLACE.sub(HOLE, sentence) for sentence in SENTENCES]

    missing = [
        (path.name, sentence)
        for path in files_that_speak()
        for text in texts_of(path)
        for sentence in re.split(rf"{BETWEEN.pattern}|(?<=^{HOLE}) (?=[A-Z])", text.strip())
        if sentence.strip(HOLE)
        if not any(is_one(sentence, of) for of in listed)
    ]

    assert missing == []


def files_that_speak() -> Iterator[Path]:
    for room in SPEAK_TO_PEOPLE:
        found = [ROOMS / room] if room.endswith(".py") else (ROOMS / room).rglob("*.py")
        yield from (path for path in found if path.name not in TO_OTHERS)


def texts_of(path: Path) -> Iterator[str]:
    """What is written as whole sentences, values as holes; docstrings are not."""
    tree = ast.parse(path.read_text())
    silent = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    silent |= {
        part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values
    }
    for node in ast.walk(tree):
        text = ""
        match node:
            case ast.Constant(str(value)):
                text = value
            case ast.JoinedStr(parts):
                text = "".join(
                    part.value if isinstance(part, ast.Constant) else HOLE for part in parts
                )
        is_sentence = re.match(rf"[A-Z{HOLE}]", text) and re.search(r" .*[.!?]\s*\Z", text)
        if is_sentence and node not in silent:
            yield text


def is_one(sentence: str, listed: str) -> bool:
    """Whether one of them, with its values, may be the other."""
    return bool(_pattern(sentence).fullmatch(listed) or _pattern(listed).fullmatch(sentence))


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(".+".join(map(re.escape, text.split(HOLE))), re.DOTALL)


FAILURES = Failures("The model endpoint", "LLM", "small", 10)


@pytest.mark.parametrize(
    "error",
    [
        FAILURES.no_answer(httpx.UnsupportedProtocol("")),
        FAILURES.no_answer(httpx.ConnectError("")),
        FAILURES.silence(begun=True),
        FAILURES.closed(begun=False),
        FAILURES.nonsense("a web page"),
        FAILURES.impossible_key(),
        *(
            FAILURES.refusal(Complaint(status, retry_after=after), {}, "")
            for status, after in [(401, None), (413, None), (301, None), (429, 3), (503, None)]
        ),
        Failures("The model endpoint", "LLM", "", 10).refusal(Complaint(404), {}, ""),
        FAILURES.refusal(Complaint(402, code="billing"), {}, ""),
        FAILURES.refusal(Complaint(500), {}, ""),
    ],
    ids=lambda error: error.message[:60],
)
def test_whatever_an_endpoint_does_is_said_in_german(error):
    with translation.override("de"):
        german = said(error.message)

    words = r"\b(the|its|endpoint|again|seconds?|look|check|set|raise|model)\b"
    assert re.findall(words, german) == []

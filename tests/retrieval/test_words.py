"""Sentences and stems, as ranking and quoting see them."""

import re
import sys

import pytest

from chat.providers.words import content_stems, content_terms, sentences, terms


def texts(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


@pytest.mark.parametrize(
    "sentence",
    [
        "Dr. J. Smith met U.S. officials, e.g. Mr. Brown.",
        "It grew by 3.5 percent, cf. Fig. 2 in vol. 7.",
        "Am 3. Oktober kam er zurück.",
        "Wait... what is that?",
    ],
)
def test_initials_and_abbreviations_do_not_end_a_sentence(sentence):
    assert texts(f"{sentence} Then another one.") == [sentence, "Then another one."]


def test_blocks_of_markdown_are_units_of_their_own():
    text = (
        "# Rules\nBe quiet. No food.\n\n- Lamps. Green ones\n  only\n- Pens\n\n| a | b |\n|--|--|\n"
    )
    text += "```\nx = 1. Y\n\nz\n```\nThe end."

    assert texts(text) == [
        "# Rules",
        "Be quiet.",
        "No food.",
        "- Lamps. Green ones\n  only",
        "- Pens",
        "| a | b |",
        "|--|--|",
        "```\nx = 1. Y\n\nz\n```",
        "The end.",
    ]


def test_chinese_sentences_need_no_blank_between_them():
    assert texts("阅览室九点开门。六点关门。") == ["阅览室九点开门。", "六点关门。"]


@pytest.mark.parametrize("last", [0x7F, sys.maxunicode], ids=["ascii", "unicode"])
def test_terms_are_runs_of_letters_and_digits_whatever_is_between_them(last):
    text = "".join(f"{chr(code)}{chr(code)} a{chr(code)}B" for code in range(last + 1))

    assert terms(text) == re.findall(r"[^\W_]+", text.lower())


def test_stopwords_are_left_out_unless_nothing_else_is_said():
    assert content_stems("How do I borrow the volumes?") == ["borrow", "volum"]
    assert content_terms("to be or not to be") == ["to", "be", "or", "not", "to", "be"]

"""Which words of a passage are looked for, and how much each counts; as FTS5 would take them."""

import re
import unicodedata

from chat.providers.words import content_terms, stem, terms

TITLE_WEIGHT = 2  # a word of the title counts so often


def counted_terms(title: str, text: str) -> tuple[list[str], int]:
    """The terms of a passage, each as often as it counts; and how many words the passage has."""
    in_title, in_text = terms(title), terms(text)
    return in_title * TITLE_WEIGHT + in_text, len(in_title) + len(in_text)


def asked_stems(text: str) -> list[str]:
    """The stem of each different word of a question."""
    return [stem_of(term) for term in dict.fromkeys(content_terms(text))]


def stem_of(term: str) -> str:
    return stem(plain(term))


_ACCENT = re.compile("[\u0300-\u036f]")


def plain(term: str) -> str:
    """Without accents, as SQLite's full text takes a word: who leaves them out still finds it."""
    if term.isascii():
        return term
    letters = unicodedata.normalize("NFD", term)
    return unicodedata.normalize("NFC", _ACCENT.sub("", letters))

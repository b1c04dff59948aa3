"""Which words of a passage are looked for, and how much each counts; as FTS5 would take them."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from chat.providers.words import content_terms, stem, terms

Key = TypeVar("Key", str, int)

TITLE_WEIGHT = 2  # a word of the title counts so often


def count_stems(title: str, text: str, as_key: Callable[[str], Key]) -> tuple[Counter[Key], int]:
    """How often each stem counts in a passage, and how many words the passage has.

    ``as_key`` makes of a term its stem, or what is to stand for that.
    """
    in_title, in_text = terms(title), terms(text)
    counts = Counter(map(as_key, in_text))
    for key in map(as_key, in_title):
        counts[key] += TITLE_WEIGHT
    return counts, len(in_title) + len(in_text)


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

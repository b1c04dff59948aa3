"""Texts to word pieces, as the bundled embedder's tokenizer cuts them, in a third of its time.

The tokenizer takes a text as one long word and joins letters to pieces wherever its vocabulary has
a join. That has none over the ends of a word, so a word has the same pieces wherever it stands:
they are looked up, and only words not seen lately go through the tokenizer.
"""

import re
from collections.abc import Iterable, Sequence

import numpy as np
from tokenizers import Tokenizer

_KEPT = 500_000  # characters of words kept at hand, some 20 MB

_BLANK = "▁"  # what the tokenizer makes of one
_MARKS = r"[\0-/:-@\[-`{-\x7f]"
_WIDE = r"[^\0-\x7f▁]"  # other than ASCII, any of which may join with whatever is beside it
# Stretches that no piece goes beyond: words, each with the blanks before it; marks; single digits.
_WORD = re.compile(
    rf"""
    {_BLANK}* (?:
        [A-Za-z]++ (?!{_WIDE})
      | {_MARKS}++ (?!{_WIDE})
      | (?: [A-Za-z] (?!{_MARKS}) | {_MARKS} (?![A-Za-z]) | {_WIDE} )* [^0-9▁]
    )
    | [0-9]
    | {_BLANK}+
    """,
    re.VERBOSE,
)
_SPECIAL = re.compile("<unk>|</?s>")  # one piece each, which ends the text for what follows


class Pieces:
    """The ids of word pieces by text. Safe from any thread."""

    def __init__(self, tokenizer: Tokenizer):
        self._tokenizer = tokenizer
        self._known: dict[str, bytes] = {}
        self._size = 0  # characters of those words, about

    def ids(self, texts: Sequence[str]) -> list[bytes]:
        """The pieces of each text in order, each a 16-bit number of this machine's byte order."""
        # A lone surrogate cannot be handed to the tokenizer, which wants UTF-8.
        texts = [text.encode("utf-8", "replace").decode() for text in texts]
        words = [_words(text) for text in texts]
        known = self._learnt(words)
        return [
            self._tokenized(text) if _SPECIAL.search(text) else b"".join(map(known.__getitem__, of))
            for text, of in zip(texts, words, strict=True)
        ]

    def _learnt(self, texts: Iterable[Iterable[str]]) -> dict[str, bytes]:
        """Pieces by word, of these words at least. Full, it starts afresh.

        That is a new dictionary: another thread may still be reading the old one.
        """
        known = self._known
        new = set[str]().union(*texts).difference(known)
        if self._size > _KEPT and new:
            self._known = known = {}
            self._size = 0
            return self._learnt(texts)
        for word in new:
            pieces = self._tokenizer.model.tokenize(word)
            known[word] = _packed([piece.id for piece in pieces])
            self._size += len(word)
        return known

    def _tokenized(self, text: str) -> bytes:
        return _packed(self._tokenizer.encode(text, add_special_tokens=False).ids)


def _words(text: str) -> list[str]:
    """The stretches of a text, blanks made visible, and one before it as the tokenizer puts it."""
    return _WORD.findall(_BLANK + text.replace(" ", _BLANK)) if text else []


def _packed(ids: Sequence[int]) -> bytes:
    return np.array(ids, np.uint16).tobytes()

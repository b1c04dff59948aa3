"""Texts to word pieces, as the bundled embedder's tokenizer cuts them, in a tenth of its time.

The tokenizer takes a text as one long word and joins letters to pieces wherever its vocabulary has
a join. That has none over the ends of a word, so a word has the same pieces wherever it stands:
they are looked up, and only words not seen lately go through the tokenizer. So is what stands
between two blanks, a word with its marks mostly: a text is cut there much sooner than into words.
"""

import re
from array import array
from collections.abc import Sequence

from tokenizers import Tokenizer
from tokenizers.models import Model

_KEPT = 2_000_000  # characters kept at hand, some 30 MB

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
_FIRST_BLANK = re.compile("(?<! ) ")  # of each run of them


class Pieces:
    """The ids of word pieces by text. Safe from any thread."""

    def __init__(self, tokenizer: Tokenizer):
        self._tokenizer = tokenizer
        self._known = _Known(tokenizer.model)

    def ids(self, texts: Sequence[str]) -> list[bytes]:
        """The pieces of each text in order, each a 16-bit number of this machine's byte order."""
        if self._known.size > _KEPT:
            self._known = _Known(self._tokenizer.model)
        known = self._known
        # A lone surrogate cannot be handed to the tokenizer, which wants UTF-8.
        texts = [text.encode("utf-8", "replace").decode() for text in texts]
        return [
            self._tokenized(text)
            if _SPECIAL.search(text)
            else b"".join(map(known.__getitem__, _parts(text)))
            for text in texts
        ]

    def _tokenized(self, text: str) -> bytes:
        return _packed(self._tokenizer.encode(text, add_special_tokens=False).ids)


class _Known(dict[str, bytes]):
    """Pieces by what stands between two blanks; cut when first asked for."""

    def __init__(self, model: Model):
        self.size = 0  # characters of what is kept, about
        self._words = _Words(model)

    def __missing__(self, part: str) -> bytes:
        if part.isascii() and part.isalpha():  # it is one word
            pieces = self._words[_BLANK + part]
        else:
            pieces = b"".join(map(self._words.__getitem__, _words(part)))
        self[part] = pieces
        self.size += 2 * len(part)  # here, and the words it has
        return pieces


class _Words(dict[str, bytes]):
    """Pieces by word, its blanks included."""

    def __init__(self, model: Model):
        self._tokenize = model.tokenize

    def __missing__(self, word: str) -> bytes:
        pieces = self[word] = _packed([piece.id for piece in self._tokenize(word)])
        return pieces


def _parts(text: str) -> list[str]:
    """A text at its blanks, each part without the one before it: of several, all but the first."""
    text = text.replace(_BLANK, " ")
    if text.startswith(" ") or "  " in text:
        return _FIRST_BLANK.split(f" {text}")[1:]
    return text.split(" ") if text else []


def _words(part: str) -> list[str]:
    return _WORD.findall(_BLANK + part.replace(" ", _BLANK))


def _packed(ids: Sequence[int]) -> bytes:
    return array("H", ids).tobytes()

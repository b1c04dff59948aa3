"""What a question asks for, as far as its words tell, and what tells that a sentence has it."""

import re
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise

from chat.providers.quotable import Wants
from chat.providers.words import content_terms, stem

LONGEST = 100  # words of a question that are looked at, its last ones
BORROWED = 0.5  # weight of a word taken from the question before

_INSTRUCTION = re.compile(
    r"\b(how (do|can|could|should|would|to)|steps?)\b|\bwie\b.{0,40}\b(ich|wir|man)\b",
    re.IGNORECASE,
)
_ENUMERATION = re.compile(r"\bwhat (\w+ )?\w+s (are|can|do)\b|\b(which|list|welche)", re.IGNORECASE)
_NAMED = re.compile(r"\b(who|whose|whom|where|which|wer|wo)\b", re.IGNORECASE)
_DEFINED = re.compile(
    r"^\W*(?:what|who) (?:is|are|was|were) (?:an? |the )?([\w .-]{2,40}?)\W*$", re.IGNORECASE
)
_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_NUMBERS = "one|two|three|four|five|six|seven|eight|nine|ten|dozen|hundred|thousand|million"
_CUES = (  # what is asked for, and what tells that it is there
    (
        re.compile(r"\bhow (many|much|long|old|far|large|big|often)\b|\bwie ?viele?\b", re.I),
        re.compile(rf"\d|\b({_NUMBERS})s?\b"),
    ),
    (
        re.compile(r"\b(when|what (year|date|day|month|century)|wann)\b", re.I),
        re.compile(rf"\b(\d{{3,4}}s?|{_MONTHS}|century)\b"),
    ),
    (
        re.compile(r"\b(why|warum)\b", re.I),
        re.compile(r"\b(because|due to|since|therefore|led to|caused?|in order to|weil|damit)\b"),
    ),
)
_NAME = re.compile(r"(?<!^)\b[A-ZÄÖÜ]\w+")
_DOES = re.compile(  # a sentence that says what to do
    r"^\W*(\d+[.)] )?((to|um) \w+ .*,|(first|then|next|now|zuerst|dann)\b"
    r"|(add|choose|click|create|enter|go|install|open|press|put|run|select|set|type|use)\b)",
    re.IGNORECASE,
)


class Question:
    """A question, and what it takes over from those before that it cannot be understood without.

    ``chain`` is the question and these, the newest first.
    """

    def __init__(self, chain: Sequence[str]):
        self.text, *before = chain
        chain = [self.text, *(one[-LONGEST * 10 :] for one in before)]
        self.is_instruction = any(map(_INSTRUCTION.search, chain))
        self.wants = Wants(self.is_instruction, any(map(_ENUMERATION.search, chain)))
        own = content_terms(self.text)[-LONGEST:]
        self.weights = dict.fromkeys(own, 1.0)
        for back, earlier in enumerate(chain[1:], 1):
            self.weights = dict.fromkeys(content_terms(earlier), BORROWED**back) | self.weights
        self.pairs = set(pairwise(map(stem, own)))

    def is_cued(self, text: str) -> bool:
        """Whether a text has in it what an answer of the kind asked for has."""
        if self._cue:
            return bool(self._cue.search(text))
        names = _NAME.findall(text) if self._asks_name else ()
        return any(name.lower() not in self.weights for name in names)

    @cached_property
    def _cue(self) -> re.Pattern[str] | None:
        if self.is_instruction:
            return _DOES
        if defined := _DEFINED.match(self.text):
            subject = re.escape(defined[1])
            return re.compile(rf"^((an?|the) )?{subject}\b.{{0,40}}?\b(is|are|was|were) ", re.I)
        return next((has for asks, has in _CUES if asks.search(self.text)), None)

    @cached_property
    def _asks_name(self) -> bool:
        return bool(_NAMED.search(self.text))

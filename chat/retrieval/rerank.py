"""The second look at the best candidates: do the words stand together, and in one sentence?

No model is needed beyond the bundled word vectors. What is known of a passage's words is worked
out once and kept, so that a search only does arithmetic on arrays.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from chat.providers.base import Vectors
from chat.providers.embedded import StaticEmbedder
from chat.providers.words import STOPWORDS, content_terms, sentences, stem, terms

Ints = NDArray[np.int32]
Floats = NDArray[np.float32]

_PASSAGES_KEPT = 20_000  # about 1.5 KB each
_WORDS_KEPT = 60_000  # about 1.2 KB each
_GAP = 10_000_000  # between the word positions of two passages: never a neighbour's


@dataclass(frozen=True, slots=True)
class Features:
    """What is seen in each passage, one number a passage, from 0 to 1.

    ``pairs``: the share of neighbouring words of the question that are neighbours there;
    ``nearness``: how close they are else; ``words``: how well each word of the question is met by
    some word there, ``sentence_words``: by some word of one sentence; ``sentence``: the cosine of
    the question with the best sentence. Rare words count for more.
    """

    pairs: Floats
    nearness: Floats
    words: Floats
    sentence_words: Floats
    sentence: Floats


# Beside a weight of 1 for BM25 and .9 for the cosine; found on the collections of ``bench``.
WEIGHTS = {"pairs": 0.2, "nearness": 0.1, "words": 0.3, "sentence_words": 0.5, "sentence": 0.3}
TOTAL_WEIGHT = sum(WEIGHTS.values())


def weigh(features: Features) -> Floats:
    """The features as one number a passage, from 0 to ``TOTAL_WEIGHT``."""
    weighed = np.zeros_like(features.words)
    for name, weight in WEIGHTS.items():
        weighed += np.float32(weight) * getattr(features, name)
    return weighed


@dataclass(frozen=True, slots=True)
class _Passage:
    words: Ints  # ids in the vocabulary of its content words, in order
    starts: Ints  # where each sentence starts in them; no sentence is empty
    norms: Floats  # the length of each sentence's summed vector


class Reranker:
    """Looks at passages for a question. One object serves all threads of a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._embedder = StaticEmbedder()
        self._forget()

    def _forget(self) -> None:
        self._vocabulary = _Vocabulary(self._embedder)
        self._passages: OrderedDict[int, _Passage] = OrderedDict()

    def missing(self, ids: Sequence[int]) -> list[int]:
        """Those whose text ``look`` will need; the others it still knows then."""
        with self._lock:
            # Here and not in ``look``, which could not ask again for what it had just forgotten.
            if self._vocabulary.is_full:
                self._forget()
            for id in ids:
                if id in self._passages:
                    self._passages.move_to_end(id)
            return [id for id in ids if id not in self._passages]

    def look(
        self, question: str, ids: Sequence[int], texts: Mapping[int, str], idf: Mapping[str, float]
    ) -> Features:
        """The features of each passage, in the order of ``ids``.

        ``idf`` has the stems of the question's content words. A passage is known by its id for
        good; one neither known nor among the ``texts`` has no features, all 0: it is gone, or
        another thread has filled the vocabulary meanwhile.
        """
        asked = list(dict.fromkeys(content_terms(question)))
        with self._lock:
            passages = [self._passage(id, texts.get(id)) for id in ids]
            vocabulary = self._vocabulary
            words = vocabulary.ids(asked)
        whole = self._embedder.encode([question])[0]
        weights = np.array([idf[stem(term)] for term in asked], np.float32)
        return _Comparison(vocabulary, passages, words, weights, whole).features()

    def _passage(self, id: int, text: str | None) -> _Passage:
        if known := self._passages.get(id):
            self._passages.move_to_end(id)
            return known
        passage = _read(text or "", self._vocabulary)
        if text is not None:
            self._passages[id] = passage
            if len(self._passages) > _PASSAGES_KEPT:
                self._passages.popitem(last=False)
        return passage


def _read(text: str, vocabulary: "_Vocabulary") -> _Passage:
    words: list[str] = []
    starts: list[int] = []
    for start, end in sentences(text):
        content = [term for term in terms(text[start:end]) if term not in STOPWORDS]
        if content:
            starts.append(len(words))
            words += content
    ids = vocabulary.ids(words)
    if not words:
        return _Passage(ids, np.empty(0, np.int32), np.empty(0, np.float32))
    sums = np.add.reduceat(vocabulary.vectors[ids], starts, axis=0)
    norms = np.maximum(np.linalg.norm(sums, axis=1), 1e-6)
    return _Passage(ids, np.array(starts, np.int32), norms.astype(np.float32))


class _Vocabulary:
    """Words by number, with their vectors and the numbers of their stems. Only ever grows."""

    def __init__(self, embedder: StaticEmbedder):
        self._embedder = embedder
        self._ids: dict[str, int] = {}
        self._stem_ids: dict[str, int] = {}
        # Pages of an empty array take no memory until they are written to. A search may bring in
        # some thousand words after the check for fullness: there is room for them.
        self.vectors: Vectors = np.empty((4 * _WORDS_KEPT, embedder.size), np.float32)
        self.stems: Ints = np.empty(4 * _WORDS_KEPT, np.int32)

    @property
    def is_full(self) -> bool:
        return len(self._ids) > _WORDS_KEPT

    def ids(self, words: Sequence[str]) -> Ints:
        known = self._ids
        new = [word for word in dict.fromkeys(words) if word not in known]
        if new:
            first = len(known)
            self.vectors[first : first + len(new)] = self._embedder.encode(new)
            for place, word in enumerate(new, first):
                known[word] = place
                self.stems[place] = self._stem_ids.setdefault(stem(word), len(self._stem_ids))
        return np.array([known[word] for word in words], np.int32)


class _Comparison:
    """One question against some passages, all laid end to end so that numpy does the looping."""

    def __init__(
        self,
        vocabulary: _Vocabulary,
        passages: Sequence[_Passage],
        asked: Ints,
        weights: Floats,
        question: NDArray[np.float32],
    ):
        self._vocabulary = vocabulary
        self._count = len(passages)
        # Passages without words are left out here and get zeros in the end.
        self._filled = np.array([i for i, one in enumerate(passages) if len(one.words)], np.intp)
        self._passages = [passages[i] for i in self._filled]
        self._asked = asked
        self._weights = weights / max(float(weights.sum()), 1e-6)
        self._question = question

    def features(self) -> Features:
        if not len(self._filled) or not len(self._asked):
            zeros = np.zeros(self._count, np.float32)
            return Features(zeros, zeros, zeros, zeros, zeros)
        pairs, nearness = self._pairs()
        words, sentence_words = self._words()
        return Features(
            *map(self._spread, (pairs, nearness, words, sentence_words, self._sentence()))
        )

    def _spread(self, values: Floats) -> Floats:
        spread = np.zeros(self._count, np.float32)
        spread[self._filled] = values
        return spread

    @cached_property
    def _words_laid(self) -> Ints:
        return np.concatenate([one.words for one in self._passages])

    @cached_property
    def _passage_starts(self) -> NDArray[np.intp]:
        lengths = [len(one.words) for one in self._passages]
        return np.cumsum([0, *lengths[:-1]])

    @cached_property
    def _sentence_starts(self) -> NDArray[np.intp]:
        pairs = zip(self._passages, self._passage_starts, strict=True)
        return np.concatenate([one.starts + start for one, start in pairs])

    @cached_property
    def _first_sentences(self) -> NDArray[np.intp]:
        lengths = [len(one.starts) for one in self._passages]
        return np.cumsum([0, *lengths[:-1]])

    @cached_property
    def _distinct(self) -> tuple[Ints, NDArray[np.intp]]:
        return np.unique(self._words_laid, return_inverse=True)

    @cached_property
    def _likeness(self) -> Floats:
        """Cosines of each distinct word with each word asked and, last, with the question."""
        # Fetching the words' vectors takes longer than comparing them: once must do.
        vectors = self._vocabulary.vectors
        asked = np.concatenate([vectors[self._asked], self._question[None]])
        met = np.take(vectors, self._distinct[0], axis=0, mode="clip")
        return np.ascontiguousarray((met @ asked.T).T)

    def _words(self) -> tuple[Floats, Floats]:
        distinct, places = self._distinct
        stems = self._vocabulary.stems
        likeness = self._likeness[:-1].copy()
        likeness[stems[self._asked][:, None] == stems[distinct]] = 1
        laid = np.take(likeness, places, axis=1)
        by_sentence = np.maximum.reduceat(laid, self._sentence_starts, axis=1)
        by_passage = np.maximum.reduceat(by_sentence, self._first_sentences, axis=1)
        best = np.maximum.reduceat(self._weights @ by_sentence, self._first_sentences)
        return self._weights @ by_passage, best

    def _sentence(self) -> Floats:
        along = self._likeness[-1][self._distinct[1]]
        norms = np.concatenate([one.norms for one in self._passages])
        cosines = np.add.reduceat(along, self._sentence_starts) / norms
        return np.maximum(np.maximum.reduceat(cosines, self._first_sentences), 0)

    def _pairs(self) -> tuple[Floats, Floats]:
        found = np.zeros(len(self._passages), np.float32)
        near = np.zeros(len(self._passages), np.float32)
        asked = self._vocabulary.stems[self._asked]
        count = len(asked) - 1
        if count < 1:
            return found, near
        weights = self._weights[:-1] + self._weights[1:]
        weights = weights / max(float(weights.sum()), 1e-6)
        places = {number: self._places(number) for number in set(asked.tolist())}
        for one, other, weight in zip(
            asked[:-1].tolist(), asked[1:].tolist(), weights, strict=True
        ):
            ahead, distance = self._distances(places[one], places[other])
            found += ahead / count
            near += weight / (1 + 0.3 * np.maximum(distance - 1, 0))
        return found, near

    @cached_property
    def _positions(self) -> NDArray[np.int64]:
        numbers = np.arange(len(self._words_laid))
        passage = np.repeat(
            np.arange(len(self._passages)), [len(one.words) for one in self._passages]
        )
        return numbers + passage * _GAP

    @cached_property
    def _stems_laid(self) -> Ints:
        return self._vocabulary.stems[self._words_laid]

    def _places(self, stem_id: int) -> NDArray[np.int64]:
        return self._positions[self._stems_laid == stem_id]

    def _distances(self, one: NDArray[np.int64], other: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """By passage: 1 where ``other`` follows ``one`` at once; the least distance, else inf."""
        ahead = np.zeros(len(self._passages), np.float32)
        least = np.full(len(self._passages), np.inf, np.float32)
        if not len(one) or not len(other):
            return ahead, least
        after = np.searchsorted(other, one)
        following = other[np.minimum(after, len(other) - 1)]
        before = other[np.maximum(after - 1, 0)]
        distances = np.minimum(np.abs(following - one), np.abs(one - before))
        passages = one // _GAP
        close = distances < _GAP // 2
        np.minimum.at(least, passages[close], distances[close].astype(np.float32))
        ahead[passages[following - one == 1]] = 1
        return ahead, least

"""The model that needs no model: it answers by quoting the passages it was shown."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from chat.providers.base import (
    Excerpt,
    Message,
    Part,
    TextPart,
    ToolSpec,
    Usage,
    estimate_tokens,
)
from chat.providers.embedded import StaticEmbedder
from chat.providers.questions import Question
from chat.providers.quotable import Span, can_answer, quote, span_of, units
from chat.providers.words import stem, terms

PASSAGES = 5  # that are looked at, the best ones
CHAIN = 4  # questions, the last one and those that it leans on
QUOTES = 3  # sentences picked for one answer, at most
BESIDE = 0.7, 0.5  # shares of the best score, with and without its passage, to be quoted too
BESIDE_STEPS = 0.55, 0.4  # ... where the question asks how to do something
SAME_THING = 0.6  # share of the asked words in the best step that another step must hold too
ENOUGH = 0.57  # fit of the best sentence, for it to be called an answer
CLOSE = 0.3  # ... to be shown as what comes closest

HINT = "Try the words that the documents themselves use, or search other indexes."
NOTHING_FOUND = f"Nothing was found for this. {HINT}"
NOTHING_FITS = f"Nothing that was found answers this. {HINT}"

Array = NDArray[np.float32]


class ExtractiveModel:
    """A ``ChatModel`` that quotes the sentences which answer best, or says that none does."""

    name = "embedded"
    writes = False

    def __init__(self, embedder: StaticEmbedder | None = None):
        self._embedder = embedder or StaticEmbedder()

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec] = ()
    ) -> AsyncIterator[Part]:
        """See ``ChatModel.stream``. Calls no tools, and reads only questions and excerpts."""
        text = await asyncio.to_thread(answer, messages, self._embedder)
        for word in re.findall(r"\S+\s*", text):
            yield TextPart(word)
        read = sum(estimate_tokens(message.content) for message in messages)
        yield Usage(read, estimate_tokens(text))


def answer(messages: Sequence[Message], embedder: StaticEmbedder) -> str:
    """The whole answer to the last question of a conversation, as Markdown."""
    asked = [at for at, message in enumerate(messages) if message.role == "user"]
    excerpts = [e for message in messages[asked[-1] :] for e in message.excerpts] if asked else []
    best = sorted(excerpts, key=lambda excerpt: -excerpt.score)[:PASSAGES]
    passages = [Passage(excerpt) for excerpt in best]
    if not any(passage.units for passage in passages):
        return NOTHING_FOUND
    question = Question(_chain([messages[at] for at in reversed(asked)]))
    if not question.weights:
        return NOTHING_FITS
    picked = pick(question, rate(question, passages, embedder))
    if not picked or picked[0].fit < CLOSE:
        return NOTHING_FITS
    fits = picked[0].fit >= ENOUGH
    return phrase(quoted(question, picked), fits)


def _chain(newest_first: Sequence[Message]) -> list[str]:
    """The last question and those before that it leans on, the newest first."""
    found = []
    for message in newest_first[:CHAIN]:
        text = message.question or message.content
        found.append(text)
        if message.query in ("", text):
            break
    return found


# What there is to answer from ---------------------------------------------------------------------


class Passage:
    """An excerpt in its units, with the words of each."""

    def __init__(self, excerpt: Excerpt):
        self.excerpt = excerpt
        self.units = units(excerpt.text, excerpt.heading)
        self.words = [terms(unit.text) for unit in self.units]
        self.stems = [[stem(word) for word in words] for words in self.words]
        self.over = [  # the stems of the headings over each
            set(map(stem, terms(unit.headings))) for unit in self.units
        ]
        self.vocabulary = set().union(*self.stems, *self.over)


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A unit that could be quoted, and how well it answers."""

    passage: Passage
    at: int  # its place in the passage's units
    score: float  # to rank by
    own: float  # ... without what its passage adds
    fit: float  # 0 to 1, to judge by
    meets: Array  # for each word asked: 1 if it stands here, 0.5 and more nearby, 0 if not
    is_cued: bool  # it has in it what the question asks for

    @property
    def stems(self) -> set[str]:
        return set(self.passage.stems[self.at])


# Which units answer best -------------------------------------------------------------------------


def rate(
    question: Question, passages: Sequence[Passage], embedder: StaticEmbedder
) -> list[Candidate]:
    """Every unit that can be quoted, best first; ``bench.embedded_answers`` fitted the weights."""
    asked = list(question.weights)
    shares = np.array(list(question.weights.values()), np.float32)
    weights = shares * _idf(asked, passages)
    shares, weights = shares / (shares.sum() or 1), weights / (weights.sum() or 1)
    closest = _closest(asked, passages, embedder)
    cosines = _cosines(question.text, passages, embedder)
    top = max(passage.excerpt.score for passage in passages)
    found = []
    for passage, close, cosine in zip(passages, closest, cosines, strict=True):
        stems = [stem(word) for word in asked]
        meets = _meets(stems, passage)
        own = 1.4 * weights @ close + 0.4 * cosine + 0.4 * weights @ meets
        cued = _has_cue(question, passage)
        own += 0.3 * cued + 0.2 * _adjacent(question, passage)
        score = own + (1.5 * passage.excerpt.score / top if top > 0 else 0)
        # How well the best passage fits tells an answer from a lookalike better than anything
        # about a sentence; these two keep it from being believed blindly.
        said = np.array([word in passage.vocabulary for word in stems], np.float32)
        fit = 0.7 * top + 0.13 * shares @ said + 0.17 * cosine
        found += [
            Candidate(
                passage,
                at,
                float(score[at]),
                float(own[at]),
                float(fit[at]),
                meets[:, at],
                bool(cued[at]),
            )
            for at in range(len(passage.units))
            if can_answer(passage.units, at)
        ]
    return sorted(found, key=lambda candidate: -candidate.score)


def _idf(asked: Sequence[str], passages: Sequence[Passage]) -> Array:
    """How rare each word is among the units; there is no other collection to ask."""
    every = [set(stems) for passage in passages for stems in passage.stems]
    counts = np.array([sum(stem(word) in stems for stems in every) for word in asked], np.float32)
    return np.log(1 + (len(every) - counts + 0.5) / (counts + 0.5))


def _closest(
    asked: Sequence[str], passages: Sequence[Passage], embedder: StaticEmbedder
) -> list[Array]:
    """Per passage: for each word asked and each unit, the cosine of the unit's closest word."""
    words = list(dict.fromkeys(w for p in passages for words in p.words for w in words))
    place = {word: at for at, word in enumerate(words)}
    cosines = embedder.word_vectors(asked) @ embedder.word_vectors(words).T
    stems = np.array([stem(word) for word in words])
    for row, word in zip(cosines, asked, strict=True):
        row[stems == stem(word)] = 1
    return [
        np.array(
            [cosines[:, [place[w] for w in words]].max(axis=1, initial=0) for words in p.words],
            np.float32,
        )
        .reshape(-1, len(asked))
        .T
        for p in passages
    ]


def _cosines(text: str, passages: Sequence[Passage], embedder: StaticEmbedder) -> list[Array]:
    """Per passage, the cosine of each unit with the question."""
    pieces = [unit.text for passage in passages for unit in passage.units]
    rows = embedder.encode([text, *pieces])
    ends = np.cumsum([len(passage.units) for passage in passages])
    return np.split(rows[1:] @ rows[0], ends[:-1])


def _meets(asked: Sequence[str], passage: Passage) -> Array:
    """For each stem asked and each unit: 1 where it stands there, less where it stands nearby."""
    here = np.array([[word in stems for stems in passage.stems] for word in asked], np.float32)
    before, after = np.zeros_like(here), np.zeros_like(here)
    same = [one.headings == other.headings for one, other in pairwise(passage.units)]
    joined = np.array(same, np.float32)  # what stands under another heading is not nearby
    before[:, 1:], after[:, :-1] = 0.6 * joined * here[:, :-1], 0.3 * joined * here[:, 1:]
    over = np.array([[0.5 * (word in over) for over in passage.over] for word in asked], np.float32)
    return np.maximum.reduce([here, before, after, over])


def _has_cue(question: Question, passage: Passage) -> Array:
    return np.array([question.is_cued(unit.text) for unit in passage.units], np.float32)


def _adjacent(question: Question, passage: Passage) -> Array:
    """The share of the question's neighbouring words that are neighbours in the unit too."""
    count = len(question.pairs) or 1
    shared = [len(question.pairs & set(pairwise(stems))) / count for stems in passage.stems]
    return np.array(shared, np.float32)


def pick(question: Question, candidates: Sequence[Candidate]) -> list[Candidate]:
    """The best candidate, and others that come near it and say something else."""
    picked: list[Candidate] = []
    for candidate in candidates:
        best = picked[0] if picked else candidate
        beside, own = BESIDE_STEPS if question.is_instruction else BESIDE
        if len(picked) == QUOTES or candidate.score < beside * best.score:
            break
        if question.is_instruction:  # how to do one thing is no part of how to do another
            held = candidate.meets[best.meets == 1] >= 0.5
            strays = held.size > 0 and held.mean() < SAME_THING
        else:
            strays = best.is_cued and not candidate.is_cued
        if candidate.own >= own * best.own and not strays and not _repeats(candidate, picked):
            picked.append(candidate)
    return picked


def _repeats(candidate: Candidate, picked: Sequence[Candidate]) -> bool:
    said = candidate.stems
    return any(len(said & other.stems) >= 0.8 * len(said) for other in picked)


# How the answer reads ----------------------------------------------------------------------------


def quoted(question: Question, picked: Sequence[Candidate]) -> list[tuple[Passage, Span]]:
    """What to quote of which passage: the best pick first, then the others as they read."""
    found: dict[Passage, list[Span]] = {}
    for candidate in picked:
        passage = candidate.passage
        if span := span_of(passage.units, candidate.at, question.wants):
            found.setdefault(passage, []).append(span)
    return [(passage, span) for passage, spans in found.items() for span in _merged(spans)]


def _merged(spans: Sequence[Span]) -> list[Span]:
    """The span given first first, the others in reading order; those that touch made one."""
    merged: list[Span] = []
    for span in sorted(spans, key=lambda span: span.first):
        if merged and span.first <= merged[-1].last + 1:
            merged[-1] = Span(merged[-1].first, max(merged[-1].last, span.last))
        else:
            merged.append(span)
    best = spans[0].first
    return sorted(merged, key=lambda span: not span.first <= best <= span.last)


def phrase(quotes: Sequence[tuple[Passage, Span]], fits: bool) -> str:
    """The answer: a line that says it quotes, and the quotes, each with its number."""
    if not quotes:
        return NOTHING_FITS
    sources = {passage.excerpt.source for passage, _ in quotes}
    where = _escaped(sources.pop()) if len(sources) == 1 else "the documents"
    opening = f"Quoted from {where}:"
    if not fits:
        opening = f"Nothing that was found clearly answers this. What comes closest, from {where}:"
    return "\n\n".join(
        [
            opening,
            *(quote(p.excerpt.text, p.units, span, p.excerpt.number) for p, span in quotes),
        ]
    )


def _escaped(name: str) -> str:
    return re.sub(r"([\\`*_\[\]<>#|~])", r"\\\1", name)

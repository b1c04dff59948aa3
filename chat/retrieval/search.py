"""From a question to passages: two rankings fused by their scores, then a second look.

``score`` is the weighed mean of BM25, as a share of the best candidate's, and the cosine: from 0
to 1, the same for the same passages found, not comparable between questions. ``rerank_score`` adds
to it what the second look sees, weighed, and is from 0 to 1 as well; with ``RERANK_BASE_URL`` it
is what that endpoint says.
"""

import json
import logging
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import numpy as np
from django.db import connection

from chat import conf
from chat.errors import ModelError
from chat.models import Chunk
from chat.models.threads import in_thread
from chat.providers.base import Vectors
from chat.providers.embedded import StaticEmbedder
from chat.providers.rerank import RerankEndpoint
from chat.providers.words import content_stems, terms

from .attachments import KINDS, names_between
from .base import Candidate, Passage, Query
from .rerank import TOTAL_WEIGHT, Floats, Reranker, weigh

logger = logging.getLogger(__name__)

CANDIDATES = 40  # from each ranking, unless the query says otherwise or wants more
LOOKED_AT = 40  # by the reranker, at least

T = TypeVar("T")


async def search(query: Query) -> list[Passage]:
    """The passages that fit the query best, best first; [] for one without a word.

    Raises ``ModelError`` when the embedding endpoint does.
    """
    if not terms(query.text) or not query.index_ids or query.top_k < 1:
        return []
    vector = None
    if query.vector_weight != 0:
        [vector] = await conf.embedder().embed([query.text], kind="query")
    if query.rerank and (endpoint := conf.rerank_endpoint()):
        return await _search_with(endpoint, query, vector)
    return await _in_thread(lambda: find_passages(query, vector))


async def _search_with(
    endpoint: RerankEndpoint, query: Query, vector: Vectors | None
) -> list[Passage]:
    ranked = await _in_thread(lambda: _looked_at(query, _candidates(query, vector)))
    texts = await _in_thread(lambda: _texts([one.chunk_id for one in ranked]))
    ranked = [one for one in ranked if one.chunk_id in texts]
    try:
        ratings = await endpoint.rate(query.text, [texts[one.chunk_id] for one in ranked])
    except ModelError as error:
        logger.warning("reranking endpoint failed, ranked without it: %s", error.message)
        return await _in_thread(lambda: _best(query, _reranked(query, ranked)))
    rated = zip(ranked, ratings, strict=True)
    ranked = [_Ranked(one.found, one.score, rating) for one, rating in rated]
    return await _in_thread(lambda: _best(query, ranked))


_threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="search")


async def _in_thread(work: Callable[[], T]) -> T:
    """Do blocking work in a search thread: numpy and SQLite let the event loop run meanwhile."""
    return await in_thread(work, _threads)()


def find_passages(query: Query, vector: Vectors | None) -> list[Passage]:
    """``search`` with the query's vector at hand; None searches by words alone."""
    ranked = _candidates(query, vector)
    if query.rerank:
        ranked = _reranked(query, _looked_at(query, ranked))
    return _best(query, ranked)


def _candidates(query: Query, vector: Vectors | None) -> list["_Ranked"]:
    """What either ranking found, by fused score."""
    limit = query.num_candidates or max(CANDIDATES, query.top_k)
    candidates = conf.search_backend().rank(query, vector, limit)
    return sorted(_fused(query, candidates), key=lambda one: -one.score)


def _looked_at(query: Query, ranked: Sequence["_Ranked"]) -> Sequence["_Ranked"]:
    return ranked[: max(LOOKED_AT, query.top_k)]


def _best(query: Query, ranked: Sequence["_Ranked"]) -> list[Passage]:
    """The passages wanted of those ranked."""
    ranked = sorted(ranked, key=lambda one: -one.rank)
    if query.score_threshold is not None:
        ranked = [one for one in ranked if one.rank >= query.score_threshold]
    wanted = query.top_k
    if query.rerank and query.rerank_top_n is not None:
        wanted = min(wanted, query.rerank_top_n)
    return _passages(query, ranked[:wanted])


@dataclass(frozen=True, slots=True)
class _Ranked:
    found: Candidate
    score: float
    rerank_score: float | None = None

    @property
    def chunk_id(self) -> int:
        return self.found.chunk_id

    @property
    def rank(self) -> float:
        return self.score if self.rerank_score is None else self.rerank_score


# Fusion -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Weights:
    full_text: float
    vector: float

    @classmethod
    def of(cls, query: Query) -> "_Weights":
        """The query's own where it has some, else what suits the embedder. Their sum is 1."""
        full_text, vector = (1.0, 0.9) if _is_static() else (0.5, 0.5)
        if query.full_text_weight is not None:
            full_text = query.full_text_weight
        if query.vector_weight is not None:
            vector = query.vector_weight
        total = (full_text + vector) or 1.0
        return cls(full_text / total, vector / total)


def _is_static() -> bool:
    return isinstance(conf.embedder(), StaticEmbedder)


def _fused(query: Query, candidates: Sequence[Candidate]) -> list[_Ranked]:
    if not candidates:
        return []
    weights = _Weights.of(query)
    full_text = np.array([one.full_text for one in candidates])
    vector = np.maximum([one.vector for one in candidates], 0)
    if not _is_static():
        # The cosines of trained encoders lie close together, each model's somewhere else.
        vector = (vector - vector.min()) / (np.ptp(vector) or 1)
    full_text = full_text / (full_text.max() or 1)
    scores = weights.full_text * full_text + weights.vector * vector
    pairs = zip(candidates, scores.tolist(), strict=True)
    return [_Ranked(one, score) for one, score in pairs]


# The second look ----------------------------------------------------------------------------------

FUSED_WEIGHT = 1.9  # of the score, beside the features' ``TOTAL_WEIGHT``


@cache
def _reranker() -> Reranker:
    return Reranker()


def _reranked(query: Query, ranked: Sequence[_Ranked]) -> list[_Ranked]:
    # A trained encoder has seen most of this already.
    share = 1.0 if _is_static() else 0.5
    seen = share * weigh_passages(query.text, [one.chunk_id for one in ranked])
    total = FUSED_WEIGHT + share * TOTAL_WEIGHT
    return [
        _Ranked(one.found, one.score, (FUSED_WEIGHT * one.score + extra) / total)
        for one, extra in zip(ranked, seen.tolist(), strict=True)
    ]


def weigh_passages(question: str, chunk_ids: Sequence[int]) -> Floats:
    """What the second look sees in each of the chunks, weighed; 0 for one that is gone."""
    reranker = _reranker()
    missing = reranker.missing(chunk_ids)
    texts = _texts(missing) if missing else {}
    return weigh(reranker.look(question, chunk_ids, texts, _idf(question)))


def _texts(chunk_ids: Sequence[int]) -> dict[int, str]:
    """What the chunks say, with the titles over them: a passage is often silent on its subject."""
    rows = Chunk.objects.filter(pk__in=chunk_ids).values_list(
        "pk", "document__title", "heading", "text"
    )
    return {pk: f"{title}\n\n{heading}\n\n{text}" for pk, title, heading, text in rows}


def _idf(question: str) -> dict[str, float]:
    stems = list(dict.fromkeys(content_stems(question)))
    frequencies, chunks = conf.search_backend().document_frequencies(stems)
    return {
        one: math.log(1 + max(chunks - frequency + 0.5, 0.5) / (frequency + 0.5))
        for one, frequency in zip(stems, frequencies, strict=True)
    }


# Passages -----------------------------------------------------------------------------------------

# As ``Passage`` has them. In SQL, since Django takes longer to put it together than to ask.
_COLUMNS = {
    "chunk_id": "chunk.id",
    "document_id": "chunk.document_id",
    "index_id": "chunk.index_id",
    "file_id": "document.directory_file_id",
    "file_name": "document.name",
    "title": "document.title",
    "heading": "chunk.heading",
    "text": "chunk.text",
    "chunk_index": "chunk.ordinal",
    "start_char": "chunk.start_char",
    "end_char": "chunk.end_char",
    "token_count": "chunk.token_count",
    "page_start": "chunk.page_start",
    "page_end": "chunk.page_end",
    "metadata": "document.metadata",
}
_PASSAGES = f"""
    SELECT {", ".join(_COLUMNS.values())}, searched.store_screenshots, searched.store_items
    FROM chat_chunk chunk
    JOIN chat_document document ON document.id = chunk.document_id
    JOIN chat_index searched ON searched.id = chunk.index_id
    WHERE document.state = 'ready' AND chunk.id IN ({{}}) AND chunk.index_id IN ({{}})
"""  # noqa: S608  (constants)


def _passages(query: Query, ranked: Sequence[_Ranked]) -> list[Passage]:
    """The rows behind what was ranked; what was replaced or removed meanwhile is left out."""
    if not ranked:
        return []
    chunk_ids = [one.chunk_id for one in ranked]
    marks = (", ".join(["%s"] * len(ids)) for ids in (chunk_ids, query.index_ids))
    with connection.cursor() as cursor:
        cursor.execute(_PASSAGES.format(*marks), [*chunk_ids, *query.index_ids])
        rows = {row[0]: row for row in cursor.fetchall()}
    return [
        _passage(
            one, dict(zip(_COLUMNS, rows[one.chunk_id], strict=False)), *rows[one.chunk_id][-2:]
        )
        for one in ranked
        if one.chunk_id in rows
    ]


def _passage(ranked: _Ranked, row: dict[str, Any], screenshots: bool, items: bool) -> Passage:
    """``screenshots`` and ``items``: what its index keeps. Only PDFs have their pages drawn."""
    kept = {
        "screenshots": screenshots and row["file_name"].lower().endswith(".pdf"),
        "items": items,
    }
    kinds = [kind for kind in KINDS if kept[kind]]
    row["metadata"] = json.loads(row["metadata"])
    return Passage(
        **row,
        score=ranked.score,
        rerank_score=ranked.rerank_score,
        attachments=tuple(names_between(kinds, row["page_start"], row["page_end"])),
        full_text=ranked.found.full_text,
        vector=ranked.found.vector,
    )

"""What a search is asked and what it answers; the seam between engines and everything else."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from chat.providers.base import Vectors

Operator = Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"]


@dataclass(frozen=True, slots=True)
class Condition:
    """One test of a document: on its own metadata, or on ``file_name`` or ``file_id``.

    Metadata that lacks the field passes ``ne`` and ``nin`` and nothing else.
    """

    field: str
    operator: Operator
    value: Any


@dataclass(frozen=True, slots=True)
class Query:
    """A search over indexes the caller has already been found to see.

    Weights are between 0 and 1 and weigh scores, not ranks; None takes what suits the embedder.
    """

    text: str
    index_ids: tuple[str, ...]
    top_k: int = 10
    full_text_weight: float | None = None
    vector_weight: float | None = None
    num_candidates: int | None = None  # from each ranking, before fusion
    rerank: bool = True
    rerank_top_n: int | None = None
    score_threshold: float | None = None
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk as found. ``score`` is the fused score, ``rerank_score`` None when not reranked;
    ``full_text`` and ``vector`` are those that were fused, as a ``Candidate`` has them."""

    chunk_id: int
    document_id: int
    index_id: str
    file_id: str  # the directory file's id, dfl-…
    file_name: str
    title: str
    heading: str
    text: str
    score: float
    rerank_score: float | None
    chunk_index: int
    start_char: int
    end_char: int
    token_count: int
    page_start: int | None
    page_end: int | None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    attachments: tuple[str, ...] = ()  # names of what a sync kept of its pages
    full_text: float = 0.0
    vector: float = 0.0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chunk as ranked by an engine, before fusion. A ranking that lacks it left its score 0."""

    chunk_id: int
    full_text: float  # BM25, higher is better
    vector: float  # cosine with the query


class SearchBackend(Protocol):
    """Full-text and vector structures, derived from chunks and never the truth.

    ``write`` and ``remove`` run inside the caller's transaction. All methods are synchronous and
    are called from a thread that may wait.
    """

    def write(self, chunk_ids: Sequence[int]) -> None:
        """Make these chunks findable, replacing what was known of them."""
        ...

    def remove(self, document_ids: Sequence[int]) -> None:
        """Forget all chunks of these documents, before their rows go."""
        ...

    def rank(self, query: Query, vector: Vectors | None, limit: int) -> list[Candidate]:
        """The best ``limit`` of either ranking over all of the query's indexes, filters applied."""
        ...

    def document_frequencies(self, stems: Sequence[str]) -> tuple[list[int], int]:
        """In about how many chunks each stem occurs, of how many in all."""
        ...

    def rebuild(self, index_ids: Iterable[str] | None = None) -> int:
        """Drop and make again from the chunks; answers how many chunks were written."""
        ...

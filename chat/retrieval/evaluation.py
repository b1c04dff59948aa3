"""How well an index answers questions whose answers are known, kept so that runs can be compared.

A questions file has one JSON object a line: ``question``, and ``file`` (a file's name, or a list
of names), ``passage`` (words that stand in the right passage), or both. Each file named is one
thing to find, and so is a passage, in any of the files named. Runs are kept as lines of JSON, in
the data directory, one file an index.
"""

import json
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from chat.errors import Invalid

from .base import Passage, Query
from .search import search

DEPTH = 10  # passages that nDCG and MRR look at, and recall unless told otherwise


@dataclass(frozen=True, slots=True)
class Question:
    text: str
    files: tuple[str, ...]
    passage: str = ""

    def ranks(self, passages: Sequence[Passage]) -> list[int | None]:
        """For each thing to find the place, from 1, of the first passage that has it."""
        if self.passage:
            return [_first(passages, self.files, _plain(self.passage))]
        return [_first(passages, (name,), "") for name in self.files]


@dataclass(frozen=True, slots=True)
class Run:
    """One evaluation. ``ranks`` has what ``Question.ranks`` gave, by question."""

    number: int
    at: str
    note: str
    ranks: dict[str, list[int | None]]

    def over(self, questions: Sequence[str]) -> "Run":
        """The same run, as if only these had been asked."""
        return replace(self, ranks={one: self.ranks[one] for one in questions})

    def recall(self, k: int = DEPTH) -> float:
        """The share of what was to be found that stood among the first ``k`` passages."""
        return self._mean(lambda ranks: sum(_within(rank, k) for rank in ranks) / len(ranks))

    @property
    def ndcg(self) -> float:
        return self._mean(gain)

    @property
    def mrr(self) -> float:
        """The mean of one by the rank of the first thing found."""
        return self._mean(lambda ranks: max(1 / r if r and r <= DEPTH else 0.0 for r in ranks))

    def _mean(self, score: Callable[[list[int | None]], float]) -> float:
        return statistics.fmean(map(score, self.ranks.values())) if self.ranks else 0.0


def gain(ranks: Sequence[int | None]) -> float:
    """nDCG@10 of a question, each thing found counting once, where it first stood."""
    gains = [1 / math.log2(rank + 1) for rank in ranks if rank is not None and rank <= DEPTH]
    ideal = sum(1 / math.log2(n + 2) for n in range(min(DEPTH, len(ranks))))
    return sum(gains) / ideal


def read_questions(path: Path) -> list[Question]:
    """Raises ``Invalid``, naming the line, for a file that is not as described above."""
    questions: dict[str, Question] = {}
    for number, line in enumerate(path.read_text("utf-8-sig").split("\n"), 1):
        if not line.strip():
            continue
        try:
            question = _question(json.loads(line))
        except (ValueError, LookupError, TypeError, AttributeError):
            raise Invalid(
                f'Line {number} is not a question such as {{"question": "How many days of leave '
                'are there?", "file": "leave.md", "passage": "28 days"}.'
            ) from None
        questions[question.text] = question
    if not questions:
        raise Invalid("There is no question in the file.")
    return list(questions.values())


def _question(row: Mapping[str, Any]) -> Question:
    files = row.get("file") or []
    files = [files] if isinstance(files, str) else files
    question = Question(row["question"], tuple(dict.fromkeys(files)), row.get("passage") or "")
    texts = (question.text, question.passage, *question.files)
    if not all(isinstance(text, str) for text in texts):
        raise TypeError
    if not question.text.strip() or not (question.files or _plain(question.passage)):
        raise ValueError
    return question


async def evaluate(
    index_id: str, questions: Sequence[Question], depth: int = DEPTH
) -> dict[str, list[int | None]]:
    """Ask each as anybody would; answers ``Question.ranks`` by question."""
    ranks = {}
    for question in questions:
        query = Query(question.text, (index_id,), top_k=max(depth, DEPTH))
        ranks[question.text] = question.ranks(await search(query))
    return ranks


def _first(passages: Sequence[Passage], files: Sequence[str], words: str) -> int | None:
    for rank, passage in enumerate(passages, 1):
        if (not files or passage.file_name in files) and words in _plain(passage.text):
            return rank
    return None


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _within(rank: int | None, k: int) -> bool:
    return rank is not None and rank <= k


# What is kept -------------------------------------------------------------------------------------


def _kept_in(index_id: str) -> Path:
    return settings.DATA_DIR / "evaluations" / f"{index_id}.jsonl"


def runs(index_id: str) -> list[Run]:
    """Those kept of an index, oldest first."""
    path = _kept_in(index_id)
    lines = path.read_text().splitlines() if path.exists() else []
    return [Run(**json.loads(line)) for line in lines]


def keep(index_id: str, ranks: dict[str, list[int | None]], note: str = "") -> Run:
    run = Run(len(runs(index_id)) + 1, datetime.now(UTC).isoformat(), note, ranks)
    path = _kept_in(index_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as lines:
        lines.write(json.dumps(asdict(run)) + "\n")
    return run

"""``manage.py evaluate INDEX questions.jsonl``: how well an index finds what is known to be there.

Run it before and after a change; the second time with ``--compare``.
"""

import asyncio
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from chat.errors import CarrelError
from chat.models import Index
from chat.retrieval.evaluation import DEPTH, Run, evaluate, gain, keep, read_questions, runs

SHOWN = 20  # questions, of those that changed and of those that found nothing


class Command(BaseCommand):
    help = (
        "Ask an index questions whose answers are known; print recall, nDCG@10 and MRR, and keep "
        'the run. A line of the file: {"question": "…", "file": "leave.md", "passage": "28 days"}, '
        "where file may be a list, and one of file and passage is enough."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("index", help="id of the index")
        parser.add_argument("questions", type=Path, help="one JSON object a line")
        parser.add_argument("--k", type=int, default=DEPTH, help="depth of recall (default: 10)")
        parser.add_argument("--note", default="", help="kept with the run: what is being tried")
        parser.add_argument(
            "--compare",
            nargs="?",
            type=int,
            const=-1,
            metavar="RUN",
            help="with an earlier run, by its number (default: the last one)",
        )

    def handle(self, *, index: str, questions: Path, k: int, note: str, **options: Any) -> None:
        if not Index.objects.queryable().filter(pk=index).exists():
            raise CommandError(f"There is no synced index {index}.")
        if k < 1:
            raise CommandError("--k must be 1 or more.")
        before = self._earlier(index, options["compare"])
        try:
            ranks = asyncio.run(evaluate(index, read_questions(questions), k))
        except OSError as error:
            raise CommandError(f"{questions} cannot be read: {error.strerror}.") from error
        except UnicodeDecodeError as error:
            raise CommandError(f"{questions} is not UTF-8.") from error
        except CarrelError as error:
            raise CommandError(error.message) from error
        run = keep(index, ranks, note)
        if before:
            self._compare(before, run, k)
        else:
            self._show(run, k)

    def _earlier(self, index: str, number: int | None) -> Run | None:
        if number is None:
            return None
        kept = runs(index)
        found = kept[-1:] if number == -1 else [run for run in kept if run.number == number]
        if not found:
            known = f"the runs 1 to {len(kept)}" if kept else "no run"
            raise CommandError(f"There is nothing to compare with: {known} of this index are kept.")
        return found[0]

    def _show(self, run: Run, k: int) -> None:
        self.stdout.write(f"Run {run.number}, {len(run.ranks)} questions")
        for name, value in _figures(run, k):
            self.stdout.write(f"{name:10} {value:.3f}")
        self._list("Not found", [one for one, ranks in run.ranks.items() if not any(ranks)])

    def _compare(self, before: Run, after: Run, k: int) -> None:
        shared = [one for one in after.ranks if one in before.ranks]
        if not shared:
            raise CommandError(f"Run {after.number} is kept; run {before.number} asked none of it.")
        old, new = before.over(shared), after.over(shared)
        self.stdout.write(
            f"Run {new.number} against run {old.number}"
            f"{f' ({old.note})' if old.note else ''}, the {len(shared)} questions of both"
        )
        for (name, was), (_, value) in zip(_figures(old, k), _figures(new, k), strict=True):
            self.stdout.write(f"{name:10} {value:.3f}  {value - was:+.3f}")
        change = {one: gain(new.ranks[one]) - gain(old.ranks[one]) for one in shared}
        self._list("Better", [one for one in shared if change[one] > 0])
        self._list("Worse", [one for one in shared if change[one] < 0])

    def _list(self, title: str, questions: list[str]) -> None:
        if questions:
            self.stdout.write(f"{title}: {len(questions)}")
        for question in questions[:SHOWN]:
            self.stdout.write(f"  {question}")
        if len(questions) > SHOWN:
            self.stdout.write(f"  and {len(questions) - SHOWN} more")


def _figures(run: Run, k: int) -> list[tuple[str, float]]:
    return [(f"recall@{k}", run.recall(k)), (f"nDCG@{DEPTH}", run.ndcg), ("MRR", run.mrr)]

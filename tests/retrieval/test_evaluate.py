"""``manage.py evaluate``: figures that can be checked by hand, and compared."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from chat.retrieval.evaluation import Run, gain, runs
from tests.factories import make_file, make_index

from .conftest import sync

pytestmark = pytest.mark.django_db(transaction=True)

LAMPS = {"question": "What colour are the lamps?", "file": "lamps.md"}
BORROWING = {"question": "How many volumes may I borrow?", "passage": "borrow  five\nVOLUMES"}
NOWHERE = {"question": "When does the sauna open?", "file": "sauna.md"}


@pytest.fixture
def ask(library, settings, tmp_path):
    """``ask([question, …], "--k", 1)``: what the command prints."""
    settings.DATA_DIR = tmp_path / "var"

    def ask(questions: list, *options: object) -> str:
        path: Path = tmp_path / "questions.jsonl"
        path.write_text("".join(f"{json.dumps(one)}\n" for one in questions))
        out = StringIO()
        call_command("evaluate", library.pk, str(path), *map(str, options), stdout=out)
        return out.getvalue()

    return ask


def test_what_is_found_first_counts_whole_and_what_is_not_found_is_named(ask):
    printed = ask([LAMPS, BORROWING, NOWHERE])

    assert printed.splitlines() == [
        "Run 1, 3 questions",
        "recall@10  0.667",
        "nDCG@10    0.667",
        "MRR        0.667",
        "Not found: 1",
        "  When does the sauna open?",
    ]


def test_each_file_expected_is_a_thing_to_find(ask):
    printed = ask([LAMPS | {"file": ["lamps.md", "rules.md", "sauna.md"]}], "--k", 1)

    assert "recall@1   0.333" in printed


def test_a_passage_counts_in_the_file_named_only(ask):
    assert "recall@10  0.000" in ask([BORROWING | {"file": "lamps.md"}])
    assert "recall@10  1.000" in ask([BORROWING | {"file": "rules.md"}])


def test_a_run_is_compared_with_the_one_before_over_the_questions_of_both(ask, library):
    ask([LAMPS, NOWHERE], "--note", "as it was")
    make_file(library.directory, "sauna.md", "The sauna opens at noon.")
    sync(library)

    printed = ask([NOWHERE, BORROWING], "--compare")

    assert printed.splitlines() == [
        "Run 2 against run 1 (as it was), the 1 questions of both",
        "recall@10  1.000  +1.000",
        "nDCG@10    1.000  +1.000",
        "MRR        1.000  +1.000",
        "Better: 1",
        "  When does the sauna open?",
    ]
    assert [run.number for run in runs(library.pk)] == [1, 2]
    assert "Worse: 1" in ask([NOWHERE | {"file": "lost.md"}], "--compare", 2)


@pytest.mark.parametrize(
    "broken", [{}, {"question": "Why?"}, {"question": " ", "file": "a"}, [1], "Why?"]
)
def test_a_line_that_is_no_question_is_named(ask, broken):
    with pytest.raises(CommandError, match="Line 2 is not a question"):
        ask([LAMPS, broken])


def test_what_cannot_be_evaluated_says_why(ask, library, tmp_path):
    with pytest.raises(CommandError, match="no run"):
        ask([LAMPS], "--compare")
    with pytest.raises(CommandError, match="no question in the file"):
        ask([])
    with pytest.raises(CommandError, match="no synced index"):
        call_command("evaluate", make_index(synced=False).pk, str(tmp_path / "questions.jsonl"))
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("evaluate", library.pk, str(tmp_path / "missing.jsonl"))


def test_figures_fall_with_the_rank():
    run = Run(1, "", "", {"a": [2], "b": [1, None], "c": [11]})

    assert gain([2]) == pytest.approx(0.631, abs=0.001)
    assert gain([1, 2]) == 1
    assert run.recall() == pytest.approx((1 + 0.5 + 0) / 3)
    assert run.recall(11) == pytest.approx((1 + 0.5 + 1) / 3)
    assert run.mrr == pytest.approx((0.5 + 1 + 0) / 3)

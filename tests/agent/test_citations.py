"""Markers in an answer, resolved to places and compared with them."""

import pytest

from chat.agent.citations import Claim, Shown, claims, compare, resolve


def shown(number: int, text: str) -> Shown:
    return Shown(number, "idx-1", "dfl-1", "handbook.md", 3, 10, 10 + len(text), text)


def test_each_marker_gets_a_citation_for_each_of_its_numbers_as_they_read():
    passages = {1: shown(1, "The desk is oak."), 2: shown(2, "The lamp is green.")}

    found = resolve("The lamp is green [2]. Oak [1; 2] is hard [1].", passages)

    assert [citation["number"] for citation in found] == [2, 1, 2, 1]
    assert found[0] == {
        "number": 2,
        "index_id": "idx-1",
        "file_id": "dfl-1",
        "file_name": "handbook.md",
        "page": 3,
        "start_char": 10,
        "end_char": 28,
        "check": "exact",
    }


PASSAGE = "The lamp is green. Dr. Novak bought it, e.g. for reading. The desk is oak."


@pytest.mark.parametrize(
    "answer, span",
    [
        ("The lamp is green [1].", "The lamp is green."),
        ("Novak **bought it**, e.g. for reading [1]", PASSAGE[19:57]),
        ("1. The desk is oak [1]", "The desk is oak."),
        ("Quoted:\n\nThe lamp is green. Dr. Novak bought it, e.g. for reading. [1]", PASSAGE[:57]),
        ("Someone bought a lamp. The desk is oak. [1]", "The desk is oak."),
        ("[1] The desk is oak. So it is.", "The desk is oak."),
        ("The lamp is probably green [1].", PASSAGE),
        ("Penguins [1]", PASSAGE),
    ],
)
def test_a_quote_points_at_its_own_sentences_and_anything_else_at_the_passage(answer, span):
    (citation,) = resolve(answer, {1: shown(1, PASSAGE)})

    assert PASSAGE[citation["start_char"] - 10 : citation["end_char"] - 10] == span


def test_a_quote_is_on_the_page_it_stands_on_not_where_its_passage_begins():
    passage = Shown(
        1, "idx-1", "dfl-1", "handbook.pdf", 3, 210, 210 + len(PASSAGE), PASSAGE, (0, 90, 200, 229)
    )

    one, other, whole = resolve(
        "The lamp is green [1]. The desk is oak [1]. Penguins read on [1].", {1: passage}
    )

    assert (one["page"], other["page"], whole["page"]) == (3, 4, 3)


def test_steps_quoted_together_are_marked_together():
    steps = "Making tea:\n\n1. Boil water.\n2. Pour it.\n3. Wait.\n\nEnjoy."

    (citation,) = resolve(
        "Quoted:\n\n1. Boil water.\n2. Pour it.\n3. Wait. [1]", {1: shown(1, steps)}
    )

    assert steps[citation["start_char"] - 10 : citation["end_char"] - 10] == steps[13:-8]


def test_a_match_shown_with_its_context_keeps_its_own_place():
    match = Shown(1, "idx-1", "dfl-1", "handbook.md", None, 40, 45, "The lamp is green.")

    (citation,) = resolve("The lamp is green [1].", {1: match})

    assert (citation["start_char"], citation["end_char"], citation["check"]) == (40, 45, "exact")


@pytest.mark.parametrize(
    "answer", ["`rows[1]`", "```python\nrows[1]\n```", "\\[1]", "[1](https://example.org/)"]
)
def test_what_only_looks_like_a_marker_cites_nothing(answer):
    assert resolve(answer, {1: shown(1, PASSAGE)}) == ()


def test_a_number_that_was_never_shown_gets_no_citation():
    assert resolve("The moon is cheese [7].", {1: shown(1, "The moon is rock.")}) == ()


def test_several_numbers_in_one_marker_or_side_by_side_cite_the_same_claim():
    assert claims("Oak is hard [1, 2][3]. Next it is [4]") == [
        Claim("Oak is hard", (1, 2, 3)),
        Claim("Next it is", (4,)),
    ]


def test_a_claim_is_the_sentence_before_its_marker_or_around_it():
    assert claims("First one. The second says so [1].") == [
        Claim("The second says so", (1,), ("First one.",))
    ]
    assert claims("As [1] has it, oak is hard. Good.")[0].text == "As has it, oak is hard."


@pytest.mark.parametrize(
    "claim, check",
    [
        ("> The lamp is green.", "exact"),
        ("A green **lamp** burns late in the room", "near"),
        ("The lamp has 60 watts", "none"),
        ("Penguins live in Antarctica", "none"),
        ("…", "none"),
    ],
)
def test_a_claim_is_compared_with_its_passage_by_words(claim, check):
    assert compare(claim, "In the room, the lamp is green, and burns late.") == check


def test_a_number_cited_twice_is_checked_each_time():
    passages = {1: shown(1, "The lamp is green.")}

    found = resolve("The lamp is green [1]. Penguins live in Antarctica [1].", passages)

    assert [citation["check"] for citation in found] == ["exact", "none"]

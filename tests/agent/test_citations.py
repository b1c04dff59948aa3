"""Markers in an answer, resolved to places and compared with them."""

import pytest

from chat.agent.citations import Shown, claims, compare, resolve


def shown(number: int, text: str) -> Shown:
    return Shown(number, "idx-1", "dfl-1", "handbook.md", 3, 10, 10 + len(text), text)


def test_each_number_shown_gets_one_citation_in_order_of_first_use():
    passages = {1: shown(1, "The desk is oak."), 2: shown(2, "The lamp is green.")}

    found = resolve("The lamp is green [2]. The desk is oak [1], and the lamp green [2].", passages)

    assert [citation["number"] for citation in found] == [2, 1]
    assert found[0] | {"check": ""} == {
        "number": 2,
        "index_id": "idx-1",
        "file_id": "dfl-1",
        "file_name": "handbook.md",
        "page": 3,
        "start_char": 10,
        "end_char": 28,
        "check": "",
    }


def test_a_number_that_was_never_shown_gets_no_citation():
    assert resolve("The moon is cheese [7].", {1: shown(1, "The moon is rock.")}) == ()


def test_several_numbers_in_one_marker_or_side_by_side_cite_the_same_claim():
    assert claims("Oak is hard [1, 2][3]. Next [4]") == [
        ("Oak is hard", [1, 2, 3]),
        ("Next", [4]),
    ]


def test_a_claim_is_the_sentence_before_its_marker():
    assert claims("First one. The second says so [1].")[0] == ("The second says so", [1])


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


def test_a_number_cited_twice_is_only_as_good_as_its_weakest_claim():
    passages = {1: shown(1, "The lamp is green.")}

    (citation,) = resolve("The lamp is green [1]. Penguins live in Antarctica [1].", passages)

    assert citation["check"] == "none"

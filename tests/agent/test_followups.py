"""What is searched for when a question leans on the ones before it, with and without a model."""

import asyncio
from datetime import UTC, datetime

import pytest

from chat.agent import followups
from chat.agent.followups import Fit, standalone, wordings
from chat.events.transcript import ToolUse
from chat.events.types import ToolCall
from chat.providers.extractive import ExtractiveModel
from chat.providers.openai import OpenAIChatModel
from tests.stand_in.fixture import StandIn, closed_url

from .test_prompts import talked

AT = datetime(2026, 1, 1, tzinfo=UTC)
TALK = talked(("What was the revenue of Acme in 2022?", "It was 12 M [1]."))


async def unasked(query: str) -> float:
    raise AssertionError(f"searched for {query}")


def measured(fits: dict[str, float]) -> Fit:
    async def fit(query: str) -> float:
        return fits.get(query, 0.0)

    return fit


@pytest.fixture
def model(stand_in: StandIn) -> OpenAIChatModel:
    return OpenAIChatModel(stand_in.url, "", "small", timeout=5)


async def test_the_model_words_a_question_that_refers_to_the_talk(model, stand_in: StandIn):
    stand_in.say(text='"revenue of Acme\nin 2023"')

    query = await standalone("And in 2023?", TALK, model, unasked)

    assert query == "revenue of Acme in 2023"
    (body,) = stand_in.bodies
    assert "Answer: It was 12 M" in body["messages"][-1]["content"]
    assert body["messages"][-1]["content"].endswith("Last question: And in 2023?")


@pytest.mark.parametrize("question", ["Which holidays does the Berlin office keep?", "Net profit?"])
async def test_a_question_that_refers_to_nothing_costs_no_request(model, stand_in, question):
    await standalone(question, TALK, model, measured({}))
    assert await standalone("And in 2023?", talked(), model, unasked) == "And in 2023?"

    assert stand_in.requests == []


@pytest.mark.parametrize(
    "reply", [{"status": 500}, {"text": ""}, {"text": "word " * 1000}, {"fault": "drop"}]
)
async def test_a_model_that_is_no_help_is_done_without(model, stand_in: StandIn, reply):
    stand_in.say(**reply, again=True)

    query = await standalone("And in 2023?", TALK, model, measured({}))

    assert query == "revenue acme 2022 And in 2023?"


async def test_without_a_model_that_writes_nobody_is_asked():
    gone = OpenAIChatModel(closed_url(), "", "small", timeout=5)

    fit = measured({"revenue acme And in 2023?": 0.7})

    assert await standalone("And in 2023?", TALK, ExtractiveModel(), fit) == (
        await standalone("And in 2023?", TALK, gone, fit)
    )


@pytest.mark.parametrize(
    ("question", "meant"),
    [
        ("When?", ["revenue acme 2022 When?"]),
        ("And in 2023?", ["revenue acme 2022 And in 2023?", "revenue acme And in 2023?"]),
        ("Net profit?", ["revenue acme 2022 Net profit?", "Net profit?"]),
        (
            "Was it higher in Berlin?",
            ["revenue acme 2022 Was it higher in Berlin?", "Was it higher in Berlin?"],
        ),
        (
            "And the net profit?",
            [
                "revenue acme 2022 And the net profit?",
                "revenue acme And the net profit?",
                "And the net profit?",
            ],
        ),
        ("Which holidays does the office keep?", ["Which holidays does the office keep?"]),
    ],
)
def test_what_a_question_may_mean_after_another(question: str, meant: list[str]):
    assert wordings(question, "revenue acme 2022") == meant


def test_of_a_long_query_the_last_words_are_carried_over():
    before = " ".join(f"word{number}" for number in range(20))

    with_all, with_less = wordings("And in 2023?", before)

    assert with_all.startswith("word8 ") and with_all.endswith("word19 And in 2023?")
    assert with_less.endswith("word18 And in 2023?")


async def test_what_takes_too_long_to_be_found_out_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(followups, "FIT_SECONDS", 0.05)

    async def slow(query: str) -> float:
        await asyncio.sleep(60)
        return 1.0

    assert await standalone("Net profit?", TALK, ExtractiveModel(), slow) == (
        "revenue acme 2022 Net profit?"
    )


def test_where_nothing_was_named_before_nothing_takes_its_place():
    assert wordings("And in 2023?", "revenue") == ["revenue And in 2023?"]
    assert wordings("And in 2023?", "") == ["And in 2023?"]


@pytest.mark.parametrize("best", [0, 1, 2])
async def test_of_what_may_be_meant_it_is_what_finds_most(best: int):
    question = "And the net profit?"
    meant = wordings(question, "revenue acme 2022")

    query = await standalone(question, TALK, ExtractiveModel(), measured({meant[best]: 0.7}))

    assert query == meant[best]


async def test_what_was_searched_for_the_last_time_is_carried_over_not_what_was_asked():
    talk = talked(("What was the revenue of Acme?", "12 M"), ("And its profit?", "2 M"))
    talk.exchanges[1].steps.append(
        ToolUse(ToolCall("c", "retrieve", {"query": "revenue acme And its profit?"}), AT)
    )

    query = await standalone("And in 2023?", talk, ExtractiveModel(), measured({}))

    assert query == "revenue acme profit And in 2023?"

"""What is searched for when a question leans on the ones before it, with and without a model."""

from datetime import UTC, datetime

import pytest

from chat.agent.followups import Fit, standalone
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

    query = await standalone("And in 2023?", TALK, model, unasked)

    assert query == "revenue acme 2022 And in 2023?"


async def test_without_a_model_that_writes_nobody_is_asked():
    gone = OpenAIChatModel(closed_url(), "", "small", timeout=5)

    assert await standalone("And in 2023?", TALK, ExtractiveModel(), unasked) == (
        await standalone("And in 2023?", TALK, gone, unasked)
    )


LEANING = {"And in 2023?", "How is it computed?", "When?"}


@pytest.mark.parametrize("question", sorted(LEANING))
async def test_words_are_carried_over_where_a_question_leans(question):
    assert await standalone(question, TALK, ExtractiveModel(), unasked) == (
        f"revenue acme 2022 {question}"
    )


async def test_what_a_short_question_finds_tells_whether_it_leans():
    leaning, alone = "revenue acme 2022 Net profit?", "Net profit?"

    for fits, expected in (
        ({leaning: 0.7, alone: 0.6}, leaning),
        ({leaning: 0.6, alone: 0.7}, alone),
        ({leaning: 0.0, alone: 0.0}, leaning),
    ):
        assert await standalone(alone, TALK, ExtractiveModel(), measured(fits)) == expected


async def test_what_was_searched_for_the_last_time_is_carried_over_not_what_was_asked():
    talk = talked(("What was the revenue of Acme?", "12 M"), ("And its profit?", "2 M"))
    talk.exchanges[1].steps.append(
        ToolUse(ToolCall("c", "retrieve", {"query": "revenue acme And its profit?"}), AT)
    )

    assert await standalone("And in 2023?", talk, ExtractiveModel(), unasked) == (
        "revenue acme profit And in 2023?"
    )

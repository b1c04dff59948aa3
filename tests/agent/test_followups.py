"""What is searched for when a question leans on the ones before it, with and without a model."""

import pytest

from chat.agent.followups import standalone
from chat.providers.extractive import ExtractiveModel
from chat.providers.openai import OpenAIChatModel
from tests.stand_in.fixture import StandIn, closed_url

from .test_prompts import talked

TALK = talked(("What was the revenue of Acme in 2022?", "It was 12 M [1]."))


@pytest.fixture
def model(stand_in: StandIn) -> OpenAIChatModel:
    return OpenAIChatModel(stand_in.url, "", "small", timeout=5)


async def test_the_model_words_a_question_that_refers_to_the_talk(model, stand_in: StandIn):
    stand_in.say(text='"revenue of Acme\nin 2023"')

    query = await standalone("And in 2023?", TALK, model)

    assert query == "revenue of Acme in 2023"
    (body,) = stand_in.bodies
    assert "Answer: It was 12 M" in body["messages"][-1]["content"]
    assert body["messages"][-1]["content"].endswith("Last question: And in 2023?")


@pytest.mark.parametrize("question", ["Which holidays does the Berlin office keep?", "Net profit?"])
async def test_a_question_that_refers_to_nothing_costs_no_request(model, stand_in, question):
    await standalone(question, TALK, model)
    await standalone("And in 2023?", talked(), model)

    assert stand_in.requests == []


@pytest.mark.parametrize(
    "reply", [{"status": 500}, {"text": ""}, {"text": "word " * 1000}, {"fault": "drop"}]
)
async def test_a_model_that_is_no_help_is_done_without(model, stand_in: StandIn, reply):
    stand_in.say(**reply, again=True)

    assert await standalone("And in 2023?", TALK, model) == "revenue acme 2022 And in 2023?"


async def test_without_a_model_that_writes_nobody_is_asked():
    gone = OpenAIChatModel(closed_url(), "", "small", timeout=5)

    assert await standalone("And in 2023?", TALK, ExtractiveModel()) == (
        await standalone("And in 2023?", TALK, gone)
    )

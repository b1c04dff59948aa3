"""Texts rated by an endpoint, in whichever dialect it speaks."""

import json

import pytest

from chat import errors
from chat.providers.rerank import RerankEndpoint
from tests.stand_in.fixture import StandIn, closed_url

from .conftest import KEY

TEXTS = ["a green lamp", "an oak desk", "green lamps and a green lamp"]


@pytest.fixture
def endpoint(stand_in: StandIn) -> RerankEndpoint:
    return RerankEndpoint(stand_in.url, KEY, "some-reranker", timeout=5)


async def test_ratings_come_in_the_order_of_the_texts(endpoint, stand_in: StandIn):
    ratings = await endpoint.rate("green lamp", TEXTS)

    assert ratings == [1, 0, 1]
    (request,) = stand_in.requests
    assert request["path"] == "/v1/rerank"
    assert request["headers"]["Authorization"] == f"Bearer {KEY}"
    assert request["body"] == {
        "model": "some-reranker",
        "query": "green lamp",
        "documents": TEXTS,
    }


async def test_nothing_to_rate_asks_nothing(endpoint, stand_in: StandIn):
    assert await endpoint.rate("lamp", []) == []
    assert stand_in.requests == []


@pytest.mark.parametrize(
    "answer, ratings",
    [
        ({"results": [{"index": 1, "score": 0.5}, {"index": 0, "score": 0.25}]}, [0.25, 0.5]),
        (
            {
                "object": "list",
                "data": [
                    {"index": 0, "relevance_score": 0.9},
                    {"index": 1, "relevance_score": 0.1},
                ],
            },
            [0.9, 0.1],
        ),
    ],
)
async def test_ratings_are_read_in_the_dialects_in_use(endpoint, stand_in, answer, ratings):
    stand_in.say(raw=json.dumps(answer), content_type="application/json")

    assert await endpoint.rate("lamp", TEXTS[:2]) == ratings


async def test_bare_logits_become_ratings_from_0_to_1(endpoint, stand_in: StandIn):
    results = [{"index": n, "relevance_score": score} for n, score in enumerate([0, 4, -900])]
    stand_in.say(raw=json.dumps({"results": results}), content_type="application/json")

    middle, best, worst = await endpoint.rate("lamp", TEXTS)

    assert middle == 0.5
    assert 0 <= worst < 0.001 < 0.98 < best <= 1


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"results": [{"index": 0, "relevance_score": 1}]},
        {"results": [{"index": 9, "relevance_score": 1}] * 3},
        {"results": [{"index": n, "relevance_score": None} for n in range(3)]},
        {"results": "nonsense"},
    ],
)
async def test_ratings_that_make_no_sense_are_an_error(endpoint, stand_in: StandIn, answer):
    stand_in.say(raw=json.dumps(answer), content_type="application/json")

    with pytest.raises(errors.ModelBroken, match="The reranking endpoint sent something"):
        await endpoint.rate("lamp", TEXTS)


async def test_an_endpoint_that_lets_down_says_so_in_its_own_name(stand_in: StandIn):
    slow = RerankEndpoint(stand_in.url, KEY, "", timeout=0.2)
    gone = RerankEndpoint(closed_url(), KEY, "")
    stand_in.say({"fault": "silence"}, {"status": 401}, {"status": 400, "message": TEXTS[2]})

    with pytest.raises(errors.ModelTimeout, match="The reranking endpoint did not begin"):
        await slow.rate("lamp", TEXTS)
    with pytest.raises(errors.ModelKeyRejected, match="RERANK_API_KEY"):
        await slow.rate("lamp", TEXTS)
    with pytest.raises(errors.ModelRefused) as refused:
        await slow.rate("lamp", TEXTS)
    with pytest.raises(errors.ModelUnreachable, match="RERANK_BASE_URL"):
        await gone.rate("lamp", TEXTS)

    assert TEXTS[2] not in str(refused.value)

"""Texts to vectors through an endpoint."""

import numpy as np
import pytest

from chat import errors
from chat.providers.openai import OpenAIEmbedder
from tests.stand_in.fixture import StandIn, closed_url
from tests.stand_in.server import SIZE, vector

from .conftest import KEY


@pytest.fixture
def embedder(stand_in: StandIn) -> OpenAIEmbedder:
    return OpenAIEmbedder(stand_in.url, KEY, "some-embedder", timeout=5)


async def test_rows_are_unit_vectors_in_the_order_of_the_texts(embedder, stand_in: StandIn):
    texts = [f"text number {n} of several" for n in range(150)]

    vectors = await embedder.embed(texts)

    expected = np.array([vector(text) for text in texts])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert vectors.dtype == np.float32
    assert np.allclose(vectors, expected, atol=1e-5)
    assert (embedder.name, embedder.size) == ("openai:some-embedder", SIZE)
    assert sorted(len(body["input"]) for body in stand_in.bodies) == [22, 32, 32, 32, 32]
    assert stand_in.requests[0]["headers"]["Authorization"] == f"Bearer {KEY}"


async def test_blank_texts_are_zero_and_are_not_sent(embedder, stand_in: StandIn):
    vectors = await embedder.embed(["", "a word", " \n"])

    assert vectors.shape == (3, SIZE)
    assert not vectors[[0, 2]].any()
    assert np.linalg.norm(vectors[1]) == pytest.approx(1)
    assert [body["input"] for body in stand_in.bodies] == [["a word"]]


async def test_queries_and_passages_are_embedded_alike(embedder):
    (query,) = await embedder.embed(["the same words"], "query")
    (passage,) = await embedder.embed(["the same words"], "passage")

    assert np.array_equal(query, passage)


async def test_no_texts_are_no_vectors(embedder, stand_in: StandIn):
    vectors = await embedder.embed([])

    assert len(vectors) == 0
    assert stand_in.requests == []


async def test_a_busy_endpoint_is_asked_again(embedder, stand_in: StandIn):
    stand_in.say(status=429, retry_after="0")

    assert (await embedder.embed(["a word"])).shape == (1, SIZE)


async def test_vectors_of_another_size_are_an_error(embedder, stand_in: StandIn):
    await embedder.embed(["a word"])
    stand_in.say(size=8)

    with pytest.raises(errors.ModelBroken, match="vectors of 8 numbers after vectors of 64"):
        await embedder.embed(["a word"])


@pytest.mark.parametrize(
    ("reply", "kind", "says"),
    [
        ({"status": 401}, errors.ModelKeyRejected, "EMBEDDING_API_KEY"),
        ({"status": 404}, errors.ModelNotFound, "EMBEDDING_MODEL"),
        ({"status": 413}, errors.ContextTooLong, "EMBEDDING_MODEL"),
        ({"status": 500, "message": "Oh no"}, errors.ModelRefused, "embedding endpoint"),
        ({"fault": "web_page"}, errors.ModelBroken, "a web page"),
        ({"raw": '{"data": []}'}, errors.ModelBroken, "do not fit"),
        ({"raw": '{"data": [{"embedding": [1, "x"]}]}'}, errors.ModelBroken, "cannot be read"),
        ({"raw": '{"data": [{"embedding": [1, 1e999]}]}'}, errors.ModelBroken, ""),
        ({"raw": '{"data": [{"index": "0", "embedding": [[1]]}]}'}, errors.ModelBroken, ""),
        ({"raw": '{"error": {"message": "no such luck"}}'}, errors.ModelRefused, "no such luck"),
    ],
)
async def test_failures_say_what_to_do(embedder, stand_in: StandIn, reply, kind, says):
    stand_in.say({**reply, "again": True})

    with pytest.raises(errors.ModelError) as failure:
        await embedder.embed([f"text {n}" for n in range(100)])

    assert type(failure.value) is kind
    assert says in failure.value.message


async def test_an_endpoint_that_is_not_there(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("chat.providers.http.BACKOFF", (0.01,))

    with pytest.raises(errors.ModelUnreachable, match="EMBEDDING_BASE_URL"):
        await OpenAIEmbedder(closed_url(), "", "m").embed(["a word"])


async def test_silence_ends(stand_in: StandIn):
    stand_in.say(fault="silence")

    with pytest.raises(errors.ModelTimeout):
        await OpenAIEmbedder(stand_in.url, "", "m", timeout=0.2).embed(["a word"])

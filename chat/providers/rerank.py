"""A reranking endpoint, as Cohere, Jina, Voyage, vLLM, llama.cpp and others speak it."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chat.providers.failures import NETWORK_ERRORS, Failures, Payload
from chat.providers.fragments import Garbled, parse
from chat.providers.http import Endpoint

TIMEOUT = 8.0  # seconds for all of it: somebody waits, and there is another way to rank


class RerankEndpoint:
    """Rates texts for a question at ``{base_url}/rerank``."""

    def __init__(self, base_url: str, api_key: str, model: str, timeout: float = TIMEOUT):
        self._model = model
        self._timeout = timeout
        self._failures = Failures("The reranking endpoint", "RERANK", model, timeout)
        self._endpoint = Endpoint(base_url, api_key, self._failures)

    async def rate(self, question: str, texts: Sequence[str]) -> list[float]:
        """How well each text fits, in their order, from 0 to 1. Raises a ``ModelError``."""
        if not texts:
            return []
        payload: Payload = {"query": question, "documents": list(texts)}
        if self._model:
            payload["model"] = self._model
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._endpoint.post("/rerank", payload) as response,
            ):
                document = parse(await response.aread())
        except TimeoutError as exc:
            raise self._failures.silence(begun=False) from exc
        except (Garbled, *NETWORK_ERRORS) as exc:
            raise self._failures.broken_off(exc, begun=True) from exc
        return self._ratings(document, len(texts))

    def _ratings(self, document: Mapping[str, Any], count: int) -> list[float]:
        ratings = np.full(count, np.nan)
        try:
            for row in document.get("results") or document["data"]:
                ratings[row["index"]] = row.get("relevance_score", row.get("score"))
        except (LookupError, TypeError, ValueError, AttributeError):
            raise self._failures.nonsense("ratings that cannot be read") from None
        if not np.isfinite(ratings).all():
            raise self._failures.nonsense("ratings that do not fit what was asked")
        if ratings.min() < 0 or ratings.max() > 1:  # some servers give the model's bare logits
            ratings = 1 / (1 + np.exp(-np.clip(ratings, -50, 50)))
        return ratings.tolist()

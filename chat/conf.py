"""From settings to the parts they choose, each made once per process.

Dotted paths keep this room below the ones it loads from.
"""

from functools import cache
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connection
from django.utils.module_loading import import_string

if TYPE_CHECKING:
    from chat.events.transcript import Exchange
    from chat.providers.base import ChatModel, Embedder
    from chat.providers.rerank import RerankEndpoint
    from chat.retrieval.base import SearchBackend


def model_names() -> list[str]:
    """The models a person may choose from, the default first; empty with the embedded model."""
    if not settings.LLM_BASE_URL:
        return []
    return list(dict.fromkeys(filter(None, [settings.LLM_MODEL, *settings.LLM_MODELS])))


@cache
def chat_model(name: str = "") -> "ChatModel":
    """The model of that name; the default for "" and for a name no longer offered."""
    names = model_names()
    if not settings.LLM_BASE_URL:
        return import_string("chat.providers.extractive.ExtractiveModel")()
    return import_string("chat.providers.openai.OpenAIChatModel")(
        base_url=settings.LLM_BASE_URL,
        api_key=settings.LLM_API_KEY,
        model=name if name in names else (names[0] if names else ""),
        timeout=settings.LLM_TIMEOUT,
    )


def fallback_model() -> "ChatModel | None":
    """Answers when the chosen model cannot; ``embedded`` is the one in this process."""
    if not settings.LLM_BASE_URL or not settings.LLM_FALLBACK_MODEL:
        return None
    return _fallback_model(settings.LLM_FALLBACK_MODEL)


@cache
def _fallback_model(name: str) -> "ChatModel":
    if name == "embedded":
        return import_string("chat.providers.extractive.ExtractiveModel")()
    return import_string("chat.providers.openai.OpenAIChatModel")(
        base_url=settings.LLM_BASE_URL,
        api_key=settings.LLM_API_KEY,
        model=name,
        timeout=settings.LLM_TIMEOUT,
    )


@cache
def embedder() -> "Embedder":
    if not settings.EMBEDDING_BASE_URL:
        return import_string("chat.providers.embedded.StaticEmbedder")()
    return import_string("chat.providers.openai.OpenAIEmbedder")(
        base_url=settings.EMBEDDING_BASE_URL,
        api_key=settings.EMBEDDING_API_KEY,
        model=settings.EMBEDDING_MODEL,
    )


@cache
def rerank_endpoint() -> "RerankEndpoint | None":
    """None: search takes its second look by itself."""
    if not settings.RERANK_BASE_URL:
        return None
    return import_string("chat.providers.rerank.RerankEndpoint")(
        base_url=settings.RERANK_BASE_URL,
        api_key=settings.RERANK_API_KEY,
        model=settings.RERANK_MODEL,
    )


@cache
def search_backend() -> "SearchBackend":
    engines = {
        "sqlite": "chat.retrieval.backends.sqlite.SQLiteSearch",
        "postgresql": "chat.retrieval.backends.postgres.PostgresSearch",
    }
    return import_string(engines[connection.vendor])()


def citations_in(exchange: "Exchange", answer: str) -> "tuple[dict[str, Any], ...]":
    """What an answer cites, from the events of its turn alone."""
    return import_string("chat.agent.citations.resolve_in")(exchange, answer)

"""From a query to passages."""

from concurrent.futures import ThreadPoolExecutor

from channels.db import database_sync_to_async

from chat import conf
from chat.models import Chunk, Document

from .base import Passage, Query

_threads = ThreadPoolExecutor(4, thread_name_prefix="search")


async def search(query: Query) -> list[Passage]:
    """Passages of all the query's indexes, best first."""
    vector = (await conf.embedder().embed([query.text], "query"))[0]
    blocking = database_sync_to_async(_search, thread_sensitive=False, executor=_threads)
    return await blocking(query, vector)


def _search(query: Query, vector) -> list[Passage]:
    candidates = conf.search_backend().rank(query, vector, query.num_candidates or 50)
    top = max((c.full_text for c in candidates), default=0) or 1
    scores = {c.chunk_id: c.full_text / top + 0.9 * c.vector for c in candidates}
    best = sorted(scores, key=scores.__getitem__, reverse=True)[: query.top_k]
    chunks = Chunk.objects.select_related("document").in_bulk(best)
    return [_passage(chunks[pk], scores[pk]) for pk in best if pk in chunks]


def _passage(chunk: Chunk, score: float) -> Passage:
    document: Document = chunk.document
    return Passage(
        chunk_id=chunk.pk,
        document_id=document.pk,
        index_id=chunk.index_id,
        file_id=document.directory_file_id,
        file_name=document.name,
        title=document.title,
        heading=chunk.heading,
        text=chunk.text,
        score=score,
        rerank_score=None,
        chunk_index=chunk.ordinal,
        start_char=chunk.start_char,
        end_char=chunk.end_char,
        token_count=chunk.token_count,
        page_start=chunk.page_start,
        page_end=chunk.page_end,
        metadata=document.metadata,
    )

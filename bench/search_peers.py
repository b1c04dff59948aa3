"""The peers of ``bench.search_speed``, run by it in an environment of their own.

Each gets the same passages, vectors and questions, and says by itself when it is not installed.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

SLOW = 0.3  # seconds for a question, above which only a few are asked
BREADTHS = 100, 200, 400, 800, 1_600  # of Chroma's search, its own setting first
ENOUGH = 0.98  # of the ten best, found


class Data:
    def __init__(self, folder: Path):
        self.folder = folder
        self.texts: list[str] = json.loads((folder / "texts.json").read_text())
        self.asked: list[str] = json.loads((folder / "asked.json").read_text())
        self.vectors = np.load(folder / "vectors.npy")
        self.queries = np.load(folder / "asked.npy")

    def best(self, at: int) -> set[int]:
        return set(np.argsort(-(self.vectors @ self.queries[at]))[:10].tolist())


def main() -> None:
    data = Data(Path(sys.argv[1]))
    for name, peer in (
        ("Chroma, vector stage", chroma),
        ("LanceDB, hybrid and reranked", lancedb),
        ("LlamaIndex, fusion retriever", llama_index),
    ):
        try:
            peer(name, data)
        except ImportError as error:
            print(f"  {name:38} left out: {error.name} is not installed", flush=True)


def chroma(name: str, data: Data) -> None:
    import chromadb
    from chromadb.api.shared_system_client import SharedSystemClient

    folder = str(data.folder / "chroma")
    collection = chromadb.PersistentClient(folder).create_collection(
        "passages", embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
    )
    ids = [str(n) for n in range(len(data.texts))]
    for start in range(0, len(ids), 5_000):
        part = slice(start, start + 5_000)
        collection.add(ids=ids[part], embeddings=data.vectors[part])

    def query(at: int) -> list[str]:
        found = collection.query(query_embeddings=data.queries[at : at + 1], n_results=10)
        return found["ids"][0]

    for breadth in BREADTHS:  # the more it looks at, the more of the best it finds
        collection.modify(configuration={"hnsw": {"ef_search": breadth}})
        SharedSystemClient.clear_system_cache()  # else it goes on as it was opened
        collection = chromadb.PersistentClient(folder).get_collection("passages")
        took = median(query, len(data.asked))
        found = [data.best(at) & set(map(int, query(at))) for at in range(len(data.asked))]
        recall = statistics.mean(len(one) / 10 for one in found)
        show(name, took, f"recall@10 {recall:.3f}, ef_search {breadth}")
        if recall >= ENOUGH:
            break


def lancedb(name: str, data: Data) -> None:
    import lancedb
    from lancedb.rerankers import RRFReranker

    table = lancedb.connect(str(data.folder / "lance")).create_table(
        "passages",
        [
            {"id": n, "text": text, "vector": vector}
            for n, (text, vector) in enumerate(zip(data.texts, data.vectors, strict=True))
        ],
    )
    table.create_fts_index("text", stem=True, remove_stop_words=True)
    reranker = RRFReranker()

    def query(at: int) -> Any:
        search = table.search(query_type="hybrid").vector(data.queries[at]).text(data.asked[at])
        return search.rerank(reranker).limit(10).to_list()

    show(name, median(query, len(data.asked)), "reciprocal rank fusion, flat vectors")


def llama_index(name: str, data: Data) -> None:
    from llama_index.core import VectorStoreIndex
    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.llms import MockLLM
    from llama_index.core.retrievers import QueryFusionRetriever
    from llama_index.core.schema import TextNode
    from llama_index.retrievers.bm25 import BM25Retriever

    known = dict(zip(data.asked, data.queries, strict=True))

    class Known(BaseEmbedding):
        """The questions' vectors, at hand: their making is not measured."""

        def _get_query_embedding(self, query: str) -> list[float]:
            return known[query].tolist()

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return self._get_query_embedding(query)

        def _get_text_embedding(self, text: str) -> list[float]:
            raise NotImplementedError

    nodes = [
        TextNode(id_=str(n), text=text, embedding=vector.tolist())
        for n, (text, vector) in enumerate(zip(data.texts, data.vectors, strict=True))
    ]
    index = VectorStoreIndex(nodes, embed_model=Known())
    fusion = QueryFusionRetriever(
        [
            index.as_retriever(similarity_top_k=40),
            BM25Retriever.from_defaults(nodes=nodes, similarity_top_k=40),
        ],
        llm=MockLLM(),
        num_queries=1,
        similarity_top_k=10,
        mode="reciprocal_rerank",
        use_async=False,
    )
    took = median(lambda at: fusion.retrieve(data.asked[at]), len(data.asked))
    show(name, took, "reciprocal rank fusion, vectors and BM25 in memory")


def median(work: Callable[[int], Any], count: int) -> float:
    """Milliseconds, as ``search_speed.median``; of a few questions only when each takes long."""
    work(0)
    started = time.perf_counter()
    work(0)
    asked = range(count if time.perf_counter() - started < SLOW else 5)
    best = dict.fromkeys(asked, float("inf"))
    for turn in range(4):
        for at in asked:
            started = time.perf_counter()
            work(at)
            if turn:
                best[at] = min(best[at], time.perf_counter() - started)
    return statistics.median(best.values()) * 1000


def show(name: str, milliseconds: float, note: str) -> None:
    print(f"  {name:38} {milliseconds:8.2f} ms  {note}", flush=True)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()

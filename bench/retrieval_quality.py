"""How well search ranks: nDCG@10 and recall@10, against words alone and vectors alone.

    python -m bench.retrieval_quality [FOLDER ...]

Each collection becomes an index of a Carrel made for it, one document an entry; the questions then
go through ``POST /api/v1/retrieval/retrieve`` like anybody's. Without a folder, every one of
``$RETRIEVAL_DATA`` (default ``../shared/data/retrieval``) is taken.
"""

import argparse
import math
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from .corpora import carrel, folders, judgements, load, questions

DEPTH = 10
METHODS: Mapping[str, dict[str, Any]] = {
    "words alone": {"vector_pipeline_weight": 0, "rerank": {"enabled": False}},
    "vectors alone": {"full_text_pipeline_weight": 0, "rerank": {"enabled": False}},
    "fused": {"rerank": {"enabled": False}},
    "fused and reranked": {},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folders", nargs="*", type=Path)
    chosen = parser.parse_args().folders or folders()
    if not chosen:
        return
    gains: dict[str, list[float]] = {name: [] for name in METHODS}
    with carrel() as server:
        indexes = {folder: load(folder).pk for folder in chosen}
        server.start("web")
        with server.api() as api:
            for folder, index_id in indexes.items():
                for name, gain in measure(api, folder, index_id).items():
                    gains[name].append(gain)
    print("mean nDCG@10")
    for name, values in gains.items():
        print(f"  {name:20} {statistics.mean(values):.3f}")


def measure(api: httpx.Client, folder: Path, index_id: str) -> dict[str, float]:
    """Print the figures of each method; answers their nDCG."""
    asked, relevant = questions(folder), judgements(folder)
    print(f"{folder.name}: {len(asked)} questions", flush=True)
    gains = {}
    for name, options in METHODS.items():
        started = time.perf_counter()
        pairs = [(ask(api, index_id, one["text"], options), relevant[one["id"]]) for one in asked]
        each = (time.perf_counter() - started) / len(asked) * 1000
        gains[name] = statistics.mean(ndcg(*pair) for pair in pairs)
        recall = statistics.mean(recalled(*pair) for pair in pairs)
        print(
            f"  {name:20} nDCG@10 {gains[name]:.3f}  recall@10 {recall:.3f}  {each:6.1f} ms",
            flush=True,
        )
    return gains


def ask(api: httpx.Client, index_id: str, text: str, options: Mapping[str, Any]) -> list[str]:
    """The ids of the best documents, best first."""
    wanted = {"index_id": index_id, "query": text, "top_k": 2 * DEPTH, **options}
    results = api.post("/retrieval/retrieve", json=wanted).raise_for_status().json()["results"]
    names = dict.fromkeys(one["metadata"]["file_name"].removesuffix(".md") for one in results)
    return list(names)[:DEPTH]


def ndcg(ranking: Sequence[str], relevant: set[str]) -> float:
    gain = sum(1 / math.log2(n + 2) for n, one in enumerate(ranking) if one in relevant)
    return gain / sum(1 / math.log2(n + 2) for n in range(min(DEPTH, len(relevant))))


def recalled(ranking: Sequence[str], relevant: set[str]) -> float:
    return len(relevant & set(ranking)) / len(relevant)


if __name__ == "__main__":
    main()

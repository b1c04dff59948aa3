"""The peer of ``bench.sync_speed``, run by it in an environment of its own.

    python sync_peers.py FOLDER [--kept]

With ``--kept`` what a sync also leaves is made and written to a disk: the documents by their
hashes, so that the next run skips them, the vectors, and an index of the words.
"""

import resource
import sys
import tempfile
import time
from importlib.metadata import distribution
from pathlib import Path


def peak() -> int:
    """The most memory that this process has held, in KB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def report(
    who: str, started: float, seconds: float, cpu: float, size: int, chunks: int, grown: int
) -> None:
    print(
        f"  {who:28} {size / seconds / 1e6:5.2f} MB a second  {chunks / seconds:6.0f} chunks a "
        f"second  {seconds:5.1f} s  {cpu:5.1f} s of CPU  {chunks} chunks  {grown / 1024:.0f} MB "
        f"more  start {started:.1f} s",
        flush=True,
    )


def main() -> None:
    began = time.perf_counter()
    try:
        import numpy as np  # here: Carrel says how before its numpy is imported
        from llama_index.core import Document, SimpleDirectoryReader
        from llama_index.core.base.embeddings.base import BaseEmbedding
        from llama_index.core.ingestion import IngestionPipeline
        from llama_index.core.node_parser import SentenceSplitter
        from llama_index.core.storage.docstore import SimpleDocumentStore
        from llama_index.core.vector_stores import SimpleVectorStore
        from llama_index.retrievers.bm25 import BM25Retriever
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer
    except ImportError as error:
        print(f"  LlamaIndex left out: {error.name} is not installed", flush=True)
        return
    home = Path(str(distribution("wordllama").locate_file("wordllama")))
    rows = load_file(home / "weights" / "l2_supercat_256.safetensors")["embedding.weight"]
    tokenizer = Tokenizer.from_file(str(home / "tokenizers" / "l2_supercat_tokenizer_config.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()

    class Static(BaseEmbedding):
        """The vectors that Carrel's embedder has: the mean of a text's word pieces."""

        def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
            found = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
            sums = np.array([rows[one.ids].sum(axis=0, dtype=np.float32) for one in found])
            return (sums / np.linalg.norm(sums, axis=1, keepdims=True)).tolist()

        def _get_text_embedding(self, text: str) -> list[float]:
            return self._get_text_embeddings([text])[0]

        def _get_query_embedding(self, query: str) -> list[float]:
            return self._get_text_embedding(query)

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return self._get_text_embedding(query)

    is_kept = "--kept" in sys.argv
    vectors = SimpleVectorStore() if is_kept else None
    pipeline = IngestionPipeline(
        transformations=[
            # As long as Carrel's chunks, in tokens.
            SentenceSplitter(chunk_size=256, chunk_overlap=40),
            Static(embed_batch_size=512),
        ],
        docstore=SimpleDocumentStore() if is_kept else None,
        vector_store=vectors,
    )
    pipeline.run(documents=[Document(text="A reading room.")])
    started = time.perf_counter() - began
    before, cpu, began = peak(), time.process_time(), time.perf_counter()
    documents = SimpleDirectoryReader(sys.argv[1]).load_data()
    nodes = pipeline.run(documents=documents)
    if vectors:
        with tempfile.TemporaryDirectory() as folder:
            pipeline.persist(folder)
            vectors.persist(f"{folder}/vectors.json")
            BM25Retriever.from_defaults(nodes=nodes).persist(f"{folder}/words")
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    size = sum(path.stat().st_size for path in Path(sys.argv[1]).iterdir())
    who = "LlamaIndex, kept" if is_kept else "LlamaIndex, nothing kept"
    report(who, started, seconds, cpu, size, len(nodes), peak() - before)


if __name__ == "__main__":
    main()

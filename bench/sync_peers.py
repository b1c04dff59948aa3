"""The peer of ``bench.sync_speed``, run by it in an environment of its own."""

import resource
import sys
import time
from importlib.metadata import distribution
from pathlib import Path

import numpy as np


def main() -> None:
    try:
        from llama_index.core import SimpleDirectoryReader
        from llama_index.core.base.embeddings.base import BaseEmbedding
        from llama_index.core.ingestion import IngestionPipeline
        from llama_index.core.node_parser import SentenceSplitter
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

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pipeline = IngestionPipeline(
        transformations=[
            # As long as Carrel's chunks, in tokens.
            SentenceSplitter(chunk_size=256, chunk_overlap=40),
            Static(embed_batch_size=512),
        ]
    )
    started = time.perf_counter()
    documents = SimpleDirectoryReader(sys.argv[1]).load_data()
    nodes = pipeline.run(documents=documents)
    seconds = time.perf_counter() - started
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(
        f"  {'LlamaIndex, nothing stored':28} {seconds:6.1f} s  {len(nodes) / seconds:6.0f} "
        f"chunks a second  {len(nodes)} chunks  {time.process_time():.1f} s of CPU in all  "
        f"{grown / 1024:.0f} MB more",
        flush=True,
    )


if __name__ == "__main__":
    main()

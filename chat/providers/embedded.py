"""The bundled embedder: static word-piece vectors, on this machine, without a network.

A text's vector is the mean of its word pieces' vectors. That knows synonyms and topics but not
word order, so it supports a full-text ranking and cannot replace it.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from importlib.metadata import distribution
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from chat.providers.apart import Apart, serve
from chat.providers.base import Vectors
from chat.providers.pieces import Pieces

_BATCH = 32  # texts whose pieces are looked up at once: more have too many pieces in all
_ID = 2  # bytes of a word piece's number
_WORDS_KEPT = 50_000  # word vectors kept at hand, 1 KB each


class StaticEmbedder:
    """The ``Embedder`` that needs nothing but its package.

    Its data is loaded at first use, in 0.2 s, and shared by all objects of this class.
    """

    name = "wordllama-256"
    size = 256

    def __init__(self):
        self._words = _WordCache(self.size)

    async def embed(
        self, texts: Sequence[str], kind: Literal["query", "passage"] = "passage"
    ) -> Vectors:
        """As ``Embedder.embed``; a query and a passage are embedded alike.

        Passages are in a process of their own, which the first of them start.
        """
        if kind == "query":  # 0.04 ms: less than handing it over costs
            return self.encode(texts)
        try:
            return await asyncio.to_thread(_apart.encode, texts)
        except asyncio.CancelledError:
            _apart.stop()  # the thread would wait on
            raise

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One unit row a text; all zero for a text without word pieces. Safe from any thread."""
        rows = [self._encode(texts[i : i + _BATCH]) for i in range(0, len(texts), _BATCH)]
        return np.concatenate(rows) if rows else np.empty((0, self.size), np.float32)

    def word_vectors(self, words: Sequence[str]) -> Vectors:
        """``encode`` for single words, kept at hand for the next time."""
        return self._words.look_up(words, self.encode)

    def _encode(self, texts: Sequence[str]) -> Vectors:
        pieces, rows = _model()
        packed = pieces.ids(texts)
        lengths = np.array([len(row) for row in packed]) // _ID
        if not lengths.any():
            return np.zeros((len(texts), self.size), np.float32)
        ids = np.frombuffer(b"".join(packed), np.uint16)
        if len(texts) == 1:
            vectors = rows[ids].sum(axis=0, keepdims=True)
        else:
            vectors = _sums(ids, lengths, rows)
        # The sum points where the mean does, and only the direction is kept.
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors /= np.where(norms > 0, norms, 1)
        return vectors


def _sums(ids: NDArray[np.uint16], lengths: NDArray[np.intp], rows: Vectors) -> Vectors:
    """What the pieces' vectors of each text add up to; the texts' pieces follow one another.

    How often each text has each piece, times the pieces' vectors: most pieces are in many texts,
    and reading each vector once is a third of the work of adding them one by one.
    """
    column = np.zeros(len(rows), np.intp)
    column[ids] = 1
    used = np.flatnonzero(column)
    column[used] = np.arange(len(used))
    cells = np.repeat(np.arange(len(lengths)) * len(used), lengths) + column[ids]
    counts = np.bincount(cells, minlength=len(lengths) * len(used)).astype(np.float32)
    return counts.reshape(len(lengths), -1) @ rows[used]


_apart = Apart(__name__, StaticEmbedder.size)

_loading = threading.Lock()
_loaded: list[tuple[Pieces, Vectors]] = []


def _model() -> tuple[Pieces, Vectors]:
    """What cuts texts into word pieces, and the vector of each piece.

    From the package's two data files; its own loader would ask the network for one of them.
    """
    with _loading:
        if not _loaded:
            home = Path(str(distribution("wordllama").locate_file("wordllama")))
            weights = load_file(home / "weights" / "l2_supercat_256.safetensors")
            path = home / "tokenizers" / "l2_supercat_tokenizer_config.json"
            tokenizer = Tokenizer.from_file(str(path))
            tokenizer.no_padding()
            tokenizer.no_truncation()
            _loaded.append((Pieces(tokenizer), weights["embedding.weight"].astype(np.float32)))
        return _loaded[0]


class _WordCache:
    """Rows of word vectors, by word. Full, it starts afresh: words in use come back at once."""

    def __init__(self, size: int):
        self._lock = threading.Lock()
        self._rows: dict[str, int] = {}
        # Untouched pages of an empty array take no memory, so this grows with use.
        self._vectors = np.empty((_WORDS_KEPT, size), np.float32)

    def look_up(self, words: Sequence[str], encode: Callable[[Sequence[str]], Vectors]) -> Vectors:
        with self._lock:
            new = [word for word in dict.fromkeys(words) if word not in self._rows]
            if len(self._rows) + len(new) > _WORDS_KEPT:
                self._rows.clear()
                new = list(dict.fromkeys(words))
            if len(new) > _WORDS_KEPT:
                return encode(words)
            if new:
                first = len(self._rows)
                self._vectors[first : first + len(new)] = encode(new)
                self._rows.update(zip(new, range(first, first + len(new)), strict=True))
            return self._vectors[[self._rows[word] for word in words]]


if __name__ == "__main__":
    serve(StaticEmbedder().encode)

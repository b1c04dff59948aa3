"""The bundled embedder cuts texts word by word; its tokenizer, taken as it is, cuts them alike."""

import random
import re
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from chat.providers import pieces
from chat.providers.embedded import StaticEmbedder

HOME = Path(str(distribution("wordllama").locate_file("wordllama")))
ODD = [
    "",
    " ",
    "   two  and   three blanks   ",
    "Plain words, with marks; and (brackets) — dashes – “quotes”, it's 1,234.50 €.",
    "tab\tline\r\n\r\nnew\x00null\x7f",
    "Grüße aus Köln: naïve cafés, Ångström, e\u0301 and \u00e9, ﬁ ﬂ, ß ẞ, İstanbul",
    "漢字とかな交じり文。中文没有空格，也要切。 한국어도",
    "🙂👩‍👩‍👧‍👦🇩🇪 \u200b\u200d\ufeff\u00a0\u2009\u3000 x²+y³=z²",
    "▁▁already▁there ▁ ▁",
    "a<s>b</s> c <unk> d <s",
    "half a pair \ud83d and \udc00",
    "snake_case camelCase <tag attr='1'/> {{ x }} [[link]] ./path/to.file.txt",
    "مرحبا بالعالم שלום Ελληνικά русский язык",
    "x" * 3000,
    "é." * 500,
    "─" * 100 + "═" * 7 + "├──",
]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    path = HOME / "tokenizers" / "l2_supercat_tokenizer_config.json"
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def as_it_is(tokenizer: Tokenizer, text: str) -> list[int]:
    clean = text.encode("utf-8", "replace").decode()
    return tokenizer.encode(clean, add_special_tokens=False).ids


def word_by_word(cutter: pieces.Pieces, texts: list[str]) -> list[list[int]]:
    return [np.frombuffer(ids, np.uint16).tolist() for ids in cutter.ids(texts)]


def made_up_texts(count: int) -> list[str]:
    dice = random.Random(7)
    letters = "  abcdeXYZ09.,;:!?'\"()-_\n\t\r▁éüß”“»«–—²\xa0\u200e漢字かな🙂\u0301�─═├<>s/\0\x7f"
    return ["".join(dice.choices(letters, k=dice.randrange(30))) for _ in range(count)]


def test_any_text_has_the_pieces_that_the_tokenizer_finds(tokenizer):
    cutter = pieces.Pieces(tokenizer)
    texts = ODD + made_up_texts(20_000)

    expected = [as_it_is(tokenizer, text) for text in texts]

    assert word_by_word(cutter, texts) == expected
    assert word_by_word(cutter, texts) == expected  # now from memory


def test_no_piece_of_the_vocabulary_goes_beyond_a_word(tokenizer):
    no_text = re.compile("<unk>|</?s>|<0x..>")
    vocabulary = [token for token in tokenizer.get_vocab() if not no_text.fullmatch(token)]

    # As they would stand in the middle of a text: a blank is put before its beginning only.
    apart = [token for token in vocabulary if len(pieces._WORD.findall(token)) != 1]

    assert len(vocabulary) > 30_000
    assert apart == []


def test_a_full_memory_starts_afresh(tokenizer, monkeypatch):
    monkeypatch.setattr(pieces, "_KEPT", 100)
    cutter = pieces.Pieces(tokenizer)

    for text in ODD:
        assert word_by_word(cutter, [text]) == [as_it_is(tokenizer, text)]
        assert cutter._known.size <= 100 + 2 * (len(text) + 1)


def test_a_vector_is_the_direction_of_the_sum_of_its_pieces(tokenizer):
    weights = load_file(HOME / "weights" / "l2_supercat_256.safetensors")["embedding.weight"]
    texts = [text for text in ODD if text]

    embedder = StaticEmbedder()
    vectors = embedder.encode(["", *texts])
    one_by_one = np.concatenate([embedder.encode([text]) for text in texts])

    sums = np.array([weights[as_it_is(tokenizer, t)].astype(np.float64).sum(axis=0) for t in texts])
    expected = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    assert not vectors[0].any()
    assert np.abs(vectors[1:] - expected).max() < 1e-6
    assert np.abs(one_by_one - expected).max() < 1e-5

"""What the second look keeps of the passages it has seen."""

import pytest

from chat.providers.words import content_stems
from chat.retrieval import rerank
from chat.retrieval.rerank import Reranker, weigh

QUESTION = "What colour are the lamps?"
IDF = dict.fromkeys(content_stems(QUESTION), 1.0)


@pytest.fixture
def reranker(monkeypatch) -> Reranker:
    """It has room for few words."""
    monkeypatch.setattr(rerank, "_WORDS_KEPT", 20)
    return Reranker()


def test_a_passage_is_read_again_once_its_words_were_forgotten(reranker):
    texts = {1: "The lamps are green.", 2: " ".join(f"word{chr(97 + n)}" for n in range(20))}

    def look() -> list[float]:
        read = {id: texts[id] for id in reranker.missing([1, 2])}
        return weigh(reranker.look(QUESTION, [1, 2], read, IDF)).tolist()

    first, second = look(), look()

    assert first[0] > 0
    assert second == first


def test_a_passage_whose_text_did_not_come_is_asked_for_the_next_time(reranker):
    assert weigh(reranker.look(QUESTION, [1], {}, IDF)).tolist() == [0]
    assert reranker.missing([1]) == [1]

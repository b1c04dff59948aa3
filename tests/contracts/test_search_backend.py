"""What every search engine promises. Run on the database of the settings; ``test_on_postgres.py``
runs it on the other one."""

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest
from django.core.management import call_command
from django.db import connection, transaction

from chat import conf
from chat.models import Chunk, Document, Index
from chat.retrieval.base import Candidate, Condition, Query, SearchBackend
from tests.factories import make_file, make_index

pytestmark = pytest.mark.django_db(transaction=True)

LIMIT = 50
EMBEDDER = "wordllama-256"  # the one the settings choose
SIZE = 256


@pytest.fixture
def backend() -> SearchBackend:
    conf.search_backend.cache_clear()  # what it has counted belongs to another test's database
    return conf.search_backend()


@pytest.fixture
def index(db) -> Index:
    return make_index("Library")


def add(
    index: Index,
    name: str,
    *texts: str,
    title: str = "",
    metadata: dict | None = None,
    embedder: str = EMBEDDER,
    vectors: Sequence[np.ndarray | None] | None = None,
) -> Document:
    """A document of these chunks, written; each has its text's own vector unless given one."""
    if vectors is None:
        vectors = list(asyncio.run(conf.embedder().embed(texts)))
    document = Document.objects.create(
        index=index,
        directory_file=make_file(index.directory, name),
        name=name,
        title=title,
        text="\n".join(texts),
        metadata=metadata or {},
        embedder=embedder,
        state=Document.State.READY,
    )
    chunks = Chunk.objects.bulk_create(
        Chunk(
            document=document,
            index=index,
            ordinal=ordinal,
            text=text,
            start_char=0,
            end_char=len(text),
            token_count=1,
            embedding=None if vector is None else vector.astype("<f4").tobytes(),
        )
        for ordinal, (text, vector) in enumerate(zip(texts, vectors, strict=True))
    )
    conf.search_backend().write([chunk.pk for chunk in chunks])
    return document


def direction(*numbers: float) -> np.ndarray:
    """A unit vector that begins with these numbers."""
    vector = np.zeros(SIZE, np.float32)
    vector[: len(numbers)] = numbers
    return vector / np.linalg.norm(vector)


def texts(candidates: Sequence[Candidate], by: str = "full_text") -> list[str]:
    """What one of the rankings found, best first."""
    ranked = sorted(candidates, key=lambda one: -getattr(one, by))
    said = dict(Chunk.objects.values_list("pk", "text"))
    return [said[one.chunk_id] for one in ranked if getattr(one, by) > 0]


def ask(backend: SearchBackend, text: str, *indexes: Index, **conditions) -> list[Candidate]:
    """By words alone; a condition is ``field=(operator, value)``."""
    chosen = tuple(Condition(field, *test) for field, test in conditions.items())
    query = Query(text, tuple(index.pk for index in indexes), conditions=chosen)
    return backend.rank(query, None, LIMIT)


def near(backend: SearchBackend, vector: np.ndarray, *indexes: Index, **options) -> list[Candidate]:
    """By the vector alone: no chunk has the word."""
    query = Query("zyzzyva", tuple(index.pk for index in indexes), **options)
    return backend.rank(query, vector, LIMIT)


class TestWords:
    def test_rare_words_frequent_words_and_short_passages_rank_first(self, backend, index):
        lamp = "The lamp is green."
        twice = "A lamp beside a lamp, near the window."
        add(index, "a.md", lamp, twice, "The window is open.", "The door is shut.")
        add(index, "b.md", "The window and the door are open, and so is the gate.")

        assert texts(ask(backend, "lamp", index)) == [twice, lamp]
        assert texts(ask(backend, "the open lamp by the window", index))[0] == twice
        assert texts(ask(backend, "the green window", index))[0] == lamp

    def test_a_word_may_be_said_as_often_as_one_likes(self, backend, index):
        add(index, "a.md", "lamp " * 300, "The window is open.", "The door is shut.")

        assert texts(ask(backend, "lamp", index)) == ["lamp " * 300]

    def test_words_of_name_title_and_heading_count(self, backend, index):
        add(index, "boiler.txt", "Serviced in March.")
        add(index, "x.txt", "It was the boiler that was repaired.", title="Repairs")
        add(index, "y.txt", "In March all repairs were done.", "The windows too.")

        assert texts(ask(backend, "boilers", index)) == [
            "Serviced in March.",
            "It was the boiler that was repaired.",
        ]
        assert texts(ask(backend, "repair", index))[0] == "It was the boiler that was repaired."

    @pytest.mark.parametrize(
        ("asked", "said"),
        [
            ("running", "He runs."),
            ("CONNECTIONS", "It is connected."),
            ("naive", "A naïve question."),
            ("Straße", "In der Straße."),
            ("gekocht käse", "Wir haben Käse."),
            ("2024", "In 2024 it rained."),
            ("don't stop", "We do not stop."),
            ("читать", "Мы любим читать."),
            ("to be or not to be", "To be, or not."),
            ('"quoted" OR AND NEAR(', "It was quoted."),
        ],
    )
    def test_forms_of_words_are_found(self, backend, index, asked, said):
        add(index, "a.md", said, "Nothing else.")

        assert texts(ask(backend, asked, index)) == [said]

    @pytest.mark.parametrize("asked", ["", "???", "zyzzyva", "\ud800", "%s", "a" * 5000])
    def test_a_query_without_a_known_word_finds_nothing(self, backend, index, asked):
        add(index, "a.md", "The lamp is green.")

        assert ask(backend, asked, index) == []

    def test_stems_are_counted_in_chunks(self, backend, index):
        add(index, "a.md", "The lamps.", "A lamp and a lamp.", "A door.")

        counts, chunks = backend.document_frequencies(["lamp", "door", "window"])

        assert counts == [2, 1, 0]
        assert chunks >= 3


class TestVectors:
    def test_the_nearest_come_first_with_their_cosines(self, backend, index):
        angles = [(1, 0), (1, 0.5), (1, 1), (0, 1), (-1, 0)]
        add(index, "a.md", *"abcde", vectors=[direction(*angle) for angle in angles])

        found = near(backend, direction(1, 0), index)

        assert texts(found, by="vector") == ["a", "b", "c"]
        cosines = sorted((one.vector for one in found), reverse=True)
        assert cosines == pytest.approx([1, 0.8944, 0.7071, 0, -1], abs=2e-3)

    def test_what_the_words_found_gets_its_true_cosine(self, backend, index):
        vectors = [direction(1, 0), direction(1, 1), direction(0.1, 1)]
        add(index, "a.md", "a lamp", "a door", "a gate", vectors=vectors)

        found = backend.rank(Query("gate", (index.pk,)), direction(1, 0), 1)

        assert texts(found) == ["a gate"]
        assert texts(found, by="vector") == ["a lamp", "a gate"]
        assert min(one.vector for one in found) == pytest.approx(0.0995, abs=2e-3)

    def test_nearly_all_of_the_true_nearest_are_found_among_many(self, backend, index):
        rows = np.random.default_rng(1).normal(size=(3_000, SIZE)).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        names = [f"n{number}" for number in range(len(rows))]
        add(index, "a.md", *names, vectors=list(rows))

        hits = 0
        for asked in rows[:20] + 0.5 * rows[20:40]:
            asked = asked / np.linalg.norm(asked)
            best = {names[place] for place in np.argsort(-(rows @ asked))[:10]}
            hits += len(best & set(texts(near(backend, asked, index), by="vector")[:10]))

        assert hits / 200 >= 0.98

    def test_vectors_of_another_embedder_are_not_compared(self, backend, index):
        add(index, "a.md", "ours", vectors=[direction(1, 1)])
        add(index, "b.md", "theirs", vectors=[direction(1, 0)], embedder="another")
        add(index, "c.md", "longer", vectors=[np.ones(300, np.float32)], embedder="longer")
        add(index, "d.md", "wordy", vectors=[None], embedder="")

        assert texts(near(backend, direction(1, 0), index), by="vector") == ["ours"]
        found = backend.rank(Query("theirs wordy", (index.pk,)), direction(1, 0), LIMIT)
        assert {one.vector for one in found if one.full_text} == {0.0}


class TestIndexes:
    def test_several_are_ranked_as_one_and_others_not_at_all(self, backend, index):
        other, third = make_index("Cellar"), make_index("Attic")
        add(index, "a.md", "The lamp by the door.")
        add(other, "b.md", "Lamp, lamp, lamp.")
        add(third, "c.md", "A lamp.")

        assert texts(ask(backend, "lamp", index, other)) == [
            "Lamp, lamp, lamp.",
            "The lamp by the door.",
        ]
        vector = asyncio.run(conf.embedder().embed(["lamp"], kind="query"))[0]
        assert set(texts(near(backend, vector, index, other), by="vector")) == {
            "Lamp, lamp, lamp.",
            "The lamp by the door.",
        }
        assert ask(backend, "lamp") == [] == near(backend, vector)

    def test_a_chunk_scores_the_same_alone_and_among_others(self, backend, index):
        other = make_index("Cellar")
        add(index, "a.md", "The lamp by the door.")
        add(other, "b.md", "Lamp, lamp, lamp.")

        alone = {one.chunk_id: one.full_text for one in ask(backend, "lamp", index)}
        together = {one.chunk_id: one.full_text for one in ask(backend, "lamp", index, other)}

        assert alone.items() <= together.items()


class TestConditions:
    """On the document's metadata and name, met before the best are chosen."""

    @pytest.mark.parametrize(
        ("field", "operator", "value", "found"),
        [
            ("year", "eq", 2024, "b"),
            ("year", "eq", 2024.0, "b"),
            ("year", "eq", "2024", "c"),
            ("year", "ne", 2024, "acd"),
            ("year", "gte", 2023, "ab"),
            ("year", "lt", 2023.5, "a"),
            ("year", "lte", "2024", "c"),
            ("year", "in", [2023, "2024"], "ac"),
            ("year", "nin", [2023, 2024], "cd"),
            ("year", "in", [], ""),
            ("year", "nin", [], "abcd"),
            ("open", "eq", True, "a"),
            ("open", "eq", 1, ""),
            ("open", "ne", True, "bcd"),
            ("tags", "eq", "board", "ac"),
            ("tags", "in", ["tax", "zoo"], "c"),
            ("tags", "ne", "tax", "abd"),
            ("tags", "gt", "c", "c"),
            ("author", "eq", "Ada \"A\" 'N' 100% ä", "b"),
            ('od"d', "eq", None, "d"),
            ("missing", "eq", None, ""),
            ("file_name", "eq", "C.md", "c"),
            ("file_name", "gt", "b.md", "d"),  # capitals come first: no language's order
            ("file_name", "nin", ["a.md", "b.md"], "cd"),
        ],
    )
    def test_choose_documents(self, backend, index, field, operator, value, found):
        metadata = {
            "a.md": {"year": 2023, "tags": ["board"], "open": True},
            "b.md": {"year": 2024, "author": "Ada \"A\" 'N' 100% ä"},
            "C.md": {"year": "2024", "tags": ["board", "tax"]},
            "d.md": {'od"d': None},
        }
        for name, data in metadata.items():
            add(index, name, f"minutes {name[0].lower()}", metadata=data)
        condition = Condition(field, operator, value)
        vector = asyncio.run(conf.embedder().embed(["minutes"], kind="query"))[0]

        candidates = backend.rank(
            Query("minutes", (index.pk,), conditions=(condition,)), vector, LIMIT
        )

        for ranking in ("full_text", "vector"):
            assert sorted(texts(candidates, ranking)) == [f"minutes {one}" for one in found]

    def test_hold_together_and_leave_out_what_cannot_be_read(self, backend, index):
        chosen = add(index, "a.md", "minutes a", metadata={"year": 2024})
        add(index, "b.md", "minutes b", metadata={"year": 2024})
        failed = add(index, "c.md", "minutes c", metadata={"year": 2024})
        Document.objects.filter(pk=failed.pk).update(state="failed", error="Broken.")
        file_id = chosen.directory_file_id

        assert len(ask(backend, "minutes", index, year=("eq", 2024))) == 2
        assert texts(
            ask(backend, "minutes", index, year=("eq", 2024), file_id=("eq", file_id))
        ) == ["minutes a"]

    def test_are_met_before_the_best_are_chosen(self, backend, index):
        add(index, "many.md", *[f"lamp lamp {number}" for number in range(60)])
        add(index, "one.md", "There is one lamp in the cellar, and it is broken.")
        vector = asyncio.run(conf.embedder().embed(["lamp"], kind="query"))[0]
        query = Query("lamp", (index.pk,), conditions=(Condition("file_name", "eq", "one.md"),))

        [found] = backend.rank(query, vector, 5)

        assert found.full_text > 0 and found.vector > 0


class TestChanges:
    def found(self, backend: SearchBackend, index: Index) -> set[str]:
        vector = asyncio.run(conf.embedder().embed(["lamp"], kind="query"))[0]
        candidates = backend.rank(Query("lamp", (index.pk,)), vector, LIMIT)
        assert {one.chunk_id for one in candidates} <= set(
            Chunk.objects.values_list("pk", flat=True)
        )
        return set(texts(candidates)) | set(texts(candidates, by="vector"))

    def test_what_was_removed_is_not_found(self, backend, index):
        document = add(index, "a.md", "A green lamp.")
        add(index, "b.md", "A red lamp.")
        assert self.found(backend, index) == {"A green lamp.", "A red lamp."}

        with transaction.atomic():
            backend.remove([document.pk])
            document.delete()

        assert self.found(backend, index) == {"A red lamp."}

    def test_what_went_with_its_document_index_or_file_is_not_found(self, backend, index):
        documents = [add(index, f"{colour}.md", f"A {colour} lamp.") for colour in ("green", "red")]
        add(index, "blue.md", "A blue lamp.")

        documents[0].delete()
        documents[1].directory_file.delete()

        assert self.found(backend, index) == {"A blue lamp."}
        index.delete()
        assert backend.document_frequencies(["lamp"])[0] == [0]

    def test_a_chunk_written_again_is_there_once(self, backend, index):
        document = add(index, "a.md", "A green lamp.")
        before = ask(backend, "lamp", index)
        document.name = "lamp.md"
        document.save()

        backend.write(list(document.chunks.values_list("pk", flat=True)))

        [after] = ask(backend, "lamp", index)
        assert after.full_text > before[0].full_text

    def test_a_transaction_that_fails_leaves_nothing(self, backend, index):
        kept = add(index, "a.md", "A red lamp.")

        with pytest.raises(InterruptedError), transaction.atomic():
            add(index, "b.md", "A green lamp.")
            backend.remove([kept.pk])
            kept.chunks.all().delete()
            assert self.found(backend, index) == {"A green lamp."}
            raise InterruptedError

        assert self.found(backend, index) == {"A red lamp."}

    def test_rebuilding_changes_no_result(self, backend, index):
        colours = ("green", "red", "blue", "violet")
        add(index, "a.md", *[f"A {colour} lamp and a {colour} door." for colour in colours])
        add(make_index("Cellar"), "b.md", "A lamp.")
        vector = asyncio.run(conf.embedder().embed(["red lamp"], kind="query"))[0]
        query = Query("red lamp door", (index.pk,))
        before = backend.rank(query, vector, LIMIT)

        call_command("reindex", index.pk)
        one_rebuilt = backend.rank(query, vector, LIMIT)
        call_command("reindex")

        assert one_rebuilt == before
        assert backend.rank(query, vector, LIMIT) == before

    def test_rebuilding_makes_all_from_the_chunks(self, backend, index):
        add(index, "a.md", "A green lamp.")
        with connection.cursor() as cursor:
            for table in TABLES[connection.vendor]:
                cursor.execute(f"DELETE FROM {table}")
        assert ask(backend, "lamp", index) == []

        assert backend.rebuild() == 1

        assert self.found(backend, index) == {"A green lamp."}


TABLES = {"sqlite": ["chat_fulltext", "chat_words"], "postgresql": ["chat_posting", "chat_vector"]}

"""Searching what was synced: order, filters, several indexes, and what is gone."""

import asyncio

import pytest
from asgiref.sync import sync_to_async
from django.core.management import call_command
from django.db import connection

from chat import conf
from chat.errors import Invalid
from chat.models import Directory, Index
from chat.retrieval.base import Condition, Passage, Query
from chat.retrieval.reading import find, grep, read
from chat.retrieval.search import search
from tests.factories import make_directory, make_file, make_index

from .conftest import sync

pytestmark = pytest.mark.django_db(transaction=True)


def ask(text: str, *indexes: Index, **fields) -> list[Passage]:
    return asyncio.run(search(Query(text, tuple(index.pk for index in indexes), **fields)))


def names(passages: list[Passage]) -> list[str]:
    return [passage.file_name for passage in passages]


def file_with(directory: Directory, name: str, text: str, **metadata) -> None:
    filed = make_file(directory, name, text)
    filed.metadata = metadata
    filed.save()


def test_the_passage_that_answers_comes_first(library):
    passages = ask("What does a late return cost?", library)

    assert names(passages)[0] == "rules.md"
    best = passages[0]
    document = library.documents.get(pk=best.document_id)
    assert best.text == document.text[best.start_char : best.end_char]
    assert 0 < best.score <= 1
    assert 0 < best.rerank_score <= 1
    assert [one.rerank_score for one in passages] == sorted(
        (one.rerank_score for one in passages), reverse=True
    )


def test_other_forms_of_a_word_and_words_of_the_name_are_found(library):
    assert names(ask("servicing boilers", library))[0] == "boiler.txt"
    assert names(ask("lamps.md", library))[0] == "lamps.md"


def test_meaning_finds_what_the_words_alone_do_not(library):
    by_words = ask("heating maintenance", library, vector_weight=0.0)
    by_both = ask("heating maintenance", library)

    assert by_words == []
    assert "boiler.txt" in names(by_both)


def test_without_rerank_the_order_is_that_of_the_scores(library):
    passages = ask("green lamps in the reading room", library, rerank=False)

    assert names(passages)[0] == "lamps.md"
    assert all(passage.rerank_score is None for passage in passages)
    assert [one.score for one in passages] == sorted((one.score for one in passages), reverse=True)


def test_limits_and_thresholds_hold(library):
    assert len(ask("reading room", library, top_k=1)) == 1
    assert len(ask("reading room", library, rerank_top_n=2)) == 2
    assert ask("reading room", library, score_threshold=1.1) == []


@pytest.mark.parametrize("text", ["???", "", '" OR * NEAR(', "zyzzyva qqq", "the of and", "\ud800"])
def test_odd_queries_are_answered_and_break_nothing(library, text):
    assert isinstance(ask(text, library), list)


def test_several_indexes_are_searched_as_one_and_others_not_at_all(library):
    others = []
    for place in ("cellar", "attic"):
        directory = make_directory(place)
        make_file(directory, f"{place}.md", f"The lamps in the {place} are red.")
        others.append(make_index(place, directory, synced=False))
        sync(others[-1])

    both = ask("Which lamps are red?", library, others[0])

    assert names(both)[0] == "cellar.md"
    assert {one.index_id for one in both} == {library.pk, others[0].pk}


def test_what_is_replaced_or_removed_is_never_found_again(library):
    lamps = library.directory.directory_files.get(display_name="lamps.md")
    other = make_file(make_directory(), "x.md", "The lamps are violet now.").file
    type(lamps).objects.filter(pk=lamps.pk).update(file=other)
    assert any("green" in one.text for one in ask("green lamps", library))

    sync(library)

    assert not any("green" in one.text for one in ask("green lamps", library))
    assert ask("violet lamps", library)[0].text == "The lamps are violet now."
    library.documents.filter(name="lamps.md").delete()
    assert "lamps.md" not in names(ask("violet lamps", library))


def test_results_are_the_same_after_reindex(library):
    before = ask("reading room lamps", library)

    call_command("reindex")

    assert ask("reading room lamps", library) == before


@pytest.fixture
def dated(transactional_db) -> Index:
    directory = make_directory("Minutes")
    file_with(directory, "a.md", "Minutes of the meeting.", year=2023, tags=["board"], open=True)
    file_with(directory, "b.md", "Minutes of the meeting.", year=2024, author="Ada \"A\" 'N'")
    file_with(directory, "c.md", "Minutes of the meeting.", year="2024", tags=["board", "tax"])
    file_with(directory, "d.md", "Minutes of the meeting.", **{'od"d': None})
    index = make_index("Minutes", directory, synced=False)
    sync(index)
    return index


@pytest.mark.parametrize(
    ("field", "operator", "value", "found"),
    [
        ("year", "eq", 2024, "b"),
        ("year", "eq", "2024", "c"),
        ("year", "ne", 2024, "acd"),
        ("year", "gte", 2023, "ab"),
        ("year", "gt", 2023, "b"),
        ("year", "lt", 2024, "a"),
        ("year", "lte", "2024", "c"),
        ("year", "in", [2023, "2024"], "ac"),
        ("year", "nin", [2023, 2024], "cd"),
        ("year", "in", [], ""),
        ("open", "eq", True, "a"),
        ("open", "eq", 1, ""),
        ("tags", "eq", "board", "ac"),
        ("tags", "in", ["tax"], "c"),
        ("tags", "ne", "tax", "abd"),
        ("author", "eq", "Ada \"A\" 'N'", "b"),
        ('od"d', "eq", None, "d"),
        ("file_name", "eq", "c.md", "c"),
        ("file_name", "gt", "b.md", "cd"),
        ("missing", "eq", None, ""),
    ],
)
def test_conditions_choose_documents(dated, field, operator, value, found):
    passages = ask("minutes", dated, conditions=(Condition(field, operator, value),))

    assert sorted(names(passages)) == [f"{letter}.md" for letter in found]


def test_conditions_hold_together(dated):
    chosen = dated.documents.get(name="c.md").directory_file_id
    conditions = (Condition("tags", "eq", "board"), Condition("file_id", "eq", chosen))

    assert names(ask("minutes", dated, conditions=conditions)) == ["c.md"]


async def test_searches_side_by_side_do_not_disturb_each_other(library):
    query = Query("What does a late return cost?", (library.pk,))
    alone = await search(query)

    together = await asyncio.gather(*(search(query) for _ in range(20)))

    assert all(passages == alone for passages in together)
    assert await sync_to_async(library.chunks.count)() == 3


@pytest.fixture
def little_memory(settings):
    """Room for one index's vectors, and for no words."""
    settings.SEARCH_MEMORY_MB = 0
    conf.search_backend.cache_clear()
    yield
    conf.search_backend.cache_clear()


def test_two_indexes_are_searched_where_memory_holds_one(library, little_memory):
    index = make_index(directory=library.directory, synced=False)
    sync(index)

    for _ in range(2):
        found = ask("green lamps", library, index, top_k=100)

        assert len(found) == library.chunks.count() + index.chunks.count()


def test_an_index_without_documents_is_searched_like_any_other(library):
    empty = make_index("Empty")

    assert ask("lamps", empty) == []
    assert names(ask("lamps", empty, library))[0] == "lamps.md"


QUESTIONS = [
    "What does a late return cost?",
    "lamps lamp LAMPS",
    "the reading room of the lamps",
    "boiler serviced naïve",
    "to be or not to be",
    "in the",
    "zyzzyva",
]


@pytest.mark.parametrize("text", QUESTIONS)
def test_words_in_memory_rank_as_full_text_does(library, settings, request, text):
    file_with(library.directory, "naive.md", "# Lämps\n\nA naïve room, to be or not to be lamped.")
    file_with(library.directory, "long.md", "The lamp. " * 300 + "The cost of it.", year=2024)
    sync(library)
    queries = [Query(text, (library.pk,), conditions=some) for some in ((), YEAR)]
    in_memory = [conf.search_backend().rank(query, None, 10) for query in queries]

    request.getfixturevalue("little_memory")
    by_full_text = [conf.search_backend().rank(query, None, 10) for query in queries]

    for one, other in zip(in_memory, by_full_text, strict=True):
        assert [found.chunk_id for found in one] == [found.chunk_id for found in other]
        assert [found.full_text for found in one] == pytest.approx(
            [found.full_text for found in other], rel=1e-5
        )


YEAR = (Condition("year", "eq", 2024),)


def test_words_in_memory_follow_every_change(library):
    rules = library.documents.get(name="rules.md")
    assert names(ask("late return", library, vector_weight=0.0)) == ["rules.md"]

    for number in range(3):  # each time a document comes, and one goes without a sync
        file_with(library.directory, f"{number}.md", f"A late return of the {number} lamps.")
        sync(library)
        if number:
            library.directory.directory_files.filter(display_name=f"{number - 1}.md").delete()
        found = names(ask("late return", library, vector_weight=0.0, rerank=False))
        assert sorted(found) == [f"{number}.md", "rules.md"]

    filed = rules.directory_file
    filed.display_name = "zeppelin.md"
    filed.save()
    sync(library)
    assert names(ask("zeppelin", library, vector_weight=0.0)) == ["zeppelin.md"]


def test_an_index_without_its_words_is_searched_by_full_text(library):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM chat_words WHERE id = (SELECT min(id) FROM chat_words)")

    assert names(ask("What does a late return cost?", library))[0] == "rules.md"
    assert len(ask("lamps rules boiler", library, vector_weight=0.0)) == 3


def test_files_are_found_by_any_part_of_their_name(library):
    make_file(library.directory, "100%_ÄRGER.md", "Trouble.")
    sync(library)

    assert [one["file_name"] for one in find([library.pk], file_name_contains="%_är")] == [
        "100%_ÄRGER.md"
    ]
    assert find([library.pk], file_name="rules") == []
    assert len(find([library.pk])) == 4


def test_grep_gives_places_in_characters_with_context(library):
    filed = make_file(library.directory, "emoji.md", "😀 näive\nThe pen. 😀 The pencil.\n")
    sync(library)
    document = library.documents.get(directory_file=filed)

    matches = grep(document, "(?i)the pen")

    assert [document.text[one.start_char : one.end_char] for one in matches] == ["The pen"] * 2
    around = [one.within(document.text, 3) for one in matches]
    assert around == [
        "ve\nThe pen. 😀",
        " 😀 The pencil",
    ]
    assert [one.start_char for one in grep(document, "^The")] == [8]
    assert read(document, 8, 7) == "The pen"
    assert read(document, 10_000) == ""


def test_grep_ends_whatever_the_pattern(library):
    document = library.documents.get(name="rules.md")
    document.text = "a" * 20_000 + "b"

    assert grep(document, "(a+)+$") == []
    assert grep(document, "x*") == []
    for broken in ("(", "[", "a{1000}{1000}", "\ud800", "(?<=a)b"):
        with pytest.raises(Invalid):
            grep(document, broken)


@pytest.fixture
def rerank_endpoint(stand_in, settings):
    """Search asks the stand-in for its second look."""
    settings.RERANK_BASE_URL = stand_in.url
    conf.rerank_endpoint.cache_clear()
    yield stand_in
    conf.rerank_endpoint.cache_clear()


def test_a_reranking_endpoint_has_the_last_word(library, rerank_endpoint):
    passages = ask("reading room opens nine closes", library)
    without = ask("reading room opens nine closes", library, rerank=False)

    assert [one.rerank_score for one in passages] == [1, 0.4, 0]
    assert names(passages) == ["rules.md", "lamps.md", "boiler.txt"]
    (request,) = rerank_endpoint.requests
    assert any(text.startswith("House rules\n\n") for text in request["body"]["documents"])
    assert all(one.rerank_score is None for one in without)


def test_a_reranking_endpoint_that_fails_is_done_without(library, rerank_endpoint, caplog):
    rerank_endpoint.say(status=401)

    passages = ask("What does a late return cost?", library)

    assert names(passages)[0] == "rules.md"
    assert 0 < passages[0].rerank_score < 1
    assert "does not accept this server's key" in caplog.text

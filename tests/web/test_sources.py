"""A document at the place an answer cites."""

import re
import tracemalloc
from html import unescape

import pytest
from django.urls import reverse

from chat.events.types import Text, ToolCall, ToolResult, UserInput
from chat.models import Document, Index, Role, Session, Turn
from chat.web.document import WINDOW
from tests.factories import make_file, make_project, make_user
from tests.retrieval.samples import pdf
from tests.web.conftest import CITED, TEXT, as_cited, as_found, done, write_turn

pytestmark = pytest.mark.django_db
in_threads = pytest.mark.django_db(transaction=True)  # pages that await ask elsewhere


@pytest.fixture
def url(session, answered, citation) -> str:
    answered()
    place = reverse("source", args=[session.pk, citation["index_id"], citation["file_id"]])
    return f"{place}?start={citation['start_char']}&end={citation['end_char']}"


def test_the_cited_passage_is_marked_in_its_document(client, url):
    html = client.get(url).content.decode()

    assert f'<p class="cited" id="passage">{CITED}</p>' in html
    assert "Bring a pencil, not a pen." in html
    assert "<rail-list" in html


def test_beside_the_answer_it_comes_without_the_rest_of_the_page(client, url):
    html = client.get(url, headers={"hx-request": "true"}).content.decode()

    assert 'id="passage"' in html
    assert "<rail-list" not in html


def test_a_reader_without_the_index_sees_the_cited_passage_only(client, url, index):
    client.force_login(make_user("colleague"))
    Session.objects.update(sharing=Session.Sharing.READ_ONLY)
    index.project = make_project("Elsewhere")
    index.save()

    cited = client.get(url)
    other = client.get(f"{url.split('?')[0]}?start=0&end=5")

    assert CITED in cited.content.decode()
    assert "Bring a pencil" not in cited.content.decode()
    assert other.status_code == 404


def test_a_sentence_cited_opens_its_passage_for_a_reader_without_the_index(client, url, index):
    client.force_login(make_user("colleague"))
    Session.objects.update(sharing=Session.Sharing.READ_ONLY)
    index.project = make_project("Elsewhere")
    index.save()
    start = TEXT.index("Its lamps")

    html = client.get(f"{url.split('?')[0]}?start={start}&end={start + 20}").content.decode()

    assert CITED in html


def test_all_that_an_answer_cites_of_a_document_is_in_its_margin(client, session, index, citation):
    pencil = "Bring a pencil, not a pen."
    file_id = citation["file_id"]
    found = [
        as_found(number, index.pk, file_id, text, TEXT.index(text))
        for number, text in enumerate((CITED, pencil), 1)
    ]
    cited = [as_cited(one) for one in found]
    turn = write_turn(
        session,
        UserInput("What are the rules?"),
        ToolCall("a", "retrieve", {"query": "rules", "index_ids": [index.pk]}),
        ToolResult("a", "retrieve", {"results": found}),
        Text("Green lamps [1], and a pencil [2].", tuple(cited)),
        done(),
    )
    place = reverse("source", args=[session.pk, index.pk, file_id])
    ways = [f"?start={one['start_char']}&end={one['end_char']}&turn={turn.seq}" for one in cited]

    html = client.get(place + ways[0]).content.decode()

    links = re.findall(r'<a class="mark" href="([^"]*)"[^>]*?( aria-current="true")?>', html)
    assert [(unescape(link), bool(here)) for link, here in links] == [
        (f"{place}{ways[0]}#passage", True),
        (f"{place}{ways[1]}#passage", False),
    ]


def test_a_card_begins_near_the_sentence_cited_and_marks_it(client, session, index, passage):
    other = "Nothing of note is said in this sentence. "
    text = f"{other * 20}Its **lamps** are green. {other}"
    start = len(other * 20)
    found = as_found(1, index.pk, as_cited(passage)["file_id"], text, 100)
    place = {"start_char": 100 + start, "end_char": 100 + start + 24, "page": 2}
    cited = as_cited(found) | place
    write_turn(
        session,
        UserInput("What colour are the lamps?"),
        ToolCall("a", "retrieve", {"query": "lamps"}),
        ToolResult("a", "retrieve", {"results": [found]}),
        Text("Its lamps are green [1].", (cited,)),
        done(),
    )
    href = client.get(reverse("session", args=[session.pk])).context["turns"][0].cited[0].url

    html = client.get(href.partition("#")[0] + "&view=card").content.decode()

    assert '<p class="card__title">House rules</p>' in html
    assert "<span>rules.md</span><span>p. 2</span>" in html
    assert '<mark class="cited">Its <mark>lamps</mark> are green.</mark> Nothing of note' in html
    before = html.partition('<mark class="cited">')[0].rpartition('<p class="card__text">')[2]
    assert before.startswith("… ") and len(before) < 140


def test_a_card_is_for_who_may_see_the_passage(client, session, beside, index):
    shown = client.get(reverse("session", args=[session.pk])).context["turns"][0]
    cards = [
        one.url.partition("#")[0] + "&view=card" for one in (shown.cited[0], shown.also_found[0])
    ]
    mine = [client.get(url) for url in cards]
    client.force_login(make_user("colleague"))
    Session.objects.update(sharing=Session.Sharing.READ_ONLY)
    index.project = make_project("Elsewhere")
    index.save()
    cited, found = (client.get(url) for url in cards)

    assert [one.status_code for one in mine] == [200, 200]
    assert [cited.status_code, found.status_code] == [200, 404]
    assert "House rules</p>" not in cited.content.decode()  # the document's own title
    assert "The reading room opens at nine." in cited.content.decode()


@pytest.mark.parametrize("query", ["turn=999", "turn=x", "start=5&end=9", ""])
def test_a_card_of_no_passage_is_not_found(client, url, query):
    assert client.get(f"{url.split('?')[0]}?{query}&view=card").status_code == 404


def test_a_share_that_ended_shows_nothing(client, url):
    client.force_login(make_user("colleague"))

    assert client.get(url).status_code == 404


def change(index: Index, text: str) -> None:
    index.documents.update(text=text)


def test_a_passage_that_has_moved_is_marked_where_it_stands_now(client, url, index):
    turn = Turn.objects.get()
    change(index, "Closed in August.\n\n" + TEXT)

    html = client.get(f"{url}&turn={turn.seq}").content.decode()

    assert f'<p class="cited" id="passage">{CITED}</p>' in html


def test_a_passage_that_is_gone_is_shown_as_it_was_and_says_so(client, url, index):
    turn = Turn.objects.get()
    change(index, TEXT.replace("green", "blue"))

    html = client.get(f"{url}&turn={turn.seq}").content.decode()

    assert CITED in html and "blue" not in html
    assert "This document has changed since" in html
    assert "not open to you" not in html
    assert reverse("document", args=[index.pk, index.documents.get().directory_file_id]) in html


def test_of_a_passage_that_has_changed_the_sentence_cited_is_marked(client, url, index, citation):
    turn, sentence = Turn.objects.get(), "Its lamps are green."
    start = TEXT.index(sentence)
    change(index, TEXT.replace("at nine", "at ten"))

    path = url.split("?")[0]
    html = client.get(
        f"{path}?start={start}&end={start + len(sentence)}&turn={turn.seq}"
    ).content.decode()

    assert f'<mark class="cited" id="passage">{sentence}</mark>' in html


@pytest.mark.parametrize(
    ("before", "marked"),
    [("", "lamps"), ("So. ", " nine. Its lamps are green.")],
    ids=["as it was", "moved"],
)
def test_what_grep_found_is_marked_by_what_stood_around_it(client, session, index, before, marked):
    file_id = index.documents.get().directory_file_id
    start, around = TEXT.index("lamps"), " nine. Its lamps are green."
    place = {"start_char": start, "end_char": start + 5}
    found = {"number": 1, "content": around, **place}
    named = {"index_id": index.pk, "file_id": file_id, "file_name": "rules.md"}
    turn = write_turn(
        session,
        UserInput("Lamps?"),
        ToolCall("a", "grep", {"pattern": "lamps"}),
        ToolResult("a", "grep", {**named, "items": [found], "total_size": 1}),
        Text("Green [1].", ({"number": 1, **named, "page": None, **place, "check": "near"},)),
        done(),
    )
    change(index, TEXT.replace("The reading room", before + "The reading room"))

    url = reverse("source", args=[session.pk, index.pk, file_id])
    html = client.get(url, {"start": start, "end": start + 5, "turn": turn.seq}).content.decode()

    assert f'<mark class="cited" id="passage">{marked}</mark>' in html


@pytest.fixture
def beside(session, index, passage, citation) -> Turn:
    """A turn that was shown two passages and cites the first."""
    start = TEXT.index("Bring a pencil")
    place = {"chunk_start_char": start, "chunk_end_char": start + 26}
    other = {
        **passage,
        "number": 2,
        "heading": "House rules › Pencils",
        "static_fields": {**passage["static_fields"], **place},
    }
    return write_turn(
        session,
        UserInput("What colour are the lamps?"),
        ToolCall("a", "retrieve", {"query": "lamps", "index_ids": [index.pk]}),
        ToolResult("a", "retrieve", {"results": [passage, other]}),
        Text("Green [1].", (citation,)),
        done(),
    )


def tabs_of(response) -> dict[str, list[tuple[str, bool]]]:
    return {
        tab.name: [(source.place, is_here) for source, is_here in tab.places]
        for tab in response.context["tabs"]
    }


def test_what_was_found_but_not_cited_is_no_source(client, session, beside):
    shown = client.get(reverse("session", args=[session.pk])).context["turns"][0]
    cited = client.get(shown.cited[0].url.partition("#")[0])
    found = client.get(shown.also_found[0].url.partition("#")[0])

    assert [source.number for source in shown.cited] == [1]
    assert tabs_of(cited) == {"cited": [("Opening hours", True)], "found": [("Pencils", False)]}
    assert tabs_of(found) == {"cited": [("Opening hours", False)], "found": [("Pencils", True)]}
    assert [tab.is_open for tab in cited.context["tabs"]] == [True, False]
    assert [tab.is_open for tab in found.context["tabs"]] == [False, True]
    assert 'aria-current="true">Also found' in found.content.decode()


def test_each_of_two_passages_of_one_place_is_shown_to_be_there(client, session, passage, citation):
    start = TEXT.index("Bring a pencil")
    place = {"chunk_start_char": start, "chunk_end_char": start + 26}
    other = {**passage, "number": 2, "static_fields": {**passage["static_fields"], **place}}
    second = {**citation, "number": 2, "start_char": start, "end_char": start + 26}
    turn = write_turn(
        session,
        UserInput("What colour are the lamps?"),
        ToolCall("a", "retrieve", {"query": "lamps"}),
        ToolResult("a", "retrieve", {"results": [passage, other]}),
        Text("Green [1]. Write by them with a pencil [2].", (citation, second)),
        done(),
    )
    url = reverse("source", args=[session.pk, citation["index_id"], citation["file_id"]])
    span = {"start": start, "end": start + 26, "turn": turn.seq}

    assert tabs_of(client.get(url, span)) == {"cited": [("Opening hours", True)]}


def test_a_reader_without_the_index_is_not_told_what_was_also_found(client, session, beside, index):
    cited = client.get(reverse("session", args=[session.pk])).context["turns"][0].cited[0].url
    client.force_login(make_user("colleague"))
    Session.objects.update(sharing=Session.Sharing.READ_ONLY)
    index.project = make_project("Elsewhere")
    index.save()

    page = client.get(cited.partition("#")[0])

    assert tabs_of(page) == {"cited": [("Opening hours", True)]}


@pytest.mark.parametrize("turn", ["", "999", "x"])
def test_an_address_without_its_turn_has_no_tabs(client, url, turn):
    plain = url.partition("&turn=")[0]

    assert client.get(f"{plain}&turn={turn}").context["tabs"] == []


@pytest.mark.parametrize(
    "span", ["start=x&end=9", "start=99999999999&end=1", "start=5&end=2", "from=-3", ""]
)
def test_odd_spans_show_the_document_all_the_same(client, url, span):
    response = client.get(f"{url.split('?')[0]}?{span}")

    assert response.status_code == 200
    assert "House rules" in response.content.decode()


def test_a_long_document_is_shown_in_windows_that_join(client, url, index):
    text = "".join(f"Paragraph {number:05d} of many.\n\n" for number in range(5_000))
    index.documents.update(text=text)
    start = text.index("Paragraph 03000")

    html = client.get(f"{url.split('?')[0]}?start={start}&end={start + 10}").content.decode()

    assert 'id="passage">Paragraph </mark>03000' in html
    assert len(html) < 3 * WINDOW
    later = html.split("from=")[-1].split('"')[0]
    below = client.get(f"{url.split('?')[0]}?from={later}").content.decode()
    last = html.split("Paragraph ")[-1][:5]
    assert f"Paragraph {int(last) + 1:05d}" in below


def test_a_long_table_is_shown_in_windows_that_name_its_columns(client, url, index):
    rows = "".join(f"| Row {number:05d} | {number} |\n" for number in range(5_000))
    text = f"| Name | Number |\n| --- | --- |\n{rows}"
    index.documents.update(text=text, name="rows.csv")
    start = text.index("| Row 03000")

    html = client.get(f"{url.split('?')[0]}?start={start}&end={start + 20}").content.decode()

    assert '<tr class="cited" id="passage">\n<td>Row 03000</td>' in html
    assert html.count("<th>Name</th>") == 1
    assert len(html) < 5 * WINDOW
    later = html.split("from=")[-1].split('"')[0]
    below = client.get(f"{url.split('?')[0]}?from={later}").content.decode()
    last = html.split("<td>Row ")[-1][:5]
    assert below.count("<th>Name</th>") == 1
    assert below.split("<td>Row ")[1].startswith(f"{int(last) + 1:05d}")


@pytest.mark.parametrize(
    "heading", ["# House rules\n", "# *House* rules #\n", "House rules\n====\n"]
)
def test_a_title_that_the_text_begins_with_is_shown_once(client, url, index, heading):
    body = TEXT.partition("\n")[2]
    index.documents.update(text=heading + body)
    start = len(heading) + body.index(CITED)
    page = reverse("document", args=[index.pk, index.documents.get().directory_file_id])

    html = client.get(f"{page}?start={start}&end={start + len(CITED)}").content.decode()
    whole = client.get(f"{page}?start=0&end={start + 8}").content.decode()
    alone = client.get(f"{page}?start=0&end=5").content.decode()

    assert "<h1>House rules</h1>" in html and "House rules</h3>" not in html
    assert f'<p class="cited" id="passage">{CITED}</p>' in html
    assert 'id="passage">Opening hours</h3>' in whole
    assert 'id="passage"' in alone


def test_plain_text_is_shown_as_it_is(client, url, index):
    index.documents.update(name="rules.txt", text="# not a heading\n*not* bold")

    html = client.get(f"{url.split('?')[0]}?start=2&end=5").content.decode()

    assert '# <mark id="passage" class="cited">not</mark> a heading' in html


def test_the_document_page_needs_the_right_to_its_index(client, index):
    url = reverse("document", args=[index.pk, index.documents.get().directory_file_id])
    mine = client.get(url)
    client.force_login(make_user("stranger", role=None))

    assert TEXT.split("\n")[0].removeprefix("# ") in mine.content.decode()
    assert client.get(url).status_code == 404


PAGES = ["The reading room opens at nine.", "Its lamps were made in 1911 by hand."]


@pytest.fixture
def leaflet(index) -> Document:
    """A PDF of two pages."""
    text = "\n\n".join(PAGES)
    return Document.objects.create(
        index=index,
        directory_file=make_file(index.directory, "leaflet.pdf", pdf([[one] for one in PAGES])),
        name="leaflet.pdf",
        text=text,
        page_starts=[0, text.index(PAGES[1])],
        state="ready",
        chunk_count=1,
    )


def address(name: str, document: Document, *more) -> str:
    return reverse(name, args=[document.index_id, document.directory_file_id, *more])


def test_a_pdf_opens_at_the_page_of_the_passage_and_shows_its_text_when_asked(client, leaflet):
    start = leaflet.page_starts[1]
    url = f"{address('document', leaflet)}?start={start}&end={start + 20}"

    page = client.get(url).content.decode()
    text = client.get(f"{url}&view=text").content.decode()

    assert "Page 2 of 2" in page
    assert address("page_picture", leaflet, 2) in page
    assert "Previous page" in page and "Next page" not in page
    assert "1911 by hand." in text


def test_a_page_of_a_document_names_the_passages_on_it(client, leaflet):
    for ordinal, text in enumerate(PAGES):
        start = leaflet.text.index(text)
        end = start + len(text)
        leaflet.chunks.create(
            index=leaflet.index,
            ordinal=ordinal,
            text=text,
            start_char=start,
            end_char=end,
            token_count=9,
        )

    html = client.get(f"{address('document', leaflet)}?page=2").content.decode()

    assert re.findall('<span class="mark__name">(.*?)<', html) == ["2"]


@in_threads
def test_the_passage_is_boxed_where_it_stands_on_the_page(client, leaflet):
    start = leaflet.page_starts[1]

    picture = client.get(address("page_picture", leaflet, 2))
    marks = client.get(
        address("page_marks", leaflet, 2), {"start": start, "end": len(leaflet.text)}
    )
    elsewhere = client.get(address("page_marks", leaflet, 1), {"start": start, "end": start + 30})

    assert picture.content.startswith(b"\xff\xd8\xff")
    assert picture["X-Content-Type-Options"] == "nosniff"
    assert b"<rect" in marks.content
    assert b"<rect" not in elsewhere.content


@in_threads
def test_what_else_an_answer_cites_of_the_page_is_boxed_and_leads_there(client, session, leaflet):
    words = ["Its lamps were made", "in 1911 by hand."]
    found = [
        as_found(at, leaflet.index_id, leaflet.directory_file_id, one, leaflet.text.index(one))
        for at, one in enumerate([*words, PAGES[0]], 1)
    ]
    cited = tuple(as_cited(one) for one in found)
    turn = write_turn(
        session,
        UserInput("Who made the lamps?"),
        ToolCall("a", "retrieve", {"query": "lamps"}),
        ToolResult("a", "retrieve", {"results": found}),
        Text("By hand [1], in 1911 [2] [3].", cited),
        done(),
    )
    place = reverse("source", args=[session.pk, leaflet.index_id, leaflet.directory_file_id])
    here, there, _elsewhere = (
        f"{place}?start={one['start_char']}&end={one['end_char']}&turn={turn.seq}" for one in cited
    )

    pane = client.get(here).content.decode()
    url = unescape(re.search(r'hx-get="([^"]*\.svg[^"]*)"', pane)[1])
    drawn = client.get(url)
    boxes = drawn.content.decode()
    alone = client.get(address("page_marks", leaflet, 2), {"start": 50, "end": 90}).content.decode()

    assert [unescape(one) for one in re.findall('href="([^"]*)"', boxes)] == [f"{there}#passage"]
    assert boxes.count("<rect") == 2 and "<title>Cited: rules.md · " in boxes
    assert "<a" not in alone
    assert drawn["Cache-Control"] == "private, no-cache"  # the answer may come to cite more
    assert client.get(url, headers={"If-None-Match": drawn["ETag"]}).status_code == 304

    client.force_login(make_user("colleague"))
    assert client.get(url).status_code == 404
    Session.objects.update(sharing=Session.Sharing.READ_ONLY)
    assert client.get(url).status_code == 200
    leaflet.index.project = make_project("Elsewhere")
    leaflet.index.save()
    assert client.get(url).status_code == 404


@in_threads
def test_a_page_is_kept_by_the_browser_until_its_file_is_another(client, leaflet):
    url = address("page_picture", leaflet, 1)
    first = client.get(url)
    same = client.get(url, headers={"if-none-match": first["ETag"]})
    marks = client.get(address("page_marks", leaflet, 1), {"start": 0, "end": 20})
    leaflet.sha256 = "1" * 64
    leaflet.save()
    replaced = client.get(url, headers={"if-none-match": first["ETag"]})

    assert first["Cache-Control"] == marks["Cache-Control"] == "private, max-age=86400"
    assert (same.status_code, same.content) == (304, b"")
    assert marks["ETag"] != first["ETag"]
    assert (replaced.status_code, replaced["ETag"] == first["ETag"]) == (200, False)
    assert f"{url}?v=111111111111" in client.get(address("document", leaflet)).content.decode()


@in_threads
def test_a_page_as_it_was_before_its_file_changed_is_not_found(client, leaflet):
    leaflet.sha256 = "1" * 64
    leaflet.save()
    span = {"start": 0, "end": 20}
    urls = [(address("page_picture", leaflet, 1), {}), (address("page_marks", leaflet, 1), span)]

    now = [client.get(url, {**data, "v": "1" * 12}).status_code for url, data in urls]
    before = [client.get(url, {**data, "v": "0" * 12}).status_code for url, data in urls]

    assert (now, before) == ([200, 200], [404, 404])


@in_threads
def test_a_page_of_a_large_file_is_drawn_without_the_file_or_its_text_at_hand(
    client, leaflet, django_assert_max_num_queries
):
    content = pdf([PAGES[:1], ["x" * 20_000_000]])
    leaflet.directory_file = make_file(leaflet.index.directory, "large.pdf", content)
    leaflet.save()
    del content

    tracemalloc.start()
    with django_assert_max_num_queries(9) as queries:
        picture = client.get(address("page_picture", leaflet, 1))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert picture.content.startswith(b"\xff\xd8\xff")
    assert peak < 10_000_000
    assert not [one for one in queries if '"chat_document"."text"' in one["sql"]]


@in_threads
def test_a_page_that_is_not_there_is_not_found(client, leaflet):
    assert client.get(address("page_picture", leaflet, 9)).status_code == 404


@in_threads
def test_pages_and_originals_are_for_those_who_may_see_them(client, leaflet):
    viewer = client.get(address("original", leaflet)).status_code
    client.force_login(make_user("editor", role=Role.EDITOR))
    editor = client.get(address("original", leaflet))
    client.force_login(make_user("stranger", role=None))
    stranger = [
        client.get(address(name, leaflet, *more)).status_code
        for name, more in [("original", ()), ("page_picture", (1,)), ("page_marks", (1,))]
    ]

    assert viewer == 404
    assert editor["Content-Disposition"] == 'attachment; filename="leaflet.pdf"'
    assert editor["Content-Type"] == "application/octet-stream"
    assert stranger == [404, 404, 404]

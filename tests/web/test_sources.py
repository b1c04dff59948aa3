"""A document at the place an answer cites."""

import pytest
from django.urls import reverse

from chat.models import Session
from chat.web.document import WINDOW
from tests.factories import make_project, make_user
from tests.web.conftest import CITED, TEXT

pytestmark = pytest.mark.django_db


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


def test_a_share_that_ended_shows_nothing(client, url):
    client.force_login(make_user("colleague"))

    assert client.get(url).status_code == 404


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

"""The search over sessions and documents: what is found, in which order, and who finds it."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from chat.events.types import Text, UserInput
from chat.models import Document, Session, TurnWords, Visit
from chat.runs import claims
from chat.web.search import excerpt
from tests.factories import make_session, make_user
from tests.web.conftest import done, write_turn

pytestmark = pytest.mark.django_db


def search(client, query: str) -> str:
    html = client.get(reverse("search"), {"q": query}).content.decode()
    return html.split('class="listing"')[1]


def test_what_was_searched_for_can_be_changed_where_it_stands(client):
    html = client.get(reverse("search"), {"q": 'a "b" c'}).content.decode()

    assert 'id="again" name="q" type="search" value="a &quot;b&quot; c"' in html


def found(client, query: str) -> list[str]:
    """The ids of the sessions, best first."""
    return re.findall(r'href="/chat/([\w-]+)/', search(client, query))


def say(session: Session, question: str, answer: str = "So it is.") -> Session:
    write_turn(session, UserInput(question), Text(answer, ()), done())
    return session


@pytest.mark.parametrize(
    "query", ["lamps", "colour green", "GREEN colour", "green lamps", "lamp col", "grün", "GRÜN"]
)
def test_every_word_is_found_wherever_it_was_said_in_whichever_order(client, session, query):
    say(session, "What colour is it?", "Dark green.")
    say(session, "And in German?", "Grün.")

    assert found(client, query) == [session.pk]


def test_a_number_is_found_as_any_word_is(client, session):
    say(session, "42", "true")

    assert found(client, "true 42") == [session.pk]


def test_a_question_is_found_while_it_is_being_answered(client, session, reader):
    say(session, "What colour is it?", "Dark green.")
    session.queued_prompts.create(asked_by=reader, prompt="And who waters the orchids?")
    claims.claim_queued(session.pk)

    assert found(client, "green orchids") == [session.pk]
    assert "waters the <mark>orchids</mark>?" in search(client, "orchids")


@pytest.mark.parametrize("query", ["green pencils", "100% green", "gr_en", "orchid"])
def test_a_session_without_one_of_the_words_is_not_found(client, session, query):
    say(session, "What colour is it?", "Dark green.")

    assert found(client, query) == []


@pytest.mark.parametrize("query", ["ärger", "ARGER", "Strasse", "straße", "図書館"])
def test_neither_accents_nor_small_and_great_letters_are_minded(client, session, query):
    say(session, "ÄRGER in der Straße", "図書館は九時に開く。")

    assert found(client, query) == [session.pk]


def test_a_title_leads_then_one_turn_with_all_words_then_the_newest(client, reader):
    now = timezone.now()
    names = ["Oak door", "one turn", "new", "old"]
    made = {name: make_session(reader, title=name) for name in names}
    say(made["one turn"], "Which door?", "The oak one.")
    for name in ("old", "new"):
        say(made[name], "Which door?")
        say(made[name], "Which oak?")
    for days, name in enumerate(["new", "old", "one turn", "Oak door"]):
        used = now - timedelta(days=days)
        Session.objects.filter(pk=made[name].pk).update(last_used_at=used)

    ranked = found(client, "oak door")

    assert ranked == [made[name].pk for name in names]


def test_a_hit_shows_its_words_where_they_are_and_leads_to_their_turn(client, session):
    say(session, "Where is the door?", "In the hall.")
    last = "And **then** " + "on and on " * 60 + "a <b> key, and a window of Äpfel. " + "x " * 90
    say(session, "And the window?", last)
    turn = session.turns.order_by("-seq").first()

    html = search(client, "window apfel KEY")

    assert f'href="/chat/{session.pk}/?turn={turn.pk}#turn-{turn.pk}"' in html
    shown = html.split('class="hit__text">')[1].split("</span>")[0]
    assert "&lt;b&gt; <mark>key</mark>, and a <mark>window</mark> of <mark>Äpfel</mark>." in shown
    assert shown.startswith("…") and shown.endswith("…")


def test_an_excerpt_is_where_most_of_the_words_are():
    text = "A lamp. " + "Nothing. " * 40 + "A green lamp."

    assert excerpt(text, ["green", "lamp"]).endswith("Nothing. A green lamp.")
    assert excerpt(text, ["absent"]) == ""


def test_what_others_shared_is_found_once_opened_and_as_long_as_it_is_shared(client, session):
    say(session, "What colour is it?", "Dark green.")
    Session.objects.update(sharing=Session.Sharing.READ_ONLY)
    colleague = make_user("colleague")
    client.force_login(colleague)
    before = found(client, "green")
    Visit.note(session, colleague)

    opened = found(client, "green")
    Session.objects.update(sharing=Session.Sharing.PRIVATE)

    assert before == []
    assert opened == [session.pk]
    assert found(client, "green") == []


def test_a_deleted_session_is_not_found(client, session):
    say(session, "What colour is it?", "Dark green.")
    client.post(reverse("delete", args=[session.pk]))

    assert found(client, "green") == []


def test_documents_are_found_by_name_and_nothing_of_others(client, index):
    Document.objects.update(name="Übersicht der Regeln.md")

    listed = search(client, "REGELN übersicht")
    client.force_login(make_user("stranger", role=None))

    assert "<mark>Übersicht</mark> der <mark>Regeln</mark>.md" in listed
    assert "Nothing holds" in search(client, "regeln")


def test_blanks_find_nothing(client, session, index):
    assert found(client, "  ") == []


def test_more_hits_ask_the_database_no_more_often(client, reader, django_assert_num_queries):
    say(make_session(reader, title="Lamps"), "Which lamps?")
    search(client, "lamps")
    with CaptureQueriesContext(connection) as before:
        search(client, "lamps")

    for number in range(40):
        say(make_session(reader, title=f"Lamps {number}"), "Which lamps?")

    with django_assert_num_queries(len(before)):
        assert len(found(client, "lamps")) == 30


def test_the_words_of_a_turn_go_with_its_session(session):
    say(session, "Which lamps?")

    session.delete()

    assert not TurnWords.objects.exists()

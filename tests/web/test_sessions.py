"""Sessions in the browser: reading, arranging and sharing them."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from chat.events.types import TextDelta, UserInput
from chat.models import Role, Session
from chat.runs import claims
from chat.web.picker import question_about
from tests.factories import make_index, make_project, make_session, make_user
from tests.web.conftest import write_turn

pytestmark = pytest.mark.django_db
in_threads = pytest.mark.django_db(transaction=True)  # pages that await ask elsewhere


def page(client, name: str, *args, **headers) -> str:
    return client.get(reverse(name, args=args), headers=headers).content.decode()


def test_whoever_is_not_signed_in_is_asked_to(client):
    client.logout()

    response = client.get("/")

    assert response.status_code == 302
    assert response.url == "/login/?next=/"


def test_a_new_chat_offers_the_indexes_one_may_search(client, index):
    make_index("Secret", project=make_project("Elsewhere"))

    html = page(client, "home")

    assert "Rosa" in html
    assert f'value="{index.pk}"' in html
    assert "Secret" not in html


def test_suggestions_come_from_the_documents_own_headings(client, index):
    html = client.get(reverse("suggestions"), {"index": index.pk}).content.decode()

    assert "Opening hours" in html
    assert "Pencils" in html


def test_nothing_is_suggested_from_an_index_one_may_not_search(client, index):
    index.project = make_project("Elsewhere")
    index.save()

    html = client.get(reverse("suggestions"), {"index": index.pk}).content.decode()

    assert "Opening hours" not in html


def test_the_model_that_was_used_last_stays_chosen(client, settings, session, reader):
    settings.LLM_BASE_URL, settings.LLM_MODEL = "http://127.0.0.1:9/v1", "small"
    settings.LLM_MODELS = ["large", "odd"]
    turn = write_turn(session, UserInput("Why?"), TextDelta("Be"))
    turn.model, turn.lease_expires_at = "large", "2999-01-01T00:00Z"
    turn.save()
    after_a_turn = page(client, "session", session.pk)
    session.queued_prompts.create(asked_by=reader, prompt="And now?", model="odd")

    after_one_that_waits = page(client, "session", session.pk)

    assert "<option>small</option><option selected>large</option>" in after_a_turn
    assert "<option>large</option><option selected>odd</option>" in after_one_that_waits


def test_without_script_a_page_loads_anew_unless_its_reader_writes(client, session):
    turn = write_turn(session, UserInput("Why?"), TextDelta("Be"))
    turn.lease_expires_at = "2999-01-01T00:00Z"
    turn.save()
    url = reverse("session", args=[session.pk])

    read, written = (client.get(address).content.decode() for address in (url, f"{url}?write=on"))

    assert '<meta http-equiv="refresh"' in read
    assert 'href="?write=on#prompt"' in read
    assert '<meta http-equiv="refresh"' not in written
    assert f'<a href="{url}">Follow the answer</a>' in written


def test_without_script_a_prompt_that_begins_while_the_page_is_read_is_not_missed(
    client, session, reader, answered
):
    answered()
    session.queued_prompts.create(asked_by=reader, prompt="And now?")
    read: set[str] = set()

    def begin_between(execute, sql, params, many, context):
        kind = next((one for one in ("queuedprompt", "event") if f'FROM "chat_{one}"' in sql), "")
        if kind and read and kind not in read:
            read.update({"queuedprompt", "event"})
            claims.claim_queued(session.pk)
        result = execute(sql, params, many, context)
        if kind:
            read.add(kind)
        return result

    with connection.execute_wrapper(begin_between):
        html = page(client, "session", session.pk)

    assert session.turns.count() == 2
    assert '<meta http-equiv="refresh"' in html


def test_a_session_shows_its_turns_with_named_sources(client, session, answered):
    answered("What colour are the lamps?", "They are green [1].")

    html = page(client, "session", session.pk)

    assert "What colour are the lamps?" in html
    assert ">rules</a>" in html
    assert "Answered from 1 source in 1.2 s" in html


def test_a_turn_under_way_shows_what_is_written_and_follows_from_there(client, session):
    turn = write_turn(session, UserInput("Why?"), TextDelta("First.\n\nSec"), TextDelta("ond"))
    turn.lease_expires_at = "2999-01-01T00:00Z"
    turn.save()

    html = page(client, "session", session.pk)

    assert (
        f'<p>First.</p>\n<div class="answer__open" id="turn-{turn.pk}-open"><p>Second</p>' in html
    )
    assert f"/chat/{session.pk}/events/?after={turn.seq + 2}" in html


def test_only_what_stands_beside_the_rail_is_sent_where_the_rail_is(client, session):
    html = page(client, "session", session.pk, hx_request="true", hx_target="main#main")

    assert "<title>Lamps · Carrel" in html
    assert "<rail-list" not in html


def test_strangers_get_404_and_readers_of_a_share_no_composer(client, session, answered):
    answered()
    url = reverse("session", args=[session.pk])
    client.force_login(make_user("colleague"))

    private = client.get(url).status_code
    Session.objects.update(sharing=Session.Sharing.READ_ONLY)
    shared = client.get(url).content.decode()

    assert private == 404
    assert "Green" in shared
    assert 'id="composer"' not in shared
    assert "Shared by reader" in shared


@pytest.mark.parametrize("name", ["details", "pin", "archive", "share", "delete"])
def test_only_the_owner_may_change_a_session(client, session, name):
    Session.objects.update(sharing=Session.Sharing.QUERY)
    client.force_login(make_user("colleague"))

    response = client.post(reverse(name, args=[session.pk]), {"title": "Mine", "sharing": "query"})

    assert response.status_code == 404
    assert Session.objects.live().get(pk=session.pk).title == "Lamps"


def test_the_sharing_sheet_after_a_change_offers_the_link_and_a_way_back(client, session):
    response = client.post(
        reverse("share", args=[session.pk]), {"sharing": "query"}, headers={"hx-request": "true"}
    )

    html = response.content.decode()
    assert 'value="query" checked' in html
    assert 'value="private"' in html
    assert f"http://testserver/chat/{session.pk}/" in html
    assert "Stop sharing" in html


def test_a_blank_title_changes_nothing(client, session):
    client.post(reverse("details", args=[session.pk]), {"title": "  "})

    session.refresh_from_db()
    assert session.title == "Lamps"


@pytest.mark.django_db(transaction=True)  # what is said is written in another thread
def test_a_page_whose_session_is_gone_is_told_why_and_to_stop_following(client, session):
    Session.objects.update(deleted_at=timezone.now())
    url = reverse("events", args=[session.pk])

    deleted = client.get(url, headers={"hx-request": "true"}).content.decode()
    alone = client.get(url).status_code
    client.logout()
    signed_out = client.get(url, headers={"hx-request": "true"}).content.decode()

    assert alone == 404
    assert "This session was deleted" in deleted
    assert f'href="/login/?next=/chat/{session.pk}/"' in signed_out
    for frames in (deleted, signed_out):
        assert frames.endswith("</hx-partial>\n\nevent: close\ndata: gone\n\n")


def test_a_deleted_session_comes_back_to_its_owner_alone_and_for_a_while(client, session, reader):
    client.post(reverse("delete", args=[session.pk]))
    url = reverse("restore", args=[session.pk])
    client.force_login(make_user("colleague"))
    theirs = client.post(url).status_code
    client.force_login(reader)

    mine = client.post(url).status_code
    Session.objects.update(deleted_at=timezone.now() - timedelta(hours=1))
    late = client.post(url).status_code

    assert (theirs, mine, late) == (404, 302, 404)


def test_an_owner_renames_pins_shares_and_deletes(client, session):
    for name, data in [
        ("details", {"title": " Green  lamps "}),
        ("pin", {}),
        ("share", {"sharing": "read_only"}),
    ]:
        assert client.post(reverse(name, args=[session.pk]), data).status_code == 302
    session.refresh_from_db()
    assert (session.title, session.sharing) == ("Green lamps", "read_only")
    assert session.pinned_at

    client.post(reverse("delete", args=[session.pk]))

    assert client.get(reverse("session", args=[session.pk])).status_code == 404


def test_an_archived_session_leaves_the_rail_is_listed_and_comes_back(client, session):
    url = reverse("archive", args=[session.pk])
    row = f'id="row-{session.pk}"'

    client.post(url)
    without, archive = page(client, "home"), page(client, "archived")
    client.post(url)

    assert row not in without
    assert "Lamps" in archive
    assert row in page(client, "home")


@pytest.mark.parametrize(
    ("heading", "question"),
    [
        ("Connect Ollama", "How do I connect Ollama?"),
        ("How to back up", "How do I back up?"),
        ("Who can see my documents", "Who can see my documents?"),
        ("What each role may do", "What does “Rules” say about “What each role may do”?"),
        ("Wie man sichert", "Wie man sichert?"),
        ("Is it fast?", "Is it fast?"),
        ("Pencils", "What does “Rules” say about “Pencils”?"),
        ("Return policy", "What does “Rules” say about “Return policy”?"),
        ("Opening hours", "What does “Rules” say about “Opening hours”?"),
    ],
)
def test_a_suggestion_is_what_someone_would_ask(heading, question):
    assert question_about(heading, "Rules") == question


def test_the_rail_pages_by_keyset_and_neither_repeats_nor_hides(client, reader, index):
    for number in range(60):
        make_session(reader, (index,), title=f"Session {number:02d}")

    first = page(client, "home")
    cursor = first.split("?before=")[1].split('"')[0]
    second = client.get(f"{reverse('rail')}?before={cursor}", headers={"hx-request": "true"})

    titles = [f"Session {number:02d}" for number in range(60)]
    in_first = {title for title in titles if title in first}
    in_second = {title for title in titles if title in second.content.decode()}
    assert len(in_first) == 50
    assert in_first.isdisjoint(in_second)
    assert in_first | in_second == set(titles)


def test_more_sessions_and_turns_ask_the_database_no_more_often(
    client, reader, index, session, answered, django_assert_num_queries
):
    answered()
    url = reverse("session", args=[session.pk])
    client.get(url)
    with CaptureQueriesContext(connection) as before:
        client.get(url)

    for number in range(5):
        make_session(reader, (index,), title=f"More {number}")
        answered(f"Question {number}?")

    with django_assert_num_queries(len(before)):
        client.get(url)


@in_threads
def test_a_long_session_opens_at_its_end_and_loads_upward(client, session, answered):
    for number in range(25):
        answered(f"Question {number:02d}?")

    newest = page(client, "session", session.pk)
    before = newest.split("/turns/?before=")[1].split('"')[0]
    older = client.get(
        f"{reverse('turns', args=[session.pk])}?before={before}", headers={"hx-request": "true"}
    )

    assert "Question 24?" in newest
    assert "Question 14?" not in newest
    assert "Question 14?" in older.content.decode()
    assert "Question 15?" not in older.content.decode()


@pytest.mark.parametrize(("wanted", "first"), [(2, 0), (12, 2), (22, 12), (None, 15)])
def test_a_turn_that_is_wanted_is_shown_however_old_it_is(client, session, answered, wanted, first):
    for number in range(25):
        answered(f"Question {number:02d}?")
    turns = list(session.turns.order_by("seq"))
    pk = 999_999 if wanted is None else turns[wanted].pk

    html = client.get(reverse("session", args=[session.pk]), {"turn": pk}).content.decode()

    assert re.findall(r"Question (\d\d)\?</h2>", html) == [f"{n:02d}" for n in range(first, 25)]
    assert (f"before={turns[first].seq}" in html) == (first > 0)
    assert 'id="composer"' in html and "hx-sse:connect" in html


def test_an_export_holds_questions_answers_and_sources(client, session, answered):
    answered("What colour?", "Green & dim [1].")

    response = client.get(reverse("export", args=[session.pk]))

    assert "attachment" in response["Content-Disposition"]
    text = response.content.decode()
    assert "## What colour?" in text
    assert "Green & dim [1]." in text
    assert "[1] rules.md · Opening hours" in text


def test_the_theme_is_kept_and_shown_at_once(client):
    client.post(reverse("theme"), {"theme": "dark"})

    assert 'data-theme="dark"' in page(client, "home")


def test_pages_of_errors_say_what_to_do(client):
    html = client.get("/chat/ses-none/").content.decode()

    assert "There is nothing here" in html


def test_a_viewer_is_not_offered_what_only_editors_may_do(client, index):
    html = page(client, "index", index.pk)
    client.force_login(make_user("editor", role=Role.EDITOR))

    assert "Sync now" not in html
    assert "Sync now" in page(client, "index", index.pk)

"""One turn of a session: asked again, waiting, judged."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import AsyncClient
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from chat.events.types import UserInput
from chat.models import Event, Feedback, QueuedPrompt, Quota, Session, Turn
from tests.factories import make_project, make_user
from tests.web.conftest import full_size, write_turn

pytestmark = pytest.mark.django_db
in_threads = pytest.mark.django_db(transaction=True)  # pages that await ask elsewhere


@pytest.fixture
def branched(session, answered) -> list[Turn]:
    """Two ways the session began; the second is read now."""
    turns = [answered("Which lamps?", "Green."), answered("Which lamps?", "The green ones.")]
    Session.objects.update(tip=turns[1], is_branched=True)
    return turns


def page(client, session) -> str:
    return client.get(reverse("session", args=[session.pk])).content.decode()


def test_only_the_branch_that_is_read_now_is_shown_with_a_way_to_the_other(
    client, session, branched
):
    html = page(client, session)

    assert "The green ones." in html
    assert "<p>Green.</p>" not in html
    assert "<span>2/2</span>" in html
    assert f'name="turn"\n          value="{branched[0].seq}"' in html


@in_threads
def test_older_turns_of_another_branch_are_not_loaded_upward(client, session, branched, answered):
    parent = branched[1]
    for number in range(15):
        turn = answered(f"Question {number:02d}?")
        Turn.objects.filter(pk=turn.pk).update(parent=parent)
        parent = turn
    Session.objects.update(tip=parent)
    before = page(client, session).split("/turns/?before=")[1].split('"')[0]

    older = client.get(
        f"{reverse('turns', args=[session.pk])}?before={before}", headers={"hx-request": "true"}
    ).content.decode()

    assert "The green ones." in older
    assert "Question 04?" in older
    assert "<p>Green.</p>" not in older


@in_threads
def test_a_turn_of_another_branch_that_is_wanted_is_shown_and_nothing_changed(
    client, session, branched, answered
):
    url, old = reverse("session", args=[session.pk]), branched[0]
    parent = old
    for number in range(15):
        parent, before = answered(f"Question {number:02d}?"), parent
        Turn.objects.filter(pk=parent.pk).update(parent=before)

    theirs = client.get(url, {"turn": parent.pk}).content.decode()
    before = theirs.split("/turns/?")[1].split('"')[0].replace("&amp;", "&")
    older = client.get(f"{url}turns/?{before}", headers={"hx-request": "true"}).content.decode()

    assert "Question 14?" in theirs and "Question 04?" in theirs
    assert "<p>Green.</p>" in older and "Question 03?" in older
    for html in (theirs, older):
        assert "The green ones." not in html
    assert 'id="composer"' not in theirs and "hx-sse:connect" not in theirs
    assert f'value="{parent.seq}">Go on from here' in theirs
    session.refresh_from_db()
    assert session.tip == branched[1]
    client.post(reverse("branch", args=[session.pk]), {"turn": parent.seq})
    assert "Question 14?" in page(client, session)


def test_a_reader_of_a_share_reads_another_branch_with_its_passages(
    client, session, answered, index, citation
):
    old = answered()
    Session.objects.update(tip=answered("Which lamps?", "All."), is_branched=True)
    Session.objects.update(sharing=Session.Sharing.READ_ONLY)
    index.project = make_project("Elsewhere")
    index.save()
    client.force_login(make_user("colleague"))

    url = reverse("session", args=[session.pk])
    html = client.get(url, {"turn": old.pk}).content.decode()
    source = html.split('<a class="citation" href="')[1].split('"')[0].replace("&amp;", "&")

    assert "This is another way the session went." in html and "Go on from here" not in html
    assert "Its lamps are green." in client.get(source).content.decode()


def test_a_reader_of_a_share_is_led_to_the_other_ways_and_changes_nothing(
    client, session, branched
):
    def ways(html: str) -> list[str]:
        nav = html.split('<nav class="ways"')[1].split("</nav>")[0]
        assert "<button" not in nav
        return re.findall('href="(/chat/[^"]*)"', nav)

    url, (old, new) = reverse("session", args=[session.pk]), branched
    Session.objects.update(sharing=Session.Sharing.READ_ONLY)
    client.force_login(make_user("colleague"))

    there = ways(page(client, session))
    back = ways(client.get(there[0].partition("#")[0]).content.decode())

    assert there == [f"{url}?turn={old.pk}#turn-{old.pk}"]
    assert back == [f"{url}?turn={new.pk}#turn-{new.pk}"]
    session.refresh_from_db()
    assert session.tip == new


def test_a_question_that_would_fill_the_screen_is_scrolled_by_keys_too(client, session, answered):
    answered("Short?")
    answered("Which one? " * 300)

    html = page(client, session)

    assert html.count('-question" tabindex="0"') == 1


def test_a_change_of_the_question_on_a_page_of_its_own_is_posted_as_a_form(
    client, session, answered
):
    url = reverse("edit", args=[session.pk, answered().seq])

    alone = client.get(url).content.decode().split('class="question__edit"')[1]
    beside = client.get(url, headers={"hx-request": "true"}).content.decode()

    assert "hx-post" in beside and "hx-post" not in alone.split("</form>")[0]


def test_the_other_branch_is_chosen(client, session, branched):
    client.post(reverse("branch", args=[session.pk]), {"turn": branched[0].seq})

    session.refresh_from_db()
    assert session.tip == branched[0]


def test_a_reader_of_a_share_may_not_choose_what_is_read(client, session, branched):
    Session.objects.update(sharing=Session.Sharing.READ_ONLY)
    client.force_login(make_user("colleague"))

    response = client.post(reverse("branch", args=[session.pk]), {"turn": branched[0].seq})

    assert response.status_code == 404
    assert "The green ones." in page(client, session)


def test_an_answer_of_another_branch_is_still_there_to_copy(client, session, branched):
    html = client.get(reverse("answer", args=[session.pk, branched[0].seq])).content.decode()

    assert "Green." in html


def test_a_waiting_prompt_is_changed_and_taken_back_by_whoever_wrote_it_or_owns_the_session(
    client, session, reader, answered
):
    answered()
    Session.objects.update(sharing=Session.Sharing.QUERY)
    colleague = make_user("colleague")
    prompt = QueuedPrompt.objects.create(session=session, asked_by=colleague, prompt="And pens?")
    url = reverse("queue", args=[session.pk])
    change = {"change": prompt.pk, f"prompt-{prompt.pk}": "And pencils?"}
    client.force_login(make_user("passer-by"))
    client.post(url, change)
    prompt.refresh_from_db()
    assert prompt.prompt == "And pens?"

    client.force_login(colleague)
    again = client.post(url, change, headers={"hx-request": "true"}).content.decode()
    prompt.refresh_from_db()
    assert prompt.prompt == "And pencils?"
    assert f'hx-target="#queued-{prompt.pk}"' in again and "And pencils?" in again

    client.force_login(reader)
    client.post(url, {"remove": prompt.pk})
    assert not QueuedPrompt.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_without_script_a_question_that_is_sent_twice_is_asked_once(client, session, reader):
    turn = write_turn(session, UserInput("What colour?"))
    Turn.objects.update(lease_expires_at="2999-01-01T00:00Z")
    url = reverse("turns", args=[session.pk])
    begun = reverse("session", args=[session.pk]) + f"#turn-{turn.pk}"

    again = client.post(url, {"prompt": "What colour? "})
    begun_again = client.post(reverse("begin"), {"prompt": "What colour?", "index": ["idx-1"]})
    for _ in range(2):
        client.post(url, {"prompt": "And pens?"})
    Turn.objects.update(created_at=timezone.now() - timedelta(seconds=3))
    client.post(url, {"prompt": "What colour?"})

    assert again["Location"] == begun_again["Location"] == begun
    waiting = QueuedPrompt.objects.order_by("pk").values_list("prompt", flat=True)
    assert list(waiting) == ["And pens?", "What colour?"]


@in_threads
@pytest.mark.parametrize("state", ["running", "done"])
def test_without_script_an_answer_asked_for_twice_is_written_once(client, session, answered, state):
    old, new = answered(), answered()
    Turn.objects.filter(pk=new.pk).update(state=state, lease_expires_at="2999-01-01T00:00Z")
    url, instead = reverse("turns", args=[session.pk]), {"instead_of": old.seq}

    again = client.post(url, instead)
    other_words = client.post(url, instead | {"prompt": "Which lamps?"})

    assert again["Location"] == reverse("session", args=[session.pk]) + f"#turn-{new.pk}"
    assert Turn.objects.count() == (2 if state == "running" else 3)
    assert other_words.status_code == (409 if state == "running" else 302)


@in_threads
@pytest.mark.parametrize("script", [{}, {"hx-request": "true"}])
def test_who_has_asked_too_much_keeps_the_question_and_is_told_when(
    client, session, answered, reader, script
):
    answered()
    Turn.objects.update(asked_by=reader, created_at=timezone.now() - timedelta(minutes=50))
    Quota.objects.create(turns_per_hour=1)

    asked = {"prompt": "And what now?"}
    response = client.post(reverse("turns", args=[session.pk]), asked, headers=script)

    html = response.content.decode()
    assert response.status_code == 429
    assert "Your quota of questions within an hour (1) is used up. Try again in 10 minutes." in html
    assert script or "And what now?" in html
    assert Turn.objects.count() == 1


@pytest.mark.django_db(transaction=True)
async def test_a_page_is_told_what_has_changed_before_its_line_was_open(client, session):
    browser = AsyncClient()
    browser.cookies.load({name: one.value for name, one in client.cookies.items()})
    url = reverse("events", args=[session.pk])

    answer = await browser.get(url, headers={"hx-request": "true"})
    frames = aiter(answer.streaming_content)
    await anext(frames)
    told = (await anext(frames)).decode()
    await frames.aclose()

    assert '<hx-partial hx-target="#queue" hx-swap="innerMorph"></hx-partial>' in told
    assert '<hx-partial hx-target="#title" hx-swap="innerHTML">Lamps</hx-partial>' in told


def test_a_waiting_prompt_cannot_be_left_blank(client, session, reader, answered):
    answered()
    prompt = QueuedPrompt.objects.create(session=session, asked_by=reader, prompt="And pens?")

    response = client.post(
        reverse("queue", args=[session.pk]), {"change": prompt.pk, f"prompt-{prompt.pk}": " "}
    )

    assert response.status_code == 422
    prompt.refresh_from_db()
    assert prompt.prompt == "And pens?"


def test_a_word_on_an_answer_is_kept_shown_and_taken_back(client, session, reader, answered):
    turn = answered()
    url = reverse("feedback", args=[session.pk])

    client.post(url, {"bad": turn.seq})
    client.post(url, {"bad": turn.seq, "comment": "They are blue."})
    kept = Feedback.objects.get()
    html = page(client, session)
    client.post(url, {"none": turn.seq})

    assert (kept.user, kept.rating, kept.comment) == (reader, "bad", "They are blue.")
    assert "They are blue." in html
    assert not Feedback.objects.exists()


def test_nobody_sees_the_word_of_another(client, session, answered):
    turn = answered()
    client.post(
        reverse("feedback", args=[session.pk]), {"bad": turn.seq, "comment": "They are blue."}
    )
    Session.objects.update(sharing=Session.Sharing.READ_ONLY)
    client.force_login(make_user("colleague"))

    assert "They are blue." not in page(client, session)


def test_a_turn_of_another_session_is_not_reached_through_ones_own(client, session, answered):
    turn = answered()
    mine = Session.objects.create(project=session.project, owner=make_user("other"))
    client.force_login(mine.owner)

    for name in ("turn", "edit", "answer"):
        assert client.get(reverse(name, args=[mine.pk, turn.seq])).status_code == 404
    assert client.post(reverse("feedback", args=[mine.pk]), {"good": turn.seq}).status_code == 404


def test_five_hundred_turns_cost_no_more_queries_than_five(
    client, session, django_assert_num_queries
):
    for number in range(5):
        write_turn(session, *full_size(f"Question {number}?"))
    client.get(reverse("session", args=[session.pk]))
    with CaptureQueriesContext(connection) as few:
        html = page(client, session)
    first = session.turns.order_by("seq").first()
    events = list(first.events.order_by("seq"))
    seq = Event.objects.order_by("-seq").first().seq
    turns, rows = [], []
    for _ in range(495):
        seq += len(events)
        turns.append(
            Turn(
                session=session,
                asked_by=session.owner,
                seq=seq,
                state="done",
                index_ids=first.index_ids,
            )
        )
    Turn.objects.bulk_create(turns)
    for turn in session.turns.order_by("seq")[5:]:
        rows += [
            Event(
                session=session,
                turn=turn,
                seq=turn.seq + at,
                type=event.type,
                payload=event.payload,
                created_at=event.created_at,
            )
            for at, event in enumerate(events)
        ]
    Event.objects.bulk_create(rows)

    with django_assert_num_queries(len(few)):
        long = page(client, session)

    assert len(long) < 150_000
    assert long.count('class="turn"') == 10 > html.count('class="turn"')

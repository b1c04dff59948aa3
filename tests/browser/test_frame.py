"""The frame around the conversation in Chromium: the rail as it changes, sharing, the account."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import APIResponse, Browser, BrowserContext, Page, Route, expect

from tests.server import Server

DONE = '.turn[data-state="done"]'


@pytest.fixture
def context(browser: Browser, server: Server, signed_in) -> Iterator[BrowserContext]:
    context = browser.new_context(base_url=server.url, storage_state=signed_in)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


@pytest.fixture
def scriptless(browser: Browser, server: Server, signed_in) -> Iterator[Page]:
    context = browser.new_context(
        base_url=server.url, storage_state=signed_in, java_script_enabled=False
    )
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module")
def session(server: Server) -> str:
    """The id of a session that was begun by a program, never opened in a browser."""
    return begin(server, "What are the lamps like?")


def begin(server: Server, question: str) -> str:
    with server.api() as api:
        indexes = api.get("/indexes").raise_for_status().json()["items"]
        asked = {"index_ids": [indexes[0]["id"]]}
        session = api.post("/chat", json=asked).raise_for_status().json()["session_id"]
    ask(server, session, question)
    return session


def ask(server: Server, session: str, question: str) -> None:
    """As a program would; returns when the turn is over."""
    with server.api() as api:
        message = {"index_ids": [], "prompt": question}
        api.post(f"/chat/{session}/messages/stream", json=message).raise_for_status()


def row(page: Page, session: str):
    return page.locator(f"#row-{session}")


def test_a_turn_elsewhere_moves_its_row_to_the_top_and_marks_it_unread_until_it_is_read(
    context: BrowserContext, page: Page, server: Server, session: str
):
    page.goto(f"/chat/{session}/")
    expect(page.locator(DONE).last).to_be_visible()
    begin(server, "Something newer?")
    page.goto("/library/")
    expect(page.locator("#rail-today .row").first).not_to_have_id(f"row-{session}")

    ask(server, session, "And the pencils?")

    expect(page.locator("#rail-today .row").first).to_have_id(f"row-{session}")
    expect(row(page, session)).to_have_attribute("data-unread", "")
    other = context.new_page()
    other.goto(f"/chat/{session}/")
    expect(row(page, session)).not_to_have_attribute("data-unread", "")


def test_a_new_session_and_its_new_name_reach_another_tab(
    context: BrowserContext, page: Page, server: Server
):
    page.goto("/library/")
    session = begin(server, "Where is the door?")
    expect(row(page, session)).to_contain_text("Where is the door?")

    other = context.new_page()
    other.goto(f"/chat/{session}/details/")
    other.get_by_label("Title").fill("Doors")
    other.get_by_role("button", name="Rename", exact=True).click()

    expect(row(page, session)).to_contain_text("Doors")


def test_a_page_whose_scripts_come_late_has_missed_nothing(
    context: BrowserContext, page: Page, server: Server
):
    page.goto("/library/")
    other, held = context.new_page(), list[Route]()
    other.route("**/news-line*.js", lambda route: held.append(route))
    with other.expect_request("**/news-line*.js"):
        other.goto("/library/", wait_until="commit")
    session = begin(server, "Who is late?")
    expect(row(page, session)).to_contain_text("Who is late?")

    held[0].continue_()

    expect(row(other, session)).to_contain_text("Who is late?")


def test_a_hidden_tab_catches_up_when_it_is_looked_at(page: Page, server: Server, session: str):
    page.goto(f"/chat/{session}/")
    expect(page.locator(DONE).last).to_be_visible()
    page.goto("/library/")
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")

    ask(server, session, "Anyone there?")
    page.wait_for_timeout(500)
    expect(row(page, session)).not_to_have_attribute("data-unread", "")
    page.evaluate("Object.defineProperty(document, 'hidden', {value: false, configurable: true})")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

    expect(row(page, session)).to_have_attribute("data-unread", "")


def test_six_tabs_share_one_line_and_leave_room_for_a_question(
    context: BrowserContext, server: Server
):
    pages = [context.new_page() for _ in range(7)]
    for page in pages:
        page.goto("/")

    pages[0].fill("#prompt", "How do I connect Ollama?")
    pages[0].keyboard.press("Enter")

    expect(pages[0].locator(DONE)).to_be_visible()
    for page in pages:
        expect(page.locator("#rail-today .row").first).to_contain_text("How do I connect Ollama?")


def test_a_session_is_deleted_and_brought_back_on_every_page(
    context: BrowserContext, page: Page, server: Server
):
    session = begin(server, "Shall I stay?")
    page.goto("/")
    other = context.new_page()
    other.goto(f"/chat/{session}/")

    row(page, session).hover()
    row(page, session).locator(".row__more").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(row(other, session)).to_have_count(0)
    expect(other.get_by_role("alert").first).to_contain_text("was deleted")
    page.get_by_role("button", name="Undo", exact=True).click()

    expect(row(page, session)).to_be_visible()
    expect(row(other, session)).to_be_visible()


def test_what_comes_while_the_rail_is_asked_for_is_not_lost(page: Page, server: Server):
    session, another = begin(server, "Shall I go?"), begin(server, "Shall I come?")
    page.goto("/")
    expect(row(page, session)).to_be_visible()
    held = list[tuple[Route, APIResponse]]()
    page.route("**/rail/?rows=*", lambda route: held.append((route, route.fetch())), times=1)
    hear = "news => document.querySelector('news-line').hear(news)"
    with page.expect_request("**/rail/?rows=*"):
        page.evaluate(hear, {"kind": "rail"})

    page.evaluate(hear, {"kind": "session", "id": another})
    page.wait_for_timeout(400)
    with server.api() as api:
        api.delete(f"/chat/{session}").raise_for_status()
    page.wait_for_timeout(800)
    [(route, response)] = held
    route.fulfill(response=response)

    expect(row(page, session)).to_have_count(0)


COLLECTOR = """
from datetime import timedelta
from django.utils import timezone
from tests.factories import make_session, make_user
user = make_user("collector", password="reading room")
for number in range(130):
    used = timezone.now() - timedelta(hours=number)
    make_session(user, title=f"Session {number:03d}", last_used_at=used)
"""


def test_the_rows_that_were_loaded_stay_when_the_list_changes(browser: Browser, server: Server):
    server.manage("shell", "--verbosity", "0", "-c", COLLECTOR)
    context = browser.new_context(base_url=server.url)
    page = context.new_page()
    page.goto("/library/")
    page.fill("[name=username]", "collector")
    page.fill("[name=password]", "reading room")
    page.get_by_role("button", name="Sign in", exact=True).click()
    rows = page.locator("#sessions .row")
    expect(rows).to_have_count(50)
    asked: list[Route] = []
    page.route("**/rail/?rows=*", lambda route: asked.append(route), times=1)
    with page.expect_request("**/rail/?rows=*"):
        page.evaluate("document.dispatchEvent(new Event('rail-changed'))")
    page.locator("#sessions").evaluate("list => { list.scrollTop = list.scrollHeight; }")
    expect(rows).to_have_count(100)
    with page.expect_response("**/rail/?rows=100"):
        asked[0].continue_()
    for count in (100, 130):
        page.locator("#sessions").evaluate("list => { list.scrollTop = list.scrollHeight; }")
        expect(rows).to_have_count(count)
    far = rows.filter(has_text="Session 120")
    far.scroll_into_view_if_needed()
    far.hover()
    far.locator(".row__more").click()

    page.get_by_role("button", name="Put into the archive", exact=True).click()

    expect(rows).to_have_count(129)
    expect(far).to_have_count(0)
    expect(rows.filter(has_text="Session 121")).to_be_in_viewport()
    near = rows.filter(has_text="Session 119")
    near.hover()
    near.locator(".row__more").click()
    page.get_by_role("button", name="Pin", exact=True).click()
    expect(page.locator("[data-fixed] .row")).to_contain_text("Session 119")
    expect(rows).to_have_count(129)
    context.close()


def test_sharing_is_one_choice_and_tells_who_came(page: Page, session: str):
    page.goto(f"/chat/{session}/")
    page.get_by_role("link", name="Share", exact=True).click()
    page.get_by_label("Can read").check()

    expect(page.get_by_label("Link", exact=True)).to_have_value(re.compile(f"/chat/{session}/$"))
    expect(page.get_by_label("Can read")).to_be_focused()
    expect(page.locator("#sheet")).to_contain_text("Nobody else has opened it yet.")
    page.get_by_role("button", name="Stop sharing", exact=True).click()
    expect(page.get_by_label("Private")).to_be_checked()
    page.keyboard.press("Escape")

    expect(page.locator("#sheet")).to_be_hidden()
    expect(page.get_by_role("link", name="Share", exact=True)).to_be_visible()
    expect(row(page, session)).not_to_contain_text("Shared")


def test_a_sync_that_somebody_else_begins_is_seen_on_the_open_page(page: Page, server: Server):
    page.goto("/library/")
    page.locator(".shelf__link").first.click()
    expect(page.locator(".state .badge").first).to_have_text("Ready")
    page.locator("#state").evaluate("state => { state.dataset.old = 'yes' }")
    index = page.url.rstrip("/").rpartition("/")[2]

    with server.api() as api:
        api.post(f"/indexes/{index}/sync").raise_for_status()

    expect(page.locator("#state")).not_to_have_attribute("data-old", "yes")


def test_without_script_a_session_is_renamed_pinned_put_away_deleted_and_brought_back(
    scriptless: Page, server: Server
):
    page = scriptless
    session = begin(server, "Quietly?")
    page.goto(f"/chat/{session}/details/")
    page.get_by_label("Title").fill("Whispers")
    page.get_by_role("button", name="Rename", exact=True).click()
    page.goto(f"/chat/{session}/details/")
    page.get_by_role("button", name="Pin", exact=True).click()
    expect(page.locator("[data-fixed] .row", has_text="Whispers")).to_be_visible()
    page.goto(f"/chat/{session}/details/")
    page.get_by_role("button", name="Put into the archive", exact=True).click()
    expect(row(page, session)).to_have_count(0)
    page.goto("/archive/")
    page.locator(".row", has_text="Whispers").get_by_role(
        "button", name="Take out", exact=True
    ).click()
    expect(row(page, session)).to_be_visible()
    page.goto(f"/chat/{session}/details/")

    page.get_by_role("button", name="Delete", exact=True).click()
    expect(row(page, session)).to_have_count(0)
    page.get_by_role("button", name="Undo", exact=True).click()

    expect(row(page, session)).to_be_visible()


def test_without_script_the_language_is_chosen_and_a_key_made_and_revoked(scriptless: Page):
    page = scriptless
    page.goto("/account/")
    page.get_by_label("Language", exact=True).select_option("de")
    page.locator("form", has=page.get_by_label("Language", exact=True)).get_by_role(
        "button"
    ).click()
    expect(page.locator("h1")).to_have_text("Ihr Konto")
    page.get_by_label("Sprache", exact=True).select_option("")
    page.locator("form", has=page.get_by_label("Sprache", exact=True)).get_by_role("button").click()
    expect(page.locator("h1")).to_have_text("Your account")

    page.get_by_label("What it is for").fill("Short-lived")
    page.get_by_role("button", name="Make a key", exact=True).click()
    expect(page.locator("#secret")).to_contain_text("crl-")
    page.get_by_role("button", name="Revoke “Short-lived”", exact=True).click()

    expect(page.get_by_role("region", name="API keys")).to_be_visible()
    expect(page.get_by_role("region", name="API keys")).not_to_contain_text("Short-lived")


def test_the_theme_follows_the_person_to_another_browser(
    browser: Browser, server: Server, signed_in, page: Page
):
    page.goto("/")
    with page.expect_response("**/theme/"):
        page.get_by_role("button", name="Switch between light and dark", exact=True).click()
    theme = page.locator("html").get_attribute("data-theme") or ""

    context = browser.new_context(base_url=server.url, storage_state=signed_in)
    other = context.new_page()
    other.goto("/account/")
    expect(other.locator("html")).to_have_attribute("data-theme", theme)
    other.get_by_label("Colours").select_option("")
    other.locator("form", has=other.get_by_label("Colours")).get_by_role("button").click()

    expect(other.locator("html[data-theme]")).to_have_count(0)
    context.close()


def test_the_page_tells_the_server_its_time_zone(browser: Browser, server: Server):
    context = browser.new_context(base_url=server.url, timezone_id="Pacific/Kiritimati")
    context.new_page().goto("/")

    cookies = {cookie.get("name"): cookie.get("value") for cookie in context.cookies()}

    assert cookies["timezone"] == "Pacific%2FKiritimati"
    context.close()

"""An answer in Chromium that nothing breaks: reloads, tabs, lost lines, a server that dies."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, StorageState, expect

from tests.browser.line import line_to
from tests.server import Server
from tests.stand_in.fixture import StandIn

DONE = '.turn[data-state="done"]'
RUNNING = '.turn[data-state="running"]'
TOKENS = 120


@pytest.fixture(scope="module")
def carrel(start_server: Callable[..., Server], stand_in_process: StandIn) -> Server:
    return start_server(LLM_BASE_URL=stand_in_process.url, LLM_MODEL="stand-in")


@pytest.fixture(scope="module")
def cookies(browser: Browser, carrel: Server) -> StorageState:
    context = browser.new_context(base_url=carrel.url)
    page = context.new_page()
    page.goto("/")
    page.fill("[name=username]", carrel.username)
    page.fill("[name=password]", carrel.password)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.locator("#prompt")).to_be_visible()
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def context(browser: Browser, carrel: Server, cookies: StorageState) -> Iterator[BrowserContext]:
    context = browser.new_context(base_url=carrel.url, storage_state=cookies)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    page = context.new_page()
    page.goto("/")
    return page


def ask(page: Page, question: str = "How do I connect Ollama?") -> None:
    page.fill("#prompt", question)
    page.keyboard.press("Enter")


def shows_word(page: Page, number: int) -> None:
    expect(page.locator(".answer").last).to_contain_text(f"t{number:06d}")


def shows_all(page: Page) -> None:
    """The whole answer: each word once, in order."""
    expect(page.locator(DONE)).to_be_visible()
    words = page.locator(".answer").last.inner_text().split()
    assert words == [f"t{number:06d}" for number in range(TOKENS)]


def test_ten_reloads_in_mid_answer_lose_nothing(page: Page, stand_in: StandIn):
    stand_in.say(tokens=TOKENS, rate=10)

    ask(page)
    expect(page).to_have_url(re.compile(r"/chat/ses-\w+/$"))
    expect(page.locator(RUNNING)).to_be_visible()
    for _ in range(10):
        page.reload()
        expect(page.locator(".turn")).to_have_count(1)

    shows_all(page)


def test_a_network_that_goes_and_comes_back_loses_nothing(
    page: Page, carrel: Server, stand_in: StandIn
):
    stand_in.say(tokens=TOKENS, rate=40, hold=60)
    with line_to(carrel.port) as line:
        page.goto(line.url)

        ask(page)
        shows_word(page, 10)
        line.cut()
        expect(page.get_by_role("status").filter(has_text="Reconnecting")).to_be_visible()
        stood_at = page.locator(".answer").inner_text()
        stand_in.go_on()
        line.mend()

        assert f"t{TOKENS - 1:06d}" not in stood_at
        shows_all(page)


def test_a_page_whose_first_line_does_not_come_asks_for_it_again(page: Page, stand_in: StandIn):
    refusals: list[Callable[[Route], None]] = [
        lambda line: line.fulfill(status=503),
        lambda line: line.abort("connectionrefused"),
    ]
    page.route("**/events/*", lambda line: refusals.pop()(line) if refusals else line.continue_())
    stand_in.say(tokens=TOKENS, rate=200)

    ask(page)

    shows_all(page)
    assert refusals == []
    expect(page.locator("#line")).to_be_hidden()


def test_a_slow_line_that_drops_shows_every_word(
    context: BrowserContext, page: Page, carrel: Server, stand_in: StandIn
):
    stand_in.say(tokens=TOKENS, rate=20)
    tab = context.new_cdp_session(page)
    tab.send("Network.enable")
    slow = {"latency": 200, "downloadThroughput": 20_000, "uploadThroughput": 20_000}
    with line_to(carrel.port) as line:
        page.goto(line.url)
        tab.send("Network.emulateNetworkConditions", {"offline": False, **slow})

        ask(page)
        for number in (5, 20, 40, 60):
            shows_word(page, number)
            line.drop()

        shows_all(page)


def test_the_other_tab_stops_it(context: BrowserContext, page: Page, stand_in: StandIn):
    stand_in.say(tokens=2000, rate=20)

    ask(page)
    shows_word(page, 3)
    other = context.new_page()
    other.goto(page.url)
    shows_word(other, 3)
    other.get_by_role("button", name="Stop", exact=True).click()

    for one in (page, other):
        expect(one.locator(RUNNING)).to_have_count(0)
        shows_word(one, 3)
        expect(one.get_by_role("button", name="Send", exact=True)).to_be_visible()
    stand_in.wait_until(open=0)
    assert page.locator(".answer").inner_text() == other.locator(".answer").inner_text()


def test_a_server_that_dies_in_mid_answer_leaves_what_was_written_and_goes_on(
    page: Page, carrel: Server, stand_in: StandIn
):
    stand_in.say({"tokens": 2000, "rate": 20}, {"tokens": TOKENS, "again": True})

    ask(page)
    shows_word(page, 20)  # so that five are saved
    carrel.kill("web")
    carrel.start("web")

    expect(page.locator('.turn[data-state="failed"]')).to_be_visible()
    expect(page.locator(".turn .notice--error")).to_contain_text("interrupted")
    shows_word(page, 5)
    watched = page.locator(".answer").inner_text()
    ask(page, "And now?")
    shows_all(page)
    page.reload()
    assert page.locator(".answer").first.inner_text() == watched
    shows_all(page)

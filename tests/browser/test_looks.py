"""What holds on every page: axe is silent, nothing is cut off or moves, little is loaded."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.axe import violations
from tests.browser.fit import lost, moving

# The third is a small screen at 200 %; axe looks at the last.
SCREENS = [(320, 640), (390, 844), (640, 400), (800, 800), (2560, 1440), (1440, 800)]
A4 = (794, 1123)  # pixels
SCREEN_ONLY = ".rail, .dock, .menu, .sheet, .toast, .skip-link, .turn__foot, .bar__menu, .drop"
PAGES = ["/", "/library/", "/search/?q=ollama", "/chat/none/", "session", "source", "index", "menu"]
PAGES += ["sheet", "document", "passages", "source page", "/account/", "/archive/"]


@pytest.fixture(scope="module")
def session_url(browser: Browser, server, signed_in) -> str:
    context = browser.new_context(base_url=server.url, storage_state=signed_in)
    page = context.new_page()
    page.goto("/library/")
    page.locator(".shelf__link", has_text="Carrel handbook").click()
    expect(page.locator(".state .badge").first).to_have_text("Ready", timeout=60_000)
    page.get_by_role("link", name="Ask it").click()
    page.fill("#prompt", "How do I connect Ollama?")
    page.keyboard.press("Enter")
    expect(page.locator('.turn[data-state="done"]')).to_be_visible()
    url = page.url
    context.close()
    return url


def open_page(page: Page, name: str, session_url: str) -> None:
    if name == "session":
        page.goto(session_url)
        page.locator(".trace summary").click()
    elif name == "source":
        page.goto(session_url)
        page.locator(".answer a.citation").first.click()
        expect(page.locator("#passage")).to_be_visible()
    elif name == "menu":
        page.goto(session_url)
        page.locator('.bar [hx-target="#details"]').click()
        expect(page.get_by_role("button", name="Rename", exact=True)).to_be_visible()
    elif name == "sheet":
        page.goto(session_url)
        page.get_by_role("link", name="Share", exact=True).click()
        expect(page.get_by_label("Can read")).to_be_visible()
    elif name == "index":
        page.goto("/library/")
        page.locator(".shelf__link").first.click()
        expect(page.locator("tbody tr").first).to_be_visible()
    elif name in ("document", "passages"):
        open_page(page, "index", session_url)
        page.get_by_role("link", name="connecting-a-model.md", exact=True).click()
        if name == "passages":
            page.get_by_role("link", name="All in a list").click()
        expect(page.locator(".chunks" if name == "passages" else ".document")).to_be_visible()
    elif name == "source page":
        page.goto(session_url)
        page.goto(page.locator(".answer a.citation").first.get_attribute("href") or "")
    else:
        page.goto(name)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_every_screen_and_axe_finds_nothing(page: Page, session_url: str, name: str):
    page.emulate_media(reduced_motion="reduce")
    open_page(page, name, session_url)

    lacking = {screen: lost_at(page, *screen) for screen in SCREENS}
    in_motion = moving(page)
    found = {scheme: violations(page, scheme) for scheme in ("light", "dark")}
    page.emulate_media(media="print")

    assert {screen: words for screen, words in lacking.items() if words} == {}
    assert in_motion == []
    assert found == {"light": [], "dark": []}
    assert lost_at(page, *A4) == []
    assert page.locator(SCREEN_ONLY).filter(visible=True).count() == 0
    assert page.evaluate(UNPRINTED) <= 0


# How much of the page is longer than what is printed of it.
UNPRINTED = """() => document.querySelector("main").scrollHeight
  - document.documentElement.scrollHeight"""


def lost_at(page: Page, width: int, height: int) -> list[str]:
    page.set_viewport_size({"width": width, "height": height})
    wide = page.evaluate("document.documentElement.scrollWidth")
    return lost(page) + ([f"{wide} pixels wide"] if wide > width else [])


FIRST_LINE = """answer => {
  const paragraph = document.createElement("p");
  paragraph.textContent = "The reading room opens at nine, and its lamps are green. ".repeat(9);
  answer.append(paragraph);
  const range = document.createRange();
  range.setStart(paragraph.firstChild, 0);
  for (let end = 1; ; end += 1) {
    range.setEnd(paragraph.firstChild, end);
    if (range.getClientRects().length > 1) return end - 1;
  }
}"""
NAMES = """chosen => {
  const name = chosen.firstElementChild;
  name.textContent = "Papers of the Society of Friends";
  for (let more = 0; more < 6; more += 1) chosen.append(name.cloneNode(true));
}"""
ROOMY = "chosen => [...chosen.children].filter((name) => name.clientWidth > 40).length"


def test_a_line_of_an_answer_holds_about_seventy_letters(page: Page, session_url: str):
    page.goto(session_url)

    assert 66 <= page.locator(".answer").evaluate(FIRST_LINE) <= 74


def test_the_names_of_many_indexes_stay_on_one_line(page: Page):
    page.goto("/")
    chosen = page.locator(".picker__chosen")
    one = page.locator(".composer__tools").bounding_box()

    chosen.evaluate(NAMES)
    shown = {}
    for width in (1440, 390, 320):
        page.set_viewport_size({"width": width, "height": 800})
        shown[width] = chosen.evaluate(ROOMY)
        many = page.locator(".composer__tools").bounding_box()
        assert one and many and many["height"] == one["height"]

    assert shown == {1440: 3, 390: 1, 320: 1}
    assert lost(page) == []


def test_the_first_visit_to_a_chat_loads_less_than_a_hundred_kilobytes(page: Page, session_url):
    loaded = []
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.on("Network.loadingFinished", lambda one: loaded.append(one["encodedDataLength"]))

    page.goto(session_url, wait_until="load")
    page.wait_for_timeout(500)

    assert 0 < sum(loaded) < 100_000


def test_no_script_or_style_is_refused_by_the_policy(page: Page, session_url):
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))

    pages = ["/", "session", "source", "source page", "menu", "sheet", "index", "document"]
    for name in [*pages, "/account/", "/search/?q=ollama", "/archive/"]:
        open_page(page, name, session_url)

    assert said == []

"""What holds on every page: axe is silent, nothing is wider than the screen, little is loaded."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.axe import violations

WIDTHS = [320, 390, 800, 2560, 1440]  # axe looks at the last one
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
        expect(page.get_by_role("button", name="Rename")).to_be_visible()
    elif name == "sheet":
        page.goto(session_url)
        page.get_by_role("link", name="Share").click()
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

    widths = {width: width_at(page, width) for width in WIDTHS}
    found = {scheme: violations(page, scheme) for scheme in ("light", "dark")}

    assert {width: wide for width, wide in widths.items() if wide > width} == {}
    assert found == {"light": [], "dark": []}


def width_at(page: Page, width: int) -> int:
    """How wide the page is on a screen of this width."""
    page.set_viewport_size({"width": width, "height": 800})
    return page.evaluate("document.documentElement.scrollWidth")


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

    for name in ("/", "session", "source", "menu", "sheet", "index", "/account/"):
        open_page(page, name, session_url)

    assert said == []

"""The administrator's pages in Chromium: readable by everyone, on every screen."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

PAGES = [
    "/admin/",
    "/admin/chat/session/",
    "session",
    "/admin/chat/index/",
    "index",
    "/admin/admin/logentry/",
]


# Django's own inline tables have an empty heading, its tooltips a label nobody hears.
OF_DJANGO = {"empty-table-header", "aria-prohibited-attr"}


@pytest.fixture(scope="module")
def asked(browser: Browser, server, signed_in) -> None:
    """One question of the administrator's own, answered."""
    context = browser.new_context(base_url=server.url, storage_state=signed_in)
    page = context.new_page()
    page.goto("/")
    page.fill("#prompt", "How do I connect Ollama?")
    page.keyboard.press("Enter")
    expect(page.locator('.turn[data-state="done"]')).to_be_visible(timeout=30_000)
    context.close()


def open_page(page: Page, name: str) -> None:
    if name.startswith("/"):
        page.goto(name)
        return
    page.goto(f"/admin/chat/{name}/")
    page.locator("#result_list tbody th a").first.click()
    page.wait_for_url("**/change/**")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_and_nothing_is_refused(
    browser: Browser, server, signed_in, asked, name, scheme
):
    context = browser.new_context(
        base_url=server.url, storage_state=signed_in, color_scheme=scheme, reduced_motion="reduce"
    )
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    open_page(page, name)

    refused = [*said]  # by the content policy; axe brings styles of its own
    found = Axe().run(page).response["violations"]

    faults = [(one["id"], [node["html"] for node in one["nodes"]]) for one in found]
    assert [fault for fault in faults if fault[0] not in OF_DJANGO] == []
    assert refused == []
    context.close()


@pytest.mark.parametrize("width", [320, 390, 1440])
def test_the_first_page_is_no_wider_than_the_screen(page: Page, asked, width):
    page.set_viewport_size({"width": width, "height": 800})

    page.goto("/admin/")

    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_bar_leads_to_the_questions_of_its_day(page: Page, asked):
    page.goto("/admin/")

    page.locator(".plot a").last.click()

    expect(page.locator("#result_list tbody tr").first).to_be_visible()

"""The administrator's pages in Chromium: readable by everyone, on every screen."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.axe import violations

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
    expect(page.locator('.turn[data-state="done"]')).to_be_visible()
    context.close()


def open_page(page: Page, name: str) -> None:
    if name.startswith("/"):
        page.goto(name)
        return
    page.goto(f"/admin/chat/{name}/")
    page.locator("#result_list tbody th a").first.click()
    page.wait_for_url("**/change/**")


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_and_nothing_is_refused(page: Page, asked, name: str):
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.emulate_media(reduced_motion="reduce")
    open_page(page, name)

    refused = [*said]  # by the content policy; axe brings styles of its own
    found = violations(page, "light") + violations(page, "dark")

    assert refused == []
    assert [fault for fault in found if fault[0] not in OF_DJANGO] == []


def test_the_first_page_is_no_wider_than_the_screen_and_a_bar_leads_to_its_day(page: Page, asked):
    page.goto("/admin/")

    for width in (320, 390, 1440):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator(".plot a").last.click()

    expect(page.locator("#result_list tbody tr").first).to_be_visible()

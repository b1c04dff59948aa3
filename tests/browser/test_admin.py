"""The administrator's pages in Chromium: readable by everyone, on every screen."""

from typing import Literal

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


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_and_nothing_is_refused(page: Page, asked, name: str):
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.emulate_media(reduced_motion="reduce")
    open_page(page, name)

    refused = [*said]  # by the content policy; axe brings styles of its own
    found = {scheme: violations(page, scheme) for scheme in ("light", "dark")}

    assert refused == []
    assert found == {"light": [], "dark": []}


def violations(page: Page, scheme: Literal["light", "dark"]) -> list[tuple[str, list[str]]]:
    page.emulate_media(color_scheme=scheme)
    found = Axe().run(page).response["violations"]
    faults = [(one["id"], [node["html"] for node in one["nodes"]]) for one in found]
    return [fault for fault in faults if fault[0] not in OF_DJANGO]


def test_the_first_page_is_no_wider_than_the_screen_and_a_bar_leads_to_its_day(page: Page, asked):
    page.goto("/admin/")

    for width in (320, 390, 1440):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator(".plot a").last.click()

    expect(page.locator("#result_list tbody tr").first).to_be_visible()

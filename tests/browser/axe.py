"""What axe finds on a page as it is shown in light and in dark."""

from typing import Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

# Colours that are still on their way from the other scheme are nobody's fault.
SETTLED = """async () => {
    await new Promise(requestAnimationFrame);
    const moving = document.getAnimations().filter((one) => one instanceof CSSTransition);
    await Promise.allSettled(moving.map((one) => one.finished));
}"""


def violations(page: Page, scheme: Literal["light", "dark"]) -> list[tuple[str, list[str]]]:
    """The rules that the page breaks, each with the HTML that does."""
    page.emulate_media(color_scheme=scheme)
    page.evaluate(SETTLED)
    found = Axe().run(page).response["violations"]
    return [(one["id"], [node["html"] for node in one["nodes"]]) for one in found]

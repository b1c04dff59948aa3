"""What an answer points at, beside it: pages, passages, tabs; and the answer taken along."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.axe import violations
from tests.retrieval.samples import docx, pdf

LEAFLET = [
    ["The catalogue of the reading room is kept in walnut drawers.", "It was begun by Ada."],
    ["The observatory clock was wound by hand every Thursday.", "Its pendulum is of brass."],
]
ROSES = """# Roses

The climbing rose flowers at the south gate in early June.

The area of a bed is

$$A = \\pi r^2$$

| rose | colour |
|------|--------|
| Alba | white  |
"""
FILES = {
    "leaflet.pdf": pdf(LEAFLET),
    "roses.md": ROSES.encode(),
    "page.html": b"<h1>Bees</h1><p>The hive behind the orchard was painted blue.</p>",
    "letter.docx": docx([("", "The letter of the gardener praises the walled kitchen garden.")]),
    "visits.csv": b"month,visitors\nMay,420\nJune,871\n",
    "notes.txt": b"The old well has been dry since the drought.\n",
}


@pytest.fixture(scope="module")
def context(browser: Browser, server, signed_in) -> Iterator[BrowserContext]:
    context = browser.new_context(
        base_url=server.url,
        storage_state=signed_in,
        permissions=["clipboard-read", "clipboard-write"],
    )
    yield context
    context.close()


@pytest.fixture(scope="module")
def library(context: BrowserContext) -> str:
    """The address of an index of one file of each kind."""
    page = context.new_page()
    page.goto("/library/")
    page.locator("summary", has_text="New index").click()
    page.get_by_label("Name", exact=True).fill("Sources")
    page.get_by_role("button", name="Create", exact=True).click()
    page.set_input_files(
        "#files",
        files=[
            {"name": name, "mimeType": "application/octet-stream", "buffer": content}
            for name, content in FILES.items()
        ],
    )
    expect(page.locator('tbody .badge[data-state="ready"]')).to_have_count(
        len(FILES), timeout=90_000
    )
    url = page.url
    page.close()
    return url


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    page = context.new_page()
    yield page
    page.close()


@pytest.fixture
def answered(page: Page, library: str) -> Page:
    """The clock's question answered, beside its source."""
    page.goto(library)
    page.get_by_role("link", name="Ask it").click()
    page.fill("#prompt", "When was the observatory clock wound by hand?")
    page.keyboard.press("Enter")
    expect(page.locator('.turn[data-state="done"] .answer')).to_contain_text("Thursday")
    return page


def test_a_pdf_opens_at_the_page_cited_with_the_passage_boxed(answered: Page):
    answered.locator(".answer a.citation").first.click()
    leaf = answered.locator("#pane .leaf__page")

    expect(answered.locator("#pane")).to_contain_text("Page 2 of 2")
    assert leaf.evaluate("image => image.decode().then(() => image.naturalWidth)") > 400
    expect(answered.locator("#pane .leaf__marks rect").first).to_be_visible()

    answered.get_by_role("link", name="Previous page").click()
    expect(answered.locator("#pane")).to_contain_text("Page 1 of 2")
    answered.locator("#pane").get_by_role("link", name="Text").click()
    expect(answered.locator("#pane mark.cited, #pane .cited").first).to_contain_text("clock")


def test_going_back_leaves_the_card_and_the_pane_at_work(answered: Page):
    requests: list[str] = []
    answered.get_by_role("link", name="New chat").first.click()
    expect(answered.locator(".answer")).to_have_count(0)
    answered.go_back()
    citation = answered.locator(".answer a.citation").first
    answered.on("request", lambda request: requests.append(request.url))

    citation.hover()
    expect(answered.locator("#card")).to_contain_text("Thursday")
    citation.click()
    expect(answered.locator("#pane")).to_contain_text("Page 2 of 2")

    sources = ["view=card" in url for url in requests if "/sources/" in url and ".svg" not in url]
    assert sources == [True, False]


def test_what_was_only_found_is_under_a_tab_of_its_own(answered: Page):
    answered.locator(".answer a.citation").first.click()
    tabs = answered.get_by_label("Passages of this answer")

    expect(tabs.get_by_role("link", name="Cited")).to_have_attribute("aria-current", "true")
    tabs.get_by_role("link", name="Also found").click()
    expect(tabs.get_by_role("link", name="Also found")).to_have_attribute("aria-current", "true")
    other = tabs.locator(".tabs__places a").first
    name = other.locator(".chip__name").inner_text()
    other.click()

    expect(tabs.locator('.tabs__places [aria-current="true"]')).to_contain_text(name)
    expect(answered.locator("#pane #passage")).to_be_visible()
    expect(answered.locator(".sources a")).to_have_count(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_the_pane_and_the_menu(answered: Page, scheme):
    answered.emulate_media(reduced_motion="reduce")
    answered.locator(".answer a.citation").first.click()
    expect(answered.locator("#pane .tabs")).to_be_visible()
    answered.get_by_label("Copy the answer").click()

    assert violations(answered, scheme) == []
    answered.set_viewport_size({"width": 320, "height": 700})
    assert answered.evaluate("document.documentElement.scrollWidth") <= 320


@pytest.mark.parametrize(
    ("name", "selector", "words"),
    [
        ("roses.md", ".document table", "Alba"),
        ("page.html", ".document", "painted blue"),
        ("letter.docx", ".document p", "kitchen garden"),
        ("visits.csv", ".document table", "871"),
        ("notes.txt", ".document pre", "old well"),
    ],
)
def test_every_kind_of_document_is_shown_as_it_reads(page: Page, library, name, selector, words):
    page.goto(library)
    page.get_by_role("link", name=name, exact=True).click()

    expect(page.locator(selector).first).to_contain_text(words)


def test_a_formula_takes_the_room_that_it_needs(page: Page, library):
    page.goto(library)
    page.get_by_role("link", name="roses.md", exact=True).click()

    box = page.locator(".formula math msup").bounding_box()

    assert box is not None and box["height"] > 10


def clipboard(page: Page, kind: str) -> str:
    return page.evaluate(
        "kind => navigator.clipboard.read().then(([item]) => item.types.includes(kind)"
        " ? item.getType(kind).then((blob) => blob.text()) : '')",
        kind,
    )


def test_an_answer_is_copied_in_three_ways(answered: Page):
    def copy(way: str) -> None:
        answered.locator("#status").evaluate("line => { line.textContent = ''; }")
        answered.get_by_label("Copy the answer").click()
        answered.get_by_role("button", name=way).click()
        expect(answered.locator("#status")).to_have_text("Copied")
        expect(answered.locator(".copying[data-copied]")).to_have_count(0)

    copy("As rich text")
    html = clipboard(answered, "text/html")
    copy("As Markdown")
    markdown = clipboard(answered, "text/plain")
    copy("As plain text")
    plain = clipboard(answered, "text/plain")

    assert f'href="{answered.url.split("/chat/")[0]}/chat/' in html
    assert "[1]" in markdown and "leaflet.pdf" in markdown
    assert "Thursday" in plain and "[1]" not in plain
    assert clipboard(answered, "text/html") == ""

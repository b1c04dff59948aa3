"""Documents put in by hand, in Chromium."""

import re

from playwright.sync_api import Page, expect


def test_a_file_dropped_into_a_new_index_answers_a_question(page: Page):
    page.goto("/library/")
    page.locator("summary", has_text="New index").click()
    page.get_by_label("Name", exact=True).fill("Garden")
    page.get_by_role("button", name="Create").click()
    expect(page.locator("h1")).to_have_text("Garden")

    page.set_input_files(
        "#files",
        files=[
            {
                "name": "roses.md",
                "mimeType": "text/markdown",
                "buffer": b"# Roses\n\nThe old rose is pruned in the last week of February.\n",
            },
            {"name": "broken.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.4 not really"},
        ],
    )
    page.get_by_role("button", name="Upload").click()

    rose = page.locator("tr", has_text="roses.md")
    expect(rose).to_contain_text("Ready", timeout=60_000)
    expect(page.locator("tr", has_text="broken.pdf")).to_contain_text("Could not be read")
    page.get_by_role("link", name="Ask it").click()
    page.fill("#prompt", "When is the old rose pruned?")
    page.keyboard.press("Enter")
    expect(page.locator(".answer")).to_contain_text("February", timeout=30_000)
    page.locator(".answer a.citation").first.click()
    expect(page.locator("#pane #passage")).to_be_in_viewport()


def test_a_file_of_the_same_name_takes_the_place_of_the_old_one(page: Page):
    page.goto("/library/")
    page.locator("summary", has_text="New index").click()
    page.get_by_label("Name", exact=True).fill("Twice")
    page.get_by_role("button", name="Create").click()
    for text in (b"The first version.", b"The second version."):
        page.set_input_files(
            "#files", files=[{"name": "note.md", "mimeType": "text/markdown", "buffer": text}]
        )
        page.get_by_role("button", name="Upload").click()
        expect(page.locator(".notice--success")).to_contain_text("1 file was added")
        expect(page.locator(".state__line .badge")).to_have_text("Ready", timeout=60_000)

    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name=re.compile("note.md")).click()

    expect(page.locator(".document")).to_have_text("The second version.")

"""Documents put in by hand, in Chromium."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect


@pytest.fixture
def empty(page: Page) -> Page:
    """A new index, its page open."""
    make_index(page)
    return page


def make_index(page: Page, name: str = "Garden") -> None:
    page.goto("/library/")
    page.locator("summary", has_text="New index").click()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.locator("h1")).to_have_text(name)


def test_a_folder_is_sent_file_by_file_and_its_paths_are_kept(empty: Page, tmp_path: Path):
    for name in ("box/roses/old.md", "box/roses/new.md", "box/soil.md", "box/.hidden"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}\n\nThe soil is turned in March.")

    empty.set_input_files("#folder", tmp_path / "box")

    expect(empty.locator('.upload[data-state="done"]')).to_have_count(3)
    expect(empty.locator(".drop__tally")).to_have_text("3 of 3 sent")
    expect(empty.locator("tbody tr")).to_have_count(3)
    expect(empty.locator("tbody tr", has_text="box/roses/old.md")).to_contain_text(
        "Ready", timeout=60_000
    )


def drop(page: Page, *paths: Path) -> None:
    """As a hand drags them from its desktop onto the page."""
    box = page.locator("drop-zone").bounding_box()
    assert box is not None
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    hand = page.context.new_cdp_session(page)
    for move in ("dragEnter", "dragOver", "drop"):
        place = {"x": box["x"] + 20, "y": box["y"] + 20}
        hand.send("Input.dispatchDragEvent", {"type": move, **place, "data": data})


def test_a_folder_and_a_file_are_dropped_together(empty: Page, tmp_path: Path):
    names = [f"attic/boxes/{number:03d}.md" for number in range(120)]  # more than one reading
    for name in (*names, "attic/stairs.md", "attic/.git/config", "door.md"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}\n\nThe stairs were painted in March.")
    (tmp_path / "attic/empty").mkdir()

    drop(empty, tmp_path / "attic", tmp_path / "door.md")

    expect(empty.locator(".drop__tally")).to_have_text("122 of 122 sent", timeout=60_000)
    expect(empty.locator("drop-zone[data-over]")).to_have_count(0)
    sent = empty.locator(".upload__name").all_text_contents()
    assert sorted(sent) == [*names, "attic/stairs.md", "door.md"]
    empty.goto(f"{empty.url}?q=stairs")
    expect(empty.locator("tbody tr")).to_contain_text("attic/stairs.md")


def test_an_upload_is_cancelled_and_tried_again_and_few_go_at_once(empty: Page):
    held: list[Route] = []
    empty.route("**/files/", lambda route: held.append(route))
    files = [
        {"name": f"{number}.md", "mimeType": "text/markdown", "buffer": b"# One"}
        for number in range(5)
    ]

    empty.set_input_files("#files", files=files)
    first = empty.locator(".upload", has_text="0.md")
    expect(empty.locator('.upload[data-state="sending"]')).to_have_count(3)
    expect(empty.locator('.upload[data-state="waiting"]')).to_have_count(2)
    first.get_by_role("button", name="Cancel", exact=True).click()
    expect(first).to_have_attribute("data-state", "cancelled")
    expect(empty.locator('.upload[data-state="sending"]')).to_have_count(3)
    for route in held[1:4]:
        route.abort()
    expect(empty.locator('.upload[data-state="failed"]').first).to_contain_text("The line was lost")
    empty.unroute("**/files/")
    first.get_by_role("button", name="Try again", exact=True).click()

    expect(first).to_have_attribute("data-state", "done")


def test_a_file_that_is_too_large_is_refused_before_it_is_sent(empty: Page):
    empty.locator("drop-zone").evaluate("zone => { zone.dataset.limit = 10; }")

    empty.set_input_files(
        "#files",
        files=[{"name": "big.md", "mimeType": "text/markdown", "buffer": b"eleven letters"}],
    )

    expect(empty.locator(".upload")).to_contain_text("Larger than the 512.0\u00a0MB allowed here")
    expect(empty.locator(".upload button:visible")).to_have_count(0)  # nothing there would help


def test_files_are_added_without_javascript(browser: Browser, server, signed_in):
    context = browser.new_context(
        base_url=server.url, storage_state=signed_in, java_script_enabled=False
    )
    page = context.new_page()
    make_index(page, "Plain")

    page.set_input_files(
        "#files", files=[{"name": "a.md", "mimeType": "text/markdown", "buffer": b"# A"}]
    )
    page.get_by_role("button", name="Upload", exact=True).click()

    expect(page.locator("tbody tr")).to_contain_text("a.md")
    context.close()


def test_a_file_dropped_into_a_new_index_answers_a_question(page: Page):
    page.goto("/library/")
    page.locator("summary", has_text="New index").click()
    page.get_by_label("Name", exact=True).fill("Garden")
    page.get_by_role("button", name="Create", exact=True).click()
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

    rose = page.locator("tr", has_text="roses.md")
    expect(rose).to_contain_text("Ready", timeout=60_000)
    expect(page.locator("tr", has_text="broken.pdf")).to_contain_text("Could not be read")
    page.get_by_role("link", name="Ask it").click()
    page.fill("#prompt", "When is the old rose pruned?")
    page.keyboard.press("Enter")
    expect(page.locator(".answer")).to_contain_text("February")
    page.locator(".answer a.citation").first.click()
    expect(page.locator("#pane #passage")).to_be_in_viewport()


def test_a_file_of_the_same_name_takes_the_place_of_the_old_one(page: Page):
    page.goto("/library/")
    page.locator("summary", has_text="New index").click()
    page.get_by_label("Name", exact=True).fill("Twice")
    page.get_by_role("button", name="Create", exact=True).dblclick()
    for text in (b"The first version.", b"The second version."):
        page.set_input_files(
            "#files", files=[{"name": "note.md", "mimeType": "text/markdown", "buffer": text}]
        )
        expect(page.locator('.upload[data-state="done"]')).to_have_count(1)
        page.reload()
        expect(page.locator(".state__line .badge")).to_have_text("Ready", timeout=60_000)

    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name="note.md", exact=True).click()

    expect(page.locator(".document")).to_contain_text("The second version.")
    page.goto("/library/")
    expect(page.locator(".shelf__link", has_text="Twice")).to_have_count(1)

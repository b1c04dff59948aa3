"""Every page in every state as a picture, and all of them on contact sheets: to be looked at.

    python -m tests.browser.contact_sheet [FOLDER] [--look wide] [--state source]  (or: make sheet)

A Carrel of its own, with a model that does as it is told, is brought into each state and looked at
wide and narrow, light and dark, in German, and as it prints. FOLDER (``var/sheet``) then holds
one PNG a view and one ``sheet-LOOK.png`` a look. Ends with 1 if a state was not reached; its
picture shows where it came to a stand.
"""

import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import Browser, Error, Page, expect, sync_playwright

from tests import backends
from tests.browser.states import GUEST, SECRET, STATES, World, signed_in
from tests.server import ROOT, Server
from tests.stand_in import fixture


@dataclass(frozen=True)
class Look:
    name: str
    width: int = 1440
    height: int = 900
    scheme: Any = "light"
    locale: str = "en-GB"
    media: Any = "screen"


@dataclass(frozen=True)
class Picture:
    path: Path
    trouble: str = ""  # why it is not of the state that was asked for


LOOKS = [
    Look("wide"),
    Look("dark", scheme="dark"),
    Look("narrow", 390, 844),
    Look("narrow-dark", 390, 844, scheme="dark"),
    Look("tiny", 320, 640),
    Look("german", locale="de-DE"),
    Look("printed", 794, 1123, media="print"),
]


def main() -> None:
    parser = ArgumentParser(description="Take a picture of every page in every state.")
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "var" / "sheet")
    parser.add_argument("--look", action="append", choices=[look.name for look in LOOKS])
    parser.add_argument("--state", action="append", choices=list(STATES))
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    missed = 0
    with opened() as (browser, world):
        for look in LOOKS:
            if asked.look and look.name not in asked.look:
                continue
            names = asked.state or STATES
            pictures = [take(browser, world, look, name, asked.folder) for name in names]
            missed += sum(1 for one in pictures if one.trouble)
            arrange(pictures).save(asked.folder / f"sheet-{look.name}.png")
            print(asked.folder / f"sheet-{look.name}.png", flush=True)  # noqa: T201
    sys.exit(f"{missed} states were not reached." if missed else 0)


@contextmanager
def opened() -> Iterator[tuple[Browser, World]]:
    """A world to look at, and what to look with."""
    with ExitStack() as stack:
        process, model = fixture.start()
        stack.callback(process.wait)
        stack.callback(process.terminate)
        data = stack.enter_context(tempfile.TemporaryDirectory(prefix="carrel-sheet-"))
        server = stack.enter_context(
            Server(Path(data), LLM_BASE_URL=model.url, LLM_MODEL="stand-in")
        )
        world = World(server, model)
        playwright = stack.enter_context(sync_playwright())
        path = backends.chromium()
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        stack.callback(browser.close)
        world.owner = signed_in(browser, server, server.username, server.password)
        world.guest = signed_in(browser, server, GUEST, SECRET)
        yield browser, world


def take(browser: Browser, world: World, look: Look, name: str, folder: Path) -> Picture:
    """One state in one look."""
    trouble = ""
    context = browser.new_context(
        base_url=world.server.url,
        viewport={"width": look.width, "height": look.height},
        color_scheme=look.scheme,
        locale=look.locale,
        reduced_motion="reduce",
        storage_state=world.owner,
    )
    context.set_default_timeout(15_000)
    page = context.new_page()
    try:
        STATES[name](page, world)
    except (AssertionError, Error) as error:
        trouble = f"{look.name}-{name}: {error}"
        print(trouble, flush=True)  # noqa: T201
    page.emulate_media(media=look.media)
    page.wait_for_timeout(400)
    path = folder / f"{look.name}-{name}.png"
    page.screenshot(path=path, full_page=look.media == "print")
    world.model.forget()
    page.emulate_media(media="screen")
    page.unroute_all(behavior="ignoreErrors")
    end(page)
    context.close()
    return Picture(path, trouble)


def end(page: Page) -> None:
    """Leave no answer running, and no question that would be answered next."""
    running = page.locator('.turn[data-state="running"]')
    with suppress(AssertionError, Error):
        while running.count():
            for remove in page.locator('.waiting [name="remove"]').all():
                remove.click()
            page.locator("#prompt").press("Escape")
            expect(running).to_have_count(0)


CELL, CAPTION = 480, 24  # pixels


def arrange(pictures: list[Picture]) -> Image.Image:
    """The pictures side by side, each with its name."""
    cells = []
    for one in pictures:
        picture = Image.open(one.path).convert("RGB")
        picture.thumbnail((CELL, CELL))
        cells.append((one.path.stem, picture))
    width = max(picture.width for _, picture in cells) + 12
    height = max(picture.height for _, picture in cells) + CAPTION
    across = max(1, 2000 // width)
    down = -(-len(cells) // across)
    sheet = Image.new("RGB", (across * width, down * height), "#888")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for place, (name, picture) in enumerate(cells):
        left, top = place % across * width, place // across * height
        draw.text((left + 6, top + 4), name, fill="white", font=font)
        sheet.paste(picture, (left + 6, top + CAPTION))
    return sheet


if __name__ == "__main__":
    main()

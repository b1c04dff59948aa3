"""Every page in every state as a picture, and all of them on contact sheets: to be looked at.

    python -m tests.browser.contact_sheet [FOLDER]       (or: make sheet)

A Carrel of its own, with a model that does as it is told, is brought into each state and looked at
wide and narrow, light and dark, in German, and as it prints. FOLDER (``var/sheet``) then holds
one PNG a view and one ``sheet-LOOK.png`` a look.
"""

import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import Browser, Page, StorageState, expect, sync_playwright

from tests import backends
from tests.server import ROOT, Server
from tests.stand_in import fixture
from tests.stand_in.fixture import StandIn

ANSWER = """\
Set **two** settings and start Carrel again [1]:

1. `LLM_BASE_URL`: the address of the endpoint [1].
2. `LLM_MODEL`: the name of the model [2].

| Setting | Example | Needed |
|---------|---------|:------:|
| `LLM_BASE_URL` | `http://localhost:11434/v1` | yes |
| `LLM_MODEL` | `llama3.2` | yes |

```bash
export LLM_MODEL=llama3.2  # any name the endpoint knows
make run
```

The cost of a window of $n$ tokens grows as

$$ c(n) = \\alpha n + \\beta n^2 $$

- [x] the endpoint answers
- [ ] the model is pulled; see [the guide](https://example.org/guide)
"""
QUESTION = "How do I connect Ollama?"
DONE = '.turn[data-state="done"]'


@dataclass(frozen=True)
class Look:
    name: str
    width: int = 1440
    height: int = 900
    scheme: Any = "light"
    locale: str = "en-GB"
    media: Any = "screen"


LOOKS = [
    Look("wide"),
    Look("dark", scheme="dark"),
    Look("narrow", 390, 844),
    Look("narrow-dark", 390, 844, scheme="dark"),
    Look("tiny", 320, 640),
    Look("german", locale="de-DE"),
    Look("printed", 794, 1123, media="print"),
]


class World:
    """A running Carrel with something in every place, and the model it asks."""

    cookies: StorageState

    def __init__(self, server: Server, model: StandIn):
        self.server, self.model = server, model
        with server.api() as api:
            self.index = api.get("/indexes").raise_for_status().json()["items"][0]["id"]
        self.answered = self.ask(QUESTION, text=ANSWER)
        self.failed = self.ask("What does the endpoint say?", status=401, message="Wrong key.")
        self.long = self.ask(
            *(f"What does page {number} of the handbook say?" for number in range(12)),
            text=ANSWER,
            again=True,
        )

    def ask(self, *prompts: str, **reply: Any) -> str:
        """A session in which these were asked and so answered; its address."""
        self.model.forget()
        self.model.say(**reply)
        with self.server.api() as api:
            made = api.post("/chat", json={"index_ids": [self.index]}).raise_for_status()
            session = made.json()["session_id"]
            for prompt in prompts:
                body = {"index_ids": [], "prompt": prompt}
                api.post(f"/chat/{session}/messages/stream", json=body).raise_for_status()
        self.model.forget()
        return f"/chat/{session}/"


State = Callable[[Page, World], object]
STATES: dict[str, State] = {}


def state(made: State) -> State:
    STATES[made.__name__.replace("_", "-")] = made
    return made


@state
def sign_in(page: Page, world: World) -> None:
    page.context.clear_cookies()
    page.goto("/")


@state
def empty(page: Page, world: World) -> None:
    page.goto("/")


@state
def answered(page: Page, world: World) -> None:
    page.goto(world.answered)
    page.locator(".trace summary").first.click()


@state
def source(page: Page, world: World) -> None:
    page.goto(world.answered)
    page.locator(".answer a.citation").first.click()
    expect(page.locator("#passage")).to_be_visible()


@state
def streaming(page: Page, world: World) -> None:
    world.model.say(text=ANSWER * 20, rate=25)
    page.goto("/")
    page.fill("#prompt", QUESTION)
    page.keyboard.press("Enter")
    expect(page.locator(".answer")).to_contain_text("LLM_MODEL", timeout=20_000)
    page.fill("#prompt", "And on another machine?")
    page.keyboard.press("Enter")
    expect(page.locator(".waiting")).to_have_count(1)


@state
def failed(page: Page, world: World) -> None:
    page.goto(world.failed)


@state
def long(page: Page, world: World) -> None:
    page.goto(world.long)


@state
def options(page: Page, world: World) -> None:
    page.goto(world.answered)
    page.locator('.bar [hx-target="#details"]').click()
    expect(page.locator("#details button").first).to_be_visible()


@state
def sharing(page: Page, world: World) -> None:
    page.goto(f"{world.answered}share/")


@state
def search(page: Page, world: World) -> None:
    page.goto("/search/?q=ollama")


@state
def archive(page: Page, world: World) -> None:
    page.goto("/archive/")


@state
def missing(page: Page, world: World) -> None:
    page.goto("/chat/none/")


@state
def library(page: Page, world: World) -> None:
    page.goto("/library/")


@state
def index(page: Page, world: World) -> None:
    page.goto(f"/library/{world.index}/")


@state
def document(page: Page, world: World) -> None:
    page.goto(f"/library/{world.index}/")
    page.locator("tbody tr a").first.click()


@state
def account(page: Page, world: World) -> None:
    page.goto("/account/")


@state
def admin(page: Page, world: World) -> None:
    page.goto("/admin/")


@state
def admin_sessions(page: Page, world: World) -> None:
    page.goto("/admin/chat/session/")


@state
def admin_session(page: Page, world: World) -> None:
    page.goto(f"/admin/chat/session/{world.answered.strip('/').split('/')[-1]}/change/")


@state
def api(page: Page, world: World) -> None:
    page.goto("/api/docs")
    expect(page.locator(".opblock").first).to_be_visible()


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "var" / "sheet"
    folder.mkdir(parents=True, exist_ok=True)
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
        world.cookies = signed_in(browser, server)
        for look in LOOKS:
            pictures = [take(browser, world, look, name, folder) for name in STATES]
            arrange(pictures).save(folder / f"sheet-{look.name}.png")
            print(folder / f"sheet-{look.name}.png", flush=True)  # noqa: T201
        browser.close()


def signed_in(browser: Browser, server: Server) -> StorageState:
    context = browser.new_context(base_url=server.url)
    page = context.new_page()
    page.goto("/login/")
    page.fill("[name=username]", server.username)
    page.fill("[name=password]", server.password)
    page.press("[name=password]", "Enter")
    expect(page.locator("#prompt")).to_be_visible()
    state = context.storage_state()
    context.close()
    return state


def take(browser: Browser, world: World, look: Look, name: str, folder: Path) -> Path:
    """One state in one look."""
    context = browser.new_context(
        base_url=world.server.url,
        viewport={"width": look.width, "height": look.height},
        color_scheme=look.scheme,
        locale=look.locale,
        reduced_motion="reduce",
        storage_state=world.cookies,
    )
    page = context.new_page()
    STATES[name](page, world)
    page.emulate_media(media=look.media)
    page.wait_for_timeout(400)
    path = folder / f"{look.name}-{name}.png"
    page.screenshot(path=path, full_page=look.media == "print")
    world.model.forget()
    page.emulate_media(media="screen")
    if page.locator('.turn[data-state="running"]').count():
        page.keyboard.press("Escape")
    context.close()
    return path


CELL, CAPTION = 480, 24  # pixels


def arrange(pictures: list[Path]) -> Image.Image:
    """The pictures side by side, each with its name."""
    cells = []
    for path in pictures:
        picture = Image.open(path).convert("RGB")
        picture.thumbnail((CELL, CELL))
        cells.append((path.stem, picture))
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

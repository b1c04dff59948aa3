"""The states that Carrel's pages can be in, and how a browser comes to each."""

import re
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Any

import httpx
from playwright.sync_api import Browser, Page, Route, StorageState, expect

from tests.retrieval.samples import pdf
from tests.server import Server
from tests.stand_in.fixture import StandIn

QUESTION = "How do I connect Ollama?"
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
LEAFLET = [
    ["The reading room", "The catalogue is kept in walnut drawers.", "It was begun by Ada."],
    ["The observatory", "Its clock was wound by hand every Thursday.", "The pendulum is brass."],
]
FILES = {
    "leaflet.pdf": pdf(LEAFLET),
    "minutes/of the spring meeting of the friends of the library.md": b"# Minutes\n\nAll agreed.",
    "visits.csv": b"month,visitors\nMay,420\nJune,871\n",
    "scan of a very old page.pdf": b"%PDF-1.4 not really",
}
GUEST, SECRET = "ada", "reading room"  # of the project, but no index is open to her
PEOPLE = f"""
from datetime import timedelta
from django.contrib.auth.models import Group, User
from django.utils import timezone
from chat.models import Index, Sync
from tests.factories import make_directory, make_file, make_index, make_session, make_user
friends = Group.objects.create(name="Friends of the library")
friends.user_set.add(*User.objects.all())
for index in Index.objects.all():
    index.groups.add(friends)
minutes = make_directory("Minutes of the year")
for name in ("january.md", "february.md", "march.md"):
    make_file(minutes, name)
unread = make_index("Minutes of the year", minutes, synced=False)
Sync.objects.create(index=unread, state="running", worker="another machine", files_total=120,
    files_done=47, pages=812, chunks=2034, started_at=timezone.now() - timedelta(seconds=50),
    lease_expires_at=timezone.now() + timedelta(days=1))
guest = make_user({GUEST!r}, password={SECRET!r}, first_name="Ada")
print(unread.pk, make_session(guest, title="The pendulum of the observatory").pk)
"""
SAID = """
from django.template.loader import render_to_string
from django.test import RequestFactory
from django.utils.translation import override
with override({language!r}):
    print(render_to_string("{status}.html", {{"request": RequestFactory().get("/")}}))
"""


class World:
    """A running Carrel with something in every place, and the model it asks."""

    owner: StorageState  # the cookies of the first administrator
    guest: StorageState

    def __init__(self, server: Server, model: StandIn):
        self.server, self.model = server, model
        with server.api() as api:
            self.index = api.get("/indexes").raise_for_status().json()["items"][0]["id"]
            self.papers = self.fill(api)
        self.syncing, self.of_guest = self.shell(PEOPLE).split()
        self.failed = self.ask("What does the endpoint say?", status=401, message="Wrong key.")
        self.interrupted = self.interrupt("Who wound the clock?")
        self.long = self.ask(
            *(f"What does page {number} of the handbook say?" for number in range(12)),
            text=ANSWER,
            again=True,
        )
        self.printed_matter = self.ask(
            "When was the clock of the observatory wound?",
            index=self.papers,
            text="By hand, every Thursday [1]. Its pendulum is of brass [1].",
        )
        self.branched = self.ask("Which setting names the model?", text="`LLM_MODEL` [1].")
        self.answered = self.ask(QUESTION, text=ANSWER)
        self.shared = self.ask("What may a reader see?", text=ANSWER)
        self.patch(self.shared, shared_access="read_only")

    def fill(self, api: httpx.Client) -> str:
        """An index of some papers, one of them broken; its id."""
        made = api.post("/beta/directories", json={"name": "Papers"}).raise_for_status()
        directory = made.json()["id"]
        for name, content in FILES.items():
            files = {"upload_file": (name, content)}
            api.post(f"/beta/directories/{directory}/files/upload", files=files).raise_for_status()
        body = {"source_directory_id": directory, "name": "Papers of the society"}
        made = api.post("/indexes", json=body).raise_for_status()
        deadline = time.monotonic() + 60
        path = f"/indexes/{made.json()['id']}"
        while not api.get(path).json().get("last_synced_at"):
            assert time.monotonic() < deadline, self.server.log()
            time.sleep(0.2)
        return made.json()["id"]

    def shell(self, code: str) -> str:
        return self.server.manage("shell", "--verbosity", "0", "-c", code)

    def ask(self, *prompts: str, index: str = "", **reply: Any) -> str:
        """A session in which these were asked and so answered; its address."""
        self.model.forget()
        self.model.say(**reply)
        with self.server.api() as api:
            body = {"index_ids": [index or self.index]}
            made = api.post("/chat", json=body).raise_for_status()
            session = made.json()["session_id"]
            for prompt in prompts:
                body = {"index_ids": [], "prompt": prompt}
                api.post(f"/chat/{session}/messages/stream", json=body).raise_for_status()
        self.model.forget()
        return f"/chat/{session}/"

    def interrupt(self, prompt: str) -> str:
        """A session whose server died while it answered; its address."""
        self.model.say(text=ANSWER * 20, rate=25)
        with self.server.api() as api:
            made = api.post("/chat", json={"index_ids": [self.index]}).raise_for_status()
            session = made.json()["session_id"]
            body = {"index_ids": [], "prompt": prompt}
            with api.stream("POST", f"/chat/{session}/messages/stream", json=body) as answer:
                read = Thread(target=lambda: exhaust(answer))
                read.start()
                time.sleep(3)
                self.server.kill("web")
                read.join()
        self.server.start("web")
        self.model.forget()
        return f"/chat/{session}/"

    def patch(self, session: str, **changes: Any) -> None:
        with self.server.api() as api:
            api.patch(session.rstrip("/"), json=changes).raise_for_status()


def exhaust(answer: httpx.Response) -> None:
    with suppress(httpx.TransportError):
        answer.read()


def signed_in(browser: Browser, server: Server, name: str, password: str) -> StorageState:
    context = browser.new_context(base_url=server.url)
    page = context.new_page()
    page.goto("/login/")
    page.fill("[name=username]", name)
    page.fill("[name=password]", password)
    page.press("[name=password]", "Enter")
    expect(page.locator("#rail")).to_be_attached()
    state = context.storage_state()
    context.close()
    return state


State = Callable[[Page, World], object]
STATES: dict[str, State] = {}


def state(made: State) -> State:
    STATES[made.__name__.replace("_", "-")] = made
    return made


def as_guest(page: Page, world: World) -> None:
    page.context.clear_cookies()
    page.context.add_cookies(world.guest["cookies"])  # type: ignore[arg-type]


@state
def sign_in(page: Page, world: World) -> None:
    page.context.clear_cookies()
    page.goto("/")


@state
def sign_in_refused(page: Page, world: World) -> None:
    sign_in(page, world)
    page.fill("[name=username]", GUEST)
    page.fill("[name=password]", "not this one")
    page.press("[name=password]", "Enter")
    expect(page.locator(".notice--error")).to_be_visible()


@state
def empty(page: Page, world: World) -> None:
    page.goto("/")


@state
def empty_for_a_guest(page: Page, world: World) -> None:
    as_guest(page, world)
    page.goto("/")


@state
def choosing(page: Page, world: World) -> None:
    page.goto("/")
    page.locator(".picker summary").click()


@state
def rail(page: Page, world: World) -> None:
    page.goto("/")
    open_rail(page)


def open_rail(page: Page) -> None:
    if page.locator(".bar__menu").is_visible():
        page.locator(".bar__menu").click()


@state
def loading(page: Page, world: World) -> None:
    """A source that is asked for, and slow to come."""
    page.goto(world.answered)
    page.route("**/sources/**", lambda route: None)
    page.locator(".answer a.citation").first.click()
    expect(page.locator("source-pane.htmx-request")).to_be_attached()
    page.wait_for_timeout(300)


@state
def conversation(page: Page, world: World) -> None:
    page.goto(world.answered)


@state
def answered(page: Page, world: World) -> None:
    page.goto(world.answered)
    page.locator(".trace summary").first.click()
    expect(page.locator(".passage").first).to_be_visible()


@state
def pointed_at(page: Page, world: World) -> None:
    page.goto(world.answered)
    citation = page.locator(".answer a.citation").first
    citation.scroll_into_view_if_needed()
    page.wait_for_timeout(300)  # what scrolls puts the card away
    citation.hover()
    expect(page.locator("#card")).to_be_visible()


@state
def source(page: Page, world: World) -> None:
    page.goto(world.answered)
    page.locator(".answer a.citation").first.click()
    expect(page.locator("#passage")).to_be_visible()


@state
def source_as_printed(page: Page, world: World) -> None:
    page.goto(world.printed_matter)
    page.locator(".answer a.citation").first.click()
    shows_picture(page)
    expect(page.locator(".leaf__marks a")).to_have_count(1)


def shows_picture(page: Page) -> None:
    page.locator(".leaf__page").evaluate("picture => picture.decode()")


@state
def source_alone(page: Page, world: World) -> None:
    page.goto(world.answered)
    page.goto(page.locator(".answer a.citation").first.get_attribute("href") or "")


@state
def also_found(page: Page, world: World) -> None:
    source(page, world)
    page.locator("#pane").get_by_role("link", name=re.compile("Also found|gefunden")).click()
    expect(page.locator(".tab").last).to_have_attribute("aria-current", "true")


@state
def streaming(page: Page, world: World) -> None:
    world.model.say(text=ANSWER * 20, rate=25)
    page.goto("/")
    page.fill("#prompt", QUESTION)
    page.keyboard.press("Enter")
    expect(page.locator(".answer")).to_contain_text("LLM_MODEL", timeout=20_000)


@state
def waiting(page: Page, world: World) -> None:
    streaming(page, world)
    for number, question in enumerate(("And on another machine?", "Who pays for it?"), 1):
        page.fill("#prompt", question)
        page.keyboard.press("Enter")
        expect(page.locator(".waiting")).to_have_count(number)
    page.locator(".waiting").last.scroll_into_view_if_needed()


@state
def written_meanwhile(page: Page, world: World) -> None:
    streaming(page, world)
    page.fill("#prompt", "And on another machine?")


@state
def not_sent(page: Page, world: World) -> None:
    page.goto(world.answered)
    page.fill("#prompt", "And on another machine?")
    page.route("**/turns/", lambda sent: sent.abort())
    page.keyboard.press("Enter")
    expect(page.locator("#toast")).to_be_visible()


@state
def reconnecting(page: Page, world: World) -> None:
    page.route("**/events/**", lambda route: route.abort())
    page.goto(world.answered)
    expect(page.locator("#line")).to_be_visible()


@state
def gone(page: Page, world: World) -> None:
    """Signed out elsewhere while the page was open."""
    with page.expect_response("**/events/*"):
        page.goto(world.shared)
    page.context.clear_cookies(name="sessionid")
    for hidden in ("true", "false"):
        page.evaluate(
            f"Object.defineProperty(document, 'hidden', {{value: {hidden}, configurable: true}})"
        )
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        page.wait_for_timeout(300)
    expect(page.locator("#gone .notice")).to_be_visible()


@state
def branches(page: Page, world: World) -> None:
    world.model.say(text=ANSWER)
    page.goto(world.branched)
    if not page.locator(".ways").count():
        page.locator('.turn__again[form="again"]').last.click()
        expect(page.locator(".ways")).to_be_visible(timeout=20_000)
        expect(page.locator(".turn__foot")).to_be_visible(timeout=20_000)
        page.reload()
    bad = page.locator('.feedback > [id$="-bad"]').last
    is_rated = bad.get_attribute("aria-pressed") == "true"
    (page.locator(".feedback summary").last if is_rated else bad).click()
    page.locator(".turn__foot").hover()


@state
def failed(page: Page, world: World) -> None:
    page.goto(world.failed)


@state
def interrupted(page: Page, world: World) -> None:
    page.goto(world.interrupted)
    page.locator(".notice--error").scroll_into_view_if_needed()


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
    page.goto(world.shared)
    page.locator('.bar [hx-target="#sheet"]').click()
    expect(page.locator("#sheet #sharing-link")).to_be_visible()


@state
def sharing_alone(page: Page, world: World) -> None:
    page.goto(f"{world.shared}share/")


@state
def shared_to_read(page: Page, world: World) -> None:
    as_guest(page, world)
    page.goto(world.shared)


@state
def shared_source(page: Page, world: World) -> None:
    as_guest(page, world)
    page.goto(world.shared)
    page.locator(".answer a.citation").first.click()
    expect(page.locator("#pane .notice")).to_be_visible()


@state
def keys(page: Page, world: World) -> None:
    page.goto(world.answered)
    page.locator("#main").focus()
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()


@state
def search(page: Page, world: World) -> None:
    page.goto("/search/?q=ollama")


@state
def search_in_the_rail(page: Page, world: World) -> None:
    page.goto("/")
    open_rail(page)
    page.fill("#search", "handbook")
    expect(page.locator("#sessions mark").first).to_be_visible()


@state
def archive(page: Page, world: World) -> None:
    page.goto("/archive/")


@state
def missing(page: Page, world: World) -> None:
    page.goto("/chat/none/")


@state
def not_allowed(page: Page, world: World) -> None:
    says(page, world, 403)


@state
def broken(page: Page, world: World) -> None:
    says(page, world, 500)


def says(page: Page, world: World, status: int) -> None:
    """What the server says of itself, as it would in the language of the browser."""
    language = page.evaluate("navigator.language")[:2]
    body = world.shell(SAID.format(language=language, status=status))
    page.route(
        "**/trouble/",
        lambda route: route.fulfill(status=status, body=body, content_type="text/html"),
    )
    page.goto("/trouble/")
    expect(page.locator(".door__card h1")).to_be_visible()


@state
def library(page: Page, world: World) -> None:
    page.goto("/library/")


@state
def library_of_a_guest(page: Page, world: World) -> None:
    as_guest(page, world)
    page.goto("/library/")


@state
def index(page: Page, world: World) -> None:
    page.goto(f"/library/{world.index}/")


@state
def index_with_a_broken_file(page: Page, world: World) -> None:
    page.goto(f"/library/{world.papers}/")
    page.locator("tbody tr").first.scroll_into_view_if_needed()


@state
def syncing(page: Page, world: World) -> None:
    page.goto(f"/library/{world.syncing}/")
    expect(page.locator(".state progress")).to_be_visible()


@state
def uploads(page: Page, world: World) -> None:
    """One file taken, one refused, one too large, one on its way, none of them kept."""
    answers = [(201, ""), (400, "This kind of file cannot be read here.")]

    def answer(route: Route) -> None:
        if answers:
            status, words = answers.pop(0)
            route.fulfill(status=status, body=words, content_type="text/plain")

    page.goto(f"/library/{world.papers}/")
    page.locator("drop-zone").evaluate("zone => { zone.dataset.limit = 40; }")
    page.route("**/files/", answer)
    for name, size in (("minutes.md", 9), ("film.mp4", 9), ("atlas.pdf", 99), ("letters.docx", 9)):
        file = {"name": name, "mimeType": "application/octet-stream", "buffer": b"x" * size}
        page.set_input_files("#files", files=[file])  # type: ignore[list-item]
        page.wait_for_timeout(200)


@state
def index_settings(page: Page, world: World) -> None:
    page.goto(f"/library/{world.papers}/")
    for part in page.locator(".fold > summary").all():
        part.click()
    page.locator(".fold").last.scroll_into_view_if_needed()


@state
def tried_search(page: Page, world: World) -> None:
    page.goto(f"/library/{world.index}/")
    page.fill("#try", "connect a model")
    page.keyboard.press("Enter")
    expect(page.locator(".found__passage").first).to_be_visible()
    page.locator("#try").evaluate("field => field.scrollIntoView()")


@state
def document(page: Page, world: World) -> None:
    page.goto(f"/library/{world.index}/")
    page.locator("tbody tr a").first.click()


@state
def document_in_passages(page: Page, world: World) -> None:
    document(page, world)
    page.locator('[href="?view=passages"]').click()


@state
def document_as_printed(page: Page, world: World) -> None:
    page.goto(f"/library/{world.papers}/")
    page.locator("tbody tr a", has_text="leaflet.pdf").click()
    shows_picture(page)


@state
def account(page: Page, world: World) -> None:
    page.goto("/account/")


@state
def new_key(page: Page, world: World) -> None:
    page.goto("/account/")
    form = page.locator('form[action$="/keys/"]')
    form.locator("[name=name]").fill("Night shift")
    form.locator("[type=submit]").click()
    expect(page.locator("#secret")).to_be_visible()
    page.locator(".issued").scroll_into_view_if_needed()


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
def admin_reason(page: Page, world: World) -> None:
    page.goto(f"/admin/chat/session/{world.of_guest}/change/")


@state
def api(page: Page, world: World) -> None:
    page.goto("/api/docs")
    expect(page.locator(".opblock").first).to_be_visible()

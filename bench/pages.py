"""How long pages take that show much, beside the same that show little.

    python -m bench.pages [--times 30]

A session of 500 turns is opened beside one of 5, and the rail of somebody with 10,000 sessions
beside that of somebody with 50: whole requests over one kept connection, by turns, medians. Then a
browser, if there is one, shows an answer of 2,000 deltas: how much of the page shifts, and how long
its main thread is busy at most, by the clock and in time of its own.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import httpx
from playwright.sync_api import Browser, sync_playwright

from tests import backends
from tests.browser.main_thread import tasks_of
from tests.server import Server
from tests.stand_in import fixture
from tests.stand_in.fixture import StandIn

MUCH = """
from datetime import timedelta
from django.utils import timezone
from chat.models import Session
from tests.factories import make_session, make_user
from tests.web.conftest import full_size, write_turn
for name, sessions, turns in (("few", 50, 5), ("many", 10_000, 500)):
    user = make_user(name, password="reading room")
    first = make_session(user, title="Lamps")
    for number in range(turns):
        write_turn(first, *full_size(f"Question {number}?"))
    kept = {"owner": user, "project": first.project}
    days = [timezone.now() - timedelta(days=1, minutes=n) for n in range(1, sessions)]
    Session.objects.bulk_create(Session(**kept, title="More", last_used_at=day) for day in days)
    print(first.pk)
"""
WATCH = """() => {
  window.shifted = window.longest = 0;
  const watch = (type, take) => {
    new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({ type });
  };
  watch("layout-shift", ({ hadRecentInput, value }) => {
    window.shifted += hadRecentInput ? 0 : value;
  });
  watch("longtask", ({ duration }) => { window.longest = Math.max(window.longest, duration); });
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--times", type=int, default=30)
    times = parser.parse_args().times
    process, model = fixture.start()
    try:
        with tempfile.TemporaryDirectory() as data:
            settings = {"LLM_BASE_URL": model.url, "LLM_MODEL": "stand-in"}
            with Server(Path(data), **settings) as server:
                pages(server, times)
                streaming(server, model)
    finally:
        process.terminate()
        process.wait()


def pages(server: Server, times: int) -> None:
    ids = server.manage("shell", "--verbosity", "0", "-c", MUCH).split()[-2:]
    people = {name: signed_in(server, name) for name in ("few", "many")}
    for what, paths in (
        ("a session of 5 and of 500 turns", [f"/chat/{pk}/" for pk in ids]),
        ("the rail of 50 and of 10,000 sessions", ["/library/", "/library/"]),
    ):
        taken: dict[str, list[float]] = {"few": [], "many": []}
        size = 0
        for _ in range(times):
            for (name, client), path in zip(people.items(), paths, strict=True):
                began = time.perf_counter()
                size = len(client.get(path).raise_for_status().content)
                taken[name].append(time.perf_counter() - began)
        few, many = (statistics.median(taken[name]) * 1000 for name in ("few", "many"))
        print(f"{what}: {few:.1f} and {many:.1f} ms, {many / few:.2f} times, {size / 1000:.0f} kB")
    for client in people.values():
        client.close()


def signed_in(server: Server, name: str) -> httpx.Client:
    client = httpx.Client(base_url=server.url, timeout=60, trust_env=False, follow_redirects=True)
    client.get("/login/")
    client.headers["x-csrftoken"] = client.cookies["csrftoken"]
    client.post("/login/", data={"username": name, "password": "reading room"}).raise_for_status()
    return client


def streaming(server: Server, model: StandIn) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=backends.chromium(), args=["--no-sandbox", "--disable-gpu"]
        )
        shifted, longest, own = watched(browser, server, model)
        browser.close()
    print(
        f"an answer of 2,000 deltas: {shifted:.3f} shifted, busy {longest:.0f} ms at most, "
        f"{own:.0f} ms in time of its own"
    )


def watched(browser: Browser, server: Server, model: StandIn) -> tuple[float, float, float]:
    page = browser.new_context(base_url=server.url).new_page()
    page.goto("/login/")
    page.fill("[name=username]", server.username)
    page.fill("[name=password]", server.password)
    page.press("[name=password]", "Enter")
    part = "The lamps are lit and the room is quiet, as it should be. " * 10
    model.say(text="\n\n".join(f"## Part {n}\n\n{part}" for n in range(16)), rate=100)
    page.fill("#prompt", "What are the lamps like?")
    page.evaluate(WATCH)
    with tasks_of(page) as tasks:
        page.keyboard.press("Enter")
        page.wait_for_selector('.turn[data-state="done"]', timeout=120_000)
    return page.evaluate("window.shifted"), page.evaluate("window.longest"), max(tasks)


if __name__ == "__main__":
    main()

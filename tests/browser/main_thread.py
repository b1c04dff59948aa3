"""What keeps a page's main thread busy, in time of its own: by the clock, a machine that does other
things as well makes any task a long one."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page


@contextmanager
def tasks_of(page: Page) -> Iterator[list[float]]:
    """``with tasks_of(page) as tasks``: afterwards the milliseconds that each task took.

    Wait for what happens meanwhile with ``wait_for_selector``: ``expect`` looks at the whole page
    every time, on the same thread.
    """
    browser = page.context.browser
    assert browser is not None
    tasks: list[float] = []
    browser.start_tracing(page=page, categories=["toplevel"])
    try:
        yield tasks
    finally:
        events = json.loads(browser.stop_tracing())["traceEvents"]
        main = {
            (event["pid"], event["tid"])
            for event in events
            if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
        }
        tasks += [
            event.get("tdur", 0) / 1000
            for event in events
            if event["name"].endswith("RunTask") and (event["pid"], event["tid"]) in main
        ]

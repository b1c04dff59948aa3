"""A conversation in Chromium: asked, streamed, stopped, shared and read again."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from tests.browser.axe import violations
from tests.browser.fit import lost, moving
from tests.browser.main_thread import tasks_of
from tests.server import Server
from tests.stand_in.fixture import StandIn

ANSWER = """Set **two** variables [1].

## Steps

1. Start it [1][2].
2. Name the model.

| Name | Meaning |
|------|--------:|
| `LLM_MODEL` | one name |

```bash
export LLM_MODEL=small  # any name
```

That is all; see [the site](https://example.org/a).
"""
DONE = '.turn[data-state="done"]'
RUNNING = '.turn[data-state="running"]'


@pytest.fixture(scope="module")
def carrel(start_server: Callable[..., Server], stand_in_process: StandIn) -> Server:
    return start_server(LLM_BASE_URL=stand_in_process.url, LLM_MODEL="stand-in")


@pytest.fixture
def model(stand_in: StandIn) -> StandIn:
    return stand_in


@pytest.fixture(scope="module")
def cookies(browser: Browser, carrel: Server):
    context = browser.new_context(base_url=carrel.url)
    page = context.new_page()
    sign_in(page, carrel)
    wait_for_handbook(page)
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def context(browser: Browser, carrel: Server, cookies) -> Iterator[BrowserContext]:
    context = browser.new_context(base_url=carrel.url, storage_state=cookies)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    page = context.new_page()
    page.goto("/")
    wait_for_scripts(page)
    return page


def sign_in(page: Page, carrel: Server) -> None:
    page.goto("/")
    page.fill("[name=username]", carrel.username)
    page.fill("[name=password]", carrel.password)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.locator("#prompt")).to_be_visible()
    wait_for_scripts(page)


def wait_for_scripts(page: Page) -> None:
    """From then on Enter sends, and the search finds while one writes."""
    page.wait_for_load_state()
    page.wait_for_selector("[data-htmx-powered]", state="attached")


def wait_for_handbook(page: Page) -> None:
    for _ in range(120):
        if page.locator("input[name=index]").count():
            return
        page.wait_for_timeout(500)
        page.reload()
    raise AssertionError("the handbook was never read")


def ask(page: Page, question: str = "How do I connect Ollama?") -> None:
    page.fill("#prompt", question)
    page.keyboard.press("Enter")


def dom(page: Page) -> str:
    """The newest turn as it stands, without what htmx leaves on nodes it has touched."""
    html = page.locator(".turn").last.evaluate("turn => turn.outerHTML")
    html = re.sub(r' (data-htmx-powered="true"|class="")', "", html)
    return re.sub(r"\s+", " ", re.sub(r">\s+<", "><", html))


def test_what_was_watched_is_what_a_reload_shows(page: Page, model: StandIn):
    model.say(text=ANSWER, rate=80)

    ask(page)
    expect(page).to_have_url(re.compile(r"/chat/ses-\w+/$"))
    expect(page.locator(DONE)).to_be_visible()
    watched = dom(page)
    page.reload()

    assert dom(page) == watched
    expect(page.locator(".answer h4")).to_have_text("Steps")
    expect(page.locator(".answer td.align-right")).to_have_text("one name")


def test_what_was_said_long_ago_is_found_and_opened_in_its_place(page: Page, carrel: Server):
    with carrel.api() as api:
        index = api.get("/indexes").json()["items"][0]["id"]
        session = api.post("/chat", json={"index_ids": [index]}).json()["session_id"]
        for number in range(25):
            body = {"prompt": f"Is lamp {number:02d} lit?", "index_ids": []}
            api.post(f"/chat/{session}/messages/stream", json=body).raise_for_status()

    page.goto("/search/?q=lamp 03")
    page.locator(".hit a").first.click()

    expect(page.get_by_role("heading", name="Is lamp 03 lit?")).to_be_in_viewport()
    expect(page.get_by_role("heading", name="Is lamp 04 lit?")).to_have_count(1)
    expect(page.get_by_role("heading", name="Is lamp 24 lit?")).to_have_count(1)


def test_finished_blocks_are_not_touched_again(page: Page, model: StandIn):
    model.say(text="First.\n\n" + "Second is long. " * 40 + "\n\nThird.", rate=60)

    ask(page)
    expect(page.locator(".answer > p").first).to_have_text("First.")
    expect(page.locator(".answer p").nth(1)).to_contain_text("Second")
    page.locator(".answer > p").first.evaluate("block => { block.sign = 'the same node' }")
    expect(page.locator(DONE)).to_be_visible()

    assert page.locator(".answer > p").first.evaluate("block => block.sign") == "the same node"


def test_a_second_page_and_a_reload_see_the_same_words_at_once(
    context: BrowserContext, page: Page, model: StandIn
):
    model.say(tokens=120, rate=40, hold=40)

    ask(page)
    expect(page.locator(".answer")).to_contain_text("t000010")
    other = context.new_page()
    other.goto(page.url)
    expect(other.locator(".answer")).to_contain_text("t000010")
    expect(other.locator(RUNNING)).to_be_visible()
    page.reload()
    model.go_on()
    for one in (page, other):
        expect(one.locator(DONE)).to_be_visible()

    words = page.locator(".answer").inner_text().split()
    assert words == [f"t{number:06d}" for number in range(120)]
    assert dom(other) == dom(page)


def test_a_lost_line_is_found_again_and_nothing_is_missing(
    context: BrowserContext, page: Page, model: StandIn
):
    model.say(tokens=120, rate=40, hold=20)

    ask(page)
    expect(page.locator(".answer")).to_contain_text("t000010")
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    model.go_on()
    page.wait_for_timeout(500)
    page.evaluate("Object.defineProperty(document, 'hidden', {value: false, configurable: true})")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator(DONE)).to_be_visible()

    words = page.locator(".answer").inner_text().split()
    assert words == [f"t{number:06d}" for number in range(120)]


def test_escape_stops_unless_something_nearer_takes_it_and_keeps_what_was_written(
    page: Page, model: StandIn
):
    model.say(tokens=2000, rate=20)

    ask(page)
    expect(page.locator(".answer")).to_contain_text("t000003")
    page.focus("#search")
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Session options").click()
    page.get_by_label("Title").press("Escape")
    expect(page.locator("#details")).to_be_hidden()
    expect(page.locator(RUNNING)).to_have_count(1)
    page.focus("#prompt")
    page.keyboard.press("Escape")

    expect(page.locator(RUNNING)).to_have_count(0)
    expect(page.locator(".answer")).to_contain_text("t000003")
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_visible()
    model.wait_until(open=0)


def test_a_citation_shows_its_passage_and_opens_its_source(page: Page, model: StandIn):
    model.say(text="Set two variables [1].")

    ask(page)
    expect(page.locator(DONE)).to_be_visible()
    pill = page.locator(".answer a.citation")
    pill.hover()
    expect(page.locator("#card .card__text")).to_be_visible()
    page.locator("#card").hover()
    page.wait_for_timeout(400)
    expect(page.locator("#card")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#card")).to_be_hidden()
    pill.click()

    expect(page.locator("#pane #passage")).to_be_in_viewport()
    expect(page.locator("#pane h2").first).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#pane")).to_be_hidden()
    expect(pill).to_be_focused()


def test_a_source_stands_on_a_page_of_its_own(page: Page, model: StandIn):
    model.say(text="Set two variables [1].")
    ask(page)
    expect(page.locator(DONE)).to_be_visible()

    page.goto(page.locator(".answer a.citation").get_attribute("href") or "")

    expect(page.locator("#passage")).to_be_in_viewport()


def test_a_refused_prompt_says_why_and_loses_no_word(page: Page, model: StandIn):
    page.locator(".picker summary").click()
    for choice in page.locator("input[name=index]:checked").all():
        choice.uncheck()
    page.keyboard.press("Escape")

    ask(page, "Anyone there?")

    expect(page.locator("#composer-error")).to_contain_text("index")
    expect(page.locator("#prompt")).to_have_value("Anyone there?")


def test_a_draft_survives_a_reload_and_goes_with_the_sending(page: Page, model: StandIn):
    page.fill("#prompt", "Half a que")
    page.reload()
    expect(page.locator("#prompt")).to_have_value("Half a que")

    ask(page, "Half a question")
    expect(page.locator(DONE)).to_be_visible()
    page.goto("/")

    expect(page.locator("#prompt")).to_have_value("")


def test_what_was_written_elsewhere_survives_a_reload_too(page: Page, model: StandIn):
    ask(page)
    expect(page.locator(DONE)).to_be_visible()
    page.get_by_role("button", name="A bad answer", exact=True).click()
    change = page.get_by_role("link", name="Change the question")
    question, why = page.locator(".question textarea"), page.locator("[name=comment]")
    title = page.get_by_label("Title", exact=True)
    why.fill("They are bl")
    change.click()
    question.fill("Which lamps, tho")
    page.get_by_role("link", name="Session options").click()
    title.fill("Lam")

    page.reload()

    page.get_by_text("Say why").click()
    expect(why).to_have_value("They are bl")
    change.click()
    expect(question).to_have_value("Which lamps, tho")
    page.get_by_role("link", name="Cancel").click()
    expect(question).to_be_hidden()
    change.click()
    expect(question).not_to_have_value("Which lamps, tho")
    page.get_by_role("link", name="Session options").click()
    expect(title).to_have_value("Lam")
    title.press("Escape")
    page.get_by_role("link", name="Session options").click()
    expect(title).not_to_have_value("Lam")


def test_a_question_that_does_not_arrive_is_kept_and_said(page: Page, model: StandIn):
    def fails(**answer) -> None:
        page.route("**/turns/", lambda sent: sent.fulfill(**answer) if answer else sent.abort())
        page.press("#prompt", "Enter")

    ask(page)
    expect(page.locator(DONE)).to_be_visible()
    address, toast = page.url, page.locator("#toast")
    page.fill("#prompt", "Is anyone there?")
    page.route("**/chat/*/", lambda sent: sent.fulfill(status=404, body="<main>None</main>"))
    page.locator(".row__link").last.click()
    expect(toast).to_contain_text("could not do this")
    expect(page.locator("#turns")).to_be_visible()
    expect(page).to_have_url(address)
    fails()
    expect(toast).to_contain_text("cannot be reached")
    fails(status=502, body="<main>Bad gateway</main>", content_type="text/html")
    expect(toast).to_contain_text("could not do this")
    page.unroute_all()
    cookies = page.context.cookies()
    page.context.clear_cookies(name="sessionid")

    page.press("#prompt", "Enter")

    expect(page.locator("#id_username")).to_be_visible()
    page.context.add_cookies(cookies)  # type: ignore[arg-type]
    page.goto(page.url)
    expect(page).to_have_url(address)
    expect(page.locator("#prompt")).to_have_value("Is anyone there?")


def test_who_signs_in_again_in_another_tab_goes_on_where_they_were(
    browser: Browser, carrel: Server, model: StandIn
):
    context = browser.new_context(base_url=carrel.url)
    page, other = context.new_page(), context.new_page()
    sign_in(page, carrel)
    ask(page)
    expect(page.locator(DONE)).to_be_visible()
    other.goto("/")
    other.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.locator("#gone")).to_contain_text("You are signed out")
    sign_in(other, carrel)

    ask(page, "And from another machine?")

    expect(page.locator(DONE)).to_have_count(2)
    expect(page.locator("#gone")).to_be_empty()
    context.close()


def test_a_new_session_is_in_the_rail_at_once_and_told_apart(page: Page, model: StandIn):
    model.say(tokens=60, hold=20)

    ask(page, "Where is the door?")
    page.keyboard.press("Enter")

    row = page.locator(".row", has_text="Where is the door?")
    expect(row.locator("a[aria-current=page]")).to_have_count(1)
    model.go_on()
    expect(page.locator(DONE)).to_be_visible()
    expect(row).to_have_count(1)


def test_without_script_a_question_is_asked_and_its_answer_read(
    browser: Browser, carrel: Server, cookies, model: StandIn
):
    model.say(text="Quietly said [1].")
    context = browser.new_context(
        base_url=carrel.url, storage_state=cookies, java_script_enabled=False
    )
    page = context.new_page()
    page.goto("/")

    page.fill("#prompt", "Does it work?")
    page.get_by_role("button", name="Send", exact=True).click()

    expect(page.locator(".answer")).to_contain_text("Quietly said")
    page.locator(".answer a.citation").click()
    expect(page.locator("#passage")).to_be_visible()
    context.close()


def test_keys_reach_the_search_and_the_sessions_found_open(page: Page, model: StandIn):
    model.say(text="The word is marzipan.")
    ask(page, "Which word?")
    expect(page.locator(DONE)).to_be_visible()
    address = page.url
    page.goto("/")
    wait_for_scripts(page)

    page.keyboard.press("Control+k")
    expect(page.locator("#search")).to_be_focused()
    page.keyboard.type("word marzipan")
    hit = page.locator("#sessions .hit a")
    expect(hit.locator("mark", has_text="marzipan").first).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(hit.first).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.locator("h1").click()
    page.keyboard.press("/")
    expect(page.locator("#search")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")

    expect(page).to_have_url(re.compile(f"^{address}"))


def test_the_focus_stays_where_something_was_pressed(page: Page, model: StandIn):
    model.say(text="Set two variables [1].")
    ask(page)
    expect(page.locator(DONE)).to_be_visible()

    bad = page.get_by_role("button", name="A bad answer", exact=True)
    bad.press("Enter")
    expect(bad).to_have_attribute("aria-pressed", "true")
    expect(bad).to_be_focused()
    page.get_by_label("What was good or bad about it").fill("They are blue.")
    page.keyboard.press("Enter")
    expect(page.locator(".feedback summary")).to_be_focused()
    page.get_by_role("link", name="Change the question").press("Enter")
    expect(page.locator(".question textarea")).to_be_focused()
    page.get_by_role("link", name="Cancel").press("Enter")
    expect(page.get_by_role("link", name="Change the question")).to_be_focused()


def test_nothing_is_asked_of_another_host(
    page: Page, context: BrowserContext, carrel: Server, model
):
    model.say(text="![x](https://example.org/x.png) and <img src=https://example.org/y.png>")
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))

    ask(page)
    expect(page.locator(DONE)).to_be_visible()
    page.reload()

    assert asked
    assert all(url.startswith((carrel.url, "data:")) for url in asked)


def test_a_suggested_question_is_asked_by_a_click_and_leaves_the_draft(page: Page, model: StandIn):
    page.fill("#prompt", "Not yet")
    suggestion = page.locator(".suggestion").first
    words = suggestion.inner_text().strip()

    suggestion.click()

    expect(page.locator(".question h2")).to_contain_text(words)
    page.goto("/")
    expect(page.locator("#prompt")).to_have_value("Not yet")
    page.fill("#prompt", "")


def test_a_question_put_meanwhile_waits_its_turn_and_can_be_changed(page: Page, model: StandIn):
    model.say({"tokens": 120, "hold": 5}, {"text": "The second answer."})

    ask(page, "First question?")
    expect(page.locator(".answer")).to_contain_text("t000003")
    send = page.get_by_role("button", name="Send", exact=True)
    expect(send).to_be_hidden()
    page.fill("#prompt", "Second question, unfin")
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()
    send.dblclick()
    waiting = page.locator(".waiting")
    expect(waiting.locator(".waiting__text")).to_have_text("Second question, unfin")
    expect(page.locator("#prompt")).to_have_value("")
    page.reload()
    waiting.get_by_text("Change").click()
    waiting.get_by_label("Your question").fill("Second question, finished?")
    page.reload()
    waiting.get_by_text("Change").click()
    expect(waiting.get_by_label("Your question")).to_have_value("Second question, finished?")
    waiting.get_by_role("button", name="Save", exact=True).click()
    expect(waiting.locator(".waiting__text")).to_have_text("Second question, finished?")
    expect(waiting.locator(".waiting__text")).to_be_visible()
    model.go_on()

    expect(page.locator(".question").nth(1)).to_contain_text("finished?")
    expect(page.locator(".answer").nth(1)).to_contain_text("The second answer.")
    expect(waiting).to_have_count(0)


def test_a_waiting_question_can_be_taken_back(context: BrowserContext, page: Page, model: StandIn):
    model.say(tokens=2000, rate=20)

    ask(page, "First question?")
    expect(page.locator(".answer")).to_contain_text("t000003")
    ask(page, "Never mind?")
    page.keyboard.press("Enter")
    other = context.new_page()
    other.goto(page.url)
    expect(other.locator(".waiting")).to_contain_text("Never mind?")
    page.get_by_role("button", name="Remove", exact=True).click()

    for one in (page, other):
        expect(one.locator(".waiting")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page.locator(RUNNING)).to_have_count(0)


def test_an_answer_given_again_is_a_branch_and_every_page_shows_the_chosen_one(
    context: BrowserContext, page: Page, model: StandIn
):
    model.say({"text": "The first answer."}, {"text": "The next."}, {"text": "Another answer."})
    ask(page, "Which answer?")
    expect(page.locator(DONE)).to_have_count(1)
    ask(page, "Which colour do the lamps of the reading room have?")
    expect(page.locator(DONE)).to_have_count(2)
    other = context.new_page()
    other.goto(page.url)

    page.get_by_role("button", name="Answer again", exact=True).first.click()
    for one in (page, other):
        expect(one.locator(".answer")).to_have_text(["Another answer."])
        expect(one.locator(".ways")).to_contain_text("2/2")
    expect(page.locator(DONE)).to_have_count(1)
    watched = dom(page)
    page.reload()
    assert dom(page) == watched

    other.get_by_role("button", name="The one before", exact=True).click()

    for one in (page, other):
        expect(one.locator(".answer")).to_have_count(2)
        expect(one.locator(".answer").first).to_have_text("The first answer.")
        expect(one.locator(".ways")).to_contain_text("1/2")


def test_a_question_is_put_in_other_words_beside_the_old_ones(page: Page, model: StandIn):
    model.say({"text": "Nine."}, {"text": "At ten on Sundays."})
    ask(page, "When does it opne?")
    expect(page.locator(DONE)).to_be_visible()

    page.get_by_role("link", name="Change the question").click()
    page.locator(".question textarea").fill("When does it open on Sundays?")
    page.keyboard.press("Enter")

    expect(page.locator(".question h2")).to_contain_text("on Sundays?")
    expect(page.locator("#prompt")).to_be_focused()
    expect(page.locator(".answer")).to_have_text("At ten on Sundays.")
    expect(page.locator(".turn")).to_have_count(1)
    page.get_by_role("button", name="The one before", exact=True).click()
    expect(page.locator(".question h2")).to_contain_text("opne?")
    page.get_by_role("link", name="Change the question").click()
    expect(page.locator(".question textarea")).to_have_value("When does it opne?")


def test_a_page_that_was_away_comes_back_to_the_branch_that_is_read_now(
    context: BrowserContext, page: Page, model: StandIn
):
    model.say({"text": "The first answer."}, {"text": "Another answer."})
    ask(page, "Which answer?")
    expect(page.locator(DONE)).to_be_visible()
    other = context.new_page()
    other.goto(page.url)
    context.set_offline(True)
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    context.set_offline(False)

    other.get_by_role("button", name="Answer again", exact=True).click()
    expect(other.locator(".answer")).to_have_text("Another answer.")
    page.evaluate("Object.defineProperty(document, 'hidden', {value: false, configurable: true})")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

    expect(page.locator(".answer")).to_have_text("Another answer.")


def test_without_script_questions_wait_branch_and_are_rated(
    browser: Browser, carrel: Server, cookies, model: StandIn
):
    model.say({"tokens": 60, "hold": 5}, {"text": "The second."}, {"text": "Once more."})
    context = browser.new_context(
        base_url=carrel.url, storage_state=cookies, java_script_enabled=False
    )
    page = context.new_page()
    page.goto("/")
    page.fill("#prompt", "First?")
    page.get_by_role("button", name="Send", exact=True).click()
    page.get_by_role("link", name="Hold it still").click()
    page.fill("#prompt", "Which colour do the lamps of the reading room have?")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator(".waiting__text")).to_contain_text("Which colour")
    model.go_on()
    expect(page.locator(DONE)).to_have_count(2)

    page.get_by_role("button", name="Answer again", exact=True).last.click()
    expect(page.locator(".ways")).to_contain_text("2/2")
    expect(page.locator(".answer").last).to_contain_text("Once more.")
    page.get_by_role("button", name="A good answer", exact=True).last.click()

    expect(page.get_by_role("button", name="A good answer", exact=True).last).to_have_attribute(
        "aria-pressed", "true"
    )
    context.close()


def test_an_answer_is_rated_and_the_reason_kept(page: Page, model: StandIn):
    model.say(text="Blue.")
    ask(page, "Which colour?")
    expect(page.locator(DONE)).to_be_visible()

    page.get_by_role("button", name="A bad answer", exact=True).click()
    page.get_by_label("What was good or bad about it").fill("It is green.")
    page.get_by_role("button", name="Send", exact=True).first.click()
    expect(page.locator(".feedback__why summary")).to_contain_text("It is green.")
    page.reload()

    expect(page.get_by_role("button", name="A bad answer", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )
    expect(page.locator(".feedback__why summary")).to_contain_text("It is green.")


def test_a_deleted_session_is_gone_at_once_and_can_be_brought_back(page: Page, model: StandIn):
    ask(page, "Delete me?")
    expect(page.locator(DONE)).to_be_visible()
    address = page.url
    page.locator(".row").first.hover()
    page.locator(".row__more").first.click()
    page.get_by_role("button", name="Delete", exact=True).click()

    expect(page.locator("h1")).to_contain_text("What would you like to look up")
    expect(page.locator("#details")).to_be_hidden()
    page.get_by_role("button", name="Undo", exact=True).click()

    expect(page).to_have_url(address)
    expect(page.locator(".question")).to_contain_text("Delete me?")


def test_a_page_whose_stream_extension_comes_late_follows_the_answer(
    context: BrowserContext, page: Page, model: StandIn
):
    model.say(tokens=60, hold=20)
    ask(page)
    expect(page.locator(RUNNING)).to_contain_text("t000003")
    other, held = context.new_page(), list[Route]()
    other.route("**/hx-sse-4*.js", lambda route: held.append(route))
    with other.expect_request("**/hx-sse-4*.js"):
        other.goto(page.url, wait_until="commit")
    other.wait_for_selector("[data-htmx-powered]", state="attached")

    held[0].continue_()
    model.go_on()

    expect(other.locator(DONE)).to_be_visible()
    other.close()


COLLEAGUE = "from tests.factories import make_user; make_user('cleo', first_name='Cleo')"


def test_a_colleague_with_the_link_follows_asks_and_is_told_when_the_sharing_ends(
    browser: Browser, carrel: Server, page: Page, model: StandIn
):
    model.say({"tokens": 2000, "rate": 20}, {"text": "Green."})
    carrel.manage("shell", "--verbosity", "0", "-c", COLLEAGUE)
    ask(page, "When does it open?")
    expect(page.locator(".answer")).to_contain_text("t000003")
    page.get_by_role("link", name="Share", exact=True).click()
    page.get_by_label("Can ask").check()
    page.get_by_role("button", name="Close", exact=True).click()

    context = browser.new_context(base_url=carrel.url)
    theirs = context.new_page()
    theirs.goto(page.url)
    theirs.fill("[name=username]", "cleo")
    theirs.fill("[name=password]", "reading room")
    theirs.get_by_role("button", name="Sign in", exact=True).click()
    expect(theirs.locator(RUNNING)).to_contain_text("t000003")
    wait_for_scripts(theirs)
    ask(theirs, "Which colour do the lamps of the reading room have?")
    expect(page.locator(".waiting")).to_contain_text("Cleo")
    page.get_by_role("button", name="Stop", exact=True).click()
    for one in (page, theirs):
        expect(one.locator(".answer").nth(1)).to_have_text("Green.")
        expect(one.locator(".question__asker")).to_have_text(["Cleo"])
    page.get_by_role("link", name="Shared", exact=True).click()
    page.get_by_role("button", name="Stop sharing", exact=True).click()

    expect(theirs.get_by_role("alert").first).to_contain_text("no longer shared with you")
    ask(theirs, "And on Mondays?")
    expect(theirs.locator("#toast")).to_contain_text("only while its owner shares it")
    context.close()


def test_a_session_is_renamed_in_the_rail_and_above_its_text(page: Page, model: StandIn):
    ask(page, "Call me what you like?")
    expect(page.locator(DONE)).to_be_visible()
    page.locator(".row").first.hover()
    page.locator(".row__more").first.click()
    page.get_by_label("Title").fill("A better name")
    page.get_by_role("button", name="Rename", exact=True).click()

    expect(page.locator("#title")).to_have_text("A better name")
    expect(page.locator(".row__title").first).to_have_text("A better name")
    expect(page).to_have_title("A better name · Carrel")


def test_nothing_on_the_page_jumps_or_is_held_up_while_an_answer_is_written(
    page: Page, model: StandIn
):
    part = "The lamps are lit and the room is quiet, as it should be. " * 6
    model.say(text="\n\n".join(f"## Part {n}\n\n{part}" for n in range(12)), rate=300)
    page.evaluate(
        """() => {
          window.shifted = 0;
          new PerformanceObserver((list) => {
            for (const entry of list.getEntries()) {
              if (!entry.hadRecentInput) window.shifted += entry.value;
            }
          }).observe({ type: "layout-shift", buffered: true });
        }"""
    )

    with tasks_of(page) as tasks:
        ask(page)
        page.wait_for_selector(DONE)

    assert page.evaluate("window.shifted") < 0.02
    assert 0 < max(tasks) < 50


AT_REST = """scroller => new Promise((done) => {
    let still = 0, before = "";
    const look = () => {
        const now = [scroller.scrollTop, scroller.clientHeight].join();
        still = now === before ? still + 1 : 0;
        before = now;
        if (still < 12) requestAnimationFrame(look);
        else done();
    };
    look();
})"""


def at_rest(page: Page) -> None:
    """The page stays where it is, and has for a dozen frames."""
    page.locator("#scroller").evaluate(AT_REST)


def is_uncovered(page: Page) -> bool:
    """Whether the composer stands below the last turn's end."""
    at_rest(page)
    return page.evaluate(
        """() => {
            const box = (selector) => document.querySelector(selector).getBoundingClientRect();
            return box(".composer").top >= box(".turn:last-child .turn__foot").bottom;
        }"""
    )


@pytest.mark.parametrize("size", [(1440, 900), (1024, 700), (390, 700), (320, 560)])
def test_what_is_written_at_the_end_covers_nothing_of_the_answer(
    page: Page, model: StandIn, size: tuple[int, int]
):
    model.say(text=ANSWER)
    width, height = size
    page.set_viewport_size({"width": width, "height": height})
    ask(page)
    expect(page.locator(".turn__foot")).to_be_visible()
    page.locator("#scroller").evaluate("scroller => { scroller.scrollTop = 99999; }")

    assert is_uncovered(page)
    page.fill("#prompt", "\n".join("one line more" for _ in range(7)))
    assert is_uncovered(page)
    page.set_viewport_size({"width": width, "height": height - 150})
    assert is_uncovered(page)
    page.reload()
    expect(page.locator(".turn__foot")).to_be_visible()
    assert is_uncovered(page)


def test_a_trace_opened_at_the_end_stays_where_it_is(page: Page, model: StandIn):
    model.say(text=ANSWER)
    page.set_viewport_size({"width": 800, "height": 900})
    ask(page)
    expect(page.locator(".turn__foot")).to_be_visible()
    at_rest(page)
    summary = page.locator(".trace summary")
    before = summary.bounding_box()

    summary.click()
    expect(page.locator(".passage").first).to_be_visible()
    at_rest(page)

    assert summary.bounding_box() == before


def faults(page: Page) -> list[object]:
    """What is wrong with how the page looks just now, in light and in dark."""
    page.emulate_media(reduced_motion="reduce")
    found = [*violations(page, "light"), *violations(page, "dark")]
    return [*found, *moving(page), *lost(page)]


def test_nothing_is_wrong_with_the_looks_of_an_answer_under_way(page: Page, model: StandIn):
    model.say(tokens=2000, rate=20)
    ask(page)
    expect(page.locator(".answer")).to_contain_text("t000003")
    ask(page, "And then?")
    page.get_by_text("Change", exact=True).click()

    under_way = faults(page)
    page.set_viewport_size({"width": 320, "height": 640})
    narrow = lost(page)

    expect(page.locator(RUNNING)).to_be_visible()
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.locator(".waiting")).to_have_count(0)
    page.keyboard.press("Escape")
    assert (under_way, narrow) == ([], [])


GUEST = """
from tests.factories import make_user
make_user("guest", password="reading room")
"""


def test_nothing_is_wrong_with_the_looks_of_a_failure_the_door_and_what_a_guest_sees(
    browser: Browser, carrel: Server, page: Page, model: StandIn
):
    model.say(text="Set two variables [1].")
    ask(page)
    expect(page.locator(DONE)).to_be_visible()
    model.say(status=401, message="Wrong key.", again=True)
    ask(page, "How do I connect Ollama to it?")
    expect(page.locator(".notice--error")).to_be_visible()
    found = {"failed": faults(page)}
    page.get_by_role("link", name="Share", exact=True).click()
    page.get_by_label("Can read").check()
    expect(page.locator("#sharing-link")).to_be_visible()
    carrel.manage("shell", "-c", GUEST)
    guest = browser.new_page(base_url=carrel.url)

    guest.goto(page.url)
    for password in ("forgotten", "reading room"):
        found[f"door, then {password}"] = faults(guest)
        guest.fill("[name=username]", "guest")
        guest.fill("[name=password]", password)
        guest.press("[name=password]", "Enter")
        expect(guest.locator(".notice--error")).to_be_visible()
    expect(guest).to_have_url(page.url)
    expect(guest.locator(".answer").first).to_be_visible()
    found["guest"] = faults(guest)
    guest.locator(".answer a.citation").click()
    expect(guest.locator("#pane #passage")).to_be_visible()
    found["source"] = faults(guest)

    guest.context.close()
    assert {state: wrong for state, wrong in found.items() if wrong} == {}


def test_who_reads_further_up_is_offered_a_way_down_and_not_taken_there(page: Page, model: StandIn):
    model.say(text="A paragraph of some words.\n\n" * 90, rate=60, hold=400)
    page.set_viewport_size({"width": 800, "height": 600})
    ask(page)
    expect(page.locator(".answer > p").nth(20)).to_be_attached()
    scroller = page.locator("#scroller")

    scroller.hover()
    page.mouse.wheel(0, -400)
    down = page.get_by_role("button", name="New text below", exact=True)
    expect(down).to_be_visible()
    at_rest(page)  # a wheel turns on for a while
    stood_at = scroller.evaluate("scroller => scroller.scrollTop")
    page.wait_for_timeout(500)

    assert scroller.evaluate("scroller => scroller.scrollTop") == stood_at
    down.click()
    expect(down).to_be_hidden()
    model.go_on()
    expect(page.locator(".turn__foot")).to_be_in_viewport()

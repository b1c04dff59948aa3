"""Answers as HTML: what is shown, what is kept out, and how they grow."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.web.markdown import open_block, render, render_document
from chat.web.sources import Mention, Source

SOURCES = {
    1: Source(1, "dfl-a", "reports/annual report.pdf", 3, "Money", "/one"),
    2: Source(2, "dfl-a", "reports/annual report.pdf", 7, "Money", "/two"),
    3: Source(3, "dfl-b", "rules.md", None, "Opening hours", "/three"),
}
ANSWER = """Take **two** steps [1].

## Before

- one
- two [3]

| a | b |
|--:|---|
| 1 | 2 |

```python
x = 1
```

The rate is $r$, not $5 or $10:

$$
a
- b = \\frac{1}{2}
$$

The end.
"""


def shown(text: str, whole: bool = True) -> str:
    return render(text, SOURCES, "turn-1", whole)


def test_a_known_number_becomes_a_pill_with_the_name_of_its_source():
    html = shown("Costs fell [1].")

    assert '<a class="citation" href="/one" data-number="1"' in html
    assert ">annual report p. 3</a>" in html


def test_a_second_place_of_the_same_file_is_named_by_its_place():
    html = shown("Costs fell [1][2] and [1, 2].")

    assert html.count(">annual report p. 3</a>") == 2
    assert html.count("\u2009<a") == html.count(">p. 7</a>") == 2


def test_each_mention_of_a_number_has_its_own_place_and_verdict():
    mentions = (Mention("/one", "exact"), Mention("/other", "none"))
    source = Source(1, "dfl-a", "rules.md", None, "Hours", "/one", mentions)

    html = render("Nine [1]. `x[1]` Noon [1]. Midnight [1].", {1: source}, "turn-1")

    assert [part.split('"')[0] for part in html.split('href="')[1:]] == ["/one", "/other", "/one"]
    assert 'data-check="exact" title="rules.md · Hours · word for word"' in html
    assert 'data-check="none" title="rules.md · Hours · not worded like this' in html


DOCUMENT = (
    "# Rules\n\nOne. *Two* is\n_longer_. Three.\n\n- an item. And more\n\n```\ncode. More\n```\n"
)


@pytest.mark.parametrize(
    "cited, marked",
    [
        ("One.", '<p><mark class="cited" id="passage">One.</mark> <em>Two</em>'),
        (
            "*Two* is\n_longer_.",
            '<mark class="cited" id="passage"><em>Two</em> is\n<em>longer</em>.</mark> Three.</p>',
        ),
        ("One. *Two* is\n_longer_. Three.", '<p class="cited" id="passage">One. <em>'),
        ("And more", '<li class="cited" id="passage">an item.'),
        ("More", '<figure class="code cited" id="passage">'),
    ],
)
def test_a_cited_sentence_is_marked_alone_and_other_things_as_blocks(cited, marked):
    start = DOCUMENT.index(cited)

    html = render_document(DOCUMENT, start, start + len(cited))

    assert marked in html
    assert html.count('id="passage"') == 1


@pytest.mark.parametrize(
    ("levels", "shown"),
    [("123", "345"), ("232", "343"), ("4", "3"), ("1313", "3434"), ("3212", "3334")],
)
def test_no_level_of_headings_is_left_out_in_a_document(levels, shown):
    text = "\n\n".join("#" * int(level) + " A heading" for level in levels)

    assert "".join(re.findall(r"<h(\d)>", render_document(text, 0, 0))) == shown


@pytest.mark.parametrize("text", ["See [9].", "`[1]`", "    [1]", "[1](https://example.org/)"])
def test_what_is_no_citation_gets_no_pill(text):
    assert 'class="citation"' not in shown(text)


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "![x](https://evil.example/?q=secret)",
        "[x](/admin/logout/)",
        '[x](https://example.org/ "onmouseover=alert(1)")',
        "<a href='https://example.org' hx-get='/'>x</a>",
        "```html\n<script>alert(1)</script>\n```",
    ],
)
def test_nothing_in_an_answer_runs_loads_or_acts(text):
    html = shown(text)

    for forbidden in (
        "<script",
        "<img",
        "<a href='",
        'href="javascript:',
        'href="data:',
        'href="/',
    ):
        assert forbidden not in html


def test_a_link_says_where_it_leads():
    html = shown("[the site](https://www.example.org/a)")

    assert 'rel="noopener noreferrer nofollow"' in html
    assert '<span class="link-host">example.org</span>' in html


def test_a_picture_is_a_link_that_says_where_it_leads():
    html = shown("![a plan](https://www.example.org/plan.png) ![](https://example.net/x.png)")

    assert 'nofollow">a plan</a> <span class="link-host">example.org</span>' in html
    assert html.count("link-host") == 1  # the other one's words are its address


def test_a_picture_within_a_link_is_its_words():
    html = shown("[![Build](https://example.net/badge.svg)](https://example.org/runs)")

    assert html.count("<a ") == 1
    assert '>Build <span class="link-host">example.org</span></a>' in html


def test_a_link_that_is_its_own_address_says_it_once():
    assert "link-host" not in shown("https://example.org/a")


def test_code_is_coloured_when_it_is_whole():
    text = "```python\ndef f(): ...\n```"

    assert 'class="hl-k"' in shown(text)
    assert 'class="hl-k"' not in shown(text, whole=False)


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("It is **bo", "<p>It is <strong>bo</strong></p>\n"),
        ("It is **", "<p>It is</p>\n"),
        ("Run `make", "<p>Run <code>make</code></p>\n"),
        ("Costs fell [1", "<p>Costs fell</p>\n"),
    ],
)
def test_text_cut_in_mid_word_shows_no_bare_signs(text, html):
    assert shown(text, whole=False) == html


def test_a_list_stands_on_the_side_where_its_words_begin():
    assert '<ul dir="auto">' in render("- نقطة أولى\n- نقطة", {}, "t")
    assert "<ul>" in render("- one\n- two", {}, "t")


@given(st.integers(0, len(ANSWER)))
def test_finished_blocks_and_the_open_one_are_the_whole(cut):
    begun = ANSWER[:cut]
    edge = open_block(begun)

    assert shown(begun[:edge]) + shown(begun[edge:]) == shown(begun)


def test_the_cited_blocks_of_a_document_are_marked_and_the_first_is_named():
    text = "# T\n\nbefore\n\n- one\n- two\n\nafter"
    start = text.index("- one")

    html = render_document(text, start, start + len("- one\n- two"))

    assert '<li class="cited" id="passage">one</li>' in html
    assert '<li class="cited">two</li>' in html
    assert "<p>before</p>" in html
    assert "<p>after</p>" in html


@pytest.mark.parametrize(
    "text", ["so $x^2$ is", r"so \(x^2\) is", "so\n\n$$x^2$$\n\nis", "so\n\n\\[\nx^2\n\\]\n\nis"]
)
def test_a_formula_is_drawn(text):
    assert "<msup><mi>x</mi><mn>2</mn></msup>" in shown(text)


@pytest.mark.parametrize("text", ["$5 to $10", "US$ and A$", "`$x$`", "costs $ 5 $ each", "a\\$b$"])
def test_money_and_code_are_no_formulas(text):
    assert "<math" not in shown(text)


def test_a_formula_on_its_own_lines_is_drawn_large():
    assert '<math display="block">' in shown("so\n\n$$x^2$$\n\nis")
    assert '<math display="inline">' in shown("so $x^2$ is")


def test_lines_of_a_formula_are_aligned():
    html = shown(r"$$\begin{aligned} a &= b \\ &= c \end{aligned}$$")

    assert html.count("<mtr>") == 2
    assert "&amp;" not in html


@pytest.mark.parametrize("tex", ["x^{", "{" * 3000, r"\left(" * 50])
def test_a_formula_that_makes_no_sense_is_shown_as_it_is_written(tex):
    html = shown(f"so ${tex}$ is")

    assert f"<code>{tex}</code>" in html


def test_a_formula_neither_links_nor_colours():
    html = shown(r"$\href{javascript:alert(1)}{x} \color{red}{y} \class{z}{w} \text{<b>bold</b>}$")

    for forbidden in ("javascript", "href", "mathcolor", "style=", "<b>"):
        assert forbidden not in html


@pytest.mark.parametrize(
    "text",
    [
        "The rate is $r^",
        "The rate is \\(r^",
        "The rate is\n\n$$\nr^",
        "The rate is\n\n\\[\na\n- r^",
    ],
)
def test_a_formula_is_held_back_until_it_is_whole(text):
    edge = open_block(text)

    html = shown(text[:edge]) + shown(text[edge:], whole=False)

    assert html == "<p>The rate is</p>\n"


def test_a_dollar_that_opens_no_formula_holds_nothing_back():
    for text in ("It costs $5", "Set `$HOME", "```sh\necho $HOME", "a $x " + "and so on " * 20):
        assert text.split("$")[1].strip("`")[:4] in shown(text, whole=False)

"""Markdown to HTML that is safe to show, whoever wrote it.

Raw HTML in the source stays text, nothing remote is ever loaded, and whatever comes out is
sanitised once more.
"""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.tasklists import tasklists_plugin
from mdit_py_plugins.texmath import texmath_plugin

from . import formulas
from .footnotes import Footnotes, footnotes_in_parts
from .formulas import without_open_formula
from .passages import Mark
from .renderer import Renderer
from .sources import Source

MARKER = re.compile(r"\[(\d{1,4}(?:\s*[,;]\s*\d{1,4})*)\]")
HALF_MARKER = re.compile(r"\[(?:[\d,; ]*|\^[^\]\s]*)\Z|^ {0,3}\[\^[^\]\s]+\]\Z", re.MULTILINE)
SEPARATOR_ROW = re.compile(r"^[|:\- ]+$\n?", re.MULTILINE)
LINE_SIGNS = re.compile(r"^\s*(?:#{1,6}|>|[-*+]|```\w*)(?:\s+|$)", re.MULTILINE)
CELL_BORDER = re.compile(r"[ \t]*(?:\|[ \t]*)+")
LINKS = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
INLINE_SIGNS = re.compile(r"\*{1,3}(?=\S)|(?<=\S)\*{1,3}|`+")
CITED = "\u2e28\u2e29"  # rare brackets, around what is cited while a document is rendered
# Where a link may stand that belongs to a block: before it, or so many tokens further, inside.
INSIDE = {"list_item_open": 1, "tr_open": 2}
NO_PROSE = re.compile(r"^(?: {4}|\t| {0,3}(?:[#>|+*-]|```|~~~|\d+[.)] |\[))", re.MULTILINE)

FROM_THE_RIGHT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]")
ATTRIBUTES = {
    "*": {"class", "id", "dir"},
    "a": {"href", "rel", "target", "title", "aria-current", "data-number", "data-check"},
    "input": {"type", "checked", "disabled"},
    "ol": {"start"},
    "pre": {"tabindex"},  # what scrolls must be reachable by keys
    "div": {"tabindex"},
    **formulas.ATTRIBUTES,
}
TAGS = {
    *("a", "p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote"),
    *("em", "strong", "s", "mark", "code", "pre", "span", "div", "section", "sup"),
    *("input", "figure", "figcaption", "copy-button"),
    *("table", "thead", "tbody", "tr", "th", "td"),
    *formulas.TAGS,
}


def render(
    source: str,
    sources: Mapping[int, Source],
    scope: str,
    whole: bool = True,
    so_far: Footnotes | None = None,
) -> SafeString:
    """An answer, its ``[n]`` markers turned into named pills where ``sources`` knows the number.

    ``scope`` keeps footnote ids apart between answers of one page. With ``whole`` False the text
    is still being written: code is not coloured yet and a half-written marker is held back. With
    ``so_far`` it is a part of a longer one: it goes on from the footnotes of those before it, and
    adds its own to them.
    """
    if not whole:
        source = _mended(source)
    env = {"sources": sources, "docId": scope, "whole": whole, "mentioned": Counter()}
    if so_far is not None:
        env["so_far"] = so_far
    return _clean(_parser().render(source, env))


def render_document(text: str, start: int, end: int, marks: Sequence[Mark] = ()) -> SafeString:
    """A document with characters ``start`` to ``end`` marked as cited, and ``marks`` in its margin.

    Sentences of a paragraph are marked by themselves, anything else by the blocks that hold it.
    """
    if sentence := _with_sentence_marked(text, start, end, marks):
        return sentence
    env = _document_env()
    tokens = _with_marks(_parser().parse(text, env), text, marks)
    first, last = text.count("\n", 0, start), text.count("\n", 0, max(start, end - 1))
    if end > start:
        _mark_lines(tokens, first, last)
    return _clean(_parser().renderer.render(tokens, _parser().options, env))


def _document_env() -> dict[str, Any]:
    return {"sources": {}, "docId": "document", "whole": True, "outline": []}


def _with_sentence_marked(
    text: str, start: int, end: int, marks: Sequence[Mark]
) -> SafeString | None:
    """None when the span is more or less than some sentences of one paragraph of prose."""
    before, after = text.rfind("\n\n", 0, start), text.find("\n\n", end)
    paragraph = text[before + 2 if before >= 0 else 0 : after if after >= 0 else len(text)]
    cited = text[start:end]
    is_part = cited.strip() and cited.strip() != paragraph.strip() and "\n\n" not in cited
    if not is_part or NO_PROSE.search(paragraph) or {*CITED} & {*text} or cited.count("`") % 2:
        return None
    # Signs that Markdown takes for punctuation, so that emphasis may begin and end beside them.
    signed = f"{text[:start]}{CITED[0]}{cited}{CITED[1]}{text[end:]}"
    env = _document_env()
    tokens = _with_marks(_parser().parse(signed, env), text, marks)
    html = _parser().renderer.render(tokens, _parser().options, env)
    opening, _sign, rest = html.partition(CITED[0])
    inside, _sign, closing = rest.partition(CITED[1])
    if opening.count("<math") != opening.count("</math>"):
        return None
    if not closing or "<p>" in inside or "<code" in opening.rpartition("<p>")[2]:
        return None
    return _clean(f'{opening}<mark class="cited" id="passage">{inside}</mark>{closing}')


def plain(text: str) -> str:
    """Markdown as a person would read it aloud: without its signs."""
    text = LINE_SIGNS.sub("", SEPARATOR_ROW.sub("", text))
    text = INLINE_SIGNS.sub("", LINKS.sub(r"\1", CELL_BORDER.sub(" · ", text)))
    lines = (line.strip(" ·") for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


def open_block(source: str) -> int:
    """Where the last top-level block begins: what comes before it will not change any more."""
    tokens = [token for token in _block_parser().parse(source) if token.level == 0 and token.map]
    if not tokens or tokens[-1].map is None:
        return 0
    line = max(token.map[0] for token in tokens if token.map)
    offset = 0
    for _line in range(line):
        offset = source.index("\n", offset) + 1
    # Lines of a formula without its end may look like other blocks.
    half_formula = formulas.OPEN_BLOCK.search(source)
    return min(offset, half_formula.start()) if half_formula else offset


def _mended(source: str) -> str:
    """Text cut off in mid-word, without the flicker: no half markers, no bare asterisks."""
    source = HALF_MARKER.sub("", without_open_formula(source))
    line = source.rpartition("\n")[2]
    if line.count("`") % 2:
        return f"{source}`" if not line.lstrip().startswith("```") else source
    if line.count("**") % 2:
        return source.removesuffix("**") if line.endswith("**") else f"{source.rstrip()}**"
    return source


def _clean(html: str) -> SafeString:
    return mark_safe(  # noqa: S308 - this is the sanitiser
        nh3.clean(
            html,
            tags=TAGS,
            attributes=ATTRIBUTES,
            url_schemes={"http", "https", "mailto"},
            link_rel=None,
        )
    )


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "linkify": True}, renderer_cls=Renderer)
    parser.enable(["table", "strikethrough", "linkify"])
    if parser.linkify:
        parser.linkify.set({"fuzzy_link": False})  # "notes.md" is a file, not a site in Moldova
    _with_extensions(parser).use(tasklists_plugin)
    for name in ("math_inline", "math_inline_double", "math_block", "math_block_eqno"):
        parser.add_render_rule(name, getattr(Renderer, name))  # the plugins only escape
    parser.inline.ruler.before("link", "citation", _citation_rule)
    parser.core.ruler.push("outward_links", _outward_links_rule)
    parser.core.ruler.push("page", _page_rules)
    return parser


@cache
def _block_parser() -> MarkdownIt:
    """The same blocks, without the cost of what is inside them."""
    parser = MarkdownIt("commonmark", {"html": False})
    _with_extensions(parser.enable("table"))
    parser.core.ruler.enableOnly(["normalize", "block"])
    return parser


def _with_extensions(parser: MarkdownIt) -> MarkdownIt:
    """Those that make blocks. A formula stands between dollars, ``\\( \\)`` or ``\\[ \\]``; "$5 to
    $10" is money."""
    parser.use(footnotes_in_parts).use(texmath_plugin, delimiters="brackets")
    return parser.use(
        dollarmath_plugin,
        allow_labels=False,
        allow_space=False,
        allow_digits=False,
        allow_blank_lines=False,
        double_inline=True,
    )


def _citation_rule(state: StateInline, silent: bool) -> bool:
    """``[3]`` and ``[1, 4]``: a pill for every number that is known, or else plain text."""
    match = MARKER.match(state.src, state.pos)
    if match is None or state.src[match.end() : match.end() + 1] == "(":
        return False
    sources = state.env.get("sources", {})
    known = [sources[int(n)] for n in re.findall(r"\d+", match[1]) if int(n) in sources]
    if not known:
        return False
    if not silent:
        for source in known:
            mention = source.mention(state.env["mentioned"][source.number])
            state.env["mentioned"][source.number] += 1
            state.push("citation", "", 0).meta = {"source": source, "mention": mention}
    state.pos = match.end()
    return True


def _outward_links_rule(state: StateCore) -> None:
    """Say after each link where it leads, unless its own words already do.

    A picture is a link, too, or the words of the link that it stands in.
    """
    for token in state.tokens:
        if token.type == "inline" and token.children:
            token.children = _with_hosts(token.children)


def _page_rules(state: StateCore) -> None:
    """Fit the document into a page: headings below the page's own two levels, and a column's
    alignment as a class, since the content policy lets no style attribute through. What is more
    than a paragraph stands on the side where its words begin."""
    is_mixed = FROM_THE_RIGHT.search(state.src) is not None
    for token in state.tokens:
        if is_mixed and token.type in {"bullet_list_open", "ordered_list_open", "blockquote_open"}:
            token.attrSet("dir", "auto")
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(6, _depth(int(token.tag[1]), state.env.get('outline')) + 2)}"
        if token.type in {"th_open", "td_open"} and (style := token.attrs.pop("style", None)):
            token.attrSet("class", str(style).replace("text-align:", "align-"))


def _depth(level: int, outline: list[int] | None) -> int:
    """How deep a heading stands under those before it: a document may begin in its middle, or
    without its title, and who listens to a page must not look for a heading that is not there.
    An answer, which comes in parts, keeps the levels that it has."""
    if outline is None:
        return level
    while outline and outline[-1] >= level:
        outline.pop()
    outline.append(level)
    return len(outline)


def _with_hosts(children: Sequence[Token]) -> list[Token]:
    shown: list[Token] = []
    address, words, is_inside = "", "", False
    for child in children:
        match child.type:
            case "link_open":
                address, words, is_inside = str(child.attrGet("href")), "", True
                shown.append(child)
            case "link_close":
                shown += [*_host(address, words), child]
                is_inside = False
            case "image" if not is_inside:
                address = str(child.attrGet("src"))
                shown += [child, *_host(address, child.content or address)]
            case "image":
                words += child.content
                shown.append(Token("text", "", 0, content=child.content))
            case _:
                words += child.content
                shown.append(child)
    return shown


def _host(address: str, words: str) -> list[Token]:
    host = (urlsplit(address).hostname or "").removeprefix("www.")
    return [Token("link_host", "span", 0, content=host)] if host not in words else []


def _with_marks(tokens: list[Token], text: str, marks: Sequence[Mark]) -> list[Token]:
    """Each mark beside the block that it begins in."""
    lines = [-1]  # where the blocks begin, in order
    places = [0]  # ... and where among the tokens a mark of theirs may stand
    for at, token in enumerate(tokens):
        begins = token.nesting >= 0 and (token.level == 0 or token.type in INSIDE)
        if begins and token.map and token.map[0] > lines[-1]:
            lines.append(token.map[0])
            places.append(at + INSIDE.get(token.type, 0))
    found: dict[int, list[Mark]] = {}
    for mark in marks:
        line = text.count("\n", 0, mark.start)
        found.setdefault(places[bisect_right(lines, line) - 1], []).append(mark)
    for place in sorted(found, reverse=True):
        tokens.insert(place, Token("marks", "", 0, meta={"marks": found[place]}))
    return tokens


def _mark_lines(tokens: Sequence[Token], first: int, last: int) -> None:
    items: list[Token] = []
    marked = False
    for token in tokens:
        if token.type == "list_item_open":
            items.append(token)
        elif token.type == "list_item_close":
            items.pop()
        is_leaf = token.type in {"paragraph_open", "heading_open", "fence", "code_block", "tr_open"}
        if is_leaf and token.map and token.map[0] <= last and token.map[1] > first:
            shown = items[-1] if token.hidden and items else token
            shown.attrJoin("class", "cited") if not shown.attrGet("class") else None
            if not marked:
                shown.attrSet("id", "passage")
                marked = True

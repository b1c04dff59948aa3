"""How the tokens of Markdown that need more than their tag are written as HTML."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.utils.html import conditional_escape, escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from .formulas import formula
from .passages import Mark
from .sources import Mention, Source

LONGEST_HIGHLIGHT = 50_000  # characters of code; colouring more would hold up the page


class Renderer(RendererHTML):
    """A method a kind of token, called with all of them and the index of its own."""

    def citation(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        source: Source = tokens[idx].meta["source"]
        mention: Mention = tokens[idx].meta["mention"]
        before = tokens[idx - 1] if idx else None
        again = (
            before is not None
            and before.type == "citation"
            and before.meta["source"].file_id == source.file_id
        )
        return format_html(
            '{}<a class="citation" href="{}" data-number="{}" data-check="{}" title="{}">{}</a>',
            "\u2009" if before is not None and before.type == "citation" else "",
            mention.url,
            source.number,
            mention.check,
            " · ".join(filter(None, [source.full_name, _verdict(mention.check)])),
            source.place if again else source.label,
        )

    def marks(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return format_html('<div class="marks">{}</div>', links_to(tokens[idx].meta["marks"]))

    def link_host(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return format_html(' <span class="link-host">{}</span>', tokens[idx].content)

    def link_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        href = str(tokens[idx].attrGet("href") or "")
        if urlsplit(href).scheme not in {"http", "https", "mailto"}:
            return "<span>"  # an address within this site: not for a document to give
        return format_html(
            '<a href="{}" target="_blank" rel="noopener noreferrer nofollow" title="{}">',
            href,
            href,
        )

    def link_close(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        opener = next(t for t in reversed(tokens[:idx]) if t.type == "link_open")
        scheme = urlsplit(str(opener.attrGet("href") or "")).scheme
        return "</a>" if scheme in {"http", "https", "mailto"} else "</span>"

    def image(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        """A picture is never fetched: where it lies would learn who reads this."""
        address = str(tokens[idx].attrGet("src") or "")
        words = tokens[idx].content or address
        if urlsplit(address).scheme not in {"http", "https"}:
            return conditional_escape(words)
        return format_html(
            '<a href="{}" target="_blank" rel="noopener noreferrer nofollow">{}</a>', address, words
        )

    def math_inline(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return formula(tokens[idx].content)

    def math_inline_double(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return formula(tokens[idx].content, is_block=True)

    def math_block(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        drawn = formula(tokens[idx].content, is_block=True)
        return format_html('<div class="formula" tabindex="0">{}</div>\n', drawn)

    def math_block_eqno(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        token = tokens[idx]
        drawn, number = formula(token.content, is_block=True), token.info
        return format_html(
            '<div class="formula" tabindex="0">{} <span>({})</span></div>\n', drawn, number
        )

    def table_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return '<div class="scrolls" tabindex="0"><table>'

    def table_close(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return "</table></div>\n"

    def fence(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        token = tokens[idx]
        language = (token.info.split() or [""])[0][:30]
        code = _coloured(token.content, language) if env.get("whole") else escape(token.content)
        return format_html(
            '<figure class="code {}"{}><figcaption>{}<copy-button></copy-button></figcaption>'
            '<pre tabindex="0"><code>{}</code></pre></figure>',
            token.attrGet("class") or "",
            mark_safe(' id="passage"' if token.attrGet("id") else ""),  # noqa: S308 - a constant
            language,
            code,
        )

    def code_block(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return self.fence(tokens, idx, options, env)


def links_to(marks: Sequence[Mark]) -> SafeString:
    return format_html_join(" ", "{}", ((link_to(one),) for one in marks))


def link_to(mark: Mark) -> SafeString:
    current = mark_safe(' aria-current="true"') if mark.is_here else ""
    return format_html(
        '<a class="mark" href="{}" title="{}"{}><span class="visually-hidden">{}</span>'
        '<span class="mark__name">{}</span></a>',
        mark.url,
        mark.words,
        current,
        mark.words,
        mark.name,
    )


def _verdict(check: str) -> str:
    """What comparing an answer's words with those it cites has shown."""
    match check:
        case "exact":
            return _("word for word")
        case "near":
            return _("in other words")
        case "none":
            return _("not worded like this there: look for yourself")
    return ""


def _coloured(code: str, language: str) -> SafeString:
    try:
        lexer = get_lexer_by_name(language, stripnl=False)
    except ClassNotFound:
        return escape(code)
    if len(code) > LONGEST_HIGHLIGHT:
        return escape(code)
    formatter = HtmlFormatter(nowrap=True, classprefix="hl-")
    return mark_safe(highlight(code, lexer, formatter))  # noqa: S308 - escaped by pygments

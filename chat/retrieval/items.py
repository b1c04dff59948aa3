"""A page's text as a list of its parts: headings, paragraphs, lists, tables, code."""

from typing import Any

from markdown_it import MarkdownIt

_markdown = MarkdownIt("commonmark").enable("table")
_KINDS = {
    "heading_open": "heading",
    "paragraph_open": "text",
    "bullet_list_open": "list",
    "ordered_list_open": "list",
    "blockquote_open": "text",
    "table_open": "table",
    "fence": "code",
    "code_block": "code",
    "html_block": "text",
}


def items_of(text: str) -> list[dict[str, Any]]:
    """``{type, md}`` of each part, in order; a heading has its ``level``, a table its ``rows``."""
    lines = text.split("\n")
    tokens = _markdown.parse(text)
    return [
        _item(token.type, token.tag, "\n".join(lines[slice(*token.map)]).strip())
        for token in tokens
        if token.level == 0 and token.map and token.type in _KINDS
    ]


def _item(opening: str, tag: str, source: str) -> dict[str, Any]:
    item: dict[str, Any] = {"type": _KINDS[opening], "md": source}
    if opening == "heading_open":
        item |= {"level": int(tag[1:]), "value": source.strip("#=- \n\t")}
    elif opening == "table_open":
        item["rows"] = [
            [cell.strip() for cell in line.strip().strip("|").split("|")]
            for number, line in enumerate(source.splitlines())
            if number != 1  # the rule under the header
        ]
    return item

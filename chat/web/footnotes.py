"""Footnotes of an answer that is rendered in parts, while it is written.

A mark comes long before its note, and each part is rendered by itself. So a mark counts as one
before there is a note to it, and the numbers go on from part to part, as they will read at the end.
"""

from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from mdit_py_plugins.footnote import footnote_plugin
from mdit_py_plugins.footnote.index import footnote_ref

Footnotes = dict[str, dict[Any, Any]]  # as the plugin keeps them: ids by label, notes by id


def no_footnotes() -> Footnotes:
    return {"refs": {}, "list": {}}


def copied(footnotes: Footnotes) -> Footnotes:
    """For a part that will be rendered again: what it adds is not to be counted twice."""
    notes = {pk: dict(note) for pk, note in footnotes["list"].items()}
    return {"refs": dict(footnotes["refs"]), "list": notes}


def footnotes_in_parts(parser: MarkdownIt) -> None:
    """The footnote plugin; ``env["so_far"]`` are the footnotes of the parts before this one."""
    parser.use(footnote_plugin)
    parser.inline.ruler.at("footnote_ref", _mark_rule)
    parser.core.ruler.before("inline", "footnotes_so_far", _so_far_rule)
    parser.core.ruler.before("footnote_tail", "footnotes_here", _here_rule)
    parser.add_render_rule("footnote_block_open", _block_open)
    parser.add_render_rule("footnote_caption", _caption)


def _so_far_rule(state: StateCore) -> None:
    if (so_far := state.env.get("so_far")) is not None:
        state.env["defined"] = set(state.env.get("footnotes", no_footnotes())["refs"])
        state.env["known"] = set(so_far["list"])
        state.env["footnotes"] = so_far


def _mark_rule(state: StateInline, silent: bool) -> bool:
    return footnote_ref(state, silent, always_match="so_far" in state.env)


def _here_rule(state: StateCore) -> None:
    """Under this part stand the notes written in it, and no others."""
    if "so_far" in state.env:
        defined, known = state.env["defined"], state.env["known"]
        here = {
            pk: note
            for pk, note in state.env["so_far"]["list"].items()
            if f":{note.get('label')}" in defined or ("tokens" in note and pk not in known)
        }
        state.env["footnotes"] = {"refs": {}, "list": here}


def _block_open(renderer: Any, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
    first = tokens[idx + 1].meta["id"] + 1
    return (
        '<hr class="footnotes-sep">\n<section class="footnotes">\n'
        f'<ol class="footnotes-list" start="{first}">\n'
    )


def _caption(renderer: Any, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
    """The number of the note, the second time as well."""
    return str(tokens[idx].meta["id"] + 1)

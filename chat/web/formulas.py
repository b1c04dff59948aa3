"""Formulas in TeX as MathML, which browsers draw by themselves and screen readers can read."""

import re

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from latex2mathml.converter import convert

LONGEST = 2_000  # characters; what is longer is no formula, and deeper than a parser can go
ALIGNED = re.compile(r"\\(begin|end)\{(?:aligned|alignedat|split|gathered)\}")

# What a half-written text may end in: such a formula is held back until it is whole.
OPEN_BLOCK = re.compile(r"^ {0,3}(?:\$\$|\\\[)(?:(?!\$\$|\\\]|\n[ \t]*\n)[\s\S])*\Z", re.MULTILINE)
OPEN_INLINE = re.compile(r"(?<![\\$\w`])(?:\$(?![\s\d$])[^$`\n]{0,120}|\\\((?:(?!\\\))[^\n])*)\Z")

# Of MathML, only what draws: nothing that links, runs, or sets colours of its own.
TAGS = {
    *("math", "mrow", "mi", "mn", "mo", "ms", "mtext", "mspace", "mfrac", "msqrt", "mroot"),
    *("mstyle", "mpadded", "mphantom", "menclose", "msub", "msup", "msubsup"),
    *("munder", "mover", "munderover", "mmultiscripts", "mprescripts", "mtable", "mtr", "mtd"),
}
ATTRIBUTES = {
    "math": {"display"},
    "mi": {"mathvariant"},
    "mo": {"stretchy", "fence", "form", "separator", "lspace", "rspace", "minsize", "maxsize"},
    "mspace": {"width", "height", "depth", "linebreak"},
    "mfrac": {"linethickness"},
    "mstyle": {"displaystyle", "scriptlevel"},
    "mpadded": {"width", "height", "depth", "voffset", "lspace"},
    "menclose": {"notation"},
    "mover": {"accent"},
    "munder": {"accentunder"},
    "mtable": {"displaystyle", "columnalign", "rowspacing", "columnspacing"},
    "mtd": {"columnalign", "columnspan", "rowspan"},
}


def formula(tex: str, is_block: bool = False) -> SafeString:
    """The formula drawn, or its TeX as code where that cannot be understood."""
    tex = tex.strip()
    if len(tex) > LONGEST:
        return _as_code(tex)
    try:
        drawn = convert(
            ALIGNED.sub(r"\\\1{align*}", tex), display="block" if is_block else "inline"
        )
    except Exception:  # a parser of whatever a model may write has many ways to fail
        return _as_code(tex)
    return mark_safe(drawn)  # noqa: S308 - what it is part of is sanitised as a whole


def without_open_formula(source: str) -> str:
    """The text up to a formula at its end that is still being written."""
    if source.lstrip().startswith(("```", "~~~")):
        return source
    return OPEN_INLINE.sub("", OPEN_BLOCK.sub("", source))


def _as_code(tex: str) -> SafeString:
    return format_html("<code>{}</code>", tex)

"""Files to text: bytes and a name in, a ``Reading`` or a sentence why not out.

Plain text, Markdown and code are decoded here, so that every offset counts in the original. All
other formats go through xberg, which renders Markdown; nothing else in Carrel knows of it. Pure
functions, but of hostile input: ``parsing`` runs them in a process of their own, as far as needed.
"""

import asyncio
import codecs
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from chat.errors import UnreadableFile

MAX_TEXT_CHARS = 50_000_000

VERSION = "1"  # of this reading and of the splitting after it; a new one re-reads every file


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file says. Offsets, here and in every chunk, are in characters of ``text``."""

    text: str
    title: str = ""  # as the document names itself; "" when it does not
    page_starts: tuple[int, ...] = ()  # the offset of each page or slide; () where there are none
    is_markdown: bool = True


def read(data: bytes, name: str) -> Reading:
    """Read a file by its content, and by its name where content does not tell.

    Raises ``UnreadableFile`` for one that is empty, damaged, encrypted, without text or of a kind
    that cannot be read.
    """
    return read_plainly(data, name) or _checked(_render(data, name, _suffix(name)))


def read_plainly(data: bytes, name: str) -> Reading | None:
    """``read`` of what is read as it stands; None for a file that must be rendered.

    Nothing is parsed for it, so that a small file needs no process of its own.
    """
    if not data.strip(b"\0 \t\r\n"):
        raise UnreadableFile("The file is empty.")
    suffix = _suffix(name)
    text = None if _is_rendered(data, suffix) else decode(data)
    if text is None:
        return None
    is_markdown = suffix in _MARKDOWN
    title = _first_heading(text) if is_markdown else ""
    return _checked(Reading(text, title, (), is_markdown))


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _checked(reading: Reading) -> Reading:
    if not reading.text.strip():
        raise UnreadableFile("The file holds no text.")
    if len(reading.text) > MAX_TEXT_CHARS:
        raise UnreadableFile(
            f"The file holds more text than one document may ({MAX_TEXT_CHARS // 10**6} million "
            "characters). Split it into several files."
        )
    return reading


# Text that is read as it stands -------------------------------------------------------------------

_MARKDOWN = {".md", ".markdown", ".mdown", ".mkd", ".mdx", ".qmd", ".rmd"}
# Written in text, but meant to be seen rendered.
_MARKUP = {
    *(".htm", ".html", ".xhtml", ".mhtml", ".eml", ".csv", ".tsv", ".ipynb", ".rtf", ".xml"),
    *(".svg", ".fb2", ".opml", ".docbook", ".jats", ".tex", ".rst", ".org", ".typ"),
}
_BINARY = (
    *(b"%PDF-", b"PK\x03\x04", b"PK\x05\x06", b"\xd0\xcf\x11\xe0", b"{\\rtf"),
    *(b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*", b"\x1f\x8b", b"7z\xbc\xaf"),
)
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")


def _is_rendered(data: bytes, suffix: str) -> bool:
    if data.startswith(_BINARY):
        return True
    # Pages and mails are often saved without a telling name.
    return suffix in _MARKUP or data[:256].lstrip().lower().startswith(
        (b"<!doctype html", b"<html")
    )


def decode(data: bytes) -> str | None:
    """The text in those bytes, without a byte order mark; None if they are not text.

    One character of the answer is one of the original, but for what no database takes: NUL
    becomes a blank.
    """
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if data.startswith(mark):
            return data.decode(encoding, "replace").replace("\0", " ")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = data.decode(_guess(data[:4096]), "replace")
    if len(_CONTROLS.findall(text[:8192])) > len(text[:8192]) // 100:
        return None
    return text.replace("\0", " ")


def _guess(sample: bytes) -> str:
    """Every second byte zero is UTF-16 without its mark; else what Windows wrote in the West."""
    if sample[1::2].count(0) > len(sample) // 4:
        return "utf-16-le"
    if sample[::2].count(0) > len(sample) // 4:
        return "utf-16-be"
    return "cp1252"


def _first_heading(text: str) -> str:
    heading = re.search(r"^#{1,2}[ \t]+(.+?)[ \t#]*$", text[:4000], re.MULTILINE)
    return heading[1] if heading else ""


# Formats that are rendered ------------------------------------------------------------------------


def _render(data: bytes, name: str, suffix: str) -> Reading:
    document = _extract(data, name, suffix)
    mime: str = document.mime_type
    text, page_starts = _with_pages(document)
    if not text.strip():
        raise UnreadableFile(_no_text(mime))
    if mime == "message/rfc822":
        text = text.replace("\\<", "<").replace("\\>", ">")
        page_starts = ()
    return Reading(text, _title(document, mime, data, text), page_starts)


def _extract(data: bytes, name: str, suffix: str) -> Any:
    # Imported here: it is large, and only the parsing process ever needs it.
    import xberg

    config = xberg.ExtractionConfig(
        use_cache=False,
        disable_ocr=True,  # it would fetch its data from the network
        output_format="markdown",
        escape_markdown=False,
        pages=xberg.PageConfig(extract_pages=True),
        html_options=xberg.ConversionOptions(extract_metadata=False),  # else it heads the text
        security_limits=xberg.SecurityLimits(max_table_cells=5_000_000),
        extraction_timeout_secs=None,  # the parsing process has its own
    )
    # Bytes only: given a path or an address, it would open it.
    source = xberg.ExtractInput(kind="bytes", bytes=data, filename=name)
    try:
        results = asyncio.run(xberg.extract(source, config)).results
    except (RuntimeError, ValueError, OSError) as error:
        raise UnreadableFile(_reason(str(error), suffix)) from error
    if not results:
        raise UnreadableFile(_reason("", suffix))
    return results[0]


def _reason(message: str, suffix: str) -> str:
    """xberg's message as a sentence for the person who added the file."""
    kind = suffix.removeprefix(".").upper()
    words = message.lower()
    if "encrypt" in words or "password" in words:
        return "The file is protected by a password. Remove the password and add it again."
    if "security" in words or "exceeds limit" in words or "bomb" in words:
        return "The file unpacks to far more than its size allows, as a zip bomb does. Not read."
    if "unsupported" in words:
        return f"Files of this kind{f' ({kind})' if kind else ''} cannot be read."
    return f"The file is damaged, or not the {kind or 'document'} its name says it is."


def _no_text(mime: str) -> str:
    if mime == "application/pdf":
        return (
            "The PDF holds pictures of pages but no text. Run text recognition (OCR) over it and "
            "add it again."
        )
    if mime.startswith("image/"):
        return "The file is a picture. Only text can be read."
    return "The file holds no text."


def _with_pages(document: Any) -> tuple[str, tuple[int, ...]]:
    """The text, and where its pages start: of PDFs and slides, the only ones with real pages.

    The text is put together from the pages: xberg's own page offsets count in another rendering.
    """
    pages: Sequence[Any] = document.pages or ()
    mime: str = document.mime_type
    if mime != "application/pdf" and "presentation" not in mime and "powerpoint" not in mime:
        return _clean(document.content), ()
    texts = [_clean(_page_text(page)) for page in pages]
    starts, position = [], 0
    for text in texts:
        starts.append(position)
        position += len(text) + 1
    return "\n".join(texts), tuple(starts)


def _page_text(page: Any) -> str:
    notes = (page.speaker_notes or "").strip()
    return f"{page.content.rstrip()}\n\nNotes: {notes}\n" if notes else page.content


def _clean(text: str) -> str:
    return text.replace("\0", " ").encode("utf-8", "replace").decode()


def _title(document: Any, mime: str, data: bytes, text: str) -> str:
    if mime == "text/html":
        tag = re.search(rb"<title[^>]*>(.*?)</title>", data[:65536], re.IGNORECASE | re.DOTALL)
        title = html.unescape(tag[1].decode("utf-8", "replace")) if tag else ""
    elif mime == "message/rfc822":
        subject = re.search(r"^\*\*Subject\*\*: (.+)$", text[:4000], re.MULTILINE)
        title = subject[1] if subject else ""
    else:
        title = document.metadata.title or ""
    title = " ".join(_clean(title).split())
    # Word processors leave the name of their own file as a PDF's title.
    if re.search(r"^(Microsoft \w+ - |untitled\b)|\.\w{2,4}$", title, re.IGNORECASE):
        title = ""
    is_sheets = "spreadsheet" in mime or "excel" in mime  # whose first heading names one of them
    return (title or ("" if is_sheets else _first_heading(text)))[:300]

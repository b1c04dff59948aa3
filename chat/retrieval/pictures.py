"""Pages of a PDF as pictures. Of hostile input: ``parsing`` runs this in a process of its own."""

import io
from collections.abc import Iterator
from typing import IO, Any

DOTS_PER_INCH = 110  # small print is readable, a page takes about 100 KB
LONGEST_SIDE = 2_000  # pixels
QUALITY = 80
_HEADER_WITHIN = 1024  # bytes, as PDFium has it


def is_pdf(content: IO[bytes]) -> bool:
    """By its beginning, whatever its name; it is read from there afterwards."""
    beginning = content.read(_HEADER_WITHIN)
    content.seek(0)
    return b"%PDF-" in beginning


def draw(data: bytes) -> Iterator[bytes]:
    """Each page as a JPEG, in order; none for what is not a PDF, or not a sound one."""
    # Imported here: it is large, and only the parsing process ever needs it.
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError:
        return
    for number in range(len(document)):
        page = document[number]
        longest = max(page.get_size()) or 1.0  # points, of which an inch has 72
        scale: Any = min(DOTS_PER_INCH / 72, LONGEST_SIDE / longest)
        picture = io.BytesIO()
        page.render(scale=scale).to_pil().convert("RGB").save(picture, "JPEG", quality=QUALITY)
        page.close()
        yield picture.getvalue()

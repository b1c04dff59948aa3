"""Files made on the spot, sound and hostile, as small as their formats allow."""

import hashlib
import io
import zipfile
from collections.abc import Sequence

from PIL import Image


def pdf(pages: Sequence[Sequence[str]], encrypted: bool = False) -> bytes:
    """A PDF of those lines; the first line of a page is set larger, as its heading."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>"
        % (b" ".join(b"%d 0 R" % (4 + 2 * n) for n in range(len(pages))), len(pages)),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, lines in enumerate(pages):
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %d 0 R"
            b" /Resources << /Font << /F1 3 0 R >> >> >>" % (5 + 2 * number)
        )
        drawing = b"".join(
            b"BT /F1 %d Tf 72 %d Td (%s) Tj ET\n"
            % (22 if row == 0 else 11, 780 - 30 * row, line.encode("cp1252"))
            for row, line in enumerate(lines)
        )
        objects.append(b"<< /Length %d >>\nstream\n%sendstream" % (len(drawing), drawing))
    trailer = b"/Root 1 0 R"
    if encrypted:
        # The password cannot be the empty one that readers try: its hash is not the stored one.
        secret = hashlib.sha256(b"nobody knows").hexdigest().encode()
        objects.append(
            b"<< /Filter /Standard /V 1 /R 2 /P -44 /O <%s> /U <%s> >>" % (secret, secret[::-1])
        )
        trailer += b" /Encrypt %d 0 R /ID [<%s> <%s>]" % (len(objects), secret[:32], secret[:32])
    return _assembled(objects, trailer)


def _assembled(objects: Sequence[bytes], trailer: bytes) -> bytes:
    out = io.BytesIO(b"%PDF-1.4\n")
    out.seek(0, io.SEEK_END)
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    out.writelines(b"%010d 00000 n \n" % offset for offset in offsets)
    out.write(
        b"trailer\n<< /Size %d %s >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, trailer, start)
    )
    return out.getvalue()


def scanned_pdf() -> bytes:
    """A PDF that holds a picture and no text."""
    out = io.BytesIO()
    Image.linear_gradient("L").save(out, "PDF")
    return out.getvalue()


def png() -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").save(out, "PNG")
    return out.getvalue()


def docx(paragraphs: Sequence[tuple[str, str]]) -> bytes:
    """A Word file of (style, text): style "Heading1" and the like, or "" for body text."""
    body = "".join(
        f'<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>'
        if style
        else f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"
        for style, text in paragraphs
    )
    main = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    styles = "".join(
        f'<w:style w:type="paragraph" w:styleId="Heading{n}"><w:name w:val="heading {n}"/>'
        "</w:style>"
        for n in (1, 2)
    )
    return _package(
        "word/document.xml",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml",
        {
            "word/document.xml": f'<w:document xmlns:w="{main}"><w:body>{body}</w:body>'
            "</w:document>",
            "word/styles.xml": f'<w:styles xmlns:w="{main}">{styles}</w:styles>',
        },
    )


def xlsx(rows: Sequence[Sequence[str | int]]) -> bytes:
    """A workbook with one sheet, "Sheet1"."""
    cells = "".join(
        "<row>"
        + "".join(
            f"<c><v>{cell}</v></c>"
            if isinstance(cell, int)
            else f'<c t="inlineStr"><is><t>{cell}</t></is></c>'
            for cell in row
        )
        + "</row>"
        for row in rows
    )
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    document = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    return _package(
        "xl/workbook.xml",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml",
        {
            "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{document}"><sheets>'
            '<sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>',
            "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{cells}'
            "</sheetData></worksheet>",
            "xl/_rels/workbook.xml.rels": _relations("worksheet", "worksheets/sheet1.xml"),
        },
    )


def pptx(slides: Sequence[tuple[str, str]]) -> bytes:
    """A presentation of (title, text) slides."""
    drawing = "http://schemas.openxmlformats.org/drawingml/2006/main"
    main = "http://schemas.openxmlformats.org/presentationml/2006/main"
    document = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    parts = {}
    for number, (title, text) in enumerate(slides, start=1):
        shapes = "".join(
            f'<p:sp><p:nvSpPr><p:cNvPr id="{i}" name="s{i}"/><p:cNvSpPr/><p:nvPr>'
            f'<p:ph type="{kind}"/></p:nvPr></p:nvSpPr><p:spPr/><p:txBody><a:bodyPr/><a:p><a:r>'
            f"<a:t>{words}</a:t></a:r></a:p></p:txBody></p:sp>"
            for i, (kind, words) in enumerate([("title", title), ("body", text)], start=2)
        )
        parts[f"ppt/slides/slide{number}.xml"] = (
            f'<p:sld xmlns:p="{main}" xmlns:a="{drawing}"><p:cSld><p:spTree><p:nvGrpSpPr>'
            '<p:cNvPr id="1" name=""/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr><p:grpSpPr/>'
            f"{shapes}</p:spTree></p:cSld></p:sld>"
        )
    ids = "".join(f'<p:sldId id="{255 + n}" r:id="rId{n}"/>' for n in range(1, len(slides) + 1))
    parts["ppt/presentation.xml"] = (
        f'<p:presentation xmlns:p="{main}" xmlns:r="{document}"><p:sldIdLst>{ids}</p:sldIdLst>'
        "</p:presentation>"
    )
    parts["ppt/_rels/presentation.xml.rels"] = _relations(
        "slide", *(f"slides/slide{n}.xml" for n in range(1, len(slides) + 1))
    )
    return _package(
        "ppt/presentation.xml",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation.main+xml",
        parts,
    )


def _relations(kind: str, *targets: str) -> str:
    base = "http://schemas.openxmlformats.org"
    rows = "".join(
        f'<Relationship Id="rId{n}" Target="{target}" '
        f'Type="{base}/officeDocument/2006/relationships/{kind}"/>'
        for n, target in enumerate(targets, start=1)
    )
    return f'<Relationships xmlns="{base}/package/2006/relationships">{rows}</Relationships>'


def _package(main_part: str, main_type: str, parts: dict[str, str]) -> bytes:
    types = (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/{main_part}" ContentType="{main_type}"/></Types>'
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("[Content_Types].xml", types)
        package.writestr("_rels/.rels", _relations("officeDocument", main_part))
        for name, text in parts.items():
            package.writestr(name, text)
    return out.getvalue()


def zip_bomb() -> bytes:
    """A Word file of 200 KB that unpacks to 200 MB of one paragraph."""
    return docx([("", "x" * 200_000_000)])


def entity_bomb() -> bytes:
    """A Word file whose XML would expand to 10^9 words."""
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    main = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    document = (
        f'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY e0 "lol">{entities}]>'
        f'<w:document xmlns:w="{main}"><w:body><w:p><w:r><w:t>&e9;</w:t></w:r></w:p></w:body>'
        "</w:document>"
    )
    return _package(
        "word/document.xml",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml",
        {"word/document.xml": document},
    )


EML = (
    b"From: Ada <ada@example.org>\r\nTo: Bob <bob@example.org>\r\nSubject: The boiler\r\n"
    b"Date: Mon, 3 Feb 2025 10:00:00 +0000\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n\r\n"
    b"The boiler was serviced on Monday.\r\nThe invoice is 240 euros.\r\n"
)
HTML = b"""<!doctype html><html><head><title>Staff handbook</title>
<style>p{color:red}</style></head>
<body><nav>Home</nav><h1>Leave</h1><p>Everyone has <b>28 days</b> of leave.</p>
<table><tr><th>Year</th><th>Days</th></tr><tr><td>2024</td><td>28</td></tr></table>
<script>alert(1)</script></body></html>"""

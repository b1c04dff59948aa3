"""Files to text: the formats people have, and the files nobody should have."""

import io

import pytest

from chat.errors import UnreadableFile
from chat.retrieval.parsing import Parser
from chat.retrieval.readers import Reading

from . import samples


@pytest.fixture(scope="module")
def parser():
    with Parser(timeout=60, memory_mb=512) as parser:
        yield parser


def read(parser: Parser, name: str, data: bytes) -> Reading:
    return parser.read(io.BytesIO(data), len(data), name)


REPORT = samples.pdf(
    [["Annual report", "Revenue was 3 million."], ["Outlook", "We expect growth."]]
)


def test_a_pdf_keeps_headings_and_says_where_its_pages_start(parser):
    reading = read(parser, "report.pdf", REPORT)

    assert reading.title == "Annual report"
    assert "# Annual report\n\nRevenue was 3 million.\n" in reading.text
    first, second = reading.page_starts
    assert first == 0
    assert reading.text[second:].endswith("# Outlook\n\nWe expect growth.\n")


def test_a_pdf_of_a_thousand_pages_is_read_whole(parser):
    data = samples.pdf([[f"Page {n}", f"This is page {n}."] for n in range(1, 1001)])

    reading = read(parser, "long.pdf", data)

    assert len(reading.page_starts) == 1000
    assert "This is page 777." in reading.text[reading.page_starts[776] : reading.page_starts[777]]


def test_a_word_file_keeps_its_headings(parser):
    data = samples.docx([("Heading1", "Intro"), ("", "Hello."), ("Heading2", "More"), ("", "Bye.")])

    reading = read(parser, "letter.docx", data)

    assert reading.text == "# Intro\n\nHello.\n\n## More\n\nBye.\n"


def test_sheets_become_tables(parser):
    data = samples.xlsx([["Year", "Days"], [2024, 28], [2025, 30]])

    reading = read(parser, "leave.xlsx", data)

    assert "| Year | Days |" in reading.text
    assert "| 2025 | 30 |" in reading.text
    assert reading.title == ""  # a sheet's name is not the document's


def test_a_csv_becomes_a_table_whatever_its_separator(parser):
    reading = read(parser, "leave.csv", b"Year;Days\n2024;28\n")

    assert "| Year | Days |" in reading.text
    assert "| 2024 | 28 |" in reading.text


def test_slides_are_pages(parser):
    reading = read(parser, "talk.pptx", samples.pptx([("Start", "First"), ("End", "Last")]))

    assert len(reading.page_starts) == 2
    assert reading.text[reading.page_starts[1] :] == "## End\n\nLast\n"


def test_a_web_page_loses_its_scripts_and_keeps_its_title(parser):
    reading = read(parser, "handbook.html", samples.HTML)

    assert reading.title == "Staff handbook"
    assert "Everyone has **28 days** of leave." in reading.text
    assert "alert" not in reading.text


def test_a_mail_says_who_wrote_it(parser):
    reading = read(parser, "boiler.eml", samples.EML)

    assert reading.title == "The boiler"
    assert "Ada <ada@example.org>" in reading.text
    assert "The invoice is 240 euros." in reading.text


@pytest.mark.parametrize("name", ["note.txt", "note.md", "note.py", "note", "data.json"])
def test_text_is_read_as_it_stands(parser, name):
    text = '{"a": 1}\r\n\r\n* not a list\n\tGrüße, 読書室 😀\n'

    reading = read(parser, name, text.encode())

    assert reading.text == text


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_text_is_read_in_the_encoding_it_was_written_in(parser, encoding):
    text = "Grüße aus dem Lesesaal – für fünf Bücher.\n"

    reading = read(parser, "note.txt", text.encode(encoding))

    assert reading.text == text


def test_nul_characters_do_not_reach_the_database(parser):
    reading = read(parser, "note.txt", b"one\0two " + b"x" * 500)

    assert reading.text.startswith("one two ")


def test_content_tells_the_format_when_the_name_is_wrong(parser):
    assert "Annual report" in read(parser, "report.txt", REPORT).text
    assert read(parser, "letter.pdf", samples.docx([("", "A letter.")])).text == "A letter.\n"
    assert read(parser, "plain.pdf", b"Only text.").text == "Only text."


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("empty.pdf", b"", "empty"),
        ("blank.txt", b" \n\t\n", "empty"),
        ("secret.pdf", samples.pdf([["x"]], encrypted=True), "password"),
        ("scan.pdf", samples.scanned_pdf(), "no text"),
        ("photo.png", samples.png(), "picture"),
        ("half.pdf", REPORT[: len(REPORT) // 2], "damaged"),
        ("broken.pdf", b"%PDF-1.4 and no more", "damaged"),
        ("broken.docx", b"PK\x03\x04" + bytes(range(256)), "damaged"),
        ("bomb.docx", samples.zip_bomb(), "unpacks"),
        ("entities.docx", samples.entity_bomb(), "no text"),
        ("program.exe", b"MZ" + bytes(range(256)) * 20, "kind (EXE)"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(parser, name, data, reason):
    with pytest.raises(UnreadableFile, match=reason.replace("(", r"\(").replace(")", r"\)")):
        read(parser, name, data)

    assert read(parser, "next.txt", b"The next file is well.").text == "The next file is well."


@pytest.fixture(scope="module")
def large_sheet() -> bytes:
    return samples.xlsx([[f"cell {i} {j}" for j in range(20)] for i in range(50_000)])


def test_reading_ends_when_it_takes_too_much_memory(large_sheet):
    with Parser(timeout=60, memory_mb=100) as parser:
        with pytest.raises(UnreadableFile, match="more than 100 MB of memory"):
            read(parser, "large.xlsx", large_sheet)

        assert read(parser, "next.txt", b"The next file is well.").text


def test_reading_ends_when_it_takes_too_long(large_sheet):
    slow = pytest.raises(UnreadableFile, match=r"more than 0\.5 seconds")

    with Parser(timeout=0.5, memory_mb=2048) as parser, slow:
        read(parser, "large.xlsx", large_sheet)


def test_a_small_text_needs_no_process():
    with Parser(timeout=60, memory_mb=512) as parser:
        assert read(parser, "note.md", b"# Lamps\n\nThey are green.").title == "Lamps"
        assert parser._child is None

        assert "green" in read(parser, "note.html", b"<p>They are green.</p>").text
        assert parser._child is not None

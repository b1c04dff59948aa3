"""Text to chunks: sizes, offsets, headings, tables, pages."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from chat.retrieval.readers import Reading
from chat.retrieval.splitting import SIZE, split

PROSE = "The reading room is quiet in the morning and full in the afternoon. " * 60


@given(st.text(alphabet=st.sampled_from("ab .\n#|-`é😀"), max_size=4000), st.booleans())
def test_chunks_hold_all_of_the_text_and_none_is_blank(text, is_markdown):
    spans = split(Reading(text, is_markdown=is_markdown))

    covered = {place for span in spans for place in range(span.start, span.end)}
    assert all(text[span.start : span.end].strip() for span in spans)
    assert all(place in covered for place, sign in enumerate(text) if not sign.isspace())
    assert [span.start for span in spans] == sorted(span.start for span in spans)


def test_chunks_keep_to_their_size_and_overlap():
    spans = split(Reading(PROSE, is_markdown=False))

    assert all(span.end - span.start <= SIZE[1] for span in spans)
    assert all(later.start < earlier.end for earlier, later in pairwise(spans))


def test_a_heading_stays_with_what_it_heads():
    text = f"# Guide\n\n{PROSE[:900]}\n\n## Install\n\n{PROSE[:1100]}\n\n## Use\n\nShort.\n"

    spans = split(Reading(text))

    assert [span.heading for span in spans] == ["Guide", "Guide › Install", "Guide › Use"]
    assert text[spans[1].start :].startswith("## Install\n\nThe reading room")


def test_a_line_of_code_is_no_heading():
    text = f"# Guide\n\n```sh\n# install it\nmake\n```\n\n{PROSE[:1500]}"

    spans = split(Reading(text))

    assert {span.heading for span in spans} == {"Guide"}


def test_the_middle_of_a_table_knows_its_columns():
    rows = "".join(f"| {year} | {year % 30} |\n" for year in range(1900, 2030))
    text = f"# Leave\n\n| Year | Days |\n| --- | --- |\n{rows}"

    spans = split(Reading(text))

    assert spans[-1].heading == "Leave › Year | Days"


def test_a_chunk_knows_its_pages():
    text = f"{PROSE[:600]}{PROSE[:3000]}"

    spans = split(Reading(text, page_starts=(0, 600), is_markdown=False))

    assert (spans[0].page_start, spans[0].page_end) == (1, 2)
    assert (spans[-1].page_start, spans[-1].page_end) == (2, 2)


def test_a_long_table_is_split_whole():
    rows = "".join(f"| {n} | name {n} |\n" for n in range(20_000))
    text = f"| n | name |\n| --- | --- |\n{rows}"

    spans = split(Reading(text))

    assert spans[-1].end >= len(text) - 1
    assert all(later.start <= earlier.end + 1 for earlier, later in pairwise(spans))

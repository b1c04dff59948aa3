"""What the documents say about settings is what the settings file does; links lead somewhere."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
TABLES = [ROOT / "README.md", ROOT / "docs/settings.md"]
ROW = re.compile(r"^\| `([A-Z][A-Z0-9_]*)` \|([^|]*)\|", re.MULTILINE)
READER = re.compile(r"env\.\w+|env_\w+")  # the calls by which the settings file reads a variable
LINK = re.compile(r"\]\((?!https?://|mailto:)([^)#]+)(?:#[^)]*)?\)")


def settings_read() -> dict[str, object]:
    """Each environment variable of the settings file with its default; None for a computed one."""
    found = {}
    for call in ast.walk(ast.parse((ROOT / "chatsite/settings.py").read_text())):
        if not isinstance(call, ast.Call) or not call.args:
            continue
        reader, name = ast.unparse(call.func), call.args[0]
        if not READER.fullmatch(reader) or not isinstance(name, ast.Constant):
            continue
        given = [*call.args[1:], *(word.value for word in call.keywords if word.arg == "default")]
        default = given[0] if given else ast.Constant("")
        found[name.value] = default.value if isinstance(default, ast.Constant) else None
    return found


def as_written(default: object) -> str:
    if isinstance(default, bool):
        return "`on`" if default else "`off`"
    if isinstance(default, float):
        return f"`{default:g}`"
    return f"`{default}`" if default != "" else ""


def test_settings_are_found_in_the_settings_file():
    found = settings_read()

    assert found["PORT"] == 8000
    assert found["DEBUG"] is False
    assert found["CARREL_DATA_DIR"] is None


@pytest.mark.parametrize("page", TABLES, ids=lambda page: page.name)
def test_a_settings_table_has_one_row_for_every_variable(page: Path):
    rows = [name for name, _default in ROW.findall(page.read_text())]

    assert sorted(rows) == sorted(settings_read())


@pytest.mark.parametrize("page", TABLES, ids=lambda page: page.name)
def test_a_settings_table_gives_the_defaults_of_the_settings_file(page: Path):
    rows = {name: default.strip() for name, default in ROW.findall(page.read_text())}
    defaults = {name: value for name, value in settings_read().items() if value is not None}

    assert {name: rows.get(name) for name in defaults} == {
        name: as_written(value) for name, value in defaults.items()
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_documents_lead_to_a_file(page: Path):
    links = LINK.findall(page.read_text())

    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_document_has_one_title_and_no_heading_twice(page: Path):
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^(#+) (.+)$", text, flags=re.MULTILINE)

    assert [level for level, _title in headings].count("#") == 1
    assert len({title for _level, title in headings}) == len(headings)

"""The model that quotes: what it picks, how it reads, and when it says that nothing fits."""

import re

import pytest

from chat.agent.citations import compare
from chat.providers.base import CallPart, Excerpt, Message, TextPart, ToolSpec, Usage
from chat.providers.embedded import StaticEmbedder
from chat.providers.extractive import ExtractiveModel, answer

OLLAMA = """\
# Connecting a model

Two settings connect a model to this server.

## Connect Ollama

To connect Ollama, set `LLM_BASE_URL` to its address and restart.

```sh
ollama pull llama3.1
LLM_BASE_URL=http://localhost:11434/v1 make run
```

Ollama needs no API key.

## Connect vLLM

To connect vLLM, start it on another port and set `LLM_BASE_URL` to its address.

```sh
vllm serve some-model --port 8001
```
"""
TOWER = """\
Gustave Eiffel was a French engineer. The tower was built from 1887 to 1889. It was finished in \
1889 by 300 workers, and stands 330 metres high. Before that [12], the Washington Monument was \
the tallest structure. The tower was built because the World's Fair needed an entrance."""
ROLES = """\
## Roles

What a member may do depends on the role:

- **Viewer**: ask questions.
- **Editor**: add documents too.
- **Manager**: look after members too.

| Setting | Default | Meaning |
|---|---|---|
| `PORT` | `8000` | Port the server listens on |
| `MAX_UPLOAD_MB` | `512` | Largest upload in megabytes |
"""


@pytest.fixture(scope="module")
def embedder() -> StaticEmbedder:
    return StaticEmbedder()


def asked(*questions: str, texts: tuple[str, ...], score: float = 0.8) -> list[Message]:
    excerpts = tuple(
        Excerpt(number, f"document-{number}.md", "", text, score)
        for number, text in enumerate(texts, 1)
    )
    *earlier, last = questions
    history = [Message("user", f"{question}\n…", question=question) for question in earlier]
    query = " ".join(questions)
    return [*history, Message("user", f"…\n{last}", question=last, query=query, excerpts=excerpts)]


def quotes(text: str) -> list[tuple[str, int]]:
    """Each quote with the number behind it."""
    body = text.split("\n\n", 1)[1]
    return [
        (quote.strip(), int(number))
        for quote, number in re.findall(r"(.*?)\s\[(\d+)\]", body, re.S)
    ]


def test_how_to_do_something_is_answered_with_its_commands(embedder: StaticEmbedder):
    text = answer(asked("How do I connect Ollama?", texts=(OLLAMA, TOWER)), embedder)

    assert text.startswith("Quoted from document-1.md:\n\nTo connect Ollama, set `LLM_BASE_URL`")
    assert "restart. [1]\n\n```sh\nollama pull llama3.1\nLLM_BASE_URL=" in text
    assert "make run\n```" in text
    assert "vllm" not in text.lower()  # how to do another thing, however alike


def test_a_follow_up_leans_on_the_question_before(embedder: StaticEmbedder):
    messages = asked("How do I connect Ollama?", "And vLLM?", texts=(OLLAMA, TOWER))

    text = answer(messages, embedder)

    assert "To connect vLLM, start it on another port" in text
    assert "vllm serve some-model" in text


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Who was Gustave Eiffel?", "Gustave Eiffel was a French engineer."),
        ("When was the tower finished?", "1889 by 300 workers"),
        ("How many workers finished the tower?", "300 workers"),
        ("Why was the tower built?", "because the World's Fair"),
        ("How high is the tower?", "330 metres"),
    ],
)
def test_the_first_quote_answers(question: str, expected: str, embedder: StaticEmbedder):
    text = answer(asked(question, texts=(OLLAMA, TOWER)), embedder)

    first, number = quotes(text)[0]
    assert expected in first
    assert number == 2


@pytest.mark.parametrize(
    "question", ["When was the tower finished?", "What is the largest upload?", "What is a role?"]
)
def test_quotes_are_word_for_word(question: str, embedder: StaticEmbedder):
    texts = (OLLAMA, TOWER, ROLES)

    found = quotes(answer(asked(question, texts=texts), embedder))

    assert found
    for quote, number in found:
        last_line = quote.splitlines()[-1]
        assert compare(last_line, texts[number - 1]) == "exact"


def test_a_sentence_that_leans_is_quoted_with_the_one_before(embedder: StaticEmbedder):
    text = answer(asked("How many workers were there?", texts=(TOWER,)), embedder)

    assert "The tower was built from 1887 to 1889. It was finished in 1889 by 300 workers" in text


def test_numbers_in_the_text_do_not_pass_for_citations(embedder: StaticEmbedder):
    text = answer(asked("What was the tallest structure before?", texts=(TOWER,)), embedder)

    assert r"Before that \[12], the Washington Monument" in text
    assert set(re.findall(r"(?<!\\)\[(\d+)\]", text)) == {"1"}


def test_a_list_is_quoted_whole_with_what_announces_it(embedder: StaticEmbedder):
    text = answer(asked("What may a member with each role do?", texts=(ROLES,)), embedder)

    assert (
        "What a member may do depends on the role:\n\n- **Viewer**: ask questions.\n"
        "- **Editor**: add documents too.\n- **Manager**: look after members too. [1]"
    ) in text


def test_a_table_row_keeps_its_header(embedder: StaticEmbedder):
    text = answer(asked("What is MAX_UPLOAD_MB?", texts=(ROLES, TOWER)), embedder)

    assert (
        "| Setting | Default | Meaning |\n|---|---|---|\n"
        "| `MAX_UPLOAD_MB` | `512` | Largest upload in megabytes |\n\n[1]"
    ) in text


def test_headings_menus_and_halves_are_not_quoted(embedder: StaticEmbedder):
    passage = (
        "and so the heron sleeps by the\n\n# Where the heron sleeps\n\n"
        "[Heron](a.md) [Sleep](b.md)\n\nHome | Heron | Sleep | Contact\n\n"
        "The heron sleeps in the reeds behind the **old. And new** harbour. The heron also"
    )

    text = answer(asked("Where does the heron sleep?", texts=(passage,)), embedder)

    ((quote, _),) = quotes(text)
    assert quote == "The heron sleeps in the reeds behind the **old. And new** harbour."


def test_the_same_sentence_in_two_passages_is_quoted_once(embedder: StaticEmbedder):
    text = answer(asked("When was the tower finished?", texts=(TOWER, TOWER)), embedder)

    assert text.count("finished in") == 1


def test_it_says_so_when_nothing_fits(embedder: StaticEmbedder):
    text = answer(asked("Which planets have rings?", texts=(OLLAMA, TOWER), score=0.1), embedder)

    assert text.startswith("Nothing that was found answers this.")


def test_what_comes_close_is_shown_as_that(embedder: StaticEmbedder):
    text = answer(
        asked("When was the tower in Blackpool repainted?", texts=(TOWER,), score=0.5), embedder
    )

    assert text.startswith("Nothing that was found clearly answers this. What comes closest")
    assert quotes(text)


def test_how_well_passages_fit_decides_what_is_called_an_answer(embedder: StaticEmbedder):
    question = "When was the tower built?"

    firm = answer(asked(question, texts=(TOWER,), score=0.8), embedder)
    unsure = answer(asked(question, texts=(TOWER,), score=0.3), embedder)

    assert firm.startswith("Quoted from document-1.md:")
    assert unsure.startswith("Nothing that was found clearly answers this.")
    assert quotes(firm) == quotes(unsure)


@pytest.mark.parametrize("texts", [(), ("",), ("\n\n",)])
def test_no_passages_are_no_answer(texts: tuple[str, ...], embedder: StaticEmbedder):
    text = answer(asked("Who built it?", texts=texts), embedder)

    assert text.startswith("Nothing was found for this.")


@pytest.mark.parametrize(
    "passage",
    [
        "# Only a heading",
        "```sh\nnever closed",
        "| a | b |",
        "**",
        "[1]: http://x",
        "a\x00b 🦉 \u2028.",
    ],
)
@pytest.mark.parametrize("question", ["?", "a b c" * 5000, "wie " * 5000, "[1] `x` **y"])
def test_odd_passages_and_questions_get_an_answer(
    passage: str, question: str, embedder: StaticEmbedder
):
    assert answer(asked(question, texts=(passage,)), embedder)


async def test_it_streams_words_and_ends_with_usage(embedder: StaticEmbedder):
    messages = asked("When was the tower finished?", texts=(TOWER,))
    tools = [ToolSpec("retrieve", "", {})]

    parts = [part async for part in ExtractiveModel(embedder).stream(messages, tools)]

    *words, usage = parts
    assert "".join(word.text for word in words) == answer(messages, embedder)
    assert all(isinstance(word, TextPart) and len(word.text.split()) == 1 for word in words)
    assert isinstance(usage, Usage)
    assert usage.input_tokens > 0 < usage.output_tokens
    assert not any(isinstance(part, CallPart) for part in parts)


async def test_excerpts_of_tools_count_too(embedder: StaticEmbedder):
    excerpt = Excerpt(4, "tower.txt", "", TOWER, 1.0)
    messages = [
        *asked("When was the tower finished?", texts=()),
        Message("tool", "{}", call_id="x", excerpts=(excerpt,)),
    ]

    assert "1889 by 300 workers, and stands 330 metres high. [4]" in answer(messages, embedder)

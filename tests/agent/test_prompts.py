"""What the model is told."""

from datetime import UTC, datetime

from chat.agent import prompts
from chat.agent.titles import MAX_LENGTH, first_line
from chat.agent.tools import Outcome
from chat.events.transcript import Exchange, Transcript
from chat.events.types import Text
from chat.providers.base import Call, Excerpt


def talked(*pairs: tuple[str, str]) -> Transcript:
    return Transcript(
        [
            Exchange(number, number, question, datetime.now(UTC), [Text(answer)])
            for number, (question, answer) in enumerate(pairs, 1)
        ]
    )


def excerpt(number: int, length: int = 40) -> Excerpt:
    return Excerpt(number, "handbook.md, page 2", "Setup › Models", "x" * length)


def test_passages_are_shown_under_their_numbers_before_the_question():
    *_, asked = prompts.opening("Why?", "Why?", Transcript(), [excerpt(1)], ["Handbook"], 8_000)

    assert "[1] handbook.md, page 2 — Setup › Models\nxxxx" in asked.content
    assert asked.content.endswith("Question: Why?")
    assert (asked.question, asked.excerpts) == ("Why?", (excerpt(1),))


def test_passages_stop_where_their_share_of_the_context_ends_but_one_is_always_shown():
    many = [excerpt(number, 4_000) for number in range(1, 9)]

    shown = prompts.opening("Why?", "Why?", Transcript(), many, [], 8_000)[-1].excerpts
    least = prompts.opening("Why?", "Why?", Transcript(), many, [], 10)[-1].excerpts

    assert [one.number for one in shown] == [1, 2, 3]
    assert [one.number for one in least] == [1]


def test_history_keeps_the_newest_turns_that_fit_without_their_markers():
    transcript = talked(("old " * 500, "old"), ("Who?", "Ada [1][2, 3]. Ada."), ("When?", "1843"))

    messages = prompts.history(transcript, 100)

    assert [message.content for message in messages] == ["Who?", "Ada. Ada.", "When?", "1843"]


def test_results_of_a_round_are_answered_call_by_call_within_their_share():
    calls = [Call("a", "read", {}), Call("b", "grep", {})]

    said, *answers = prompts.round_messages(
        "", calls, [Outcome({"content": "y" * 90_000}), Outcome({})], 8_000
    )

    assert said.calls == tuple(calls)
    assert [(message.role, message.call_id) for message in answers] == [
        ("tool", "a"),
        ("tool", "b"),
    ]
    assert len(answers[0].content) <= 3_200


def test_a_number_is_shown_if_the_words_under_it_begin_before_the_cut():
    passages = [
        {"number": number, "index_id": "idx-1", "heading": "", "content": f"Passage {number}."}
        for number in (1, 2, 3)
    ]
    result = {"results": passages}
    whole = prompts.round_messages("", [Call("a", "retrieve", {})], [Outcome(result)], 8_000)[
        1
    ].content
    read = {"number": 4, "file_name": "rules.md", "content": "The reading room."}

    assert prompts.numbers_within(len(whole), result) == [1, 2, 3]
    assert prompts.numbers_within(whole.index("assage 2"), result) == [1, 2]
    assert prompts.numbers_within(whole.index("Passage 2"), result) == [1]
    assert prompts.numbers_within(60, read) == [4]


def test_a_result_has_only_the_passages_there_is_room_for():
    passages = [{"number": number, "content": str(number) * 1_000} for number in (1, 2, 3, 4)]
    outcome = Outcome({"results": passages})
    files = {"items": [{"file_name": "a.md"}] * 300}

    told = prompts.told(4_000, 2, outcome)  # 1,600 characters for each of two calls

    assert told.result == {"results": passages[:2]}
    assert told.numbers == [1, 2]
    _, answer = prompts.round_messages("", [Call("a", "retrieve", {})] * 2, [told] * 2, 4_000)[1:]
    assert prompts.numbers_within(len(answer.content), told.result) == [1, 2]
    assert prompts.told(4_000, 2, Outcome(files)).result == files


def test_a_title_is_one_clean_line_of_the_prompt():
    assert first_line("\n\n  ## How do I\tstart?  \nSecond line") == "How do I start?"
    assert first_line("word " * 60).endswith("word…")
    assert len(first_line("word " * 60)) <= MAX_LENGTH

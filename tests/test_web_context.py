from datetime import date

import pytest

from index.errors import QuestionError
from index.types import Filters
from qa.conversation import Turn
from qa.web.context import TURNS, context_of, turn_id

SENT = {
    "id": "a1",
    "turns": [{"question": "Who won?", "answer": "Ada", "articles": ["/a.txt"]}],
    "sources": ["The Ledger"],
    "since": "2026-01-01",
    "until": None,
}


def test_what_the_page_sends_becomes_turns_and_filters() -> None:
    context = context_of(SENT)
    assert context.history == [Turn("Who won?", "Ada", ("/a.txt",))]
    assert context.filters == Filters(("The Ledger",), date(2026, 1, 1), None)


@pytest.mark.parametrize(
    "sent",
    [
        None,
        "text",
        {},
        {"id": "<script>"},
        {"id": "a" * 65},
        {**SENT, "more": 1},
        {**SENT, "turns": SENT["turns"] * (TURNS + 1)},
        {**SENT, "turns": [{"question": "x" * 4001, "answer": ""}]},
        {**SENT, "turns": [{"question": 1, "answer": ""}]},
        {**SENT, "sources": "The Ledger"},
        {**SENT, "since": "yesterday"},
    ],
)
def test_anything_else_is_refused_in_one_line(sent: object) -> None:
    with pytest.raises(QuestionError) as caught:
        context_of(sent)
    assert "\n" not in str(caught.value)


def test_a_filter_that_ends_before_it_begins_is_refused() -> None:
    context = context_of({**SENT, "until": "2025-01-01"})
    with pytest.raises(QuestionError, match="before the first"):
        _ = context.filters


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        (SENT, "a1"),
        ({"id": "a1", "more": 1}, "a1"),
        *(({"id": given}, None) for given in ("", "<script>", "a" * 65, "a\n", 1, None, {"path": "/etc/passwd"})),
        ("text", None),
        (None, None),
    ],
)  # fmt: skip
def test_a_turns_name_is_one_that_the_page_makes(sent: object, name: str | None) -> None:
    assert turn_id(sent) == name

from test_qa_render import answer, candidate, citation

from qa.markdown import answer_markdown, plain
from qa.types import Answer


def test_an_answer_is_written_with_its_sources_and_the_other_answers() -> None:
    text = answer_markdown(answer(candidate(), candidate("17", 0.5)))
    assert text.splitlines() == [
        "### By how many?",
        "",
        "**31** (95% sure)",
        "",
        "1. “A title”, The Ledger · 13 June 2026: Yes won by **31** votes."
        " <https://ledger.example/1#:~:text=Yes%20won%20by%2031%20votes.>",
        "",
        "Or: **17** (50%)",
        "",
        "1. “A title”, The Ledger · 13 June 2026: Yes won by **17** votes."
        " <https://ledger.example/1#:~:text=Yes%20won%20by%2017%20votes.>",
    ]


def test_no_answer_is_written_with_what_was_missing() -> None:
    text = answer_markdown(Answer("Who?", (), False, (citation(copy=True),), "s", missing=("Narnia",)))
    assert "Not in these articles.\n\nNo article has: Narnia.\n" in text
    assert "(near-identical copy)" in text


def test_text_stays_text() -> None:
    assert plain("*a* [b](c) <img> `d`\n# e") == r"\*a\* \[b\](c) \<img\> \`d\` # e"
    assert [plain(text) for text in ("# a", "- a", "12. a", "3.5 million", "-3 C")] == [
        r"\# a", r"\- a", r"12\. a", "3.5 million", "-3 C"
    ]  # fmt: skip
    hostile = "![x](https://evil.example/x.png) <script>alert(1)</script>"
    text = answer_markdown(
        answer(candidate(hostile, title=hostile, source=hostile, url="javascript:alert(1)"))
    )
    assert "<script" not in text.replace(r"\<", "")
    assert "![x](" not in text
    assert "javascript" not in text


def test_an_address_cannot_leave_its_brackets() -> None:
    text = answer_markdown(answer(candidate(url="https://a.example/\x02>[x](javascript:alert(1))")))
    assert "<https://a.example/%02%3E[x](javascript:alert(1))#:~:text=" in text

"""Gold files: what is read, what is refused, and in which words."""

import json
from pathlib import Path
from typing import Any

import pytest

from eval.questions import article_id, load_gold, spread
from index.errors import CitewireError

SINGLE = {
    "id": "a1",
    "question": "How many came?",
    "answers": ["214", "214 people"],
    "sources": ["fair.md"],
    "evidence": "It drew 214 people.",
    "type": "single",
}
FOLLOWUP = {
    **SINGLE,
    "id": "a2",
    "type": "followup",
    "history": [["Where was the fair?", "Elswick"]],
    "standalone": "How many came to the fair in Elswick?",
}
UNANSWERABLE = {
    "id": "a3",
    "question": "Who paid?",
    "answers": [],
    "sources": [],
    "evidence": "",
    "type": "unanswerable",
}

REJECTED = {**UNANSWERABLE, "id": "a4", "type": "rejected", "wrong": ["214"]}

# label, the row or the line as it stands, what the error says
BAD_ROWS: list[tuple[str, Any, str]] = [
    ("not JSON", "{oops", "expected JSON"),
    ("not an object", ["a"], "expected a JSON object, got list"),
    ("no id", {**SINGLE, "id": ""}, "expected id to be text"),
    ("question is a number", {**SINGLE, "question": 5}, "expected question to be text, got 5"),
    ("answers is text", {**SINGLE, "answers": "214"}, "expected answers to be a list of texts"),
    ("an empty answer", {**SINGLE, "answers": [""]}, "expected answers to be a list of texts"),
    ("unknown type", {**SINGLE, "type": "yesno"}, "expected type to be one of single"),
    ("no answers", {**SINGLE, "answers": []}, "expected answers"),
    ("answers to the unanswerable", {**UNANSWERABLE, "answers": ["Jo"]}, "expected answers, and none"),
    (
        "follow-up without history",
        {**FOLLOWUP, "history": []},
        "expected history and standalone for a followup",
    ),
    (
        "follow-up without standalone",
        {**FOLLOWUP, "standalone": ""},
        "expected history and standalone for a followup",
    ),
    (
        "new topic without history",
        {**SINGLE, "type": "newtopic"},
        "expected history and standalone for a followup",
    ),
    (
        "new topic with standalone",
        {**FOLLOWUP, "type": "newtopic"},
        "expected history and standalone for a followup",
    ),
    (
        "history of single texts",
        {**FOLLOWUP, "history": ["Where?"]},
        "expected history to be a list of [question",
    ),
    ("rejected with an answer", {**REJECTED, "answers": ["215"]}, "expected answers, and none"),
    ("wrong words of a type with answers", {**SINGLE, "wrong": ["215"]}, "for type rejected only"),
    ("wrong is text", {**REJECTED, "wrong": "214"}, "expected wrong to be a list of texts"),
    ("source that is not there", {**SINGLE, "sources": ["fare.md"]}, "got 'fare.md'"),
]

SQUAD = {
    "version": "v2.0",
    "data": [
        {
            "title": "Harbour_Fair",
            "paragraphs": [
                {
                    "context": "The fair drew 214 people.",
                    "qas": [
                        {
                            "id": "s1",
                            "question": " How many came? ",
                            "answers": [
                                {"text": "214", "answer_start": 14},
                                {"text": "214", "answer_start": 14},
                            ],
                            "is_impossible": False,
                        },
                        {"id": "s2", "question": "Who paid?", "answers": [], "is_impossible": True},
                    ],
                },
                {
                    "context": "Rain\u2028fell.",
                    "qas": [
                        {
                            "id": "s3",
                            "question": "What fell?",
                            "answers": [{"text": "Rain", "answer_start": 0}],
                        }
                    ],
                },
            ],
        }
    ],
}


@pytest.fixture
def articles(tmp_path: Path) -> Path:
    folder = tmp_path / "articles"
    folder.mkdir()
    (folder / "fair.md").write_text("It drew 214 people.")
    return folder


def write_rows(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows) + "\n")
    return path


def write_squad(path: Path, data: object = SQUAD) -> Path:
    path.write_text(json.dumps(data))
    return path


def test_jsonl_rows_become_questions_about_the_given_articles(tmp_path: Path, articles: Path) -> None:
    gold = write_rows(tmp_path / "gold.jsonl", SINGLE, "", FOLLOWUP, {**UNANSWERABLE, "conflict": True})
    questions, corpus = load_gold([gold], articles, tmp_path / "nowhere", tmp_path)
    assert corpus == articles
    assert [q.kind for q in questions] == ["single", "followup", "unanswerable"]
    assert questions[0].answers == ("214", "214 people")
    assert questions[1].history == (("Where was the fair?", "Elswick"),)
    assert not questions[2].answerable
    assert [q.conflict for q in questions] == [False, False, True]


def test_what_has_no_right_answer_may_be_a_follow_up_too(tmp_path: Path, articles: Path) -> None:
    turns = {"history": FOLLOWUP["history"], "standalone": FOLLOWUP["standalone"]}
    rows = [REJECTED, {**REJECTED, **turns, "id": "a5", "wrong": []}, {**UNANSWERABLE, **turns}]
    questions, _ = load_gold([write_rows(tmp_path / "gold.jsonl", *rows)], articles, articles, tmp_path)
    assert [(q.kind, q.wrong, len(q.history)) for q in questions] == [
        ("rejected", ("214",), 0),
        ("rejected", (), 1),
        ("unanswerable", (), 1),
    ]
    assert not any(q.answerable for q in questions)


def test_a_source_may_be_the_id_of_an_article_that_is_no_file(tmp_path: Path, articles: Path) -> None:
    ids = ["https://hl.example/feed#entry-2", "/gone/rows.jsonl#https://hl.example/1", "/a#b/fair.md"]
    gold = write_rows(tmp_path / "gold.jsonl", {**SINGLE, "sources": ids})
    questions, _ = load_gold([gold], articles, articles, tmp_path)
    assert [article_id(articles, source) for source in questions[0].sources] == ids


def test_a_new_topic_may_have_an_answer_or_none(tmp_path: Path, articles: Path) -> None:
    turned = {**SINGLE, "type": "newtopic", "history": FOLLOWUP["history"]}
    lost = {**turned, "id": "a9", "answers": []}
    questions, _ = load_gold([write_rows(tmp_path / "gold.jsonl", turned, lost)], None, articles, tmp_path)
    assert [question.answerable for question in questions] == [True, False]
    assert questions[0].history == (("Where was the fair?", "Elswick"),)


def test_a_line_separator_inside_a_question_does_not_end_its_row(tmp_path: Path, articles: Path) -> None:
    row = json.dumps({**SINGLE, "question": "How\u2028many?"}, ensure_ascii=False)
    questions, _ = load_gold([write_rows(tmp_path / "gold.jsonl", row)], None, articles, tmp_path)
    assert questions[0].question == "How\u2028many?"


@pytest.mark.parametrize(
    ("row", "message"), [case[1:] for case in BAD_ROWS], ids=[case[0] for case in BAD_ROWS]
)
def test_a_bad_row_is_one_line_with_file_and_line_number(
    tmp_path: Path, articles: Path, row: object, message: str
) -> None:
    gold = write_rows(tmp_path / "gold.jsonl", {**SINGLE, "id": "good"}, row)
    with pytest.raises(CitewireError) as caught:
        load_gold([gold], articles, articles, tmp_path)
    assert str(caught.value).startswith(f"{gold}:2: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_id_that_occurs_in_two_files_is_refused(tmp_path: Path, articles: Path) -> None:
    gold = [write_rows(tmp_path / f"{name}.jsonl", SINGLE) for name in "ab"]
    with pytest.raises(CitewireError, match="'a1' twice"):
        load_gold(gold, articles, articles, tmp_path)


def test_no_gold_no_file_and_no_articles_are_each_said_in_one_line(tmp_path: Path, articles: Path) -> None:
    with pytest.raises(CitewireError, match="found none"):
        load_gold([], articles, articles, tmp_path)
    with pytest.raises(CitewireError, match="cannot be read"):
        load_gold([tmp_path / "missing.jsonl"], articles, articles, tmp_path)
    with pytest.raises(CitewireError, match="found nothing there"):
        load_gold([], tmp_path / "missing", articles, tmp_path)


def test_a_squad_files_paragraphs_become_the_articles_and_the_sources(tmp_path: Path, articles: Path) -> None:
    gold = write_squad(tmp_path / "dev.json")
    questions, corpus = load_gold([gold], None, articles, tmp_path / "cache")
    contexts = corpus / "contexts.jsonl"
    rows = [json.loads(line) for line in contexts.read_text().split("\n") if line]
    assert rows[0] == {"id": "dev-0-0", "title": "Harbour Fair", "text": "The fair drew 214 people."}
    assert [(q.id, q.question, q.answers, q.kind) for q in questions] == [
        ("s1", "How many came?", ("214",), "single"),
        ("s2", "Who paid?", (), "unanswerable"),
        ("s3", "What fell?", ("Rain",), "single"),
    ]
    assert [article_id(corpus, q.sources[0]) for q in questions if q.sources] == [
        f"{contexts.resolve()}#dev-0-0",
        f"{contexts.resolve()}#dev-0-1",
    ]
    assert load_gold([gold], None, articles, tmp_path / "cache")[1] == corpus


def test_a_squad_file_asked_about_other_articles_names_no_sources(tmp_path: Path, articles: Path) -> None:
    questions, corpus = load_gold([write_squad(tmp_path / "dev.json")], articles, articles, tmp_path)
    assert corpus == articles
    assert not any(q.sources for q in questions)


@pytest.mark.parametrize(
    "data",
    [
        [],
        {"data": [{"title": "x"}]},
        {"data": [{"paragraphs": [{"context": "c", "qas": [{"id": "1", "question": "q", "answers": []}]}]}]},
    ],
    ids=["a list", "no paragraphs", "no answers"],
)
def test_a_json_file_of_another_shape_is_refused(tmp_path: Path, articles: Path, data: object) -> None:
    gold = write_squad(tmp_path / "dev.json", data)
    with pytest.raises(CitewireError, match=r"dev\.json: expected SQuAD's data"):
        load_gold([gold], None, articles, tmp_path)


def test_squad_and_jsonl_together_need_articles(tmp_path: Path, articles: Path) -> None:
    gold = [write_squad(tmp_path / "dev.json"), write_rows(tmp_path / "gold.jsonl", SINGLE)]
    with pytest.raises(CitewireError, match="need --articles"):
        load_gold(gold, None, articles, tmp_path)
    assert len(load_gold(gold, articles, articles, tmp_path)[0]) == 4


def test_a_source_in_a_file_of_rows_is_relative_to_that_files_folder(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("{}\n")
    assert article_id(rows, "rows.jsonl#7") == f"{rows.resolve()}#7"


def test_a_limit_spreads_over_all_questions(tmp_path: Path, articles: Path) -> None:
    gold = write_rows(tmp_path / "gold.jsonl", *({**SINGLE, "id": str(i)} for i in range(10)))
    questions, _ = load_gold([gold], articles, articles, tmp_path)
    assert [q.id for q in spread(questions, 3)] == ["0", "3", "6"]
    assert spread(questions, 99) == questions

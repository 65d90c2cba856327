"""The packaged articles and gold questions are sound: what gold says stands in the cleaned articles."""

from collections import Counter
from pathlib import Path

import pytest

from eval.questions import Question, article_id, load_gold
from index.clean import clean
from index.load import Skipped, load
from index.types import Article

FOLDER = Path(__file__).parent.parent / "eval"
ARTICLES = FOLDER / "articles"


@pytest.fixture(scope="module")
def articles() -> dict[str, Article]:
    loaded = list(load([ARTICLES]))
    assert not [item for item in loaded if isinstance(item, Skipped)]
    return {item.id: clean(item) for item in loaded if isinstance(item, Article)}


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> list[Question]:
    cache = tmp_path_factory.mktemp("cache")
    return load_gold(sorted((FOLDER / "gold").glob("*.jsonl")), None, ARTICLES, cache)[0]


def plain(text: str) -> str:
    return " ".join(text.split())


def test_there_are_enough_articles_from_several_outlets_with_dates(articles: dict[str, Article]) -> None:
    assert len(articles) >= 30
    assert len({article.source for article in articles.values()}) >= 5
    assert all(article.published and article.url and article.title for article in articles.values())


def test_there_are_enough_questions_of_every_type(questions: list[Question]) -> None:
    kinds = Counter(question.kind for question in questions)
    assert sum(kinds.values()) >= 150
    assert min(kinds[kind] for kind in ("single", "multi", "unanswerable", "followup")) >= 20


def test_each_answer_and_its_evidence_stand_in_the_cleaned_sources(
    articles: dict[str, Article], questions: list[Question]
) -> None:
    for question in questions:
        texts = [plain(articles[article_id(ARTICLES, source)].text) for source in question.sources]
        if not question.answerable:
            assert not texts
            continue
        assert plain(question.evidence) in texts[0], question.id
        for gold in question.answers:
            assert any(plain(gold) in text for text in texts), (question.id, gold)


def test_cleaning_leaves_no_boilerplate_in_the_sample(articles: dict[str, Article]) -> None:
    for article in articles.values():
        for leftover in (
            "[contf",
            "appeared first on",
            "pic.twitter.com",
            "https://t.co",
            "cookies to make",
            "\n:: ",
        ):
            assert leftover not in article.text, (article.id, leftover)

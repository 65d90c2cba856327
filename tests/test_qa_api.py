"""The whole way on the shipped models: the sample articles are indexed and asked."""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TypedDict

import numpy as np
import pytest
from numpy.typing import NDArray

import index.inference
import qa
import qa.api
from index.embed import Encoder
from index.errors import IndexMismatch, IndexMissing, LoadError, ModelError, QuestionError
from index.types import Filters
from qa.api import QA, Config, default_index_path, turn_of
from qa.confidence import Calibration
from qa.read import Reader
from qa.types import Answer, Citation

ROOT = Path(__file__).parents[1]
ARTICLES = ROOT / "eval" / "articles"
GOLD = ROOT / "eval" / "gold" / "campaign-and-harbour.jsonl"
QUESTIONS = [
    json.loads(line)["question"] for line in GOLD.read_text(encoding="utf-8").splitlines() if line.strip()
]
KNOWN = "How much had the Time's Up legal fund collected by the night of the Golden Globes?"
FOUND = "$15.6 million"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QA]:
    """The sample articles, asked in float32 so that batches of any size give the same logits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index.inference, "has_bfloat16", lambda: False)
        with QA.from_articles(ARTICLES, tmp_path_factory.mktemp("api") / "sample.citewire") as opened:
            yield opened


@pytest.fixture(scope="module")
def answers(sample: QA) -> list[Answer]:
    return sample.ask_many(QUESTIONS)


def citations(answer: Answer) -> list[Citation]:
    return [*(c for candidate in answer.candidates for c in candidate.citations), *answer.nearest]


def gist(answer: Answer) -> tuple[object, ...]:
    return answer.question, answer.text, answer.citations, answer.nearest


class Models(TypedDict):
    """What ``QA.open`` and ``QA.from_articles`` take."""

    encoder: Encoder
    reader: Reader


def models(opened: QA) -> Models:
    """Give the models of a QA to another one, since loading takes seconds."""
    return {"encoder": opened._encoder, "reader": opened._reader}


class OtherEncoder:
    fingerprint, dim = "other-encoder@1", 384

    def encode(
        self, texts: Sequence[str], progress: Callable[[int], None] | None = None
    ) -> NDArray[np.float32]:
        raise AssertionError("nothing should be embedded")


def test_every_citation_quotes_its_article_and_its_original(sample: QA, answers: list[Answer]) -> None:
    count = 0
    with sample.store.snapshot() as snapshot:
        for citation in (citation for answer in answers for citation in citations(answer)):
            article = snapshot.article(citation.article_id)
            assert article is not None
            assert article.text[citation.start : citation.end] == citation.quote
            original = article.original[citation.original_start : citation.original_end]
            inside = [
                range(cut.start, cut.end)
                for cut in article.cuts
                if citation.original_start <= cut.start and cut.end <= citation.original_end
            ]
            gone = {at for cut in inside for at in cut}
            kept = (c for at, c in enumerate(original, start=citation.original_start) if at not in gone)
            assert "".join(kept) == citation.quote
            for around, at in (
                (citation.sentence, citation.sentence_start),
                (citation.context, citation.context_start),
            ):
                assert article.text[at : at + len(around)] == around
                assert around[citation.start - at : citation.end - at] == citation.quote
            count += 1
    assert count > 2 * len(QUESTIONS)


def test_answers_are_candidates_in_the_order_of_their_probability(answers: list[Answer]) -> None:
    for answer in answers:
        confidences = [candidate.confidence for candidate in answer.candidates]
        assert confidences == sorted(confidences, reverse=True)
        assert all(0 < confidence < 1 for confidence in confidences)
        assert all(candidate.text == candidate.citations[0].quote for candidate in answer.candidates)


def test_questions_asked_together_get_the_answers_that_each_gets_alone(
    sample: QA, answers: list[Answer]
) -> None:
    for question, answer in list(zip(QUESTIONS, answers, strict=True))[::14]:
        alone = sample.ask(question)
        assert gist(alone) == gist(answer)
        assert alone.confidence == pytest.approx(answer.confidence, abs=1e-3)


def test_a_plain_question_is_answered_from_the_right_article(sample: QA) -> None:
    answer = sample.ask(f"  {KNOWN.replace(' ', '  ')}\n")
    assert answer.question == KNOWN
    assert answer.text == FOUND
    assert Path(answer.citations[0].article_id).name.startswith("times-up-")
    assert answer.nearest == ()
    assert str(answer).startswith(f"{FOUND}   ({answer.confidence:.0%} sure)\n\n[1] “")
    assert f"[{FOUND}]" in str(answer)
    assert sample.signature == answer.signature
    assert all(part in answer.signature for part in ("all-MiniLM-L6-v2@", "citewire-reader-6@"))


def test_a_question_that_the_articles_do_not_answer_is_declined(sample: QA) -> None:
    answer = sample.ask("What is the boiling point of tungsten in kelvin?")
    assert answer.text is None
    assert not answer.answered
    assert answer.citations == ()
    assert answer.alternatives == ()
    assert 1 <= len(answer.nearest) <= 3
    assert len({citation.article_id for citation in answer.nearest}) == len(answer.nearest)
    assert str(answer).startswith(
        "Not in these articles.\nNo article has: tungsten.\n\nThe closest passages:\n[1] "
    )


def test_answers_are_json_with_the_documented_keys(answers: list[Answer]) -> None:
    for answer in answers:
        found = json.loads(json.dumps(answer.to_dict()))
        assert set(found) == {
            "question", "asked", "text", "confidence", "citations", "alternatives", "nearest", "rejected",
            "missing", "signature",
        }  # fmt: skip
        assert all(
            set(citation)
            == {
                "article_id", "title", "source", "url", "link", "published", "start", "end", "quote",
                "sentence", "context", "original_start", "original_end", "copy",
            }
            for citation in found["citations"] + found["nearest"]
        )  # fmt: skip


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("", "the question is empty"),
        (" \n\t", "the question is empty"),
        ("?!… –", "the question is empty"),
        ("why " * 2500, "the question has 9,999 characters, the limit is 1,000"),
    ],
)
def test_an_empty_or_overlong_question_is_one_line(sample: QA, question: str, said: str) -> None:
    chat = sample.chat()
    chat.tell(KNOWN, FOUND)
    for ask in (sample.ask, sample.search, chat.ask, lambda text: sample.ask_many([KNOWN, text])):
        with pytest.raises(QuestionError, match=said) as caught:
            ask(question)
        assert "\n" not in str(caught.value)


def test_ranges_of_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="at least 1 passage"):
        Config(passages=0)
    with pytest.raises(ValueError, match="from 0 to 1"):
        Config(threshold=1.5)


def test_a_threshold_decides_what_is_shown_and_changes_no_probability(sample: QA) -> None:
    answer = sample.ask(KNOWN)
    with QA.open(sample.store.path, config=Config(threshold=1.0), **models(sample)) as strict:
        declined = strict.ask(KNOWN)
    assert declined.text is None
    assert declined.candidates == answer.candidates
    assert declined.nearest[0] == answer.citations[0]


def test_filters_keep_to_outlets_and_days(sample: QA) -> None:
    with sample.store.snapshot() as snapshot:
        outlet, day = next(
            (article.source, article.published)
            for article in snapshot.articles()
            if article.source and article.published
        )
    assert day is not None
    for filters in (Filters((outlet.upper(),)), Filters(since=day), Filters(until=day)):
        hits = sample.search(KNOWN, k=50, filters=filters)
        cited = citations(sample.ask(KNOWN, filters=filters))
        with sample.store.snapshot() as snapshot:
            found = [snapshot.article(hit.passage.article_id) for hit in hits]
            found += [snapshot.article(citation.article_id) for citation in cited]
        assert found
        for article in found:
            assert article is not None
            assert article.source == outlet or not filters.sources
            assert article.published is not None or not (filters.since or filters.until)
            assert article.published is None or (filters.since or date.min) <= article.published
            assert article.published is None or article.published <= (filters.until or date.max)


def test_a_filter_that_nothing_passes_gives_no_answer_and_nothing_near(sample: QA) -> None:
    answer = sample.ask(KNOWN, filters=Filters(("No Such Paper",)))
    assert (answer.text, answer.candidates, answer.nearest) == (None, (), ())
    assert str(answer) == "Not in these articles."


def test_search_gives_the_passages_that_are_read_with_their_scores(sample: QA) -> None:
    hits = sample.search(KNOWN, k=3)
    assert len(hits) == 3
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert all(set(hit.scores) <= {"cosine", "bm25"} and hit.scores for hit in hits)


def test_a_follow_up_is_asked_with_the_names_before_it_and_shown_so(sample: QA) -> None:
    chat = sample.chat()
    first = chat.ask(KNOWN)
    assert (first.question, first.asked) == (KNOWN, KNOWN)
    second = chat.ask("Where is it housed?")
    assert second.asked == "Where is it housed?"
    assert second.question != second.asked
    assert second.question == "Where is the Time's Up legal fund housed?"
    assert str(second).startswith(f"Understood as: {second.question}\n")
    assert second.to_dict()["asked"] == "Where is it housed?"
    assert [turn.question for turn in chat.turns] == [KNOWN, second.question]


def test_a_new_topic_carries_nothing_over_and_a_follow_up_keeps_its_articles(sample: QA) -> None:
    chat = sample.chat()
    chat.tell("Who struck Saltpan Ledge at Port Elswick?", "Marrowfield Pioneer")
    (told,) = chat.turns
    assert told.articles
    assert all("elswick" in article for article in told.articles)
    for typed in ("Who presented the awards?", "Who stole the painting?", "Why is the sky blue?"):
        assert sample.query(typed, chat.turns) == sample.query(typed)
    kept = sample.query("What was the bail?", chat.turns)
    assert kept.favoured == told.articles
    assert "Marrowfield Pioneer" in kept.question


def test_a_turn_without_an_answer_keeps_the_nearest_articles(sample: QA) -> None:
    answer = sample.ask("Who painted the lifeboat Grace Holloway?")
    turn = turn_of(replace(answer, answered=False, nearest=answer.candidates[0].citations))
    assert turn.answer == ""
    assert turn.articles == tuple(dict.fromkeys(c.article_id for c in answer.candidates[0].citations))


def test_a_typo_is_mended_and_the_answer_says_what_was_asked(sample: QA) -> None:
    typed = KNOWN.replace("legal", "leagl").replace("Golden", "Gloden")
    answer = sample.ask(typed)
    assert (answer.question, answer.asked, answer.text) == (KNOWN, typed, FOUND)
    assert str(answer).startswith(f"Understood as: {KNOWN}\n")
    assert sample.search(typed, k=3) == sample.search(KNOWN, k=3)
    chat = sample.chat()
    assert (chat.ask(typed).asked, chat.turns[0].question) == (typed, KNOWN)


def test_a_typo_in_a_follow_up_is_mended_before_it_is_understood(sample: QA) -> None:
    chat = sample.chat()
    chat.tell(KNOWN, FOUND)
    assert chat.understood("What abuot Oxfam?") == chat.understood("What about Oxfam?") != "What about Oxfam?"
    chat.tell('Who gave the "Gloden" Globe?', "")
    assert "Gloden" in chat.ask("Where was it held?").question


def test_typos_stay_where_a_person_wants_them(sample: QA) -> None:
    quoted = 'Who was given the "Gloden" Globe?'
    assert sample.ask(quoted).question == quoted
    plain = QA(sample.store, sample._encoder, sample._reader, Config(spelling=False))
    assert plain.ask("Who was given the Gloden Globe?").question == "Who was given the Gloden Globe?"
    assert plain.signature.endswith("spelling off")


def test_a_new_conversation_knows_nothing_of_another(sample: QA) -> None:
    sample.chat().ask(KNOWN)
    assert sample.chat().ask("Where was it held?").question == "Where was it held?"


def test_threads_get_the_same_answers(sample: QA) -> None:
    asked = QUESTIONS[:10]
    with QA.open(sample.store.path, config=Config(passages=2), **models(sample)) as opened:
        expected = [gist(answer) for answer in opened.ask_many(asked)]
        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(lambda turn: opened.ask_many(asked[turn:] + asked[:turn]), range(8)))
    for turn, found in enumerate(results):
        assert [gist(answer) for answer in found] == expected[turn:] + expected[:turn]


def test_indexing_again_changes_nothing(sample: QA) -> None:
    with QA.from_articles(
        ARTICLES, sample.store.path, reader=sample._reader, encoder=OtherFor(sample)
    ) as again:
        assert again.built is not None
        assert (again.built.added, again.built.updated, again.built.removed) == (0, 0, 0)
        assert again.built.unchanged == len(list(ARTICLES.iterdir()))


class OtherFor(OtherEncoder):
    """Has the fingerprint of a QA's encoder but may not embed."""

    def __init__(self, opened: QA) -> None:
        self.fingerprint = opened.store.manifest.encoder


@pytest.mark.parametrize("made", [True, False])
def test_a_folder_without_articles_is_one_line(tmp_path: Path, made: bool) -> None:
    folder, where = tmp_path / "none", tmp_path / "index"
    if made:
        folder.mkdir()
        (folder / "picture.png").write_bytes(b"\x89PNG")
    with pytest.raises(LoadError) as caught:
        QA.from_articles(folder, where)
    assert str(caught.value).startswith(f"no articles in {folder}")
    assert "\n" not in str(caught.value)


def test_an_index_that_is_not_there_is_an_error_that_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(IndexMissing, match=r"no index at .*none; make one with: citewire index FOLDER"):
        QA.open(tmp_path / "none")


def test_an_index_of_another_encoder_is_refused(sample: QA) -> None:
    with pytest.raises(IndexMismatch, match=r"encoder all-MiniLM-L6-v2@\w+, not other-encoder@1") as caught:
        QA.open(sample.store.path, encoder=OtherEncoder())
    assert "\n" not in str(caught.value)


def test_a_calibration_of_another_reader_is_refused_when_the_first_question_comes(sample: QA) -> None:
    class OtherReader:
        fingerprint = "other-reader@1"
        measure, read = sample._reader.measure, sample._reader.read

    encoder = sample._encoder
    with (
        QA.open(sample.store.path, reader=OtherReader(), encoder=encoder) as opened,
        pytest.raises(ModelError, match=r"fitted for the reader citewire-reader-6@\w+, not other-reader@1"),
    ):
        opened.ask(KNOWN)
    config = Config(calibration=replace(Calibration.by_margin(), threshold=0.0))
    with QA.open(sample.store.path, reader=OtherReader(), encoder=encoder, config=config) as opened:
        assert opened.ask(KNOWN).text is not None


def test_the_default_index_is_the_one_in_the_environment(
    sample: QA, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CITEWIRE_INDEX", str(sample.store.path))
    assert default_index_path() == sample.store.path
    qa._default.cache_clear()
    assert qa.ask(KNOWN).text == FOUND
    qa._default.cache_clear()

    monkeypatch.delenv("CITEWIRE_INDEX")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_index_path().parts[-2:] == ("citewire", "index")
    with pytest.raises(IndexMissing):
        qa.ask(KNOWN)
    qa._default.cache_clear()


def test_an_answer_comes_from_the_articles_as_they_are_now(tmp_path: Path, sample: QA) -> None:
    folder = tmp_path / "news"
    folder.mkdir()
    (folder / "a.txt").write_text("Prize\n\nThe Saltby prize was won by Alice Munro, the jury said.\n")
    with QA.from_articles(folder, tmp_path / "index", **models(sample)) as opened:
        assert opened.ask("Who won the Saltby prize?").text == "Alice Munro"
        (folder / "a.txt").write_text("Prize\n\nThe Saltby prize was won by Rose Tremain, the jury said.\n")
        with QA.from_articles(folder, tmp_path / "index", **models(sample)) as updated:
            assert updated.built is not None
            assert updated.built.updated == 1
        assert opened.ask("Who won the Saltby prize?").text == "Rose Tremain"


def test_importing_qa_gives_what_it_names_and_loads_no_model() -> None:
    import subprocess
    import sys

    code = (
        "import sys, qa; print([m for m in ('torch', 'transformers', 'faiss', 'sentence_transformers', 'typer')"
        " if m in sys.modules]); names = {}; exec('from qa import *', names); names.pop('__builtins__');"
        " print(sorted(names) == sorted(qa.__all__)); print(sorted(qa.__all__))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded, same, names = done.stdout.splitlines()
    assert (loaded, same) == ("[]", "True")
    assert names == str(
        ["Answer", "Calibration", "Candidate", "Chat", "Citation", "CitewireError", "Config", "Filters", "IndexMissing",
         "LoadError", "ModelError", "QA", "QuestionError", "ask"]
    )  # fmt: skip

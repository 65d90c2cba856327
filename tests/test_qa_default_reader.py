"""The training recipe: groups, features, losses, and a run that stops and goes on."""

import json
import lzma
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from tokenizers import Tokenizer
from typer.testing import CliRunner

from index.errors import CitewireError
from qa.default_reader.careless import careless, hurried, with_typo
from qa.default_reader.features import Row, Sampling, batches, collate, draw, encode
from qa.default_reader.groups import (
    Group,
    Text,
    add_neighbours,
    from_articles,
    load_contexts,
    load_questions,
)
from qa.default_reader.loss import group_loss, separate_loss, span_scores
from qa.default_reader.train import article_questions, main
from qa.default_reader.trainer import Settings, Trainer
from qa.read import ANSWER_TOKENS, DEFAULT_FOLDER, TransformersReader
from qa.spans import decode_spans
from qa.windows import WINDOW_TOKENS, Windows

QUESTIONS = Path(__file__).parents[1] / "qa/default_reader/questions"
CONTEXT = "The ferry Marguerite sank off Port Elswick on 3 May. Its captain, Ada Lund, was rescued."
CAPTAIN = {
    "id": "1",
    "question": "Who was the ferry's captain?",
    "answers": [{"text": "Ada Lund", "answer_start": CONTEXT.index("Ada")}],
}
OWNER = {"id": "2", "question": "Who owned the ferry?", "answers": [], "is_impossible": True}
QAS: list[dict[str, Any]] = [CAPTAIN, OWNER]
SQUAD = {"data": [{"title": "Ferry", "paragraphs": [{"context": CONTEXT, "qas": QAS}]}]}


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(DEFAULT_FOLDER / "tokenizer.json"))


@pytest.fixture(scope="module")
def windows(tokenizer: Tokenizer) -> Windows:
    return Windows(tokenizer)


def shown(group: Group) -> list[str]:
    return [text.text[start:end] for text in group.right for start, end in text.answers]


def test_squad_and_jsonl_rows_give_the_same_groups(tmp_path: Path) -> None:
    squad, rows = tmp_path / "ferry.json", tmp_path / "ferry.jsonl.xz"
    squad.write_text(json.dumps(SQUAD))
    with lzma.open(rows, "wt") as lines:
        for qa in QAS:
            answers = [{"start": a["answer_start"], "text": a["text"]} for a in qa["answers"]]
            lines.write(
                json.dumps(
                    {"question": qa["question"], "context": CONTEXT, "answers": answers, "source": "ferry"}
                )
                + "\n"
            )

    one, two = load_contexts(squad)

    assert [one, two] == load_contexts(rows)
    assert shown(one) == ["Ada Lund"]
    assert (two.right, [text.text for text in two.wrong]) == ((), [CONTEXT])


@pytest.mark.parametrize("text", ["{", '{"data": [{}]}', "[]"])
def test_a_file_that_is_not_squad_is_one_clear_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)

    with pytest.raises(CitewireError, match=r"cannot read questions from .*bad\.json"):
        load_contexts(path)


def test_an_answer_that_is_not_where_it_should_be_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(
        json.dumps({"question": "Who?", "context": CONTEXT, "answers": [{"start": 3, "text": "Ada"}]})
    )

    with pytest.raises(CitewireError, match="'Ada' is not at 3"):
        load_contexts(path)


class ByFirstLetter:
    """Texts with the same first letter are alike."""

    fingerprint = "letters@1"
    dim = 26

    def encode(self, texts: list[str], progress: object = None) -> np.ndarray:
        rows = np.zeros((len(texts), 26), dtype=np.float32)
        for at, text in enumerate(texts):
            rows[at, ord(text[0].lower()) - ord("a")] = 1
        return rows


def test_neighbours_are_the_nearest_contexts_of_the_source_without_the_answers_words() -> None:
    right = Text("apples are red", ((11, 14),))
    groups = [
        Group("any colour?", (right,), (), "fruit"),
        Group("b", (Text("any red thing", ((0, 3),)),), (), "fruit"),  # has the answer
        Group("c", (Text("all plums are blue", ((0, 3),)),), (), "fruit"),
        Group("d", (Text("another source", ((0, 3),)),), (), "other"),
    ]

    first = add_neighbours(groups, ByFirstLetter(), most=2)[0]

    assert [text.text for text in first.wrong] == ["all plums are blue"]


def test_questions_on_articles_get_the_passages_that_retrieval_gives(tmp_path: Path) -> None:
    from index.embed import SentenceTransformerEncoder
    from qa.api import QA

    folder = tmp_path / "articles"
    folder.mkdir()
    lead = "Ferry sinks off the coast\n\n"
    text = f"{lead}{CONTEXT} Ada Lund spoke later."
    (folder / "ferry.txt").write_text(text)
    (folder / "other.txt").write_text("A ferry opens a route\n\nThe captain of the new ferry is Tom Brand.")
    rows = [
        {
            "file": "ferry.txt",
            "question": "Who was the captain?",
            "answer": "Ada Lund",
            "start": text.rindex("Ada Lund"),
        },
        {
            "file": "ferry.txt",
            "question": "Who was the captain?",
            "answer": "Ada Lund",
            "evidence": "Its captain, Ada Lund",
        },
        {"file": "ferry.txt", "question": "Who owned it?", "answer": None, "start": None},
    ]
    encoder = SentenceTransformerEncoder()
    with (
        QA.from_articles(folder, index=tmp_path / "i.citewire", encoder=encoder) as qa,
        qa.store.snapshot() as snapshot,
    ):
        late, early, absent = from_articles(rows, folder, snapshot, encoder, most=3)
        with pytest.raises(CitewireError, match=r"not where ferry\.txt should have it"):
            from_articles([{**rows[0], "start": 1}], folder, snapshot, encoder, most=3)

    assert shown(late) == shown(early) == ["Ada Lund"]
    assert late.right[0].answers > early.right[0].answers  # the later place, in the reader's text
    assert late.right[0].text.startswith("Ferry sinks off the coast. ")
    assert ["Tom Brand" in text.text for text in late.wrong] == [True]
    assert absent.right == ()
    assert ["Tom Brand" in text.text for text in absent.wrong] == [False]  # another article may answer it


@given(st.text(), st.integers())
def test_a_carelessly_typed_question_keeps_nearly_all_its_letters(text: str, seed: int) -> None:
    typed = careless(text, random.Random(seed))

    assert abs(len(typed) - len(text.lower().rstrip("? "))) <= 1 + len(text) - len(text.rstrip("? "))
    assert not typed.endswith("?")


def test_a_typo_changes_one_place_of_a_long_word() -> None:
    typed = {with_typo("in London", random.Random(seed)) for seed in range(200)}

    assert {"in Lndon", "in Loondon", "in Lnodon"} <= typed
    assert all(t.startswith("in L") and t.endswith("n") for t in typed)
    assert with_typo("to be", random.Random(1)) == "to be"
    assert hurried("Is it in London?", random.Random(1)).startswith("is it in l")


def test_an_encoded_answer_is_at_its_tokens_also_in_a_late_window(
    tokenizer: Tokenizer, windows: Windows
) -> None:
    long = "word " * 600 + CONTEXT
    at = long.index("Ada Lund")

    (row,) = encode(windows, "Who was the captain?", [Text(long, ((at, at + 8),))])

    ((first, last),) = row.spans
    assert tokenizer.decode(row.ids[first : last + 1]) == "ada lund"
    assert len(row.ids) <= 384


def test_an_overlong_question_is_cut_as_in_reading(windows: Windows) -> None:
    text = Text("Ada Lund was the captain.", ((0, 8),))
    (row,) = encode(windows, "Who was the captain? " * 100, [text])
    assert len(row.ids) < WINDOW_TOKENS
    assert row.spans


def test_an_answer_longer_than_decoding_allows_is_left_out(windows: Windows) -> None:
    text = Text("word " * 100, ((0, 300),))

    assert encode(windows, "What?", [text]) == []


def test_an_epoch_shows_one_right_text_and_some_wrong_ones() -> None:
    group = Group(
        "Who?", (Text("a", ((0, 1),)), Text("b", ((0, 1),))), tuple(map(Text, "cdefg")), retrieved=True
    )
    alone = Group("Who?", (), (Text("c"),), "wiki")

    _, texts = draw(group, random.Random(1), Sampling(wrong=3))

    assert [bool(text.answers) for text in texts] == [True, False, False, False]
    assert len(set(texts)) == 4
    assert draw(alone, random.Random(1), Sampling(lone=1.0))[1] == [Text("c")]


def test_batches_hold_each_group_once_and_keep_to_their_size() -> None:
    sizes = random.Random(2)
    groups = [[Row([1] * sizes.randrange(1, 90), [], (0, 0), ())] * sizes.randrange(4) for _ in range(300)]

    made = list(batches(groups, 400, random.Random(3)))

    assert sorted(n for batch in made for n in batch) == [n for n in range(300) if groups[n]]
    for batch in made:
        rows = [row for n in batch for row in groups[n]]
        assert len(batch) == 1 or len(rows) * max(len(row.ids) for row in rows) <= 400


def random_logits(
    rows: int = 3, length: int = 12
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    start, end = torch.randn(2, rows, length, generator=generator)
    is_context = torch.zeros(rows, length, dtype=torch.bool)
    is_context[:, 4:10] = True
    return start, end, is_context, torch.zeros(rows, dtype=torch.long)


def test_span_scores_are_the_margins_of_decoding() -> None:
    start, end, is_context, cls = random_logits()

    scores = span_scores(start, end, is_context, cls, 4)

    for row in range(3):
        expected = decode_spans(
            start[row].numpy(), end[row].numpy(), is_context[row].numpy(), 0, max_tokens=4, n_best=1
        )[0]
        best = int(scores[row].argmax())
        assert (best // 4, best // 4 + best % 4) == expected[:2]
        assert scores[row].max().item() == pytest.approx(expected[2], abs=1e-5)


def test_the_group_loss_is_the_likelihood_over_all_texts_of_a_question() -> None:
    scores = span_scores(*random_logits(), 4)
    gold = torch.zeros_like(scores, dtype=torch.bool)
    gold[0, 5, 1] = gold[0, 6, 0] = True  # texts 0 and 1 are of one question, text 2 of one without an answer
    group = torch.tensor([0, 0, 1])

    loss = group_loss(scores, gold, group, 2, alone=0.0)

    every = [np.exp(scores[r].double().numpy()).sum() for r in range(3)]
    right = np.exp(scores[0, 5, 1].item()) + np.exp(scores[0, 6, 0].item())
    expected = (-np.log(right / (1 + every[0] + every[1])) - np.log(1 / (1 + every[2]))) / 2
    assert loss.item() == pytest.approx(expected, abs=1e-4)


def test_the_usual_loss_is_cross_entropy_of_start_and_end() -> None:
    start, end, is_context, cls = random_logits(2)
    gold = torch.zeros(2, 12, 4, dtype=torch.bool)
    gold[0, 5, 2] = True
    allowed = is_context.clone()
    allowed[:, 0] = True

    loss = separate_loss(start, end, is_context, cls, gold)

    expected = sum(
        torch.nn.functional.cross_entropy(logits.masked_fill(~allowed, -1e9), torch.tensor(places))
        for logits, places in ((start, [5, 0]), (end, [7, 0]))
    )
    assert loss.item() == pytest.approx(float(expected), abs=1e-4)


def test_collating_pads_and_marks_spans() -> None:
    rows = [
        Row([101, 7, 102, 8, 9, 102], [0, 0, 0, 1, 1, 1], (3, 5), ((3, 4),)),
        Row([101, 102], [0, 0], (0, 0), ()),
    ]

    batch = collate([[rows[0]], [rows[1]]], 0, 101, {"input_ids", "attention_mask"})

    assert set(batch.inputs) == {"input_ids", "attention_mask"}
    assert batch.inputs["attention_mask"].tolist() == [[1] * 6, [1, 1, 0, 0, 0, 0]]
    assert batch.is_context.nonzero().tolist() == [[0, 3], [0, 4]]
    assert batch.gold.nonzero().tolist() == [[0, 3, 1]]
    assert batch.gold.shape == (2, 6, ANSWER_TOKENS)


@pytest.fixture(scope="module")
def squad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("squad") / "ferry.json"
    path.write_text(json.dumps(SQUAD))
    return path


def train(*arguments: str | Path) -> str:
    app = typer.Typer()
    app.command()(main)
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code in {0, 2}, result.output
    return result.output


def test_a_user_trains_on_a_squad_file_and_gets_a_reader(tmp_path: Path, squad: Path) -> None:
    out = tmp_path / "mine"

    assert "Written to" in train(
        "--contexts", squad, "--out", out, "--epochs", "20", "--rate", "1e-4", "--typed", "0.0"
    )

    reader = TransformersReader(out)
    pairs = [(qa["question"], CONTEXT) for qa in QAS]
    captain, owner = reader.read(pairs)
    assert CONTEXT[captain[0].start : captain[0].end] == "Ada Lund"
    assert captain[0].margin > 0 > owner[0].margin
    assert (out / "model.safetensors").stat().st_size < 50_000_000


def test_a_finished_run_is_written_again_with_a_share_of_the_weights_it_started_from(
    tmp_path: Path, squad: Path
) -> None:
    arguments = ("--contexts", squad, "--out", tmp_path, "--rate", "1e-3")
    name = "qa_outputs.weight"

    train(*arguments)
    trained = load_file(tmp_path / "model.safetensors")[name].float()
    again = train(*arguments, "--kept", "0.25")

    started = load_file(DEFAULT_FOLDER / "model.safetensors")[name].float()
    assert "Going on from step 1" in again
    assert "loss" not in again
    mixed = load_file(tmp_path / "model.safetensors")[name].float()
    assert not torch.equal(mixed, trained)
    torch.testing.assert_close(mixed, 0.75 * trained + 0.25 * started, atol=1e-4, rtol=1e-3)


def test_no_more_questions_of_a_file_are_used_than_its_limit(tmp_path: Path) -> None:
    paths = [tmp_path / "many.jsonl", tmp_path / "few.jsonl"]
    for path, count in zip(paths, (50, 3), strict=True):
        path.write_text("".join(json.dumps({"question": f"{path.stem} {n}"}) + "\n" for n in range(count)))

    rows = article_questions(paths, {"many": 10}, seed=1)

    asked = [row["question"].split()[0] for row in rows]
    assert (asked.count("many"), asked.count("few")) == (10, 3)
    assert rows == article_questions(paths, {"many": 10}, seed=1)
    assert rows != article_questions(paths, {"many": 10}, seed=2)


def test_a_run_that_goes_on_from_its_checkpoint_ends_with_the_same_weights(
    tmp_path: Path, squad: Path
) -> None:
    settings = Settings(epochs=3, rate=1e-4, frozen=5)
    whole = Trainer(DEFAULT_FOLDER, tmp_path / "whole", load_contexts(squad), settings=settings)
    whole.run()

    Trainer(DEFAULT_FOLDER, tmp_path, load_contexts(squad), settings=settings).run(stop=2)
    rest = Trainer(DEFAULT_FOLDER, tmp_path, load_contexts(squad), settings=settings)
    assert rest.resume()
    assert (rest.step, len(rest.plan)) == (2, 3)
    rest.run()

    for name, weight in whole.weights.items():
        assert torch.equal(weight, rest.weights[name]), name
        assert torch.equal(whole.average[name], rest.average[name]), name
    other = Trainer(DEFAULT_FOLDER, tmp_path, load_contexts(squad), settings=Settings(epochs=2, frozen=5))
    with pytest.raises(CitewireError, match="of another run"):
        other.resume()


def test_frozen_layers_and_word_embeddings_stay_as_they_are(tmp_path: Path, squad: Path) -> None:
    run = Trainer(DEFAULT_FOLDER, tmp_path, load_contexts(squad), settings=Settings(frozen=2))

    trained = set(run.weights)
    assert {"bert.encoder.layer.2.attention.self.query.weight", "qa_outputs.weight"} <= trained
    assert not any("embeddings" in name or ".layer.0." in name or ".layer.1." in name for name in trained)


def test_training_without_material_or_articles_is_one_clear_line(tmp_path: Path) -> None:
    assert "train: nothing to train on; give --contexts or --questions" in train("--out", tmp_path)
    assert "--articles FOLDER" in train("--out", tmp_path, "--questions", QUESTIONS / "news_dev.jsonl")


@pytest.mark.parametrize("name", ["news", "news_more", "news_third", "news_dev"])
def test_the_questions_on_news_are_whole_rows(name: str) -> None:
    rows = load_questions(QUESTIONS / f"{name}.jsonl")

    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows:
        assert set(row) == {"id", "file", "question", "answer", "start", "kind"}
        assert (row["answer"] is None) == (row["start"] is None) == (row["kind"] == "absent")
        assert row["question"].strip()


def test_no_article_is_in_both_the_training_and_the_dev_questions() -> None:
    *trained, dev = (
        {row["file"] for row in load_questions(QUESTIONS / f"{name}.jsonl")}
        for name in ("news", "news_more", "news_third", "news_dev")
    )

    assert not set().union(*trained) & dev

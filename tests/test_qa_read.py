"""The reader: whole words, exact ranges, and the same choices as a plain argmax over all spans."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForQuestionAnswering,
    AutoTokenizer,
    RobertaConfig,
    RobertaForQuestionAnswering,
)

import index.inference
import qa.read
from index.errors import ModelError
from qa.read import DEFAULT_FOLDER, MANIFEST, TransformersReader
from qa.snap import snap, word_spans
from qa.types import Reading


def snapped(text: str, start: int, end: int) -> tuple[int, int] | None:
    return snap(text, start, end, word_spans(text))


PASSAGES = [
    "The Marrow Light ran aground off the north mole shortly before dawn on Monday, with nine crew aboard. "
    "Her captain, Ilse Brandt, said a steering cable had snapped. Two tugs pulled the ship free by noon.",
    "Profit at Velder Foods rose 15% to £6.2m last year after it closed three bakeries in Saltby, the company "
    "said. Chief executive Omar Reyes blamed the price of wheat, which has doubled since 2021.",
    "The council voted 31 to 12 on Thursday night to keep the old library open until at least March 2027. "
    "More than 4,000 people had signed a petition that was handed in by the retired teacher June Okafor.",
    "Kestrel City beat Northam United 2-1 in the Thornley Cup final at Quayside Park. Ffion Brandreth scored "
    "the winner in the 112th minute, her ninth goal of the season, in front of 18,450 spectators.",
    "A comet discovered by the amateur astronomer Petra Novak in Brno will pass within 40 million kilometres of "
    "the Earth in August. It was last seen in 1694 and takes about 332 years to go round the Sun.",
]  # fmt: skip
QUESTIONS = [
    ["Where did the Marrow Light run aground?", "Who is the captain?", "Why did it run aground?", "How many crew?"],
    ["How much profit did Velder make?", "Who runs Velder Foods?", "Where did it close bakeries?", "Who is the mayor?"],
    ["How did the council vote?", "Who handed in the petition?", "How many signed?", "When was the library built?"],
    ["Who won the final?", "When was the winner scored?", "How many people watched?", "Who coaches Northam?"],
    ["Who discovered the comet?", "When was it last seen?", "How close will it come?", "What is its name?"],
]  # fmt: skip
PAIRS = [
    (question, passage) for asked, passage in zip(QUESTIONS, PASSAGES, strict=True) for question in asked
]


@pytest.fixture(scope="module")
def reader() -> TransformersReader:
    return TransformersReader()


@pytest.fixture
def in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turn bfloat16 off, so that the arithmetic is that of plain transformers."""
    monkeypatch.setattr(index.inference, "has_bfloat16", lambda: False)


def test_readings_are_whole_words_of_the_text_best_first_and_apart(reader: TransformersReader) -> None:
    for (_, text), readings in zip(PAIRS, reader.read(PAIRS), strict=True):
        assert 1 <= len(readings) <= qa.read.N_BEST
        assert [r.margin for r in readings] == sorted((r.margin for r in readings), reverse=True)
        for number, reading in enumerate(readings):
            assert snapped(text, reading.start, reading.end) == (reading.start, reading.end)
            assert all(reading.end <= r.start or reading.start >= r.end for r in readings[:number])


def test_it_answers_plain_questions(reader: TransformersReader) -> None:
    best = {q: text[r[0].start : r[0].end] for (q, text), r in zip(PAIRS, reader.read(PAIRS), strict=True)}
    assert best["Who is the captain?"] == "Ilse Brandt"
    assert best["How many signed?"].endswith("4,000") or best["How many signed?"].endswith("4,000 people")
    assert best["Who discovered the comet?"].endswith("Petra Novak")
    assert best["When was it last seen?"].endswith("1694")


@pytest.mark.usefixtures("in_float32")
def test_the_best_reading_is_the_argmax_of_plain_transformers(reader: TransformersReader) -> None:
    tokenizer = AutoTokenizer.from_pretrained(DEFAULT_FOLDER)
    model = AutoModelForQuestionAnswering.from_pretrained(DEFAULT_FOLDER, dtype=torch.float32).eval()
    for (question, text), readings in zip(PAIRS, reader.read(PAIRS), strict=True):
        encoded = tokenizer(question, text, return_tensors="pt", return_offsets_mapping=True)
        offsets = encoded.pop("offset_mapping")[0].tolist()
        of_passage = [sequence == 1 for sequence in encoded.sequence_ids()]
        with torch.no_grad():
            output = model(**encoded)
        starts, ends = output.start_logits[0].tolist(), output.end_logits[0].tolist()
        options = sorted(
            (
                (starts[i] + ends[j] - starts[0] - ends[0], offsets[i][0], offsets[j][1])
                for i in range(len(starts))
                for j in range(i, min(i + qa.read.ANSWER_TOKENS, len(ends)))
                if of_passage[i] and of_passage[j]
            ),
            reverse=True,
        )
        # The same constraint as the reader's: an answer is some words of one sentence.
        margin, start, end = next(
            option
            for option in options
            if (words := snapped(text, option[1], option[2])) and ". " not in text[slice(*words)]
        )
        assert (readings[0].start, readings[0].end) == snapped(text, start, end), question
        assert readings[0].margin == pytest.approx(margin, abs=1e-3)


@pytest.mark.usefixtures("in_float32")
def test_pairs_read_together_give_what_each_gives_alone(reader: TransformersReader) -> None:
    together = reader.read(PAIRS)
    for pair, readings in zip(PAIRS, together, strict=True):
        (alone,) = reader.read([pair])
        assert [(r.start, r.end) for r in readings] == [(r.start, r.end) for r in alone]
        assert [r.margin for r in readings] == pytest.approx([r.margin for r in alone], abs=1e-3)


FILLER = "Nothing else of note happened in the town that week, as the council met and the rain fell. "


@pytest.mark.parametrize("before", [0, 30, 120])
def test_an_answer_in_a_long_text_is_found_at_its_place_in_the_whole_text(
    reader: TransformersReader, before: int
) -> None:
    text = FILLER * before + "The Saltby prize was won by Alice Munro in 2013. " + FILLER * 5
    readings = reader.read([("Who won the Saltby prize?", text)])[0]
    assert text[readings[0].start : readings[0].end] == "Alice Munro"
    assert readings[0].margin > 0


def test_an_overlong_question_is_cut_and_still_read(reader: TransformersReader) -> None:
    (readings,) = reader.read([("Who is the captain? " * 100 + "why " * 400, PASSAGES[0])])
    assert readings


@pytest.mark.parametrize("text", ["", " ", "\n\n", "…", "\u200b"])
def test_a_text_without_words_gives_no_reading(reader: TransformersReader, text: str) -> None:
    assert reader.read([("Who is the captain?", text), ("Who is the captain?", PASSAGES[0])])[0] == []


def test_nothing_to_read_gives_nothing(reader: TransformersReader) -> None:
    assert reader.read([]) == []


def test_no_answer_runs_across_sentences_or_paragraphs(reader: TransformersReader) -> None:
    text = "The winners\n\nAda Brandt\n\nJoan Pell\n\nThey won on Friday. They were glad.\nOthers were not."
    questions = ["Who won?", "Who were the winners?", "When did they win?", "Who was glad?", "What happened?"]
    for readings in reader.read([(question, text) for question in questions]):
        assert readings
        for reading in readings:
            assert "\n" not in text[reading.start : reading.end]
            assert ". " not in text[reading.start : reading.end]


@pytest.mark.parametrize(
    "text", ["👩‍👧 Ada ran. " * 3, "قالت ليلى إن السفينة غرقت. ", "हिन्दी भाषा", "a\x00b\ufffd", "東京です。"]
)
def test_any_script_gives_ranges_of_the_text(reader: TransformersReader, text: str) -> None:
    for reading in reader.read([("Who ran?", text)])[0]:
        assert 0 <= reading.start < reading.end <= len(text)


def test_measure_counts_tokens_also_of_texts_longer_than_a_window(reader: TransformersReader) -> None:
    assert reader.measure(["", "word", "word word", "word " * 1000]) == [0, 1, 2, 1000]
    assert reader.measure([]) == []


def test_the_fingerprint_names_the_manifest(reader: TransformersReader) -> None:
    manifest = json.loads(MANIFEST.read_text(encoding="utf-8"))
    assert reader.fingerprint == f"{manifest['name']}@{manifest['sha256'][:12]}"


def test_a_folder_that_is_no_reader_is_one_line(tmp_path: Path) -> None:
    for use in (
        lambda: TransformersReader(tmp_path).fingerprint,
        lambda: TransformersReader(tmp_path).read([("Who?", "Ada ran.")]),
        lambda: TransformersReader(tmp_path).measure(["word"]),
    ):
        with pytest.raises(ModelError) as caught:
            use()
        assert str(tmp_path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_changed_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "weights"
    shutil.copytree(DEFAULT_FOLDER, folder)
    weights = folder / "model.safetensors"
    with weights.open("r+b") as file:
        file.seek(-100, 2)
        byte = file.read(1)
        file.seek(-100, 2)
        file.write(bytes([byte[0] ^ 1]))
    monkeypatch.setattr(qa.read, "DEFAULT_FOLDER", folder)
    with pytest.raises(ModelError, match="damaged or changed") as caught:
        TransformersReader().read([("Who?", "Ada ran.")])
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def roberta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny RoBERTa with random weights and a tokenizer trained on the passages."""
    from tokenizers import ByteLevelBPETokenizer
    from tokenizers.processors import RobertaProcessing
    from transformers import PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("roberta")
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(
        PASSAGES, vocab_size=400, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], show_progress=False
    )
    trained.post_processor = RobertaProcessing(("</s>", 2), ("<s>", 0))
    PreTrainedTokenizerFast(
        tokenizer_object=trained._tokenizer, bos_token="<s>", eos_token="</s>", sep_token="</s>",
        cls_token="<s>", unk_token="<unk>", pad_token="<pad>",
        model_input_names=["input_ids", "attention_mask"],
    ).save_pretrained(folder)  # fmt: skip
    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=400, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=514, type_vocab_size=1, bos_token_id=0, pad_token_id=1, eos_token_id=2,
    )  # fmt: skip
    RobertaForQuestionAnswering(config).save_pretrained(folder)
    return folder


@pytest.mark.usefixtures("in_float32")
def test_another_architecture_is_read_as_well(roberta: Path) -> None:
    other = TransformersReader(roberta)
    assert other.fingerprint.startswith(f"{roberta.name}@")
    assert other.fingerprint == TransformersReader(str(roberta)).fingerprint
    long = " ".join(PASSAGES * 6)
    pairs = [*PAIRS[::4], ("Who discovered the comet?", long)]
    for pair, readings in zip(pairs, other.read(pairs), strict=True):
        (alone,) = other.read([pair])
        _check_same(readings, alone)
        assert readings
        for reading in readings:
            assert snapped(pair[1], reading.start, reading.end) == (reading.start, reading.end)


@pytest.mark.usefixtures("in_float32")
def test_margins_of_another_architecture_are_those_of_plain_transformers(roberta: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(roberta)
    model = AutoModelForQuestionAnswering.from_pretrained(roberta, dtype=torch.float32).eval()
    question, text = PAIRS[0]
    (best, *_) = TransformersReader(roberta).read([(question, text)])[0]
    encoded = tokenizer(question, text, return_tensors="pt", return_offsets_mapping=True)
    offsets = encoded.pop("offset_mapping")[0].tolist()
    with torch.no_grad():
        output = model(input_ids=encoded["input_ids"], attention_mask=encoded["attention_mask"])
    starts, ends = output.start_logits[0].numpy(), output.end_logits[0].numpy()
    of_passage = np.array([sequence == 1 for sequence in encoded.sequence_ids()])
    margins = [
        starts[i] + ends[j] - starts[0] - ends[0]
        for i in np.flatnonzero(of_passage)
        for j in np.flatnonzero(of_passage)
        if i <= j < i + qa.read.ANSWER_TOKENS
        and snapped(text, offsets[i][0], offsets[j][1]) == (best.start, best.end)
    ]
    assert best.margin == pytest.approx(max(margins), abs=1e-3)


def _check_same(one: list[Reading], two: list[Reading]) -> None:
    assert [(r.start, r.end) for r in one] == [(r.start, r.end) for r in two]
    assert [r.margin for r in one] == pytest.approx([r.margin for r in two], abs=1e-3)

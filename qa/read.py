"""Let an extractive QA model pick the words of a passage that may answer a question.

Holds: text[r.start:r.end] of a reading is whole words without outer punctuation; margins are
comparable across passages of one question. Offsets are code points of the text given.
A Reader can be anything with this protocol; TransformersReader adapts the library.
Nothing is loaded before it is needed. Does not rank passages or judge probabilities.
"""

import json
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from index.errors import ModelError
from index.inference import batches_by_length, inference
from index.sentences import sentence_spans
from index.weights import check_sha256, fingerprint_of
from qa.snap import snap, word_spans
from qa.spans import decode_spans
from qa.types import Reading
from qa.windows import Windows

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

DEFAULT_FOLDER = Path(__file__).with_name("default_reader") / "weights"
MANIFEST = Path(__file__).with_name("default_reader") / "manifest.json"
# Windows are sorted by length and batched; 4,096 tokens a batch are as fast as any size above.
BATCH_TOKENS = 4096
ANSWER_TOKENS = 30  # longest answer; 99% of the dev questions' answers are shorter
N_BEST = 5  # spans of one passage, before those that overlap are dropped


class Reader(Protocol):
    """What question answering needs of a reader."""

    @property
    def fingerprint(self) -> str:
        """Name and hash of the weights: two readers with the same one give the same readings."""

    def measure(self, texts: Sequence[str]) -> list[int]:
        """Count the tokens of each text, without special tokens."""

    def read(self, pairs: Sequence[tuple[str, str]]) -> list[list[Reading]]:
        """Read (question, text) pairs; for each give its readings, best first, none overlapping."""


@dataclass(frozen=True, slots=True)
class _Window:
    """One forward pass: part of a pair's text with its question."""

    pair: int
    encoding: "Encoding"


class TransformersReader:
    """A reader from the transformers library.

    :param model: None for the one that Citewire ships, a folder, or the name of a hub model, which is
        the only case that uses the network. Any ``AutoModelForQuestionAnswering`` with a fast
        tokenizer will do
    :raises ModelError: on first use, if it is missing, damaged or of another kind
    """

    def __init__(self, model: str | Path | None = None) -> None:
        self._named = model

    @cached_property
    def fingerprint(self) -> str:
        if self._named is None:
            manifest = json.loads(MANIFEST.read_text(encoding="utf-8"))
            return f"{manifest['name']}@{manifest['sha256'][:12]}"
        return fingerprint_of(self._named, self._model.state_dict())

    def measure(self, texts: Sequence[str]) -> list[int]:
        return self._tokenizer.measure(texts)

    def read(self, pairs: Sequence[tuple[str, str]]) -> list[list[Reading]]:
        windows = [
            _Window(pair, encoding)
            for pair, encodings in enumerate(self._tokenizer.encode(pairs))
            for encoding in encodings
        ]
        found: list[list[tuple[int, Reading]]] = [[] for _ in pairs]
        lengths = [len(window.encoding.ids) for window in windows]
        for batch in batches_by_length(lengths, BATCH_TOKENS):
            starts, ends = self._logits([windows[item].encoding for item in batch])
            for row, item in enumerate(batch):
                window = windows[item]
                text = pairs[window.pair][1]
                size = lengths[item]
                found[window.pair] += self._readings(
                    text, window.encoding, starts[row, :size], ends[row, :size]
                )
        return [_best(readings) for readings in found]

    def _logits(self, encodings: list["Encoding"]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Run the model: start and end logits, each of shape (len(encodings), longest)."""
        import torch

        longest = max(len(encoding.ids) for encoding in encodings)
        fields = {
            name: torch.tensor([values + [pad] * (longest - len(values)) for values in rows])
            for name, rows, pad in (
                ("input_ids", [e.ids for e in encodings], self._pad),
                ("attention_mask", [e.attention_mask for e in encodings], 0),
                ("token_type_ids", [e.type_ids for e in encodings], 0),
            )
            if name in self._fields
        }
        with inference():
            output = self._model(**fields)
        return output.start_logits.float().numpy(), output.end_logits.float().numpy()

    def _readings(
        self, text: str, encoding: "Encoding", start: NDArray[np.float32], end: NDArray[np.float32]
    ) -> list[tuple[int, Reading]]:
        """Decode one window; each reading comes with how much context surrounds it here."""
        is_context = np.array([sequence == 1 for sequence in encoding.sequence_ids])
        cls = encoding.ids.index(self._cls) if self._cls in encoding.ids else 0
        words = word_spans(text)
        sentences = sentence_spans(text)
        low, high = _bounds(encoding, is_context)
        readings: dict[tuple[int, int], tuple[int, Reading]] = {}
        for first, last, margin in decode_spans(
            start, end, is_context, cls, max_tokens=ANSWER_TOKENS, n_best=4 * N_BEST
        ):
            bounds = snap(text, encoding.offsets[first][0], encoding.offsets[last][1], words)
            # Parts of a word snap to the same words as the whole of it, with a lower margin.
            if bounds and bounds not in readings and _in_one(sentences, *bounds):
                room = min(bounds[0] - low, high - bounds[1])
                readings[bounds] = (room, Reading(*bounds, margin))
        return list(readings.values())

    @cached_property
    def _folder(self) -> str:
        if self._named is not None:
            return str(self._named)
        check_sha256(
            DEFAULT_FOLDER / "model.safetensors", json.loads(MANIFEST.read_text(encoding="utf-8"))["sha256"]
        )
        return str(DEFAULT_FOLDER)

    @cached_property
    def _model(self) -> Any:
        import torch
        from safetensors import SafetensorError
        from transformers import AutoModelForQuestionAnswering
        from transformers.utils import logging

        logging.disable_progress_bar()
        try:
            model = AutoModelForQuestionAnswering.from_pretrained(
                self._folder, dtype=torch.float32, use_safetensors=True, trust_remote_code=False
            )
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            reason = str(error).strip().splitlines()[0]
            raise ModelError(f"cannot load the reader {self._folder!r}: {reason}") from error
        return model.eval()

    @cached_property
    def _tokenizer(self) -> Windows:
        path = Path(self._folder if self._named is not None else DEFAULT_FOLDER) / "tokenizer.json"
        return Windows.read(path) if path.is_file() else Windows(self._hub_tokenizer())

    def _hub_tokenizer(self) -> "Tokenizer":
        from transformers import AutoTokenizer

        try:
            fast = AutoTokenizer.from_pretrained(self._folder, use_fast=True, trust_remote_code=False)
        except (OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise ModelError(f"cannot load the tokenizer of {self._folder!r}: {reason}") from error
        if not fast.is_fast:
            raise ModelError(f"the reader {self._folder!r} has no fast tokenizer, which gives offsets")
        return fast.backend_tokenizer

    @cached_property
    def _cls(self) -> int | None:
        return self._tokenizer.token_id("[CLS]", "<s>")

    @cached_property
    def _pad(self) -> int:
        return self._tokenizer.token_id("[PAD]", "<pad>") or 0

    @cached_property
    def _fields(self) -> set[str]:
        """Inputs that the model's forward pass takes: BERT needs token_type_ids, RoBERTa has none."""
        import inspect

        return set(inspect.signature(self._model.forward).parameters)


def _in_one(sentences: list[tuple[int, int]], start: int, end: int) -> bool:
    """Tell whether a range lies in one sentence: what runs on into the next is a guess, not a quote."""
    at = bisect_right(sentences, start, key=lambda sentence: sentence[0]) - 1
    return at >= 0 and end <= sentences[at][1]


def _bounds(encoding: "Encoding", is_context: NDArray[np.bool_]) -> tuple[int, int]:
    """Give the range of the text that a window shows."""
    shown = np.flatnonzero(is_context)
    if not len(shown):
        return 0, 0
    return encoding.offsets[shown[0]][0], encoding.offsets[shown[-1]][1]


def _best(found: list[tuple[int, Reading]]) -> list[Reading]:
    """Keep each span's reading from the window that shows most around it, then the best apart."""
    widest: dict[tuple[int, int], tuple[int, Reading]] = {}
    for room, reading in found:
        key = reading.start, reading.end
        held = widest.get(key)
        if held is None or (room, reading.margin) > (held[0], held[1].margin):
            widest[key] = (room, reading)
    ranked = sorted((reading for _, reading in widest.values()), key=lambda r: (-r.margin, r.start, r.end))
    kept: list[Reading] = []
    for reading in ranked:
        if all(reading.end <= other.start or reading.start >= other.end for other in kept):
            kept.append(reading)
    return kept[:N_BEST]

"""Groups into tensors: encode, bucket by length, pad.

Holds: a right span's tokens cover its range; each batch has whole groups, and about as many tokens.
Knows the tokenizer and torch; no model and no loss.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from tokenizers import Encoding
from torch import Tensor

from qa.default_reader.careless import careless
from qa.default_reader.groups import Group, Text
from qa.read import ANSWER_TOKENS
from qa.windows import Windows


@dataclass(frozen=True, slots=True)
class Row:
    """One forward pass: the tokens of a question and a text, and the right spans (last inclusive)."""

    ids: list[int]
    types: list[int]
    context: tuple[int, int]
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of whole groups, padded: tensors of shape (rows, seq_len), and each row's group."""

    inputs: dict[str, Tensor]
    is_context: Tensor
    cls: Tensor
    gold: Tensor
    group: Tensor
    groups: int

    def to(self, device: torch.device) -> "Batch":
        """Give the same batch on a device."""
        inputs = {name: tensor.to(device) for name, tensor in self.inputs.items()}
        is_context, cls = self.is_context.to(device), self.cls.to(device)
        return Batch(inputs, is_context, cls, self.gold.to(device), self.group.to(device), self.groups)


@dataclass(frozen=True, slots=True)
class Sampling:
    """What an epoch shows of each group.

    ``wrong``: retrieved texts without the answer. ``lone``: share of questions with their own context that
    are shown without one more. ``typed``: share of questions typed carelessly.
    """

    wrong: int = 2
    lone: float = 0.5
    typed: float = 0.15


def draw(group: Group, rng: random.Random, sampling: Sampling) -> tuple[str, list[Text]]:
    """Choose how a group is shown in this epoch: one right text and some of the wrong ones."""
    question = careless(group.question, rng) if rng.random() < sampling.typed else group.question
    right = [rng.choice(group.right)] if group.right else []
    most = sampling.wrong if group.retrieved else int(rng.random() >= sampling.lone)
    if not right:
        most = max(1, most)
    return question, right + rng.sample(group.wrong, min(len(group.wrong), most))


def encode(windows: Windows, question: str, texts: Sequence[Text]) -> list[Row]:
    """Encode a question with each text; of a text that is too long, the window around its answer."""
    rows = []
    for text, encodings in zip(texts, windows.encode([(question, t.text) for t in texts]), strict=True):
        made = [_row(encoding, text) for encoding in encodings]
        rows.append(max(made, key=lambda row: len(row.spans)))  # the first window if none has an answer
    return [row for row, text in zip(rows, texts, strict=True) if row.spans or not text.answers]


def _row(encoding: Encoding, text: Text) -> Row:
    places = [at for at, sequence in enumerate(encoding.sequence_ids) if sequence == 1]
    context = (places[0], places[-1] + 1) if places else (0, 0)
    offsets = encoding.offsets  # a list that is made anew each time
    spans = []
    for start, end in text.answers:
        covered = [at for at in places if offsets[at][0] < end and offsets[at][1] > start]
        whole = covered and offsets[covered[0]][0] <= start and offsets[covered[-1]][1] >= end
        if whole and covered[-1] - covered[0] < ANSWER_TOKENS:
            spans.append((covered[0], covered[-1]))
    return Row(encoding.ids, encoding.type_ids, context, tuple(dict.fromkeys(spans)))


def batches(encoded: Sequence[list[Row]], max_tokens: int, rng: random.Random) -> Iterator[list[int]]:
    """Put groups of similar length into batches of about so many tokens, in random order."""
    longest = [max((len(row.ids) for row in rows), default=0) for rows in encoded]
    # Within chunks of random groups, so that a batch does not always have the same company.
    order = [at for at in range(len(encoded)) if encoded[at]]
    rng.shuffle(order)
    made: list[list[int]] = []
    for first in range(0, len(order), 4096):
        chunk = sorted(order[first : first + 4096], key=lambda at: longest[at])
        batch: list[int] = []
        rows = 0
        for at in chunk:
            if batch and (rows + len(encoded[at])) * longest[at] > max_tokens:
                made.append(batch)
                batch, rows = [], 0
            batch.append(at)
            rows += len(encoded[at])
        made.append(batch)
    rng.shuffle(made)
    yield from made


def collate(groups: Sequence[list[Row]], pad: int, cls: int, fields: set[str]) -> Batch:
    """Pad rows to one length."""
    rows = [row for group in groups for row in group]
    longest = max(len(row.ids) for row in rows)
    inputs = {
        "input_ids": torch.tensor([row.ids + [pad] * (longest - len(row.ids)) for row in rows]),
        "attention_mask": torch.tensor([[1] * len(row.ids) + [0] * (longest - len(row.ids)) for row in rows]),
        "token_type_ids": torch.tensor([row.types + [0] * (longest - len(row.types)) for row in rows]),
    }
    is_context = torch.zeros(len(rows), longest, dtype=torch.bool)
    gold = torch.zeros(len(rows), longest, ANSWER_TOKENS, dtype=torch.bool)
    for at, row in enumerate(rows):
        is_context[at, slice(*row.context)] = True
        for first, last in row.spans:
            gold[at, first, last - first] = True
    return Batch(
        inputs={name: tensor for name, tensor in inputs.items() if name in fields},
        is_context=is_context,
        cls=torch.tensor([row.ids.index(cls) for row in rows]),
        gold=gold,
        group=torch.tensor([number for number, group in enumerate(groups) for _ in group]),
        groups=len(groups),
    )

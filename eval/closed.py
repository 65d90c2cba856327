"""Closed reading: each question with its own context, no retrieval. ``python -m eval.closed FILE``.

Holds: EM and F1 are the SQuAD definitions; a source's score is a plain mean over its questions.
Says how well a reader reads; ``python -m eval`` says how well Citewire answers.
"""

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from eval.metrics import auroc, exact_match, mean, token_f1
from index.errors import CitewireError
from qa.default_reader.careless import hurried
from qa.default_reader.groups import Group, load_contexts
from qa.read import Reader, TransformersReader

PAIRS = 256  # read at a time: bounds memory


@dataclass(frozen=True, slots=True)
class Closed:
    """Scores of a source. ``em`` and ``f1`` are of answerable questions, never abstaining; ``open_f1``
    is of all, "no answer" being a margin of at most zero; ``auroc`` of the margin, NaN if all are
    answerable.
    """

    questions: int
    answerable: int
    em: float
    f1: float
    open_f1: float
    auroc: float


def read_closed(groups: Sequence[Group], reader: Reader) -> list[tuple[Group, str, float]]:
    """Give each question's best span in its context, and its margin."""
    found = []
    for first in range(0, len(groups), PAIRS):
        batch = groups[first : first + PAIRS]
        texts = [(*group.right, *group.wrong)[0].text for group in batch]
        readings = reader.read([(group.question, text) for group, text in zip(batch, texts, strict=True)])
        for group, text, spans in zip(batch, texts, readings, strict=True):
            best = spans[0] if spans else None
            words, margin = (text[best.start : best.end], best.margin) if best else ("", -np.inf)
            found.append((group, words, margin))
    return found


def score(found: Sequence[tuple[Group, str, float]]) -> dict[str, Closed]:
    """Score each source, and all of them as "all"."""
    by_source: dict[str, list[tuple[list[str], str, float]]] = defaultdict(list)
    for group, words, margin in found:
        golds = [text.text[start:end] for text in group.right for start, end in text.answers]
        for name in (group.source, "all"):
            by_source[name].append((golds, words, margin))
    return {name: _score(rows) for name, rows in sorted(by_source.items(), key=lambda item: item[0] == "all")}


def _score(rows: Sequence[tuple[list[str], str, float]]) -> Closed:
    answerable = [(golds, words) for golds, words, _ in rows if golds]
    return Closed(
        questions=len(rows),
        answerable=len(answerable),
        em=mean([exact_match(words, golds) for golds, words in answerable]),
        f1=mean([token_f1(words, golds) for golds, words in answerable]),
        open_f1=mean([token_f1(words if margin > 0 else "", golds) for golds, words, margin in rows]),
        auroc=auroc(np.array([margin for *_, margin in rows]), np.array([bool(g) for g, *_ in rows])),
    )


def main(
    files: Annotated[list[Path], typer.Argument(help="SQuAD .json, or .jsonl, .jsonl.xz.")],
    reader: Annotated[
        list[str] | None, typer.Option(help="Reader: a folder or hub name; may be repeated.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many questions, drawn at random.")] = None,
    typed: Annotated[
        bool, typer.Option(help="Type the questions carelessly: small letters, no ?, a typo.")
    ] = False,
) -> None:
    """Read each question's own context and print EM and F1 of each source."""
    try:
        groups = [group for path in files for group in load_contexts(path)]
        rng = random.Random(0)
        if limit and limit < len(groups):
            groups = rng.sample(groups, limit)
        if typed:
            groups = [replace(group, question=hurried(group.question, rng)) for group in groups]
        for name in [*reader] if reader else [None]:
            found = read_closed(groups, TransformersReader(name))
            typer.echo(f"{name or 'the shipped reader'}\n{_table(score(found))}")
    except CitewireError as error:
        typer.echo(f"eval.closed: {error}", err=True)
        raise typer.Exit(2) from error


def _table(scores: dict[str, Closed]) -> str:
    head = f"{'source':<14}{'questions':>10}{'answerable':>11}{'EM':>7}{'F1':>7}{'F1 open':>9}{'AUROC':>7}"
    rows = [
        f"{name:<14}{s.questions:>10,}{s.answerable:>11,}{100 * s.em:>7.1f}{100 * s.f1:>7.1f}"
        f"{100 * s.open_f1:>9.1f}{s.auroc:>7.2f}"
        for name, s in scores.items()
    ]
    return "\n".join([head, *rows])


if __name__ == "__main__":
    typer.run(main)

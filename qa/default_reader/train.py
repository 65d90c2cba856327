"""Train a reader: ``python -m qa.default_reader.train --help``.

Puts the steps in order: questions, the texts that retrieval gives them, a run. Runs on a processor and,
without change, on a GPU. Does not fit the confidence (``python -m eval --fit-confidence``) or score
answers (``python -m eval``, ``python -m eval.closed``).
"""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from index.embed import SentenceTransformerEncoder
from index.errors import CitewireError
from qa.api import QA
from qa.default_reader.features import Sampling
from qa.default_reader.groups import Group, add_neighbours, from_articles, load_contexts, load_questions
from qa.default_reader.trainer import Settings, Trainer
from qa.read import DEFAULT_FOLDER

NEAR = 7  # wrong texts kept of a question on articles: with a right one, the passages that answering reads


SETTINGS, SAMPLING = Settings(), Sampling()
T = TypeVar("T")


def main(
    *,
    out: Annotated[Path, typer.Option(help="Folder for the reader, and for checkpoints to go on from.")],
    contexts: Annotated[
        list[Path] | None, typer.Option(help="Questions with contexts: SQuAD .json, or .jsonl, .jsonl.xz.")
    ] = None,
    questions: Annotated[
        list[Path] | None,
        typer.Option(help="Questions on the articles: JSONL of file, question, answer, start."),
    ] = None,
    articles: Annotated[Path | None, typer.Option(help="The folder that --questions are about.")] = None,
    index: Annotated[Path | None, typer.Option(help="Index of the articles; made if missing.")] = None,
    dev: Annotated[list[Path] | None, typer.Option(help="Questions on the articles to score with.")] = None,
    start: Annotated[Path, typer.Option(help="Reader to start from.")] = DEFAULT_FOLDER,
    most: Annotated[
        list[str] | None, typer.Option(help="SOURCE=N: at most N of it; a file's name is its source.")
    ] = None,
    least_words: Annotated[int, typer.Option(help="Leave out shorter questions with contexts.")] = 1,
    wrong: Annotated[int, typer.Option(help="Texts without the answer, of a question on articles.")] = (
        SAMPLING.wrong
    ),
    lone: Annotated[float, typer.Option(help="Share of --contexts shown without a wrong one.")] = (
        SAMPLING.lone
    ),
    typed: Annotated[float, typer.Option(help="Share of questions typed carelessly.")] = SAMPLING.typed,
    epochs: Annotated[float, typer.Option()] = SETTINGS.epochs,
    rate: Annotated[float, typer.Option(help="Peak learning rate.")] = SETTINGS.rate,
    tokens: Annotated[int, typer.Option(help="Tokens of a batch.")] = SETTINGS.tokens,
    alone: Annotated[float, typer.Option(help="Weight of each text's own loss; -1: nothing shared.")] = 0.5,
    decay: Annotated[float, typer.Option(help="Of the weights' moving average; 0: none.")] = SETTINGS.decay,
    frozen: Annotated[int, typer.Option(help="Lowest layers that stay as they are.")] = SETTINGS.frozen,
    seed: Annotated[int, typer.Option()] = SETTINGS.seed,
    stop: Annotated[
        int | None, typer.Option(min=1, help="Write the reader after so many steps of the schedule.")
    ] = None,
    kept: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Share of --start's weights in the reader; a finished run need not run again."
        ),
    ] = 0.0,
) -> None:
    """Train a reader on questions with contexts, and on questions about articles as retrieval finds them."""
    settings = Settings(
        epochs=epochs,
        rate=rate,
        tokens=tokens,
        alone=None if alone < 0 else alone,
        decay=decay,
        frozen=frozen,
        seed=seed,
    )
    try:
        at_most = limits(most or [])
        groups = context_groups(contexts or [], at_most, least_words, seed)
        asked = [article_questions(questions or [], at_most, seed), article_questions(dev or [], {}, seed)]
        held: list[Group] = []
        if any(asked):
            if not articles:
                raise CitewireError("questions on articles need --articles FOLDER")
            on_articles, held = article_groups(asked, articles, index or out / "index.citewire")
            groups += on_articles
        if not groups:
            raise CitewireError("nothing to train on; give --contexts or --questions")
        sampling = Sampling(wrong=wrong, lone=lone, typed=typed)
        trainer = Trainer(start, out, groups, settings=settings, sampling=sampling, dev=held)
        if trainer.resume():
            typer.echo(f"Going on from step {trainer.step:,}")
        trainer.run(stop)
        trainer.save(kept)
    except CitewireError as error:
        typer.echo(f"train: {error}", err=True)
        raise typer.Exit(2) from error
    typer.echo(f"Written to {out}")


def limits(named: Sequence[str]) -> dict[str, int]:
    """Read "SOURCE=N" limits.

    :raises CitewireError: one is not of that form
    """
    found = {}
    for part in named:
        source, _, number = part.partition("=")
        if not source or not number.isdigit():
            raise CitewireError(f"expected --most SOURCE=N, got {part!r}")
        found[source] = int(number)
    return found


def context_groups(paths: Sequence[Path], most: dict[str, int], least: int, seed: int) -> list[Group]:
    """Read questions with contexts, no more of a source than its limit, with nearby wrong contexts."""
    rng = random.Random(seed)
    by_source: dict[str, list[Group]] = {}
    for group in (group for path in paths for group in load_contexts(path)):
        if len(group.question.split()) >= least:
            by_source.setdefault(group.source, []).append(group)
    kept = []
    for source, groups in by_source.items():
        kept += _sampled(groups, most.get(source), rng)
    return add_neighbours(kept, SentenceTransformerEncoder(), most=3) if kept else []


def article_questions(paths: Sequence[Path], most: dict[str, int], seed: int) -> list[dict[str, Any]]:
    """Read questions on articles, no more of a file than the limit by its name without ending."""
    rng = random.Random(seed)
    kept = []
    for path in paths:
        kept += _sampled(load_questions(path), most.get(path.stem), rng)
    return kept


def _sampled(items: Sequence[T], most: int | None, rng: random.Random) -> list[T]:
    """Draw items in random order, no more than a limit; all of them if there is none."""
    return rng.sample(items, len(items) if most is None else min(most, len(items)))


def article_groups(
    lists: Sequence[Sequence[dict[str, Any]]], articles: Path, index: Path
) -> list[list[Group]]:
    """Give questions on articles the passages that retrieval returns for them."""
    encoder = SentenceTransformerEncoder()
    with QA.from_articles(articles, index=index, encoder=encoder) as qa, qa.store.snapshot() as snapshot:
        return [from_articles(rows, articles, snapshot, encoder, most=NEAR) for rows in lists]


if __name__ == "__main__":
    typer.run(main)

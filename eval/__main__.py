"""The eval script: open or build an index, ask all gold questions, print and write a report.

Holds: a mistake of the person's is one line and exit code 2; nothing heavy is imported for --help.
Computes no score itself.
"""

import hashlib
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypedDict

import typer

if TYPE_CHECKING:
    from eval.ask import Asker, Outcome
    from eval.questions import Question
    from index.embed import Encoder
    from qa.api import Config
    from qa.read import Reader

GOLD = Path(__file__).parent / "gold"
SAMPLE = Path(__file__).parent / "articles"
PACKAGES = ("citewire", "torch", "transformers", "sentence-transformers", "faiss-cpu", "numpy")
NO_PLOT = 'No plot: matplotlib is not installed; pip install "citewire[plot]", or pass --no-plot.'

app = typer.Typer(add_completion=False)


class Arguments(TypedDict):
    """What ``QA.from_articles`` takes besides places."""

    config: "Config"
    encoder: "Encoder"
    reader: "Reader"


class Search(StrEnum):
    """Which searches find the passages."""

    FUSED = "fused"
    DENSE = "dense"
    WORDS = "words"


@dataclass(frozen=True, slots=True)
class Models:
    """The models and settings under test; None is the default."""

    encoder: str | None = None
    reader: str | None = None
    passages: int | None = None
    max_tokens: int | None = None
    search: Search = Search.FUSED
    spelling: bool = True
    fitting: bool = False

    def arguments(self) -> "Arguments":
        """Give what ``QA.from_articles`` takes."""
        from index.chunk import Chunking
        from index.embed import SentenceTransformerEncoder
        from qa.api import Config
        from qa.confidence import Calibration
        from qa.read import TransformersReader
        from qa.retrieve import Fusion

        config = Config(
            passages=self.passages or Config().passages,
            chunking=Chunking(self.max_tokens or Chunking().max_tokens),
            fusion=Fusion(dense=self.search is not Search.WORDS, words=self.search is not Search.DENSE),
            calibration=Calibration.by_margin() if self.fitting else None,
            spelling=self.spelling,
        )
        return {
            "config": config,
            "encoder": SentenceTransformerEncoder(self.encoder),
            "reader": TransformersReader(self.reader),
        }

    def fingerprints(self) -> tuple[str, str]:
        """Give the encoder's and the reader's."""
        arguments = self.arguments()
        return arguments["encoder"].fingerprint, arguments["reader"].fingerprint


@app.command()
def main(
    *,
    gold: Annotated[
        list[Path] | None,
        typer.Option(
            help="Gold questions: JSONL, or SQuAD .json; may be repeated. Default: the packaged ones."
        ),
    ] = None,
    articles: Annotated[
        Path | None,
        typer.Option(
            help="The articles. Default: those of --index if it is there, a SQuAD file's own paragraphs,"
            " or the packaged sample."
        ),
    ] = None,
    index: Annotated[
        Path | None,
        typer.Option(
            help="An index; brought up to date with --articles, else asked as it is. Default: a cache."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("eval-report"),
    k: Annotated[int, typer.Option(min=1, help="Passages among which a right article is looked for.")] = 10,
    plot: Annotated[bool, typer.Option("--plot/--no-plot", help="Draw report.svg and report.png.")] = True,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Ask only so many questions, spread over all of them.")
    ] = None,
    typed: Annotated[
        bool, typer.Option("--typed", help="Type the questions carelessly: small letters, no ?, a typo.")
    ] = False,
    passages: Annotated[int | None, typer.Option(min=1, help="Passages read for each question.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=16, help="Longest passage; needs --index.")] = None,
    search: Annotated[Search, typer.Option(help="Which searches find the passages.")] = Search.FUSED,
    spelling: Annotated[bool, typer.Option("--spelling/--no-spelling", help="Mend typos.")] = True,
    encoder: Annotated[str | None, typer.Option(help="Encoder: a folder or hub name.")] = None,
    reader: Annotated[str | None, typer.Option(help="Reader: a folder or hub name.")] = None,
    fit_confidence: Annotated[
        Path | None,
        typer.Option(help="Fit the probability of being right to these questions; write it to this file."),
    ] = None,
) -> None:
    """Ask the gold questions and report how right, how well cited and how fast the answers are."""
    from index.errors import CitewireError

    gold = gold or sorted(GOLD.glob("*.jsonl"))
    try:
        if fit_confidence:
            _make_folder(fit_confidence.parent)
        fitting = fit_confidence is not None
        models = Models(encoder, reader, passages, max_tokens, search, fitting=fitting, spelling=spelling)
        outcomes = _run(gold, articles, index, models, out=out, k=k, plot=plot, limit=limit, typed=typed)
        if fit_confidence:
            typer.echo(_fit(outcomes, models, fit_confidence))
    except CitewireError as error:
        typer.echo(f"eval: {error}", err=True)
        raise typer.Exit(2) from error


def _run(
    gold: list[Path],
    articles: Path | None,
    index: Path | None,
    models: "Models",
    *,
    out: Path,
    k: int,
    plot: bool,
    limit: int | None,
    typed: bool,
) -> "list[Outcome]":
    from importlib.util import find_spec

    from platformdirs import user_cache_path

    from eval.questions import load_gold, spread, typed_carelessly
    from eval.report import build_report, table, write
    from index.load import is_index

    _make_folder(out)
    cache = user_cache_path("citewire") / "eval"
    questions, corpus = load_gold(gold, articles, SAMPLE, cache)
    if limit:
        questions = spread(questions, limit)
    if typed:
        questions = typed_carelessly(questions)
    # Without --articles an index that is there holds what the questions are about, such as a chat's votes.
    no_corpus = articles is None and corpus == SAMPLE and models.max_tokens is None
    as_it_is = no_corpus and index is not None and is_index(index)
    index = index or index_path(corpus, cache)
    qa = open_qa(None if as_it_is else corpus, index, models)
    outcomes = _ask_all(qa, questions, corpus, k)
    report = build_report(outcomes, qa.signature, k)
    files = {
        "gold": [str(path) for path in gold],
        "articles": None if as_it_is else str(corpus),
        "index": str(index),
    }
    settings = {**files, "k": k, "limit": limit, "typed": typed}
    typer.echo(table(report))
    write(report, outcomes, out, settings=settings, versions=_versions())
    if plot and not find_spec("matplotlib"):
        typer.echo(NO_PLOT, err=True)
    elif plot:
        from eval.plot import draw

        draw(report, out)
    typer.echo(f"Written to {out.resolve()}")
    return outcomes


def _fit(outcomes: "list[Outcome]", models: "Models", path: Path) -> str:
    """Fit the confidence of ``models`` to questions that were just asked, and write it."""
    from eval.fit import cross_validate, fit_to, summary

    encoder, reader = models.fingerprints()
    figures = summary(cross_validate(outcomes))
    fitted = fit_to(outcomes, reader, encoder)
    fitted.save(path)
    return f"{figures}\nThreshold {fitted.threshold:.3f}; written to {path}"


def index_path(corpus: Path, cache: Path) -> Path:
    """Where the index over ``corpus`` is kept by default.

    The chat over the sample has another, to which people add articles.
    """
    if corpus == SAMPLE:
        from qa.api import sample_index_path

        return cache / sample_index_path().name
    key = hashlib.sha256(str(corpus.resolve()).encode()).hexdigest()[:16]
    return cache / f"{corpus.name}-{key}.citewire"


def open_qa(corpus: Path | None, index: Path, models: "Models") -> "Asker":
    """Open the index over ``corpus``, or build it; as it is if ``corpus`` is None."""
    from index.progress import Bar
    from qa.api import QA

    if corpus is None:
        return QA.open(index, **models.arguments())
    with Bar() as bar:
        return QA.from_articles(corpus, index=index, report=bar, prune=True, **models.arguments())


def _ask_all(qa: "Asker", questions: "list[Question]", corpus: Path, k: int) -> "list[Outcome]":
    from eval.ask import ask, warm_up

    warm_up(qa)
    with typer.progressbar(questions, label="Asking", file=sys.stderr) as bar:
        return [ask(qa, question, corpus, k) for question in bar]


def _make_folder(out: Path) -> None:
    """Make the report's folder first, so that a wrong path does not cost a whole run."""
    from index.errors import CitewireError

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CitewireError(
            f"expected a folder to write the report to, got {out}: {error.strerror}"
        ) from error


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": sys.version.split()[0]}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


if __name__ == "__main__":
    app(prog_name="python -m eval")

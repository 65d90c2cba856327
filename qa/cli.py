"""The command ``citewire``.

Holds: a mistake of the person's is one line on standard error and exit code 2, "not in these
articles" is exit code 1, an answer 0; ``--help`` and errors are instant, since models load when needed.
Wiring only: what the commands do is in ``qa.api`` and ``index``.
"""

import json
import logging
import sys
from getpass import getpass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypedDict

import typer

from index.errors import CitewireError
from qa.upkeep import (
    EncoderOption,
    IndexOption,
    SinceOption,
    SourceOption,
    UntilOption,
    WaitOption,
    filters_of,
)
from qa.upkeep import app as upkeep

if TYPE_CHECKING:
    from index.embed import Encoder
    from qa.api import Config
    from qa.read import Reader

INTERRUPTED = 130  # the exit code that typer makes of Ctrl-C, as shells do: 128 + SIGINT

app = typer.Typer(
    name="citewire",
    help="Ask your articles, get quoted answers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog="Start with: citewire index FOLDER, then: citewire ask 'QUESTION', or: citewire chat",
)

ReaderOption = Annotated[
    str | None, typer.Option(help="An extractive QA model of transformers: a folder or a hub name.")
]
CalibrationOption = Annotated[
    Path | None, typer.Option(help="Confidence fitted for that reader: python -m eval --fit-confidence.")
]
UsersOption = Annotated[
    Path | None, typer.Option(help="With --serve, the file of who may log in. Default: one of your own.")
]
SpellingOption = Annotated[
    bool, typer.Option("--spelling/--no-spelling", help="Mend typos; a word in double quotes stays.")
]


@app.command(
    epilog="Examples: citewire index news/   citewire index a.pdf b.html feed.jsonl --index my.citewire"
    "   citewire index https://example.org/rss.xml"
)
def index(
    sources: Annotated[list[str], typer.Argument(help="Files, folders, http(s) pages or feeds.")],
    where: IndexOption = None,
    encoder: EncoderOption = None,
    *,
    prune: Annotated[
        bool, typer.Option("--prune", help="Also remove articles whose files are gone.")
    ] = False,
    wait: WaitOption = 0,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Name every skipped file.")] = False,
) -> None:
    """Add articles to the index, or bring it up to date; what has not changed costs nothing."""
    from index.embed import SentenceTransformerEncoder
    from index.progress import Bar
    from qa.api import QA, default_index_path

    path = where or default_index_path()
    with (
        Bar() as bar,
        QA.from_articles(
            sources, path, encoder=SentenceTransformerEncoder(encoder), report=bar, prune=prune, wait=wait
        ) as qa,
    ):
        summary = qa.built
    if summary is None:
        return
    shown = summary.skipped if verbose else summary.skipped[:5]
    for skipped in shown:
        typer.echo(f"skipped {skipped.location}: {skipped.reason}", err=True)
    if len(shown) < len(summary.skipped):
        typer.echo(f"… and {len(summary.skipped) - len(shown)} more; --verbose names them", err=True)
    typer.echo(f"{summary}; the index is at {path}")
    if not summary.added + summary.updated + summary.unchanged:
        raise typer.Exit(2)


@app.command(
    epilog="Examples: citewire ask 'Who signed the letter?'   citewire ask 'When?' --json"
    "   citewire ask 'How many?' --source 'Harbour Ledger' --since 2026-01-01"
)
def ask(
    question: Annotated[str, typer.Argument(help="A question, in quotes.")],
    where: IndexOption = None,
    encoder: EncoderOption = None,
    reader: ReaderOption = None,
    calibration: CalibrationOption = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
    source: SourceOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Least probability of an answer that is shown.")
    ] = None,
    spelling: SpellingOption = True,
) -> None:
    """Answer one question. Exit code 1 means: not in these articles."""
    from qa.api import QA

    with QA.open(where, **_models(encoder, reader, calibration, threshold, spelling=spelling)) as qa:
        answer = qa.ask(question, filters=filters_of(source, since, until))
    if as_json:
        typer.echo(json.dumps(answer.to_dict(), ensure_ascii=False, indent=2))
    else:
        typer.echo(str(answer))
    if not answer.answered:
        raise typer.Exit(1)


@app.command(
    epilog="Examples: citewire chat   citewire chat --index my.citewire --port 8000"
    "   citewire chat --serve --allow-host chat.example.org"
)
def chat(
    where: IndexOption = None,
    articles: Annotated[
        Path | None, typer.Option(help="Index this folder first. Default: the sample articles.")
    ] = None,
    *,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port. Default: 7860 or the next.")
    ] = None,
    serve: Annotated[
        bool, typer.Option("--serve", help="For others too, who log in: see citewire password.")
    ] = False,
    host: Annotated[
        str | None, typer.Option(help="With --serve, the address to listen on. Default: 0.0.0.0, all.")
    ] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="With --serve, a name it is asked by. Can be repeated.")
    ] = None,
    users: UsersOption = None,
    add: Annotated[
        bool | None,
        typer.Option("--add/--no-add", help="Add articles on the page; --serve: not unless asked."),
    ] = None,
    mcp: Annotated[bool, typer.Option("--mcp", help="Run an MCP server too.")] = False,
    encoder: EncoderOption = None,
    reader: ReaderOption = None,
    calibration: CalibrationOption = None,
    spelling: SpellingOption = True,
) -> None:
    """Open the web chat: over your index if there is one, else over the sample articles."""
    import ui
    from qa.api import default_index_path
    from qa.web.server import Service
    from qa.web.users import default_users_path

    if not serve and (host or allow_host or users):
        raise CitewireError(
            "--host, --allow-host and --users need --serve; without it the chat is for you alone"
        )
    if serve:
        service = Service(
            host=host or "0.0.0.0",
            port=port,
            names=tuple(allow_host or ()),
            users=users or default_users_path(),
            add=bool(add),
            mcp=mcp,
        )
    else:
        service = Service(port=port, add=add is not False, mcp=mcp)
    if where is None and articles is None and (default_index_path() / "articles.db").is_file():
        where = default_index_path()
    models = _models(encoder, reader, calibration, spelling=spelling)
    ui.main(index=where, articles=articles, service=service, **models)


@app.command(epilog="Examples: citewire password ana   pass show citewire | citewire password ana")
def password(
    name: Annotated[str, typer.Argument(help="Who logs in.")],
    users: UsersOption = None,
) -> None:
    """Set a person's password for: citewire chat --serve."""
    from qa.web.users import default_users_path, set_password

    if sys.stdin.isatty():
        given = getpass("Password: ")
        if getpass("Once more: ") != given:
            raise CitewireError("the two passwords differ; nothing was changed")
    else:
        given = sys.stdin.readline().rstrip("\r\n")
    path = users or default_users_path()
    known = set_password(path, name, given)
    typer.echo(f"{name} has a new password" if known else f"{name} can log in; the file is {path}")


@app.command(
    name="eval",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    epilog="Example: citewire eval --gold mine.jsonl --articles news/",
)
def evaluate(context: typer.Context) -> None:
    """Score on gold questions; the same as: python -m eval. For its options: citewire eval --help."""
    from eval.__main__ import app as eval_app

    # Outside of standalone mode an exit code is returned, not raised.
    raise typer.Exit(eval_app(args=context.args, prog_name="citewire eval", standalone_mode=False) or 0)


app.add_typer(upkeep)


@app.callback(invoke_without_command=True)
def common(
    *,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Ask your articles, get quoted answers."""
    if show_version:
        typer.echo(f"citewire {version('citewire')}")
        raise typer.Exit


class Models(TypedDict):
    """What ``QA.open`` and the chat take besides places."""

    config: "Config"
    encoder: "Encoder"
    reader: "Reader"


def _models(
    encoder: str | None,
    reader: str | None,
    calibration: Path | None,
    threshold: float | None = None,
    *,
    spelling: bool = True,
) -> Models:
    from index.embed import SentenceTransformerEncoder
    from qa.api import Config
    from qa.confidence import Calibration
    from qa.read import TransformersReader

    encoding, reading = SentenceTransformerEncoder(encoder), TransformersReader(reader)
    fitted = None
    if calibration:
        fitted = Calibration.read(calibration, reader=reading.fingerprint, encoder=encoding.fingerprint)
    config = Config(threshold=threshold, calibration=fitted, spelling=spelling)
    return {"config": config, "encoder": encoding, "reader": reading}


def main() -> None:
    """Run the command; what goes wrong on purpose is one line."""
    logging.basicConfig(format="citewire: %(message)s", level=logging.WARNING)
    try:
        app()
    except CitewireError as error:
        typer.echo(f"citewire: {error}", err=True)
        sys.exit(2)
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            typer.echo("citewire: stopped; run the same command again to go on", err=True)
        raise


if __name__ == "__main__":
    main()

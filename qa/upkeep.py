"""The commands that look after an index, from stats to watch.

Holds: as for all commands: a mistake is one line and exit code 2; exit code 1 means that there was
nothing to remove, or that a check found problems.
Wiring only: what they do is in ``index``.
"""

import json
import logging
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from index.errors import CitewireError

if TYPE_CHECKING:
    from index.store import Index
    from index.types import Filters

app = typer.Typer(rich_markup_mode=None)

BUSY = 5.0  # seconds that a watch waits for another writer, before it tries again a moment later

IndexOption = Annotated[
    Path | None,
    typer.Option("--index", help="Folder of the index. Default: $CITEWIRE_INDEX, else your data folder."),
]
EncoderOption = Annotated[
    str | None, typer.Option(help="A sentence-transformers encoder: a folder or a hub name.")
]
WaitOption = Annotated[float, typer.Option(min=0, help="Seconds to wait for another writer.")]
SourceOption = Annotated[list[str] | None, typer.Option(help="Only this outlet; may be repeated.")]
SinceOption = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only from this day.")]
UntilOption = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only up to this day.")]


@app.command(epilog="Example: citewire stats --index my.citewire --json")
def stats(
    where: IndexOption = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Say what the index holds."""
    path = _path(where)
    with _opened(where) as store, store.snapshot() as snapshot:
        found, manifest = snapshot.stats(), store.manifest
    size = _size(path)
    days = f"{found.oldest} to {found.newest}" if found.oldest else "no dates"
    if as_json:
        values = {
            "path": str(path),
            "articles": found.articles,
            "stories": found.stories,
            "passages": found.passages,
            "characters": found.characters,
            "sources": dict(found.sources),
            "oldest": str(found.oldest) if found.oldest else None,
            "newest": str(found.newest) if found.newest else None,
            "generation": found.generation,
            "encoder": manifest.encoder,
            "bytes": size,
        }
        typer.echo(json.dumps(values, ensure_ascii=False, indent=2))
        return
    typer.echo(f"{path}: {size / 1e6:.1f} MB, generation {found.generation}, encoder {manifest.encoder}")
    typer.echo(
        f"{found.articles:,} articles ({found.stories:,} stories), {found.passages:,} passages, {days}"
    )
    for name, count in found.sources[:20]:
        typer.echo(f"{count:>8,}  {name or '(outlet unknown)'}")


@app.command(
    epilog="Examples: citewire remove news/old/ https://example.org/story"
    "   citewire remove --source 'Harbour Ledger' --until 2020-12-31"
)
def remove(
    places: Annotated[
        list[str] | None, typer.Argument(help="Files, folders, addresses or ids that were indexed.")
    ] = None,
    where: IndexOption = None,
    *,
    source: SourceOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    wait: WaitOption = 0,
) -> None:
    """Take articles out of the index; the files themselves are left alone."""
    from index.build import remove as remove_from

    filters = filters_of(source, since, until)
    try:
        with _opened(where) as store:
            counts = remove_from(store, places or [], filters=filters, wait=wait)
    except ValueError as error:
        raise CitewireError(str(error)) from error
    for place, count in counts.items():
        name = place or "of these outlets and days"
        typer.echo(f"{name}: {count} removed" if count else f"{name}: nothing of it is in the index")
    if not any(counts.values()):
        raise typer.Exit(1)


@app.command(epilog="Example: citewire check --index my.citewire")
def check(
    where: IndexOption = None,
    encoder: EncoderOption = None,
    *,
    sample: Annotated[int, typer.Option(min=0, help="Passages to embed anew and compare.")] = 64,
) -> None:
    """Verify the whole index. Exit code 1 means that something is wrong."""
    from index.check import check as check_index
    from index.embed import SentenceTransformerEncoder
    from index.store import Index

    path = _path(where)
    model = SentenceTransformerEncoder(encoder) if sample else None
    Index.open(path, encoder=model.fingerprint if model else None).close()
    report = check_index(path, model, sample=sample)
    for problem in report.problems:
        typer.echo(problem)
    counts = f"{report.articles:,} articles, {report.passages:,} passages, {report.embedded} embedded anew"
    if report.quarantined:
        counts += f", {report.quarantined} in quarantine"
    if report.sound:
        typer.echo(f"sound: {counts}")
        return
    typer.echo(f"{len(report.problems)} wrong: {counts}; run: citewire repair --index {path}")
    raise typer.Exit(1)


@app.command(epilog="Example: citewire repair --index my.citewire")
def repair(where: IndexOption = None, *, wait: WaitOption = 0) -> None:
    """Rebuild what is derived, and move articles that fail their checksums into quarantine."""
    from index.repair import repair as repair_index

    path = _path(where)
    repaired = repair_index(path, wait=wait)
    if not repaired.problems:
        typer.echo("nothing to repair")
        return
    for problem in repaired.quarantined:
        typer.echo(f"in quarantine: {problem}")
    typer.echo(f"repaired {path}: {repaired.articles:,} articles, {len(repaired.quarantined)} in quarantine")
    if repaired.quarantined:
        typer.echo(f"to get them back, index their files again: citewire index FOLDER --index {path}")


@app.command(epilog="Example: citewire compact --index my.citewire")
def compact(where: IndexOption = None, *, wait: WaitOption = 0) -> None:
    """Give back the disk space of what was removed."""
    path = _path(where)
    before = _size(path)
    with _opened(where) as store:
        store.compact(wait)
    typer.echo(f"{path}: {before / 1e6:.1f} MB before, {_size(path) / 1e6:.1f} MB now")


@app.command(epilog="Example: citewire backup /mnt/disk/my.citewire")
def backup(
    to: Annotated[Path, typer.Argument(help="A folder that is not there yet, or is empty.")],
    where: IndexOption = None,
) -> None:
    """Copy the index to another folder, while it is in use."""
    with _opened(where) as store:
        store.backup(to)
    typer.echo(f"{to}: {_size(to) / 1e6:.1f} MB; ask it with --index {to}")


@app.command(epilog="Example: citewire export my-articles.jsonl.gz")
def export(
    to: Annotated[Path, typer.Argument(help="The file to write.")],
    where: IndexOption = None,
) -> None:
    """Write all articles with their vectors to one file, to import elsewhere."""
    from index.portable import write_export

    with _opened(where) as store, store.snapshot() as snapshot:
        count = write_export(snapshot, store.manifest, to)
    typer.echo(f"{to}: {count:,} articles, {to.stat().st_size / 1e6:.1f} MB")


@app.command(name="import", epilog="Example: citewire import my-articles.jsonl.gz --index my.citewire")
def import_(
    file: Annotated[Path, typer.Argument(help="A file that citewire export wrote.")],
    where: IndexOption = None,
    encoder: EncoderOption = None,
    *,
    wait: WaitOption = 0,
) -> None:
    """Put the articles of an exported file into the index; with the same encoder nothing is embedded."""
    from index.build import import_from
    from index.embed import SentenceTransformerEncoder
    from index.portable import verify_export
    from index.progress import Bar
    from index.store import Index
    from qa.api import manifest_for
    from qa.read import TransformersReader

    path, model = _path(where), SentenceTransformerEncoder(encoder)
    verify_export(file)  # before an index is made for it
    with Index.create(path, manifest_for(model)) as store, Bar() as bar:
        measure = TransformersReader().measure
        summary = import_from(store, file, model, measure, report=bar, wait=wait)
    typer.echo(f"{summary}; the index is at {path}")


@app.command(epilog="Examples: citewire watch news/   citewire watch https://example.org/rss.xml --every 600")
def watch(
    sources: Annotated[list[str], typer.Argument(help="Folders, files, http(s) pages or feeds.")],
    where: IndexOption = None,
    encoder: EncoderOption = None,
    *,
    every: Annotated[float, typer.Option(min=1, help="Seconds between looks at a feed.")] = 300,
) -> None:
    """Keep the index current with folders and feeds, until Ctrl-C."""
    from index.build import build
    from index.build import remove as remove_from
    from index.embed import SentenceTransformerEncoder
    from index.store import Index
    from index.watch import Watch, check_places
    from qa.api import manifest_for
    from qa.read import TransformersReader

    def say(line: str) -> None:
        typer.echo(f"{datetime.now():%Y-%m-%d %H:%M:%S} {line}")

    logging.getLogger("watchfiles").setLevel(logging.WARNING)
    path, model = _path(where), SentenceTransformerEncoder(encoder)
    check_places(sources)  # before an index is made for them
    with Index.create(path, manifest_for(model)) as store:
        update = partial(build, store, model, TransformersReader().measure, wait=BUSY)
        watched = Watch(update, partial(remove_from, store, wait=BUSY), sources, say, every)
        say(f"watching {', '.join(sources)} for the index at {path}; Ctrl-C ends it")
        watched.run()


def filters_of(source: list[str] | None, since: datetime | None, until: datetime | None) -> "Filters":
    from index.types import Filters

    def day(moment: datetime | None) -> date | None:
        return moment.date() if moment else None

    try:
        return Filters(tuple(source or ()), day(since), day(until))
    except ValueError as error:
        raise CitewireError(str(error)) from error


def _path(where: Path | None) -> Path:
    from qa.api import default_index_path

    return where or default_index_path()


def _opened(where: Path | None) -> "Index":
    from index.store import Index

    return Index.open(_path(where))


def _size(path: Path) -> int:
    """Give the bytes of an index's files."""
    return sum(file.stat().st_size for file in path.iterdir() if file.is_file())

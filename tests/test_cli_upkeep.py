"""The commands that look after an index, as a person meets them."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_cli import KNOWN, ROOT, STORIES, citewire, folder, indexed, one_line

from index.database import DATABASE

__all__ = ["folder", "indexed"]  # fixtures


@pytest.fixture
def where(indexed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(indexed, tmp_path / "mine"))


def test_a_sound_index_is_said_to_be_sound(where: Path) -> None:
    done = citewire("check", "--index", where)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("sound: 3 articles, ")
    assert done.stdout.endswith(" 10 passages, 10 embedded anew\n")
    assert citewire("repair", "--index", where).stdout == "nothing to repair\n"


def test_damage_is_named_repaired_and_indexed_again(where: Path, folder: Path) -> None:
    with sqlite3.connect(where / DATABASE) as connection:
        connection.execute("UPDATE articles SET text = text || '!' WHERE number = 1")

    done = citewire("check", "--index", where, "--sample", "0")
    assert done.returncode == 1
    assert "fails its checksum" in done.stdout
    assert f"run: citewire repair --index {where}" in done.stdout
    done = citewire("repair", "--index", where)
    assert done.returncode == 0
    assert "in quarantine: " in done.stdout
    assert f"citewire index FOLDER --index {where}" in done.stdout
    assert "1 in quarantine" in citewire("check", "--index", where, "--sample", "0").stdout

    done = citewire("index", folder, "--index", where)
    assert done.stdout.startswith("1 added, 0 updated, 2 unchanged")
    assert citewire("check", "--index", where).returncode == 0


def test_an_index_is_carried_by_one_file(where: Path, tmp_path: Path) -> None:
    file, other = tmp_path / "mine.jsonl.gz", tmp_path / "other"

    done = citewire("export", file, "--index", where)
    assert done.stdout.startswith(f"{file}: 3 articles, ")
    done = citewire("import", file, "--index", other)
    assert done.stdout.startswith("3 added, 0 updated, 0 unchanged, 0 skipped in ")
    assert citewire("ask", KNOWN, "--index", other).stdout == citewire("ask", KNOWN, "--index", where).stdout
    file.write_bytes(file.read_bytes()[:-9])
    done = citewire("import", file, "--index", other)
    assert one_line(citewire("import", file, "--index", tmp_path / "third"))
    assert not (tmp_path / "third").exists()
    assert one_line(done).startswith(f"citewire: {file} is cut off or damaged")


def test_a_backup_can_be_asked(where: Path, tmp_path: Path) -> None:
    done = citewire("backup", tmp_path / "copy", "--index", where)

    assert done.stdout.endswith(f"ask it with --index {tmp_path / 'copy'}\n")
    assert citewire("check", "--index", tmp_path / "copy", "--sample", "0").returncode == 0
    assert "holds an index already" in one_line(citewire("backup", tmp_path / "copy", "--index", where))


def test_articles_are_removed_by_outlet_and_day_and_the_space_given_back(where: Path) -> None:
    assert citewire("remove", "--until", "1999-01-01", "--index", where).returncode == 1
    assert "expected places, or filters" in one_line(citewire("remove", "--index", where))

    done = citewire("remove", "--since", "2000-01-01", "--index", where)
    assert done.stdout.startswith("of these outlets and days: ")
    done = citewire("compact", "--index", where)
    assert " MB before, " in done.stdout
    assert citewire("check", "--index", where, "--sample", "0").returncode == 0


def test_a_watched_folder_is_followed_until_ctrl_c(tmp_path: Path) -> None:
    news, where = tmp_path / "news", tmp_path / "index"
    news.mkdir()
    # A process that was started in the background ignores Ctrl-C, and hands that on to its children.
    program = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); import qa.cli; qa.cli.main()"
    command = [sys.executable, "-u", "-c", program, "watch", str(news), "--index", str(where)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    watch = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert watch.stdout
        assert "watching" in watch.stdout.readline()
        time.sleep(3)
        whole = shutil.copy(ROOT / "eval" / "articles" / STORIES[0], tmp_path)
        Path(whole).rename(news / "story.txt")  # the watcher never sees a part of it
        assert "1 added" in watch.stdout.readline()
    finally:
        watch.send_signal(signal.SIGINT)
        _, said = watch.communicate(timeout=60)
    assert (watch.returncode, said) == (130, "citewire: stopped; run the same command again to go on\n")
    assert '"articles": 1' in citewire("stats", "--json", "--index", where).stdout


def test_a_place_to_watch_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    done = citewire("watch", tmp_path / "none", "--index", tmp_path / "index")

    assert "is not there; name a folder or file that is" in one_line(done)
    assert not (tmp_path / "index").exists()

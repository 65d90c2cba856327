"""Who may log in: a file of names and argon2 hashes.

Holds: no password is kept; a check takes the same time for a name that is not there; the file is replaced in
one step and only its owner can read it. Counts no failures: that is `qa.web.login`.
"""

import os
import re
from pathlib import Path

import argon2
import platformdirs

from index.durable import write_private
from index.errors import CitewireError

LEAST = 8  # characters of a password: NIST SP 800-63B, 5.1.1.2
NAME = re.compile(r"[\w.@+-]{1,64}")  # no colon: it ends the name in this file and in HTTP Basic
LINE = re.compile(r"(?P<name>[\w.@+-]{1,64}):(?P<hash>\$argon2id?\$\S+)")
HASHER = argon2.PasswordHasher()  # RFC 9106, second recommended option: 64 MiB, 3 passes


def default_users_path() -> Path:
    """Give the file of users when none is named."""
    return Path(platformdirs.user_data_dir("citewire")) / "users"


class Users:
    """The names and hashes of a users file, read again whenever it has changed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int, int] | None = None
        self._hashes: dict[str, str] = {}
        self._nobody = HASHER.hash(os.urandom(16).hex())

    @classmethod
    def read(cls, path: Path) -> "Users":
        """Open a users file that has somebody.

        :raises CitewireError: it is not there, has nobody, or a line of it is not NAME:HASH
        """
        users = cls(path)
        if not users.hashes():
            raise CitewireError(f"nobody can log in yet; add someone with: {command('NAME', path)}")
        return users

    def hashes(self) -> dict[str, str]:
        """Give the hash of each name; empty if the file is gone."""
        try:
            now = self.path.stat()
        except OSError:
            return {}
        seen = (now.st_mtime_ns, now.st_size, now.st_ino)
        if seen != self._seen:
            self._hashes, self._seen = _parse(self.path), seen
        return self._hashes

    def check(self, name: str, password: str) -> str | None:
        """Give the hash that the password fits, None if it is wrong or the name unknown.

        Takes tens of milliseconds and 64 MiB, for unknown names too.
        """
        known = self.hashes().get(name)
        try:
            HASHER.verify(known or self._nobody, password)
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return None
        return known


def set_password(path: Path, name: str, password: str) -> bool:
    """Write a name with its password's hash, in place of an earlier one.

    :return: whether the name was there before
    :raises CitewireError: the name or password will not do, or the file cannot be read or written
    """
    if not NAME.fullmatch(name):
        raise CitewireError(f"a name has up to 64 letters, digits and . _ - + @, not {name!r}")
    if len(password) < LEAST:
        raise CitewireError(f"the password has {len(password)} characters; {LEAST} are the least")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        hashes = _parse(path) if path.exists() else {}
        known = name in hashes
        hashes[name] = HASHER.hash(password)
        write_private(path, (f"{who}:{hashed}" for who, hashed in sorted(hashes.items())))
    except OSError as error:
        raise CitewireError(f"{path} cannot be written: {error.strerror or error}") from error
    return known


def command(name: str, path: Path) -> str:
    """Give the command that adds a name to a users file."""
    return f"citewire password {name}" + (f" --users {path}" if path != default_users_path() else "")


def _parse(path: Path) -> dict[str, str]:
    hashes = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CitewireError(f"{path} cannot be read: {error}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = LINE.fullmatch(line.strip())
        if not match:
            raise CitewireError(f"{path}, line {number}: expected NAME:HASH as citewire password writes it")
        hashes[match["name"]] = match["hash"]
    return hashes

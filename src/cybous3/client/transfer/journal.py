"""What is needed to go on after a kill: one small file for each large transfer under way, held by a lock while it runs.

A journal holds nothing in clear that the store does not hold: the object's prologue, its wrapped key, ids and sizes.
Names appear only hashed, in the name of the file. It is a help, never the truth: what the store lists, and what
verifies, decides.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cybous3.client.keys.files import ensure_private_directory, write_private
from cybous3.client.transfer.errors import Busy


class Journal:
    """One transfer's notes. Use `opened`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log = path.with_suffix(".log")

    def load(self) -> dict[str, Any] | None:
        """Return the notes of an earlier run, None if there are none or they cannot be read."""
        try:
            notes: dict[str, Any] = dict(json.loads(self._path.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return notes

    def save(self, notes: dict[str, Any]) -> None:
        """Replace the notes, durably, and forget what was marked done."""
        with suppress(FileNotFoundError):
            self._log.unlink()
        write_private(self._path, json.dumps(notes).encode())

    def mark(self, number: int) -> None:
        """Note that piece `number` is done. Lost marks only cost work."""
        descriptor = os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, b"%d\n" % number)
        finally:
            os.close(descriptor)

    def marked(self) -> frozenset[int]:
        """Return the pieces marked done; a torn last line is ignored."""
        try:
            lines = self._log.read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            return frozenset()
        return frozenset(int(line) for line in lines if line.isdigit())

    def remove(self) -> None:
        """Forget the transfer: it is finished, or will never be."""
        for path in (self._log, self._path):
            with suppress(FileNotFoundError):
                path.unlink()


class Journals:
    """The journals of one home."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def opened(self, *identity: bytes | str) -> Iterator[Journal]:
        """Hold the journal of the transfer that `identity` names. Busy when another process holds it."""
        from filelock import FileLock, Timeout  # noqa: PLC0415  # 17 ms that only large transfers pay

        ensure_private_directory(self._folder)
        name = _name(identity)
        lock = FileLock(self._folder / f"{name}.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise Busy(
                "another process is moving the same file", hint="wait for it to finish, then run the command again"
            ) from error
        try:
            yield Journal(self._folder / f"{name}.json")
        finally:
            # The empty lock file stays: removing it would let two processes lock two files of one name.
            lock.release()


def _name(identity: tuple[bytes | str, ...]) -> str:
    digest = hashlib.sha256()
    for item in identity:
        data = item if isinstance(item, bytes) else item.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:32]

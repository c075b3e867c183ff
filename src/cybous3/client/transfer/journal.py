"""What is needed to go on after a kill: one small file for each large transfer under way, held by a lock while it runs.

A journal holds nothing in clear that the store does not hold: the object's prologue, its wrapped key, ids and sizes.
Names appear only hashed, in the name of the file. It is a help, never the truth: what the store lists, and what
verifies, decides.

The notes are durable when `save` returns. Marks are not: losing one costs work. But a mark that a power cut brought
back, of an earlier run whose notes are gone, would promise bytes that nobody wrote; so each mark carries the name of
the run that made it, and only those of the notes' own run count.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from cybous3.client.keys.files import ensure_private_directory, local_problems, read_private, write_private
from cybous3.client.transfer.errors import Busy
from cybous3.core.clock import Entropy
from cybous3.core.errors import CybousError
from cybous3.disk.files import SYSTEM, Files
from cybous3.disk.locks import locked

_RUN = "run"
_NOTES_BYTES_MAX = 16 * 1024 * 1024


class Journal:
    """One transfer's notes. Use `opened`."""

    def __init__(self, path: Path, files: Files = SYSTEM, entropy: Entropy = os.urandom) -> None:
        self._path = path
        self._log = path.with_suffix(".log")
        self._files = files
        self._entropy = entropy
        self._run = ""

    def load(self) -> dict[str, Any] | None:
        """Return the notes of an earlier run, None if there are none or they cannot be read."""
        try:
            notes: dict[str, Any] = dict(json.loads(read_private(self._path, _NOTES_BYTES_MAX, self._files) or b""))
        except (CybousError, ValueError, TypeError):
            return None
        self._run = str(notes.pop(_RUN, ""))
        return notes

    def save(self, notes: dict[str, Any]) -> None:
        """Replace the notes, durably, and forget what was marked done."""
        self._run = self._entropy(8).hex()
        with local_problems(self._log):
            self._files.unlink(self._log)
        write_private(self._path, json.dumps({**notes, _RUN: self._run}).encode(), files=self._files)

    def mark(self, number: int) -> None:
        """Note that piece `number` is done. Lost marks only cost work."""
        descriptor = self._files.append(self._log)
        try:
            self._files.write(descriptor, b"%d %s\n" % (number, self._run.encode()))
        finally:
            self._files.close(descriptor)

    def marked(self) -> frozenset[int]:
        """Return the pieces that this run marked done; what is torn or another run's is ignored."""
        lines = (read_private(self._log, _NOTES_BYTES_MAX, self._files) or b"").split(b"\n")[:-1]
        marks = (line.split(b" ") for line in lines)
        run = self._run.encode()
        return frozenset(int(mark[0]) for mark in marks if len(mark) == 2 and mark[1] == run and mark[0].isdigit())  # noqa: PLR2004  # number and run

    def remove(self) -> None:
        """Forget the transfer: it is finished, or will never be. If it comes back, the store knows better."""
        for path in (self._log, self._path):
            self._files.unlink(path)


class Journals:
    """The journals of one home."""

    def __init__(self, folder: Path, files: Files = SYSTEM) -> None:
        self._folder = folder
        self._files = files

    @contextmanager
    def opened(self, *identity: bytes | str) -> Iterator[Journal]:
        """Hold the journal of the transfer that `identity` names. Busy when another process holds it."""
        ensure_private_directory(self._folder, self._files)
        name = _name(identity)
        with ExitStack() as stack:
            try:
                stack.enter_context(locked(self._files, self._folder / f"{name}.lock", 0))
            except TimeoutError as error:
                raise Busy(
                    "another process is moving the same file", hint="wait for it to finish, then run the command again"
                ) from error
            yield Journal(self._folder / f"{name}.json", self._files)


def _name(identity: tuple[bytes | str, ...]) -> str:
    digest = hashlib.sha256()
    for item in identity:
        data = item if isinstance(item, bytes) else item.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:32]

"""What this machine was about to write over or to delete, so that a change cut off by a kill is known again.

A change of an object is conditional: it must be what this machine saw last. Between the server's commit and the memory
of it (`state`) a process may be killed; then the server shows an object that this machine does not know, and it is its
own. So before such a request goes out, a line says which object comes next; it is compared with what is found later.

Keeps true: a line is with the operating system when `note` returns, so a killed process has left it. A line decides
nothing: it only names an object that is then opened, verified, and must be newer than what was seen. Lines of several
processes do not mix. Not kept: a line over a power cut, as little as the memory itself; the next change may then be
told as a conflict. Names appear only hashed.
"""

import hashlib
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from cybous3.client.keys.files import local_problems
from cybous3.disk.files import SYSTEM, Files

GONE: Final = b""
"""The object id of a deletion."""
_KEPT_BYTES: Final = 256 * 1024  # some 3,000 lines: far more than one process can have under way
_FIELDS: Final = 3


class Intent(NamedTuple):
    """What an object is to become: another object, or GONE. `generation` is higher than that of what was seen."""

    object_id: bytes
    generation: int


class Intents:
    """The intents of one home, or with no path of one process. Safe from many threads and processes."""

    def __init__(self, path: Path | None = None, files: Files = SYSTEM) -> None:
        self._path = path
        self._files = files
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._known: dict[str, list[Intent]] | None = None if path is not None else {}

    def note(self, vault_id: bytes, intents: Iterable[tuple[str, Intent]]) -> None:
        """Leave word of what is about to be asked of the server. Raises LocalProblem."""
        named = [(_name(vault_id, key), intent) for key, intent in intents]
        with self._lock:
            if self._path is not None:
                with local_problems(self._path):
                    self._append(self._path, b"".join(_line(name, intent) for name, intent in named))
            if self._known is not None:
                for name, intent in named:
                    self._known.setdefault(name, []).append(intent)

    def of(self, vault_id: bytes, key: str) -> list[Intent]:
        """Return what was noted for the object, by whichever process; other processes' newest may be missing."""
        with self._lock:
            if self._known is None:
                self._known = self._read()
            return list(self._known.get(_name(vault_id, key), ()))

    def close(self) -> None:
        """Close the file; one that grew is set aside, and the one that was set aside before is dropped."""
        with self._lock:
            if self._descriptor is None or self._path is None:
                return
            grown = self._files.size(self._descriptor) > _KEPT_BYTES
            self._files.close(self._descriptor)
            self._descriptor = None
            if grown and self._files.exists(self._path):
                self._files.rename(self._path, self._aside(self._path))

    def _append(self, path: Path, lines: bytes) -> None:
        if self._descriptor is None:
            self._descriptor = self._files.append(path)
        self._files.write(self._descriptor, lines)

    def _read(self) -> dict[str, list[Intent]]:
        known: dict[str, list[Intent]] = {}
        path = self._path
        for source in (self._aside(path), path) if path is not None else ():
            try:
                lines = source.read_bytes().split(b"\n")[:-1]
            except FileNotFoundError:
                continue
            except OSError:
                break  # what cannot be read is told as a conflict, which is what there was before
            for line in lines:
                name, intent = _parsed(line)
                if intent is not None:
                    known.setdefault(name, []).append(intent)
        return known

    @staticmethod
    def _aside(path: Path) -> Path:
        return path.with_name(path.name + ".old")


def _name(vault_id: bytes, key: str) -> str:
    return hashlib.sha256(vault_id + key.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _line(name: str, intent: Intent) -> bytes:
    return f"{name} {intent.object_id.hex() or '-'} {intent.generation}\n".encode()


def _parsed(line: bytes) -> tuple[str, Intent | None]:
    """Return a line's name and intent; no intent when it is torn or not ours."""
    fields = line.decode("ascii", "replace").split(" ")
    if len(fields) != _FIELDS:
        return "", None
    name, object_id, generation = fields
    try:
        return name, Intent(GONE if object_id == "-" else bytes.fromhex(object_id), int(generation))
    except ValueError:
        return "", None

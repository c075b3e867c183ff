"""What lies where in a data directory, and the lock that says who works on it.

The lock that is held is the truth: a file left behind by a process that is gone means nothing. It is held by the
first process of a server; worker processes hold the locks of their own slots below `blobs`.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from cybous3.disk.files import SYSTEM
from cybous3.disk.whole import ensure_directory
from cybous3.server.app.problems import DataInUseError, IndexLostError, UnfinishedError, local
from cybous3.server.meta.sqlite.opened import note_of

# Who only looks whether the lock is held, holds it for a moment.
_PATIENCE_S: Final = 1.0
_LOG_HEAD_BYTES: Final = 32  # of SQLite's write-ahead log: its header


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """The paths inside one data directory."""

    root: Path

    @classmethod
    def at(cls, path: Path) -> "DataDirectory":
        """Return the directory at `path`, as a person gives it."""
        return cls(path.expanduser().absolute())

    @property
    def index(self) -> Path:
        """The SQLite index."""
        return self.root / "index.sqlite"

    @property
    def blobs(self) -> Path:
        """The bytes."""
        return self.root / "blobs"

    @property
    def seal(self) -> Path:
        """The key under which secrets are sealed in the index."""
        return self.root / "seal.key"

    @property
    def lock_file(self) -> Path:
        """Held by the running server."""
        return self.root / "lock"

    @property
    def server_file(self) -> Path:
        """What the running server says of itself."""
        return self.root / "server.json"

    @property
    def rebuilt(self) -> Path:
        """A new index, finished and not yet in its place: a rebuild was interrupted there."""
        return self.root / "index.sqlite.rebuilt"

    @property
    def restoring(self) -> Path:
        """There while a restore has not ended."""
        return self.root / "restore.unfinished"

    def ensure_finished(self) -> None:
        """Raise UnfinishedError when a restore or a rebuild was interrupted and has to be run again.

        And what `ensure_index` says. LocalError.
        """
        for path, what, command in (
            (self.restoring, "a restore into", "restore SOURCE"),
            (self.rebuilt, "a rebuild of the index of", "fsck --rebuild"),
        ):
            try:
                unfinished = path.exists()
            except OSError as error:
                raise local(f"cannot look into {str(self.root)!r}", error) from error
            if unfinished:
                raise UnfinishedError(
                    f"{what} the data directory {str(self.root)!r} was interrupted",
                    hint=f"run it again: swifts3 {command} --data {self.root}",
                )
        self.ensure_index()

    def ensure_index(self) -> None:
        """Raise IndexLostError when there is no index where there was one: a new one would forget everything.

        That there was one is seen from the note that is made whenever it is opened, from blobs, or from a log that is
        no longer zeros: all are made behind an index.
        LocalError.
        """
        try:
            if self.index.exists() and self.index.stat().st_size:
                return
            there_was = note_of(self.index).exists() or self._has_log() or self._has_blobs()
        except OSError as error:
            raise local(f"cannot look into {str(self.root)!r}", error) from error
        if there_was:
            raise IndexLostError(
                f"the index of the data directory {str(self.root)!r} is gone, and what it described is still there",
                hint=f"restore a backup, or make a new index of what can be read: "
                f"swifts3 fsck --rebuild --data {self.root}",
            )

    def _has_log(self) -> bool:
        log = self.root / "index.sqlite-wal"
        if not log.exists():
            return False
        with log.open("rb") as file:
            return any(file.read(_LOG_HEAD_BYTES))

    def _has_blobs(self) -> bool:
        return any(any(folder.iterdir()) for folder in (self.blobs / "blobs").glob("??"))

    def prepare(self) -> None:
        """Make the directory, durably and for its owner only. LocalError."""
        try:
            ensure_directory(SYSTEM, self.root)
            if not os.access(self.root, os.R_OK | os.W_OK | os.X_OK):
                raise PermissionError(None, "permission denied")
        except OSError as error:
            raise local(f"cannot use the data directory {str(self.root)!r}", error) from error

    def lock(self) -> FileLock:
        """Take the lock, to be released by the caller or the process's end. DataInUseError, LocalError."""
        lock = FileLock(self.lock_file, timeout=_PATIENCE_S, mode=0o600, thread_local=False)
        try:
            lock.acquire(poll_interval=0.02)
        except Timeout:
            raise DataInUseError(
                f"another server works on the data directory {str(self.root)!r}",
                hint="stop it, or give this one a directory of its own with --data",
            ) from None
        except OSError as error:
            raise local(f"cannot lock the data directory {str(self.root)!r}", error) from error
        return lock

    def locked(self) -> bool:
        """Return whether a server works on this directory."""
        if not self.lock_file.exists():
            return False
        lock = FileLock(self.lock_file, timeout=0, thread_local=False)
        try:
            lock.acquire()
        except Timeout:
            return True
        except OSError as error:
            raise local(f"cannot look at the lock of {str(self.root)!r}", error) from error
        lock.release()
        return False

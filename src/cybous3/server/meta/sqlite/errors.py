"""SQLite's failures, translated once at the border."""

import errno
import sqlite3

_ERRNO = {
    "SQLITE_FULL": (errno.ENOSPC, "no space left for the index"),
    "SQLITE_READONLY": (errno.EROFS, "the index cannot be written"),
    "SQLITE_CANTOPEN": (errno.EACCES, "the index cannot be opened"),
    "SQLITE_IOERR": (errno.EIO, "the index's disk failed"),
}


class BrokenIndexError(Exception):
    """The index contradicts itself or us: a damaged file or a programming error. Never the caller's fault."""


def translated(error: sqlite3.Error) -> Exception:
    """Return what the port promises: an OSError for what the medium did, BrokenIndexError for the rest."""
    name: str = getattr(error, "sqlite_errorname", "") or ""
    for prefix, (code, sentence) in _ERRNO.items():
        if name.startswith(prefix):
            return OSError(code, f"{sentence}: {error}")
    return BrokenIndexError(f"{name or type(error).__name__}: {error}")

"""SQLite's failures, translated once at the border."""

import errno
import sqlite3
from typing import ClassVar, Final

from cybous3.core.errors import CybousError

_ERRNO = {
    "SQLITE_FULL": (errno.ENOSPC, "no space left for the index"),
    "SQLITE_READONLY": (errno.EROFS, "the index cannot be written"),
    "SQLITE_CANTOPEN": (errno.EACCES, "the index cannot be opened"),
    "SQLITE_IOERR": (errno.EIO, "the index's disk failed"),
}
_DAMAGED: Final = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_NOT_TEXT: Final = "Could not decode to UTF-8"  # the module's own words; it has no code for them


class BrokenIndexError(CybousError):
    """The index contradicts itself or us: a damaged file or a programming error. Never the caller's fault."""


class DamagedIndexError(BrokenIndexError):
    """The index's file is not what SQLite wrote."""

    exit_code: ClassVar[int] = 11

    def __init__(self, detail: str) -> None:
        super().__init__(
            f"the index is damaged and cannot be used: {detail}",
            hint="restore a backup, or make a new index of what can be read: swifts3 fsck --rebuild --data DIRECTORY",
        )


def translated(error: sqlite3.Error) -> Exception:
    """Return what the port promises: an OSError for what the medium did, BrokenIndexError for the rest."""
    name: str = getattr(error, "sqlite_errorname", "") or ""
    for prefix, (code, sentence) in _ERRNO.items():
        if name.startswith(prefix):
            return OSError(code, f"{sentence}: {error}")
    if name.startswith(_DAMAGED) or str(error).startswith(_NOT_TEXT):
        return DamagedIndexError(str(error))
    return BrokenIndexError(f"{name or type(error).__name__}: {error}")

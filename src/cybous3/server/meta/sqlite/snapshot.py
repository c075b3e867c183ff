"""A consistent copy of an index that is in use."""

import sqlite3
from pathlib import Path

from cybous3.disk.files import SYSTEM
from cybous3.server.meta.sqlite.errors import translated
from cybous3.server.meta.sqlite.index import make_private


def snapshot(source: Path, target: Path) -> None:
    """Copy the live index at `source` to the new file `target`, as one instant's state, and make it durable.

    One reading transaction over all of it: writers go on, only the log cannot begin anew meanwhile. Until it is whole
    and synced the copy has another name (`target` and `.part`). The copy needs no log. FileExistsError; OSError;
    DamagedIndexError when SQLite cannot make sense of the source.
    """
    if target.exists():
        raise FileExistsError(f"{str(target)!r} exists already")
    aside = target.with_name(f"{target.name}.part")
    SYSTEM.unlink(aside)
    make_private(aside)
    try:
        _copy(source, aside)
        publish(aside, target)
    except sqlite3.Error as error:
        raise translated(error) from error
    finally:
        SYSTEM.unlink(aside)


def _copy(source: Path, target: Path) -> None:
    reading = sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", uri=True)
    try:
        writing = sqlite3.connect(target)
        try:
            writing.execute("PRAGMA synchronous = OFF")  # one sync for all, before it gets its name
            reading.backup(writing, pages=-1)
            writing.execute("PRAGMA journal_mode = DELETE")  # no log beside it
        finally:
            writing.close()
    finally:
        reading.close()


def publish(aside: Path, target: Path) -> None:
    """Sync a file that is closed and give it its name, durably. OSError."""
    fd = SYSTEM.append(aside)
    try:
        SYSTEM.sync(fd)
    finally:
        SYSTEM.close(fd)
    SYSTEM.rename(aside, target)
    SYSTEM.sync_directory(target.parent)

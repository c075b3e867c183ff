"""Small files that are replaced as a whole, and directories that are there to stay.

What it keeps true, at a power cut at any moment and after a failure of any call: under the name stands the old content
or the new one, never a part of either; when `put_whole` has returned, the new one; and nothing else is left in the
directory unless the machine itself stopped in between.
"""

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from cybous3.core.clock import Entropy
from cybous3.disk.files import NO_HARD_LINKS, Files

_PIECE: Final = 1024 * 1024


def put_whole(files: Files, path: Path, content: bytes, *, replace: bool, entropy: Entropy = os.urandom) -> None:
    """Let `path` be a file of `content`, whole and durable. OSError: nothing was promised, and either content is there.

    With `replace=False` a name that is taken is FileExistsError. Several may write the same name at once: one of their
    contents is there, whole. Where a file system has no hard links, two that write with `replace=False` at once may
    both succeed, the later one remaining.

    A failed sync is not repeated: what was written aside is thrown away.
    """
    aside = path.with_name(f".{path.name}.{entropy(6).hex()}")
    try:
        _write_synced(files, aside, content)
        if replace:
            files.rename(aside, path)
        else:
            _name_new(files, aside, path)
    finally:
        with suppress(OSError):  # what stopped the write, if anything did, is what the caller wants to know
            files.unlink(aside)
    files.sync_directory(path.parent)


def ensure_directory(files: Files, path: Path) -> None:
    """Make `path` and whatever is missing above it, durably: what is stored in it is not lost with its name.

    Call it before anything is put into the directory, every time. A process may die between making a directory and
    syncing its name, and the next one finds it there; but it finds it empty, so whoever finds it empty syncs again.
    """
    missing = []
    at = path
    while not files.exists(at):
        missing.append(at)
        at = at.parent
    if not files.names(at):
        with suppress(PermissionError):  # a parent we may not read, so it was not we who made this directory
            files.sync_directory(at.parent)
    for each in reversed(missing):
        files.make_directory(each)
        files.sync_directory(each.parent)


def read_whole(files: Files, path: Path, limit: int, *, follow: bool = False) -> bytes | None:
    """Return the content of `path`, at most `limit` + 1 bytes of it; None when there is no file. OSError.

    A symbolic link in its place is an error unless we are to `follow` it: people keep settings behind links.
    """
    try:
        fd = files.open(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        if follow and error.errno == errno.ELOOP and (real := os.path.realpath(path)) != str(path):
            return read_whole(files, Path(real), limit)
        raise
    try:
        pieces: list[bytes] = []
        at = 0
        while at <= limit and (piece := files.read(fd, min(_PIECE, limit + 1 - at), at)):
            pieces.append(piece)
            at += len(piece)
        return b"".join(pieces)
    finally:
        files.close(fd)


def remove_durably(files: Files, path: Path) -> bool:
    """Remove `path` and return whether it was there; it does not come back after a power cut. OSError."""
    if not files.unlink(path):
        return False
    files.sync_directory(path.parent)
    return True


def _write_synced(files: Files, path: Path, content: bytes) -> None:
    fd = files.create(path)
    try:
        files.write(fd, content)
        files.sync(fd)
    finally:
        files.close(fd)


def _name_new(files: Files, aside: Path, path: Path) -> None:
    """Give `aside` its name, unless the name is taken."""
    try:
        files.link(aside, path)
    except OSError as error:
        if error.errno not in NO_HARD_LINKS:
            raise
        if files.exists(path):
            raise FileExistsError(error.errno, "exists already", str(path)) from error
        files.rename(aside, path)

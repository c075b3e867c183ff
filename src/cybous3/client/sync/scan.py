"""Walk a local tree: what is there, in the order of stored paths, and what was left out and why."""

import os
import stat
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # a helper process needs the types of this module, and no patterns
    from cybous3.client.sync.filters import Filter


class LocalFile(NamedTuple):
    """A regular file of the tree, or a folder with nothing in it.

    `path` is relative with "/" between names, in NFC as the vault writes it; `absolute` is the name on this machine.
    """

    path: str
    size: int
    mtime_ns: int
    mode: int  # permission bits
    absolute: str = ""
    folder: bool = False


class Skipped(NamedTuple):
    """Something that is not stored, and why. Never silent: the caller shows it."""

    path: str
    reason: str


def scan(root: Path, chosen: "Filter") -> Iterator[LocalFile | Skipped]:
    """Yield the tree below `root` in the order of its paths' UTF-8 bytes within each folder.

    Links, sockets, pipes and devices are yielded as `Skipped`, as is what cannot be read. A missing `root` raises
    OSError. Names that are not UTF-8 are skipped: a stored path is text; so is the second of two names that differ only
    in their Unicode form. A folder that is empty is yielded itself.
    """
    yield from _folder(os.fspath(root), "", chosen)


def _folder(absolute: str, relative: str, chosen: "Filter") -> Iterator[LocalFile | Skipped]:
    with os.scandir(absolute) as entries:
        ordered = sorted(entries, key=lambda entry: os.fsencode(entry.name))
    taken: set[str] = set()
    for entry in ordered:
        name = unicodedata.normalize("NFC", entry.name)
        path = f"{relative}/{name}" if relative else name
        if name in taken:
            yield Skipped(path, "another name here differs only in its Unicode form")
            continue
        taken.add(name)
        yield from _entry(entry, path, chosen)
    if relative and not ordered and chosen.takes(relative):
        status = os.stat(absolute)  # noqa: PTH116  # the path is text here, for speed
        yield LocalFile(relative, 0, status.st_mtime_ns, stat.S_IMODE(status.st_mode), absolute, folder=True)


def _entry(entry: "os.DirEntry[str]", path: str, chosen: "Filter") -> Iterator[LocalFile | Skipped]:
    if not _is_text(entry.name):
        yield Skipped(path.encode("utf-8", "backslashreplace").decode(), "the name is not UTF-8")
        return
    try:
        if entry.is_dir(follow_symlinks=False):
            if not chosen.prunes(path):
                yield from _folder(entry.path, path, chosen)
            return
        status = entry.stat(follow_symlinks=False)
    except OSError as error:
        yield Skipped(path, (error.strerror or str(error)).lower())
        return
    if not chosen.takes(path):
        return
    if not stat.S_ISREG(status.st_mode):
        yield Skipped(path, _KINDS.get(stat.S_IFMT(status.st_mode), "not a regular file"))
        return
    yield LocalFile(path, status.st_size, status.st_mtime_ns, stat.S_IMODE(status.st_mode), entry.path)


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

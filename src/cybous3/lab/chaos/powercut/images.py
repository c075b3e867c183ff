"""Between folders and the disk model: a folder as the tree that a log begins with, an image as a folder to start on."""

import os
from pathlib import Path
from typing import Final

from cybous3.lab.chaos.powercut.content import Content
from cybous3.lab.chaos.powercut.disk import Image
from cybous3.lab.chaos.powercut.effects import ROOT, Tree

# SQLite's shared memory is written through a mapping, which no log shows; a cut takes it, and SQLite makes it anew.
_NEVER_KEPT: Final = ("-shm",)


def take(folder: Path) -> Tree:
    """Return what is in a folder now. Files with two names are one. OSError."""
    directories: dict[int, dict[str, int]] = {ROOT: {}}
    files: dict[int, bytes] = {}
    numbers: dict[tuple[int, int], int] = {}
    waiting = [(ROOT, folder)]
    while waiting:
        directory, path = waiting.pop()
        for entry in sorted(path.iterdir()):
            place = (entry.lstat().st_dev, entry.lstat().st_ino)
            known = place in numbers
            made = len(numbers) + 1
            number = numbers.setdefault(place, -made if entry.is_dir() else made)
            directories[directory][entry.name] = number
            if entry.is_dir():
                directories[number] = {}
                waiting.append((number, entry))
            elif not known and entry.is_file():
                files[number] = entry.read_bytes()
    return Tree(directories, files)


def is_kept(path: str) -> bool:
    """Return whether a file is part of an image."""
    return not path.endswith(_NEVER_KEPT)


def lay_out(image: Image, folder: Path) -> None:
    """Make `folder` what the image says: private, holes left as holes. What else was in it goes. OSError.

    Directories that are there already stay: most images have the same hundreds, and making them is half the work.
    """
    there = _emptied(folder, frozenset(image.directories)) if folder.is_dir() else None
    if there is None:
        folder.mkdir(mode=0o700)
    for path in image.directories:
        if not there or path not in there:
            os.mkdir(f"{folder}/{path}", 0o700)  # noqa: PTH102  # hundreds: a Path for each costs more than the call
    for path, content in image.files.items():
        if is_kept(path):
            _write(f"{folder}/{path}", content)


def _write(path: str, content: Content) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.ftruncate(fd, content.size)
        for offset, data in content.runs():
            os.pwrite(fd, data, offset)
    finally:
        os.close(fd)


def _emptied(folder: Path, kept: frozenset[str]) -> set[str]:
    """Remove every file, and every directory that is not `kept`; return the directories that stay."""
    there = set()
    begin = len(str(folder)) + 1
    for path, directories, files in os.walk(folder, topdown=False):
        for name in files:
            os.unlink(f"{path}/{name}")  # noqa: PTH108  # as above
        for name in directories:
            below = f"{path}/{name}"
            if below[begin:] in kept:
                there.add(below[begin:])
            else:
                os.rmdir(below)  # noqa: PTH106  # as above
    return there

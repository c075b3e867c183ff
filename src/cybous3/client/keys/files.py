"""Private files: written whole or not at all, readable by their owner alone.

What it keeps true: after a crash the old content or the new one is there, never a mixture; a file is never visible
with wider rights than 600, its directory never wider than 700; what a call returned from stays, at a power cut too. On
Windows, where modes mean nothing, files inherit the rights of the person's profile directory, which are theirs alone.

The calls themselves are those of `cybous3.disk`; this is where what goes wrong with them gets words for a person. Each
function takes the files to work on, which are the system's unless somebody else's are given.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cybous3.client.keys.errors import LocalProblem
from cybous3.disk.files import SYSTEM, Files
from cybous3.disk.whole import ensure_directory, put_whole, read_whole, remove_durably


@contextmanager
def local_problems(path: Path) -> Iterator[None]:
    """Turn what the operating system refuses into LocalProblem, naming `path`."""
    try:
        yield
    except OSError as error:
        raise LocalProblem(f"{path}: {(error.strerror or str(error)).lower()}") from error


def ensure_private_directory(path: Path, files: Files = SYSTEM) -> None:
    """Make `path` a directory of mode 700, with its parents, durably; tighten one that is wider."""
    with local_problems(path):
        ensure_directory(files, path)
        files.narrow(path)


def ensure_private_file(path: Path, files: Files = SYSTEM) -> None:
    """Make `path` a file of mode 600, durably, unless there is one; for those who fill it by other means."""
    with local_problems(path):
        if files.exists(path):
            return
        try:
            files.close(files.create(path))
        except FileExistsError:
            return  # another process was first
        files.sync_directory(path.parent)


def write_private(path: Path, content: bytes, *, replace: bool = True, files: Files = SYSTEM) -> None:
    """Put `content` at `path` atomically and durably, mode 600. With `replace=False` an existing file is an error."""
    with local_problems(path):
        put_whole(files, path, content, replace=replace)


def read_private(path: Path, limit: int, files: Files = SYSTEM) -> bytes | None:
    """Return the content of `path`, None when there is no file. More than `limit` bytes is a LocalProblem."""
    with local_problems(path):
        content = read_whole(files, path, limit, follow=True)
    if content is not None and len(content) > limit:
        raise LocalProblem(f"{path}: larger than {limit} bytes, not a file of ours")
    return content


def remove(path: Path, files: Files = SYSTEM) -> bool:
    """Remove `path`, durably; tell whether it was there."""
    with local_problems(path):
        return remove_durably(files, path)

"""Private files: written whole or not at all, readable by their owner alone.

What it keeps true: after a crash the old content or the new one is there, never a mixture; a file is never visible
with wider rights than 600, its directory never wider than 700. On Windows, where modes mean nothing, files inherit the
rights of the person's profile directory, which are theirs alone; a directory cannot be synced there.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cybous3.client.keys.errors import LocalProblem

POSIX = os.name == "posix"
PRIVATE_FILE = 0o600
PRIVATE_DIRECTORY = 0o700
_OTHERS = 0o077
# O_BINARY stops Windows from translating line ends; O_NOFOLLOW refuses a planted link. Each exists on one side only.
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)


@contextmanager
def local_problems(path: Path) -> Iterator[None]:
    """Turn what the operating system refuses into LocalProblem, naming `path`."""
    try:
        yield
    except OSError as error:
        raise LocalProblem(f"{path}: {(error.strerror or str(error)).lower()}") from error


def ensure_private_directory(path: Path) -> None:
    """Make `path` a directory of mode 700, with its parents; tighten one that is wider."""
    with local_problems(path):
        path.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
        if POSIX and path.stat().st_mode & _OTHERS:
            path.chmod(PRIVATE_DIRECTORY)


def write_private(path: Path, content: bytes, *, replace: bool = True) -> None:
    """Put `content` at `path` atomically and durably, mode 600. With `replace=False` an existing file is an error."""
    temporary = path.with_name(f".{path.name}.{os.urandom(6).hex()}")
    with local_problems(path):
        try:
            _write_synced(temporary, content)
            if replace:
                temporary.replace(path)
            else:
                _publish_new(temporary, path)
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()
        sync_directory(path.parent)


def read_private(path: Path, limit: int) -> bytes | None:
    """Return the content of `path`, None when there is no file. More than `limit` bytes is a LocalProblem."""
    with local_problems(path):
        try:
            with path.open("rb") as file:
                content = file.read(limit + 1)
        except FileNotFoundError:
            return None
    if len(content) > limit:
        raise LocalProblem(f"{path}: larger than {limit} bytes, not a file of ours")
    return content


def remove(path: Path) -> bool:
    """Remove `path`; tell whether it was there."""
    with local_problems(path):
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        sync_directory(path.parent)
    return True


def sync_directory(path: Path) -> None:
    """Make a rename inside `path` durable, where directories can be synced."""
    if not POSIX:
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_synced(path: Path, content: bytes) -> None:
    descriptor = os.open(path, _CREATE, PRIVATE_FILE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _publish_new(temporary: Path, path: Path) -> None:
    """Give `temporary` its name, unless the name is taken."""
    if POSIX:
        os.link(temporary, path)  # fails when `path` exists; the temporary name goes afterwards
    else:
        temporary.rename(path)  # Windows refuses to rename onto an existing file

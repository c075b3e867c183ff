"""A file system in memory that keeps the promises of `cybous3.disk.files` and not one more, and that stops when told.

    files = CrashFiles(Path("/data"))
    files.crash(at=17)                        # the 17th call raises PowerCut, and so does every one after it
    with suppress(PowerCut):
        work(files)
    found = files.after(seed=5)               # what a restart finds: files, with everything un-synced in doubt
    files.fail(Fault("sync", nth=2, error=errno.EIO))

Every call is numbered from 1; `log` holds their names. A call that changes something has changed it, visibly and
without any durability, when the power goes at it; a sync has done nothing. `after` can be asked many times, with many
seeds. `killed` is the other end of a process: its files stay visible, and as un-synced as they were.

Safe for many threads. The same calls in the same order, with the same seed, give the same files.
"""

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Final

from cybous3.lab.chaos.crashfs.medium import Change, Directory, File, Node, power_cut, restored

_FIRST_FD: Final = 1000  # none that the system would know


class PowerCut(BaseException):
    """The power went: nothing that a program does after this happens. Not an Exception: nobody may handle it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """The `nth` call of a kind fails with `error`; with `lasting` every later one of that kind too, until `heal`.

    A failing write has written half of its data. A failing sync drops the dirty marks: a later one succeeds and says
    nothing about what was written before.
    """

    call: str
    nth: int
    error: int
    lasting: bool = False


@dataclass
class _Open:
    file: File
    lock: Path | None = None


class CrashFiles:
    """`Files` of the port, on a simulated medium. `root` exists at the beginning, durably."""

    def __init__(self, root: Path, *, sync_names_new_files: bool = False, tree: Directory | None = None) -> None:
        """Take `sync_names_new_files` for a file system like ext4, whose sync of a new file makes its name durable."""
        self._root = root
        self._generous = sync_names_new_files
        self.log: list[str] = []
        self._guard = RLock()
        self._open: dict[int, _Open] = {}
        self._locked: set[Path] = set()
        self._names: dict[File, Change] = {}  # the first name of each new file, until it is durable
        self._next_fd = _FIRST_FD
        self._cut_at: int | None = None
        self._dead = False
        self._faults: list[Fault] = []
        self._tree = tree or Directory()
        if tree is None:
            self._make(root)
            self._tree = power_cut(self._tree, 1)

    # the experimenter's side

    def crash(self, *, at: int) -> None:
        """Let the power go at call number `at`."""
        self._cut_at = at

    def fail(self, fault: Fault) -> None:
        """Plan a fault; counted from the beginning of this object's calls."""
        self._faults.append(fault)

    def heal(self) -> None:
        """Take every fault away: space is free again, the disk was changed."""
        self._faults.clear()

    @property
    def cut(self) -> bool:
        """Whether the power has gone."""
        return self._dead

    def after(self, seed: int) -> "CrashFiles":
        """Return what a restart finds after a power cut now. For the seeds see `medium.power_cut`."""
        with self._guard:
            return self._again(power_cut(self._tree, seed))

    def killed(self) -> "CrashFiles":
        """Return what the next process finds when this one was killed: the same medium, nothing more durable."""
        self._dead = True
        return self._again(self._tree)

    def contents(self) -> dict[Path, bytes]:
        """Return every visible file below the root, for looking at; not a call."""
        found = self._find(self._root)
        return dict(restored(found)) if isinstance(found, Directory) else {}

    def _again(self, tree: Directory) -> "CrashFiles":
        return CrashFiles(self._root, sync_names_new_files=self._generous, tree=tree)

    # the port

    def make_directory(self, path: Path) -> None:
        """See Files."""
        with self._call("make_directory", path):
            self._make(path)

    def create(self, path: Path) -> int:
        """See Files."""
        with self._call("create", path):
            if self._find(path) is not None:
                raise _error(errno.EEXIST, path)
            file = File()
            self._names[file] = self._parent(path).change(path.name, file)
            return self._descriptor(_Open(file))

    def open(self, path: Path) -> int:
        """See Files."""
        with self._call("open", path):
            return self._descriptor(_Open(self._file(path)))

    def append(self, path: Path) -> int:
        """See Files."""
        with self._call("append", path):
            if self._find(path) is None:
                self._parent(path).change(path.name, File())
            return self._descriptor(_Open(self._file(path)))

    def write(self, fd: int, data: bytes) -> None:
        """See Files."""
        file = self._opened(fd).file
        try:
            with self._call("write"):
                file.write(bytes(data))
        except OSError:
            file.write(bytes(data)[: len(data) // 2])
            raise

    def read(self, fd: int, length: int, offset: int) -> bytes:
        """See Files."""
        with self._call("read"):
            return bytes(self._opened(fd).file.visible[offset : offset + length])

    def size(self, fd: int) -> int:
        """See Files."""
        with self._call("size"):
            return len(self._opened(fd).file.visible)

    def sync(self, fd: int) -> None:
        """See Files."""
        file = self._opened(fd).file
        try:
            with self._call("sync", before=True):
                file.sync()
                name = self._names.pop(file, None)
                if self._generous and name is not None:
                    name.directory.settle(name)
        except OSError:
            file.fail_sync()
            raise

    def begin_sync(self, fd: int, offset: int, length: int) -> None:  # noqa: ARG002  # the port's; it promises nothing
        """See Files."""
        with self._call("begin_sync"):
            self._opened(fd)

    def close(self, fd: int) -> None:
        """See Files. A close says nothing about durability."""
        with self._call("close"):
            found = self._opened(fd)
            del self._open[fd]
            if found.lock is not None:
                self._locked.discard(found.lock)

    def link(self, source: Path, target: Path) -> None:
        """See Files."""
        with self._call("link", target):
            if self._find(target) is not None:
                raise _error(errno.EEXIST, target)
            self._parent(target).change(target.name, self._file(source))

    def rename(self, source: Path, target: Path) -> None:
        """See Files."""
        with self._call("rename", target):
            file = self._file(source)
            if isinstance(self._find(target), Directory):
                raise _error(errno.EISDIR, target)
            if source == target:
                return
            come = self._parent(target).change(target.name, file)
            self._parent(source).change(source.name, None, needs=come)

    def unlink(self, path: Path) -> bool:
        """See Files."""
        with self._call("unlink", path):
            found = self._find(path)
            if isinstance(found, Directory):
                raise _error(errno.EISDIR, path)
            return found is not None and self._gone(path)

    def remove_directory(self, path: Path) -> bool:
        """See Files."""
        with self._call("remove_directory", path):
            found = self._find(path)
            if found is None:
                return False
            if self._directory(path).visible:
                raise _error(errno.ENOTEMPTY, path)
            return self._gone(path)

    def exists(self, path: Path) -> bool:
        """See Files."""
        with self._call("exists", path):
            return self._find(path) is not None

    def names(self, path: Path) -> Sequence[str]:
        """See Files."""
        with self._call("names", path):
            return sorted(self._directory(path).visible) if self._find(path) is not None else ()

    def sync_directory(self, path: Path) -> None:
        """See Files."""
        with self._call("sync_directory", path, before=True):
            self._directory(path).sync()

    def narrow(self, path: Path) -> int | None:
        """See Files. Nobody else is here."""
        with self._call("narrow", path):
            if self._find(path) is None:
                raise _error(errno.ENOENT, path)
            return None

    def try_lock(self, path: Path) -> int | None:
        """See Files."""
        with self._call("try_lock", path):
            if path in self._locked:
                return None
            found = self._find(path)
            if found is None:
                found = File()
                self._parent(path).change(path.name, found)
            self._locked.add(path)
            return self._descriptor(_Open(self._file(path), path))

    # inside

    @contextmanager
    def _call(self, name: str, path: Path | None = None, *, before: bool = False) -> Iterator[None]:
        """Count a call, fail it if that was planned, and let the power go at it: after its effect, or `before` it."""
        with self._guard:
            if self._dead:
                raise PowerCut
            self.log.append(name)
            cut = len(self.log) == self._cut_at
            if cut and before:
                self._die()
            try:
                self._fail(name, path)
                yield
            finally:
                if cut:
                    self._die()

    def _die(self) -> None:
        self._dead = True
        raise PowerCut

    def _fail(self, name: str, path: Path | None) -> None:
        nth = self.log.count(name)
        for fault in self._faults:
            if fault.call == name and (nth == fault.nth or (fault.lasting and nth > fault.nth)):
                raise _error(fault.error, path)

    def _opened(self, fd: int) -> _Open:
        if fd not in self._open:
            if self._dead:
                raise PowerCut
            raise _error(errno.EBADF, None)
        return self._open[fd]

    def _descriptor(self, opened: _Open) -> int:
        self._next_fd += 1
        self._open[self._next_fd] = opened
        return self._next_fd

    def _find(self, path: Path) -> Node | None:
        node: Node | None = self._tree
        for name in path.parts[1:]:
            if isinstance(node, File):
                raise _error(errno.ENOTDIR, path)
            node = None if node is None else node.visible.get(name)
        return node

    def _file(self, path: Path) -> File:
        found = self._find(path)
        if isinstance(found, File):
            return found
        raise _error(errno.ENOENT if found is None else errno.EISDIR, path)

    def _directory(self, path: Path) -> Directory:
        found = self._find(path)
        if isinstance(found, Directory):
            return found
        raise _error(errno.ENOENT if found is None else errno.ENOTDIR, path)

    def _parent(self, path: Path) -> Directory:
        return self._directory(path.parent)

    def _make(self, path: Path) -> None:
        at = self._tree
        for name in path.parts[1:]:
            node = at.visible.get(name)
            if node is None:
                node = Directory()
                at.change(name, node)
            if isinstance(node, File):
                raise _error(errno.ENOTDIR, path)
            at = node

    def _gone(self, path: Path) -> bool:
        self._parent(path).change(path.name, None)
        return True


def _error(number: int, path: Path | None) -> OSError:
    return OSError(number, os.strerror(number), *([str(path)] if path else []))

"""From system calls to effects on files: names are followed as the kernel followed them, offsets are counted.

What is not seen: writes through a shared mapping (SQLite's `-shm`, which a power cut takes anyway) and through
io_uring. So a recording ends with a comparison of what was followed with what is really there, and is refused if they
differ. A symbolic link is not followed.
"""

import os
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from cybous3.lab.chaos.powercut.calls import BadLog, Call, path_of
from cybous3.lab.chaos.powercut.content import Content
from cybous3.lab.chaos.powercut.descriptors import Descriptors, Opened
from cybous3.lab.chaos.powercut.effects import ROOT, Effect, Event, Names, Resize, Sync, Tree, Write

_DESCRIPTOR: Final = re.compile(r"\s*(-?\d+|AT_FDCWD)")
_OWN_DESCRIPTOR: Final = re.compile(rb"/proc/(?:self|\d+)/fd/(\d+)")
_NUMBERS: Final = re.compile(r"-?\b(?:0x[0-9a-f]+|\d+)\b(?![^<]*>)")

# Calls that are traced; `?`: not every machine has it.
TRACED: Final = (
    "?open,openat,?openat2,?creat,close,?dup,?dup2,dup3,fcntl,clone,?clone3,?fork,?vfork,lseek,write,pwrite64,writev,"
    "pwritev,?pwritev2,ftruncate,truncate,fallocate,?rename,renameat,renameat2,?link,linkat,?unlink,unlinkat,?rmdir,"
    "?mkdir,mkdirat,fsync,fdatasync,sync,syncfs,sync_file_range,copy_file_range,sendfile,splice"
)


class Interpreter:
    """Follows one log. `events` grows with every call that changed anything below the directory."""

    def __init__(self, root: bytes, base: Tree, calls: Sequence[Call], folder: bytes) -> None:
        self.events: list[Event] = []
        self._root = root.rstrip(b"/")
        self._folder = folder
        self._descriptors = Descriptors(calls)
        self._directories = {number: dict(names) for number, names in base.directories.items()}
        self._files = {number: Content(data) for number, data in base.files.items()}
        self._made = max(map(abs, (*base.directories, *base.files)), default=0)

    def follow(self, call: Call) -> None:
        """Take note of one call. BadLog for what cannot be followed."""
        self._descriptors.met(call.process)
        action = _ACTIONS.get(call.name)
        if action is None or call.failed:
            return
        effects = tuple(action(self, call))
        if effects:
            self.events.append(Event(call.begin, call.end, call.name, effects))

    # descriptors

    def opened(self, call: Call, where: str | None = None) -> Opened | None:
        """Return what the call's first descriptor (or the one in `where`) means, if it is below the directory."""
        found = _DESCRIPTOR.match(call.words if where is None else where)
        if not found or found[1] == "AT_FDCWD":
            return None
        opened = self._descriptors.get(call.process, int(found[1]))
        return opened if opened is not None and opened.target is not None else None

    def open(self, call: Call) -> Iterable[Effect]:
        """Follow an open: the name it made, the length it took away, and what the descriptor means."""
        flags = "O_CREAT|O_WRONLY|O_TRUNC" if call.name == "creat" else call.words
        path = self._path(call, 0, call.words)
        opened = Opened(None, append="O_APPEND" in flags, synced="O_SYNC" in flags or "O_DSYNC" in flags)
        self._descriptors.put(call.process, call.result, opened)
        if path is None:
            return
        if "O_TMPFILE" in flags:
            opened.target = self._new_file()
            return
        parent, name = self._parent(path)
        if parent is None:
            return
        target = self._directories[parent].get(name) if name else parent
        if target is None:
            target = self._new_file()
            self._directories[parent][name] = target
            yield Names(parent, ((name, target),))
        elif "O_TRUNC" in flags and target in self._files and self._files[target].size:
            self._files[target].resize(0)
            yield Resize(target, 0)
        opened.target = target

    def close(self, call: Call) -> Iterable[Effect]:
        """Forget a descriptor."""
        self._descriptors.drop(call.process, _numbers(call)[0])
        return ()

    def duplicate(self, call: Call) -> Iterable[Effect]:
        """Follow a second descriptor of the same file."""
        if call.name != "fcntl" or "F_DUPFD" in call.words:
            opened = self._descriptors.get(call.process, _numbers(call)[0])
            if opened is None:
                self._descriptors.drop(call.process, call.result)
            else:
                self._descriptors.put(call.process, call.result, opened)
        return ()

    def seek(self, call: Call) -> Iterable[Effect]:
        """Follow an offset."""
        opened = self.opened(call)
        if opened is not None:
            opened.offset = call.result
        return ()

    # bytes

    def write(self, call: Call) -> Iterable[Effect]:
        """Follow bytes on their way into a file."""
        opened = self.opened(call)
        if opened is None:
            return
        data = b"".join(call.strings)[: call.result]
        at = None
        if call.name.startswith("pwrite"):
            at = _numbers(call)[-1] if call.name == "pwrite64" else _numbers(call, after="]")[1]
        yield from self._put(opened, data, at)

    def transfer(self, call: Call) -> Iterable[Effect]:
        """copy_file_range, sendfile: bytes that the log does not hold, taken from where they came."""
        words = call.words.split(", ")
        source, target = (words[1], words[0]) if call.name == "sendfile" else (words[0], words[2])
        into = self.opened(call, target)
        if into is None:
            return
        origin = self.opened(call, source)
        if origin is None or origin.target is None or "NULL" not in call.words:
            raise BadLog(f"{call.name} brings bytes into a file that the log does not hold")
        data = self._files[origin.target].read(origin.offset, call.result)
        origin.offset += len(data)
        yield from self._put(into, data, None)

    def _put(self, opened: Opened, data: bytes, at: int | None) -> Iterable[Effect]:
        target = opened.target
        if target is None or target not in self._files or not data:
            return
        file = self._files[target]
        offset = file.size if opened.append else opened.offset if at is None else at
        if at is None:
            opened.offset = offset + len(data)
        file.write(offset, data)
        yield Write(target, offset, data)
        if opened.synced:
            yield Sync(target)

    def resize(self, call: Call) -> Iterable[Effect]:
        """Follow a length."""
        opened = self.opened(call)
        target = opened.target if opened else None
        if call.name == "truncate":
            target = self._named(self._path(call, 0, ""))
        if target is not None and target in self._files:
            self._files[target].resize(_numbers(call)[-1])
            yield Resize(target, self._files[target].size)

    def allocate(self, call: Call) -> Iterable[Effect]:
        """Follow a length that was asked for ahead of the bytes."""
        opened = self.opened(call)
        if opened is None or opened.target is None or "KEEP_SIZE" in call.words:
            return
        if "PUNCH_HOLE" in call.words or "ZERO_RANGE" in call.words or "COLLAPSE" in call.words:
            raise BadLog("a fallocate of a kind that this cannot follow")
        offset, length = _numbers(call)[-2:]
        if offset + length > self._files[opened.target].size:
            self._files[opened.target].resize(offset + length)
            yield Resize(opened.target, offset + length)

    # names

    def rename(self, call: Call) -> Iterable[Effect]:
        """Follow a name; between two directories it is two changes."""
        source, target = self._two_paths(call)
        number = self._named(source)
        old, old_name = self._parent(source)
        new, new_name = self._parent(target)
        if old is None or number is None:
            if new is not None:
                raise BadLog("a file was moved in from elsewhere, with bytes that the log does not hold")
            return
        del self._directories[old][old_name]
        if new is not None:
            self._directories[new][new_name] = number
        if old == new:
            yield Names(old, ((old_name, None), (new_name, number)))
            return
        if new is not None:
            yield Names(new, ((new_name, number),))
        yield Names(old, ((old_name, None),))

    def link(self, call: Call) -> Iterable[Effect]:
        """Follow a second name, also of a file that had none."""
        source, target = self._two_paths(call)
        number = self._named(source)
        own = _OWN_DESCRIPTOR.fullmatch(call.strings[0])
        if own or not call.strings[0]:
            opened = self._descriptors.get(call.process, int(own[1]) if own else _numbers(call)[0])
            number = opened.target if opened else None
        parent, name = self._parent(target)
        if parent is not None and number is not None:
            self._directories[parent][name] = number
            yield Names(parent, ((name, number),))

    def unlink(self, call: Call) -> Iterable[Effect]:
        """Follow a name that went."""
        parent, name = self._parent(self._path(call, 0, call.words))
        if parent is not None and name in self._directories[parent]:
            del self._directories[parent][name]
            yield Names(parent, ((name, None),))

    def make_directory(self, call: Call) -> Iterable[Effect]:
        """Follow a new directory."""
        parent, name = self._parent(self._path(call, 0, call.words))
        if parent is None or not name:
            return
        self._made += 1
        number = -self._made
        self._directories[number] = {}
        self._directories[parent][name] = number
        yield Names(parent, ((name, number),))

    # promises

    def sync(self, call: Call) -> Iterable[Effect]:
        """Follow a promise about one file or directory."""
        opened = self.opened(call)
        if opened is not None:
            yield Sync(opened.target)

    def sync_all(self, _call: Call) -> Iterable[Effect]:
        """Follow a promise about everything."""
        yield Sync(None)

    # paths

    def _new_file(self) -> int:
        self._made += 1
        number = self._made
        self._files[number] = Content()
        return number

    def _path(self, call: Call, index: int, before: str) -> bytes | None:
        """Return the path of the call's string below the directory (b"" for itself), None when it is elsewhere."""
        path = call.strings[index]
        if not path.startswith(b"/"):
            path = (path_of(before) or self._folder) + b"/" + path
        path = os.path.normpath(path)
        if path == self._root:
            return b""
        return path[len(self._root) + 1 :] if path.startswith(self._root + b"/") else None

    def _two_paths(self, call: Call) -> tuple[bytes | None, bytes | None]:
        first, _, second = call.words.partition(", ")
        return self._path(call, 0, first), self._path(call, 1, second)

    def _parent(self, path: bytes | None) -> tuple[int | None, str]:
        """Return the directory a path lies in and its last name; (None, "") when it is not below ours."""
        if path is None:
            return None, ""
        *folders, name = os.fsdecode(path).split("/")
        directory: int | None = ROOT
        for folder in folders:
            directory = self._directories[directory].get(folder) if directory is not None else None
            if directory not in self._directories:
                return None, ""
        return directory, name

    def _named(self, path: bytes | None) -> int | None:
        parent, name = self._parent(path)
        return None if parent is None else self._directories[parent].get(name)


_ACTIONS: Final[dict[str, Callable[[Interpreter, Call], Iterable[Effect]]]] = {
    **dict.fromkeys(("open", "openat", "openat2", "creat"), Interpreter.open),
    **dict.fromkeys(("dup", "dup2", "dup3", "fcntl"), Interpreter.duplicate),
    **dict.fromkeys(("write", "pwrite64", "writev", "pwritev", "pwritev2"), Interpreter.write),
    **dict.fromkeys(("ftruncate", "truncate"), Interpreter.resize),
    **dict.fromkeys(("rename", "renameat", "renameat2"), Interpreter.rename),
    **dict.fromkeys(("link", "linkat"), Interpreter.link),
    **dict.fromkeys(("unlink", "unlinkat", "rmdir"), Interpreter.unlink),
    **dict.fromkeys(("mkdir", "mkdirat"), Interpreter.make_directory),
    **dict.fromkeys(("fsync", "fdatasync"), Interpreter.sync),
    **dict.fromkeys(("sync", "syncfs"), Interpreter.sync_all),
    **dict.fromkeys(("copy_file_range", "sendfile"), Interpreter.transfer),
    "close": Interpreter.close,
    "lseek": Interpreter.seek,
    "fallocate": Interpreter.allocate,
}


def interpret(root: bytes, base: Tree, calls: Sequence[Call], folder: bytes = b"/") -> list[Event]:
    """Return what a log's calls did to the directory `root`, which was `base` when it began. BadLog.

    `folder` is where the process began, which old calls with relative paths do not say.
    """
    following = Interpreter(root, base, calls, folder)
    for call in calls:
        following.follow(call)
    return following.events


def _numbers(call: Call, after: str = "") -> list[int]:
    """Return the numbers among the arguments (behind the last `after`), annotations left out."""
    words = call.words.rpartition(after)[2] if after else call.words
    return [int(text, 0) for text in _NUMBERS.findall(words)]

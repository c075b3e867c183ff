"""Counts a process's work at the borders of its Python code: files, SQL, hashes, ciphers, and its own function calls.

`install` replaces library functions by ones that count and then do the same, so it must run before the program is
imported, in a process that exists to be counted (`counted`); there is no way back. Whatever the program is made of, it
has to go through these doors, so the counters survive any rewrite of it. Not seen: what C libraries do by themselves
(SQLite's own writes and syncs, uvloop's sockets); that is what `kernel` counts.

| counters        | what                                                                                        |
| --------------- | ------------------------------------------------------------------------------------------- |
| files.CALL      | calls of `os.CALL`; files.opened counts every way to open a file below the scratch folder   |
| files.*_bytes   | bytes read, written, and sent from a file without passing through the process               |
| sql.WORD        | SQL statements by their first word, as SQLite runs them                                     |
| hash.NAME_bytes | bytes hashed; hash.NAME, new hashes; hash.hmac, one-shot HMACs                              |
| aead.CALL       | sealings and openings; aead.bytes, the plaintext or ciphertext they were given              |
| random.bytes    | bytes drawn from the system                                                                 |
| calls.ROOM      | entries into our own functions by room; calls.native, C functions called by our own code    |
"""

import hashlib
import hmac
import os
import sqlite3
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

from cryptography.hazmat.primitives.ciphers import aead

from cybous3.lab.bench.counters.tally import Tally

Result = Any  # of the functions that are wrapped: they are foreign, and of many kinds
_Measure = Callable[[Result], int]

FILE_CALLS: Final[dict[str, tuple[str, _Measure] | None]] = {
    "read": ("read_bytes", len),
    "pread": ("read_bytes", len),
    "readv": ("read_bytes", int),
    "preadv": ("read_bytes", int),
    "write": ("written_bytes", int),
    "writev": ("written_bytes", int),
    "pwrite": ("written_bytes", int),
    "pwritev": ("written_bytes", int),
    "copy_file_range": ("written_bytes", int),
    "sendfile": ("sent_bytes", int),
    "splice": ("sent_bytes", int),
    **dict.fromkeys(("fsync", "fdatasync", "sync", "close", "dup", "fstat", "stat", "lstat", "statvfs", "access")),
    **dict.fromkeys(("link", "symlink", "rename", "replace", "unlink", "remove", "mkdir", "rmdir", "scandir")),
    **dict.fromkeys(("listdir", "truncate", "ftruncate", "posix_fallocate", "posix_fadvise", "chmod", "utime")),
}
"""Functions of `os`, and what their result says in bytes."""

HASHES: Final = ("md5", "sha1", "sha256", "sha384", "sha512")
CIPHERS: Final = ("AESGCM", "AESSIV")
_AEAD_CALLS: Final = frozenset({"encrypt", "decrypt", "encrypt_into", "decrypt_into"})
_GENERATOR_LIKE: Final = 0x20 | 0x80 | 0x200  # inspect.CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR
_PACKAGE: Final = Path(__file__).parents[3]
_SELF: Final = Path(__file__).parent


def install(tally: Tally, scratch: Path, *, calls: bool) -> None:
    """Count from now on. `scratch` is where the counted program keeps its files; counting `calls` makes it slow."""
    _tap_files(tally, scratch)
    _tap_sql(tally)
    _tap_hashes(tally)
    _tap_ciphers(tally)
    if calls:
        _tap_calls(tally)


def _replace(module: Any, name: str, new: Callable[[Any], Any]) -> None:  # noqa: ANN401  # modules have no common type
    if hasattr(module, name):
        setattr(module, name, new(getattr(module, name)))


def _tap_files(tally: Tally, scratch: Path) -> None:
    for name, measured in FILE_CALLS.items():
        if hasattr(os, name):
            setattr(os, name, _counted(tally, name, getattr(os, name), measured))
    _replace(os, "urandom", lambda function: _drawing(tally, function))
    root = str(scratch)

    def heard(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and str(arguments[0]).startswith(root):
            tally.add("files.opened")
        elif event == "socket.connect":
            tally.add("http.connections")

    sys.addaudithook(heard)


def _counted(
    tally: Tally, name: str, function: Callable[..., Result], measured: tuple[str, _Measure] | None
) -> Callable[..., Result]:
    def call(*arguments: Result, **named: Result) -> Result:
        tally.add(f"files.{name}")
        result = function(*arguments, **named)
        if measured is not None:
            tally.add(f"files.{measured[0]}", measured[1](result))
        return result

    return call


def _drawing(tally: Tally, function: Callable[[int], bytes]) -> Callable[[int], bytes]:
    def draw(size: int, /) -> bytes:
        tally.add("random.bytes", size)
        return function(size)

    return draw


def _tap_sql(tally: Tally) -> None:
    def ran(statement: str) -> None:
        tally.add(f"sql.{statement.split(None, 1)[0].lower()}")

    def connecting(connect: Callable[..., sqlite3.Connection]) -> Callable[..., sqlite3.Connection]:
        def call(*arguments: Result, **named: Result) -> sqlite3.Connection:
            connection = connect(*arguments, **named)
            connection.set_trace_callback(ran)
            return connection

        return call

    _replace(sqlite3, "connect", connecting)


class _Hash:
    """A hash that counts what it is fed."""

    def __init__(self, tally: Tally, inner: Result, first: int) -> None:
        self._tally, self._inner, self._name = tally, inner, f"hash.{inner.name}_bytes"
        self._tally.add(f"hash.{inner.name}")
        self._tally.add(self._name, first)

    def update(self, data: Result, /) -> None:
        self._tally.add(self._name, len(data))
        self._inner.update(data)

    def copy(self) -> "_Hash":
        return _Hash(self._tally, self._inner.copy(), 0)

    def __getattr__(self, name: str) -> Result:
        return getattr(self._inner, name)


def _tap_hashes(tally: Tally) -> None:
    def hashing(new: Callable[..., Result]) -> Callable[..., Result]:
        def call(data: Result = b"", **named: Result) -> _Hash:
            return _Hash(tally, new(data, **named), len(data))

        return call

    def authenticating(digest: Callable[..., bytes]) -> Callable[..., bytes]:
        def call(*arguments: Result, **named: Result) -> bytes:
            tally.add("hash.hmac")
            return digest(*arguments, **named)

        return call

    for name in HASHES:
        _replace(hashlib, name, hashing)
    _replace(hmac, "digest", authenticating)


def _tap_ciphers(tally: Tally) -> None:
    """Wrap the ciphers' classes: they cannot be subclassed."""

    class Cipher:
        def __init__(self, kind: Result, *arguments: Result) -> None:
            self._inner = kind(*arguments)
            tally.add("aead.keys")

        def __getattr__(self, name: str) -> Result:
            function = getattr(self._inner, name)
            return _sealing(tally, name, function) if name in _AEAD_CALLS else function

    def wrapping(kind: Result) -> Callable[..., Cipher]:
        def make(*arguments: Result) -> Cipher:
            return Cipher(kind, *arguments)

        return make

    for name in CIPHERS:
        _replace(aead, name, wrapping)


def _sealing(tally: Tally, name: str, function: Callable[..., Result]) -> Callable[..., Result]:
    at = 1 if "nonce" in (getattr(function, "__text_signature__", None) or "") else 0  # SIV takes no nonce

    def call(*arguments: Result, **named: Result) -> Result:
        tally.add(f"aead.{name}")
        tally.add("aead.bytes", len(arguments[at]))
        return function(*arguments, **named)

    return call


def _tap_calls(tally: Tally) -> None:
    """Count entries into our own functions, in this thread and those that begin from now on.

    Comprehensions and lambdas are left out: interpreters differ in what they make of them. A coroutine counts when it
    begins and not when it goes on, because how often it has to wait is a matter of timing.
    """
    rooms: dict[CodeType, str] = {}

    def room(code: CodeType) -> str:
        found = rooms.get(code)
        if found is None:
            found = rooms[code] = _room(code)
        return found

    def happened(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call":
            if (name := room(code)) and not _resumed(frame):
                tally.add(name)
        elif event == "c_call" and room(code):
            tally.add("calls.native")

    threading.setprofile(happened)
    sys.setprofile(happened)


def _room(code: CodeType) -> str:
    path = Path(code.co_filename)
    if code.co_name.startswith("<") or _PACKAGE not in path.parents or _SELF in path.parents:
        return ""
    parts = path.relative_to(_PACKAGE).parts
    return f"calls.{parts[1] if parts[0] in {'server', 'client'} and len(parts) > 2 else parts[0]}"  # noqa: PLR2004  # room, floor, file


def _resumed(frame: FrameType) -> bool:
    code = frame.f_code
    return bool(code.co_flags & _GENERATOR_LIKE) and frame.f_lasti > _first_resume(code)


_FIRST: Final[dict[CodeType, int]] = {}


def _first_resume(code: CodeType) -> int:
    """Return the offset at which a frame of `code` begins to run for the first time."""
    import dis  # noqa: PLC0415  # only generators and coroutines get here

    if code not in _FIRST:
        _FIRST[code] = next((one.offset for one in dis.get_instructions(code) if one.opname == "RESUME"), 0)
    return _FIRST[code]

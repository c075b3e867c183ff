"""Fetch and open stored files: into a file, or out to a pipe.

What this keeps true:
- no byte reaches the final name before the whole object was verified: bytes go to a temporary file beside it, which is
  renamed last; it is synced before, and its name after, so that a file that was reported as fetched is there after a
  power cut, whole (a tree waits for the disk once, at its end);
- a pipe gets only segments that verified, in order; a bad end is an error after the fact, for a pipe is not taken back;
- a download that was killed goes on where it stopped, only for the same state of the object, and what an earlier run
  left is verified again, by the digest of the whole.
"""

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO, Protocol

from cybous3.client.keys.errors import LocalProblem
from cybous3.client.stores.port import Store
from cybous3.client.transfer.errors import Unusable
from cybous3.client.transfer.journal import Journal, Journals
from cybous3.client.transfer.opening import Opened, Opener
from cybous3.client.transfer.parallel import Buffers, all_of, in_order
from cybous3.client.transfer.port import AS_IT_WAS, Progress, Restore, Stored, Surroundings, no_progress
from cybous3.client.transfer.temporary import MARK_BYTES, hold
from cybous3.crypto.errors import CryptoError, Damaged
from cybous3.crypto.layout import RangePlan
from cybous3.disk.files import SYSTEM, Files
from cybous3.disk.whole import ensure_directory

POSIX = os.name == "posix"
_SEEKING = Lock()
_BINARY = getattr(os, "O_BINARY", 0)
RESUMABLE = 64 * 1024 * 1024
"""Smaller downloads begin anew after a kill: a journal would cost more than it saves."""


class _Write(Protocol):
    def __call__(self, plaintext: memoryview, offset: int) -> None: ...


class Downloader:
    """Fetches files of one vault. Safe to call from many threads, one file each."""

    def __init__(self, store: Store, around: Surroundings, journals: Journals, files: Files = SYSTEM) -> None:
        self._files = files
        self._opener = Opener(store, around)
        self._around = around
        self._journals = journals
        self._limits = around.limits
        self._buffers = Buffers()

    def get_file(
        self,
        path: str,
        destination: Path,
        how: Restore = AS_IT_WAS,
        progress: Progress = no_progress,
        *,
        expect: int = 0,
        key: str | None = None,
    ) -> Stored:
        """Write the file `path` of the vault to `destination`, whole and verified, or not at all.

        `expect` is the stored size where a listing told it: a small file then takes one request. A marker of an empty
        folder becomes a folder. Raises NotFoundHere, CryptoError, Conflict, Unusable, OSError, StoreError.
        """
        opened = self._opener.open(path, expect=min(expect, self._limits.single_max), key=key)
        if opened.stored.folder and not how.folders:
            raise Unusable(
                f"{path!r} is an empty folder of the vault", hint="folders come back with: cybs3 folders get"
            )
        if opened.stored.folder:
            self._make_folder(destination, how)
        else:
            self._write(opened, destination, how, progress)
        self._opener.note(opened)
        return opened.stored

    def stream(
        self, path: str, out: BinaryIO, *, start: int = 0, length: int | None = None, progress: Progress = no_progress
    ) -> Stored:
        """Write the file, or `length` bytes of it from `start`, to `out`: verified segments, in order."""
        opened = self._opener.open(path)
        if opened.stored.folder:
            raise Unusable(
                f"{path!r} is an empty folder of the vault", hint="folders come back with: cybs3 folders get"
            )
        size = opened.stored.size
        stop = size if length is None else min(size, start + length)
        if start >= size and start > 0:
            raise Unusable(f"{path!r} has {size} bytes; there is nothing at {start}")
        whole = start == 0 and stop == size
        hasher = opened.object.hasher()
        plans = self._windows(opened, start, stop)
        with closing(in_order(plans, lambda plan: self._window(opened, plan), workers=3)) as windows:
            for plain in windows:
                if whole:
                    hasher.update(plain)
                out.write(plain)
                progress(len(plain))
        if size == 0:
            self._empty(opened)
        if whole:
            opened.object.footer.verify_digest(hasher.digest())
            self._opener.note(opened)
        return opened.stored

    def _make_folder(self, destination: Path, how: Restore) -> None:
        if how.sync:
            ensure_directory(self._files, destination)
        destination.mkdir(parents=True, exist_ok=True)  # refuses what is no folder

    def _write(self, opened: Opened, destination: Path, how: Restore, progress: Progress) -> None:
        _check_place(destination, how)
        if opened.stored.size < RESUMABLE:
            temporary = _beside(destination, self._around.entropy(MARK_BYTES))
            _Target(self, opened, destination, temporary, how, progress).run(None)
            return
        identity = (opened.stored.object_id, opened.stored.key, str(destination.parent.resolve() / destination.name))
        with self._journals.opened(*identity) as journal:
            temporary = _beside(destination, opened.stored.object_id[:6])
            _Target(self, opened, destination, temporary, how, progress).run(journal)

    def _windows(self, opened: Opened, start: int, stop: int) -> Iterator[RangePlan]:
        """Cut the plaintext [start, stop) into ranged reads that begin and end at segment boundaries."""
        capacity = opened.object.layout.capacity
        step = max(1, self._limits.window // opened.object.layout.segment_len) * capacity
        at = start
        while at < stop:
            end = min(stop, (at // step + 1) * step)
            yield opened.object.plan_range(at, end)
            at = end

    def _window(self, opened: Opened, plan: RangePlan) -> memoryview:
        stored = memoryview(bytearray(plan.stored_stop - plan.stored_start))
        self._opener.fetch(opened, plan.stored_start, stored)
        return memoryview(opened.object.decrypt_range(plan, stored))

    def _empty(self, opened: Opened) -> None:
        """Verify the one segment of an object without content."""
        start, stop = opened.object.layout.segment_offset(0), opened.object.layout.footer_offset(0)
        segment = memoryview(bytearray(stop - start))
        self._opener.fetch(opened, start, segment)
        opened.object.decrypt_segment(0, segment)

    def copy_window(self, opened: Opened, plan: RangePlan, write: _Write) -> int:
        """Fetch, open and write the segments of one window; return its plaintext bytes."""
        layout = opened.object.layout
        indices = range(plan.first_segment, plan.stop_segment)
        lengths = [opened.object.segment_stored_len(index) for index in indices]
        # One segment at a time: it is opened and written while the processor's cache still holds it.
        stored, plain = (self._buffers.take(name, max(lengths)) for name in ("stored", "plain"))
        with closing(self._opener.pieces(opened, plan.stored_start, lengths, stored)) as pieces:
            for index, segment in zip(indices, pieces, strict=True):
                write(opened.object.plaintext_of(index, segment, plain), index * layout.capacity)
        return plan.length


class _Target:
    """One file being written."""

    def __init__(
        self,
        downloader: Downloader,
        opened: Opened,
        destination: Path,
        temporary: str,
        how: Restore,
        progress: Progress,
    ) -> None:
        self._downloader = downloader
        self._opened = opened
        self._destination = destination
        self._temporary = temporary
        self._how = how
        self._progress = progress

    def run(self, journal: Journal | None) -> None:
        done = self._done(journal)
        try:
            self._fill(journal, done)
        except (CryptoError, OSError):
            # Damage and a full disk do not get better by keeping half a file.
            self._discard(journal)
            raise
        except BaseException:
            if journal is None:
                self._discard(None)
            raise
        if journal is not None:
            journal.remove()

    def _fill(self, journal: Journal | None, done: frozenset[int]) -> None:
        flags = os.O_RDWR | os.O_CREAT | _BINARY | getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(self._temporary, flags, 0o600)
        while not hold(descriptor):  # another run took it for a dead one's in the moment before
            os.close(descriptor)
            descriptor = os.open(self._temporary, flags, 0o600)
        try:
            os.truncate(descriptor, self._opened.stored.size)
            self._copy(descriptor, journal, done)
            if done:
                self._verify_again(descriptor)
            self._finish(descriptor)
            if POSIX:
                self._publish()  # while it is held: between the last close and its name it would be anybody's
        finally:
            os.close(descriptor)
        if not POSIX:
            self._publish()  # Windows renames no open file, and sweeps none

    def _publish(self) -> None:
        """Give the file its time and name, durably unless the tree it belongs to sees to that."""
        if self._how.times and self._opened.stored.mtime_ns is not None:
            # Reading nanoseconds back must give what was stored, so that the next run finds the file unchanged.
            os.utime(self._temporary, ns=(self._opened.stored.mtime_ns, self._opened.stored.mtime_ns))
        if not self._how.sync:
            os.replace(self._temporary, self._destination)  # noqa: PTH105  # a name of text costs a third
            return
        files = self._downloader._files  # noqa: SLF001  # one module, one job
        files.rename(Path(self._temporary), self._destination)
        files.sync_directory(self._destination.parent)

    def _copy(self, descriptor: int, journal: Journal | None, done: frozenset[int]) -> None:
        downloader, opened = self._downloader, self._opened
        size = opened.stored.size
        if not size:
            downloader._empty(opened)  # noqa: SLF001  # one module, one job
            return
        plans = list(enumerate(downloader._windows(opened, 0, size)))  # noqa: SLF001
        self._progress(sum(plan.length for number, plan in plans if number in done))

        def work(item: tuple[int, RangePlan]) -> None:
            number, plan = item
            self._progress(downloader.copy_window(opened, plan, lambda data, at: _write_at(descriptor, data, at)))
            if journal is not None:
                journal.mark(number)
            if self._how.sync and len(plans) > 1:
                _begin_writing_out(descriptor, plan.first_segment * opened.object.layout.capacity, plan.length)

        missing = [item for item in plans if item[0] not in done]
        if len(missing) == 1:
            work(missing[0])
        else:
            all_of(missing, work, workers=downloader._limits.workers)  # noqa: SLF001

    def _verify_again(self, descriptor: int) -> None:
        """Check the whole by its digest: what an earlier run wrote lay on a disk that anybody may have touched."""
        hasher = self._opened.object.hasher()
        os.lseek(descriptor, 0, os.SEEK_SET)
        while piece := os.read(descriptor, 1024 * 1024):
            hasher.update(piece)
        try:
            self._opened.object.footer.verify_digest(hasher.digest())
        except Damaged as error:
            raise Damaged(
                f"what an earlier run left of {self._destination} was altered; run the command again"
            ) from error

    def _finish(self, descriptor: int) -> None:
        mode = self._opened.stored.mode
        if POSIX and self._how.times and mode is not None:
            os.fchmod(descriptor, mode & 0o777)
        if self._how.sync:
            self._downloader._files.sync(descriptor)  # noqa: SLF001  # one module, one job

    def _done(self, journal: Journal | None) -> frozenset[int]:
        """Return what an earlier run finished, if its temporary file is there, for the same state of the object."""
        if journal is None:
            return frozenset()
        notes: dict[str, Any] = {"etag": self._opened.stored.etag, "size": self._opened.stored.size}
        with suppress(OSError, LocalProblem):
            if journal.load() == notes and os.stat(self._temporary).st_size == self._opened.stored.size:  # noqa: PTH116  # a name of text
                return journal.marked()
        journal.save(notes)
        return frozenset()

    def _discard(self, journal: Journal | None) -> None:
        with suppress(OSError):
            os.unlink(self._temporary)  # noqa: PTH108  # a name of text
        if journal is not None:
            journal.remove()


def _check_place(destination: Path, how: Restore) -> None:
    """Raise Unusable where the file may not be written."""
    try:
        status = os.stat(destination)  # noqa: PTH116  # one look answers both questions
    except (FileNotFoundError, NotADirectoryError):
        return
    if stat.S_ISDIR(status.st_mode):
        raise Unusable(f"{destination}: is a folder", hint="name the file to write")
    if not how.overwrite:
        raise Unusable(f"{destination}: exists already", hint="leave --no-overwrite out to replace it")


def _beside(destination: Path, mark: bytes) -> str:
    """Return the name under which the file is written, in the same folder."""
    folder, name = os.path.split(destination)
    return os.path.join(folder, f".{name[:100]}.{mark.hex()}.part")  # noqa: PTH118  # a name of text


def _begin_writing_out(descriptor: int, offset: int, length: int) -> None:
    """Let the disk begin with what was just written, so that the sync at the end finds little left to wait for.

    On Linux this advice queues dirty pages without waiting and drops clean ones; these are all dirty. Elsewhere it does
    nothing of use. A hint: whether it is taken changes no byte.
    """
    if sys.platform == "linux":
        with suppress(OSError):  # a file system that has no use for advice
            os.posix_fadvise(descriptor, offset, length, os.POSIX_FADV_DONTNEED)


def _write_at(descriptor: int, data: memoryview, offset: int) -> None:
    """Write all of `data` at `offset`, from any thread."""
    if not hasattr(os, "pwrite"):
        with _SEEKING:  # Windows: an open file has one position
            os.lseek(descriptor, offset, os.SEEK_SET)
            while data:
                data = data[os.write(descriptor, data) :]
        return
    while data:
        count = os.pwrite(descriptor, data, offset)
        data, offset = data[count:], offset + count

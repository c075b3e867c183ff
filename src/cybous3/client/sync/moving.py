"""What a step of a tree does to one file: store it, fetch it, compare it. The same in this process and in a helper.

A helper process imports this, so it imports nothing that only a plan or a listing needs.
"""

import os
from collections.abc import Callable
from functools import partial
from hmac import compare_digest
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from cybous3.client.stores.errors import BadCredentials, ClockSkew, ConnectionLost, NoSpace, NoSuchBucket, Unreachable
from cybous3.client.stores.port import Store
from cybous3.client.transfer.download import Downloader
from cybous3.client.transfer.journal import Journals
from cybous3.client.transfer.localpath import Ground
from cybous3.client.transfer.opening import Opener
from cybous3.client.transfer.port import About, Progress, Restore, Stored, Surroundings
from cybous3.client.transfer.source import FileSource
from cybous3.client.transfer.upload import Uploader
from cybous3.core.errors import CybousError
from cybous3.crypto.objects import KeyedHasher

if TYPE_CHECKING:
    from cybous3.client.sync.plan import RemoteFile, Step
    from cybous3.client.sync.scan import LocalFile

HOPELESS = (Unreachable, ConnectionLost, BadCredentials, ClockSkew, NoSuchBucket, NoSpace)
"""Errors that the next file would meet as well."""


class Different(CybousError):
    """Two sides that should be equal are not."""

    exit_code = 6


class Job(NamedTuple):
    """What is done to every step of a run: between `folder` of the vault and the tree at `root`."""

    kind: Literal["push", "pull", "verify"]
    folder: str
    root: Path
    force: bool = False  # push: overwrite even what somebody else wrote meanwhile
    read: bool = False  # verify: fetch every byte


class Done(NamedTuple):
    """One file that is now equal on both sides: what it is there, and its size and time here."""

    key: str
    etag: str
    size: int
    mtime_ns: int
    folder: bool
    moved: bool


class Mover:
    """Does the steps of one vault's trees. Safe to call from many threads, one step each."""

    def __init__(self, store: Store, around: Surroundings, journals: Journals) -> None:
        self._opener = Opener(store, around)
        self._uploader = Uploader(store, around, journals)
        self._downloader = Downloader(store, around, journals)

    def work(self, job: Job, progress: Progress) -> "Callable[[Step], Done]":
        """Return what does one step of the job. It raises CybousError or OSError for a file that could not be done."""
        if job.kind == "push":
            return partial(self._push, job, progress)
        if job.kind == "pull":
            return partial(self._pull, job, Ground(job.root), progress)
        return partial(self._verify, job)

    def _push(self, job: Job, progress: Progress, step: "Step") -> Done:
        file = local_of(step)
        if step.verb == "compare":
            same = self._equal(job.folder, step)
            if same is not None:
                return same
        path = join(job.folder, step.path)
        if file.folder:
            stored = self._uploader.put_folder(path, mtime_ns=file.mtime_ns, mode=file.mode)
        else:
            stored = self._uploader.put_file(Path(file.absolute), path, About(force=job.force), progress)
        return _done(stored, stored.size, file.mtime_ns if stored.mtime_ns is None else stored.mtime_ns, moved=True)

    def _pull(self, job: Job, places: Ground, progress: Progress, step: "Step") -> Done:
        remote = remote_of(step)
        if step.verb == "compare":
            same = self._equal(job.folder, step)
            if same is not None:
                return same
        target = places.ready(step.path)
        stored = self._downloader.get_file(
            join(job.folder, step.path),
            target,
            Restore(sync=False),
            progress,
            expect=remote.stored_size,
            key=remote.key,
        )
        mtime_ns = os.stat(target).st_mtime_ns  # noqa: PTH116  # for speed
        return _done(stored, stored.size, mtime_ns, moved=True)

    def _verify(self, job: Job, step: "Step") -> Done:
        if job.read and not local_of(step).folder:
            with open(os.devnull, "wb") as nowhere:  # noqa: PTH123  # a device, not a file
                self._downloader.stream(join(job.folder, step.path), nowhere)
        same = self._equal(job.folder, step)
        if same is None:
            raise Different("the content differs")
        return same

    def _equal(self, folder: str, step: "Step") -> Done | None:
        """Compare by content; None when it differs."""
        file, remote = local_of(step), remote_of(step)
        opened = self._opener.open(join(folder, step.path), key=remote.key)
        if opened.stored.folder or file.folder:
            equal = opened.stored.folder and file.folder
        else:
            equal = opened.stored.size == file.size and compare_digest(
                _digest(opened.object.hasher(), file), opened.stored.digest
            )
        if not equal:
            return None
        self._opener.note(opened)
        return _done(opened.stored, file.size, file.mtime_ns, moved=False)


def join(folder: str, path: str) -> str:
    """Return the vault's path of `path` below `folder`; "" is the whole vault."""
    return f"{folder}/{path}" if folder else path


def local_of(step: "Step") -> "LocalFile":
    """Return the step's local file, where the plan gives it one."""
    if step.local is None:
        raise AssertionError("the plan gives this step a local file")
    return step.local


def remote_of(step: "Step") -> "RemoteFile":
    """Return the step's stored file, where the plan gives it one."""
    if step.remote is None:
        raise AssertionError("the plan gives this step a stored file")
    return step.remote


def _done(stored: Stored, size: int, mtime_ns: int, *, moved: bool) -> Done:
    return Done(stored.key, stored.etag, size, mtime_ns, stored.folder, moved)


def _digest(hasher: KeyedHasher, file: "LocalFile") -> bytes:
    buffer = memoryview(bytearray(1024 * 1024))
    with FileSource(Path(file.absolute)) as source:
        for offset in range(0, source.size, len(buffer)):
            piece = buffer[: min(len(buffer), source.size - offset)]
            source.read_into(piece, offset)
            hasher.update(piece)
        source.check_unchanged()
    return hasher.digest()

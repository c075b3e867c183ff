"""A consistent copy of a live server's data, taken beside it.

First the garbage is held, so that no blob goes away that the snapshot refers to; then the index is copied as it stands
in one instant; then every blob that this snapshot names is copied, verified, unless it is there already. The manifest
comes last. Until then, and if anything goes wrong, the directory is the backup that it was before.

What is damaged already cannot be copied: it is named in the manifest and in the report, and everything else is backed
up. Small objects lie in the index and come with it.
"""

import asyncio
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Final

from cybous3.core.errors import CybousError
from cybous3.disk.files import SYSTEM
from cybous3.disk.whole import ensure_directory, put_whole, read_whole
from cybous3.server.app.maintenance import manifest as manifests
from cybous3.server.app.maintenance.copying import Copier, FullError, prepare
from cybous3.server.app.maintenance.manifest import Manifest
from cybous3.server.app.maintenance.moving import Entry, Mover, OnProgress, Progress, silent, unreferenced
from cybous3.server.app.maintenance.opening import looked_into, open_blobs
from cybous3.server.app.places import DataDirectory
from cybous3.server.app.problems import local
from cybous3.server.meta.port import Garbage
from cybous3.server.meta.space import NO_SPACE
from cybous3.server.meta.sqlite.index import open_sqlite
from cybous3.server.meta.sqlite.snapshot import snapshot
from cybous3.server.model.objects import ObjectRecord

SLOT: Final = "backup"
HOLD_S: Final = 60.0  # a backup that is killed keeps garbage for this long
SEAL_MAX: Final = 4096
_RENEW_S: Final = 10.0
_UNFINISHED: Final = "backup.unfinished"
_INDEX: Final = "index.sqlite"
_SEAL: Final = "seal.key"


class NotEmptyError(CybousError):
    """The target holds something else."""


class LapsedError(CybousError):
    """The hold on the garbage ended before the copying did."""


async def backup(
    data: Path, dest: Path, *, link: bool = False, verify: bool = False, on_progress: OnProgress = silent
) -> tuple[Manifest, Progress]:
    """Make `dest` a backup of `data` as it is now, and return what it holds.

    `link` makes hard links in place of copies. `verify` reads again what an earlier backup copied, and replaces what is
    no longer whole. NotEmptyError, BackupError (a manifest that cannot be read), FullError, LapsedError, LocalError,
    BusyError, and what `looked_into` raises.
    """
    dest = DataDirectory.at(dest).root
    async with looked_into(data) as source:
        old = _accepted(source.place, dest)
        prepare(SYSTEM, dest / "blobs", SLOT)
        target = open_blobs(DataDirectory(dest), SLOT)
        try:
            copier = Copier(source.blobs, dest / "blobs", SLOT, SYSTEM, source.blobs.path if link else None)
            mover = Mover(copier, target, verify, Progress(), on_progress)
            with _in_words(dest):
                async with _holding(source.index.garbage) as hold:
                    scratch = await _snapshot(source.place, dest)
                    stale, damaged = await _moved(mover, scratch, hold.name)
                    hold.ensure_kept()
                for entry, reason in damaged:
                    if isinstance(entry, ObjectRecord):
                        with suppress(OSError):  # a full disk: it is named in the manifest, and found when it is read
                            await source.index.objects.quarantine(entry, reason)
                whole = _settle(source.place, dest, scratch, mover.done)
            mover.done.pruned = len(await target.delete(stale))
            _tidy(dest, old)
            return whole, mover.done
        finally:
            await target.aclose()


def _accepted(place: DataDirectory, dest: Path) -> Manifest | None:
    """See that `dest` can be a backup, mark it as begun, and return the one that is there."""
    if dest == place.root or place.root in dest.parents or dest in place.root.parents:
        raise NotEmptyError("a backup cannot lie within the data directory, or around it", hint="give another place")
    with _in_words(dest):
        ensure_directory(SYSTEM, dest)
        old = manifests.load(SYSTEM, dest)
        names = SYSTEM.names(dest)
        if old is None and names and _UNFINISHED not in names:
            raise NotEmptyError(f"{str(dest)!r} is not empty and is no backup", hint="give an empty directory")
        if old is None:
            put_whole(SYSTEM, dest / _UNFINISHED, b"a backup was begun here\n", replace=True)
    return old


class _Hold:
    """Keeps the reaper from deleting, for a short while at a time, so that a backup that is killed soon lets go."""

    def __init__(self, garbage: Garbage) -> None:
        self.name = f"backup-{os.getpid()}-{secrets.token_hex(4)}"
        self._garbage = garbage
        self._until = 0.0
        self._lapsed = False

    async def begin(self) -> None:
        """Hold for HOLD_S seconds from now. OSError."""
        now = time.time()
        self._lapsed = self._lapsed or 0.0 < self._until <= now
        await self._garbage.hold(self.name, int((now + HOLD_S) * 1000))
        self._until = now + HOLD_S

    async def renew(self) -> None:
        """Begin again and again. A disk that is full for a moment has until the hold ends."""
        while True:
            await asyncio.sleep(_RENEW_S)
            with suppress(OSError):
                await self.begin()

    def ensure_kept(self) -> None:
        """Raise LapsedError when it may have let go of anything since it was begun."""
        if self._lapsed or self._until <= time.time():
            raise LapsedError(
                "the backup was held up for so long that the server may have deleted what it was copying",
                hint="run it again: it goes on from here",
            )


@asynccontextmanager
async def _holding(garbage: Garbage) -> AsyncIterator[_Hold]:
    """Keep the reaper from deleting while the block runs."""
    hold = _Hold(garbage)
    try:
        await hold.begin()
    except OSError as error:
        raise local("the index cannot take the note that a backup runs", error) from error
    renewing = asyncio.create_task(hold.renew())
    try:
        yield hold
    finally:
        renewing.cancel()
        await asyncio.wait([renewing])
        with suppress(OSError):  # it ends by itself
            await garbage.release(hold.name)


async def _snapshot(place: DataDirectory, dest: Path) -> Path:
    """Copy the index as it is now into a directory of its own, and return that."""
    scratch = dest / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(3)}.new"
    scratch.mkdir(mode=0o700)
    await asyncio.to_thread(snapshot, place.index, scratch / _INDEX)
    return scratch


async def _moved(mover: Mover, scratch: Path, hold: str) -> tuple[list[str], list[tuple[Entry, str]]]:
    """Copy every blob of the snapshot; return those at the target that it does not name, and what is damaged.

    The snapshot knows the hold that is on while it is taken; what is restored must not.
    """
    index = await open_sqlite(scratch / _INDEX)
    try:
        await index.garbage.release(hold)
        damaged = await mover.move_all(index)
        await mover.copier.sync_names()
        return await unreferenced(mover.target, index), damaged
    finally:
        await index.aclose()


def _settle(place: DataDirectory, dest: Path, scratch: Path, done: Progress) -> Manifest:
    """Put index and key where the manifest says they are, then write it."""
    for name in SYSTEM.names(scratch):
        if name != _INDEX:
            SYSTEM.unlink(scratch / name)  # what an open index keeps beside it
    seal = read_whole(SYSTEM, place.seal, SEAL_MAX)
    if seal is not None:
        put_whole(SYSTEM, scratch / _SEAL, seal, replace=True)
    generation = scratch.name.removesuffix(".new")
    _sync_file(scratch / _INDEX)
    SYSTEM.sync_directory(scratch)
    SYSTEM.rename(scratch, dest / generation)
    SYSTEM.sync_directory(dest)
    size, digest = manifests.digest_of(SYSTEM, dest / generation / _INDEX)
    whole = Manifest(
        generation=generation,
        taken_ms=int(time.time() * 1000),
        version=version("cybous3"),
        index_size=size,
        index_sha256=digest,
        seal_sha256=None if seal is None else hashlib.sha256(seal).hexdigest(),
        objects=done.objects,
        blobs=done.copied + done.present,
        data_bytes=done.data_bytes,
        damaged=tuple(done.damaged),
    )
    manifests.save(SYSTEM, dest, whole)
    return whole


def _sync_file(path: Path) -> None:
    fd = SYSTEM.open(path)
    try:
        SYSTEM.sync(fd)
    finally:
        SYSTEM.close(fd)


def _tidy(dest: Path, old: Manifest | None) -> None:
    """Remove what no manifest names: what the backup before had, and what interrupted ones left."""
    SYSTEM.unlink(dest / _UNFINISHED)
    if old is not None:
        shutil.rmtree(dest / old.generation, ignore_errors=True)
    for left in dest.glob("*.new"):
        shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _in_words(dest: Path) -> Iterator[None]:
    """Turn what the file system says of the target into words."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            raise FullError(f"there is no room left for the backup at {str(dest)!r}", hint=_ROOM_HINT) from error
        raise local(f"cannot use {str(dest)!r}", error) from error


_ROOM_HINT: Final = "make room and run it again: it goes on from here, and an older backup there is as it was"

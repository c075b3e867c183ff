"""A data directory made of a backup: everything verified on the way, or nothing that a server would take for whole.

The index gets its name last. While a restore has not ended, a mark in the directory keeps every server from beginning
there; run again, it goes on where it was. What is damaged in the backup, or was when it was taken, is restored as an
object in quarantine: it answers an error and no wrong byte. Nothing is written where the backup lies.
"""

import hashlib
import hmac
import shutil
from pathlib import Path
from typing import Final

from cybous3.disk.files import SYSTEM
from cybous3.disk.whole import put_whole, read_whole, remove_durably
from cybous3.server.app.maintenance import manifest as manifests
from cybous3.server.app.maintenance.backup import SEAL_MAX, NotEmptyError
from cybous3.server.app.maintenance.copying import Copier, FullError, prepare
from cybous3.server.app.maintenance.manifest import BackupError, Manifest, NoBackupError
from cybous3.server.app.maintenance.moving import Mover, OnProgress, Progress, silent
from cybous3.server.app.maintenance.opening import open_blobs
from cybous3.server.app.places import DataDirectory
from cybous3.server.app.problems import local
from cybous3.server.blobs.local.published import PublishedBlobs
from cybous3.server.meta.space import NO_SPACE
from cybous3.server.meta.sqlite.index import open_sqlite
from cybous3.server.model.objects import ObjectRecord

SLOT: Final = "restore"
_SCRATCH: Final = "restore.scratch"
_PIECE: Final = 1024 * 1024


async def restore(source: Path, data: Path, on_progress: OnProgress = silent) -> tuple[Manifest, Progress]:
    """Make the empty directory `data` what was backed up to `source`, and return what was restored.

    NoBackupError, BackupError (damaged manifest, index or key), NotEmptyError, DataInUseError, FullError, LocalError.
    """
    source = DataDirectory.at(source).root
    place = DataDirectory.at(data)
    try:
        wanted = _found(source)
        _ensure_empty(place)
        place.prepare()
        with place.lock():
            put_whole(SYSTEM, place.restoring, b"a restore was begun here\n", replace=True)
            done = await _bring(source, wanted, place, on_progress)
            remove_durably(SYSTEM, place.restoring)
    except OSError as error:
        if error.errno in NO_SPACE:
            raise FullError(
                f"there is no room left in {str(place.root)!r}", hint="make room and run it again: it goes on from here"
            ) from error
        raise local("cannot restore", error) from error
    return wanted, done


def _found(source: Path) -> Manifest:
    wanted = manifests.load(SYSTEM, source)
    if wanted is None:
        raise NoBackupError(
            f"there is no finished backup at {str(source)!r}", hint="a backup that was interrupted has no manifest"
        )
    index = source / wanted.generation / "index.sqlite"
    size, digest = manifests.digest_of(SYSTEM, index)
    if size != wanted.index_size or not hmac.compare_digest(digest, wanted.index_sha256):
        raise BackupError(f"the index in the backup is damaged: {str(index)!r}")
    return wanted


def _ensure_empty(place: DataDirectory) -> None:
    """NotEmptyError unless there is nothing, or only what an interrupted restore left."""
    names = set(SYSTEM.names(place.root)) - {place.lock_file.name}
    if names and place.restoring.name not in names:
        raise NotEmptyError(f"{str(place.root)!r} is not empty", hint="restore into a new directory")


async def _bring(source: Path, wanted: Manifest, place: DataDirectory, on_progress: OnProgress) -> Progress:
    _bring_seal(source, wanted, place)
    scratch = place.root / _SCRATCH
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(mode=0o700)
    _copy_file(source / wanted.generation / "index.sqlite", scratch / "index.sqlite")
    done = await _bring_blobs(source, place, scratch, on_progress)
    SYSTEM.rename(scratch / "index.sqlite", place.index)
    SYSTEM.sync_directory(place.root)
    shutil.rmtree(scratch, ignore_errors=True)
    return done


async def _bring_blobs(source: Path, place: DataDirectory, scratch: Path, on_progress: OnProgress) -> Progress:
    """Bring the blobs, and put into quarantine what is not whole."""
    prepare(SYSTEM, place.blobs, SLOT)
    target = open_blobs(place, SLOT)
    origin = PublishedBlobs(DataDirectory(source).blobs)  # it may be a medium that nothing can be written to
    try:
        index = await open_sqlite(scratch / "index.sqlite")
        try:
            copier = Copier(origin, place.blobs, SLOT, SYSTEM)
            mover = Mover(copier, target, verify=True, done=Progress(), on_progress=on_progress)
            for entry, reason in await mover.move_all(index):
                if isinstance(entry, ObjectRecord):
                    await index.objects.quarantine(entry, reason)
            await copier.sync_names()
        finally:
            await index.aclose()
    finally:
        await target.aclose()
        await origin.aclose()
    return mover.done


def _bring_seal(source: Path, wanted: Manifest, place: DataDirectory) -> None:
    if wanted.seal_sha256 is None:
        return
    path = source / wanted.generation / "seal.key"
    seal = read_whole(SYSTEM, path, SEAL_MAX)
    if seal is None or not hmac.compare_digest(hashlib.sha256(seal).hexdigest(), wanted.seal_sha256):
        raise BackupError(f"the seal key in the backup is damaged or missing: {str(path)!r}")
    put_whole(SYSTEM, place.seal, seal, replace=True)


def _copy_file(source: Path, target: Path) -> None:
    """Copy and sync a file."""
    reading = SYSTEM.open(source)
    try:
        writing, at = SYSTEM.create(target), 0
        try:
            while piece := SYSTEM.read(reading, _PIECE, at):
                SYSTEM.write(writing, piece)
                at += len(piece)
            SYSTEM.sync(writing)
        finally:
            SYSTEM.close(writing)
    finally:
        SYSTEM.close(reading)

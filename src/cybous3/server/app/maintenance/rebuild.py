"""A new index, from what can be read of the old one and from what the blobs say of themselves.

Only without a server. The new index is built beside the old one; then the old one gets another name, with its log, and
is kept; then the new one gets its place. At whatever point it is interrupted: run again, it goes on, and until it has
ended no server begins on this directory.

SQLite never opens the old one: of a damaged log it believes the part before the damage, and removes the rest.
"""

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from cybous3.disk.files import NO_HARD_LINKS, SYSTEM
from cybous3.server.app.accounts import NoDataDirectoryError
from cybous3.server.app.maintenance import plan
from cybous3.server.app.maintenance.opening import open_blobs
from cybous3.server.app.maintenance.plan import Loss
from cybous3.server.app.places import DataDirectory
from cybous3.server.app.problems import local
from cybous3.server.blobs.port import Blobs, DamagedBlobError
from cybous3.server.meta.sqlite.rebuild import build
from cybous3.server.meta.sqlite.salvage import Salvaged, salvage
from cybous3.server.model.accounts import AccessKey, User
from cybous3.server.model.buckets import Bucket
from cybous3.server.model.objects import ObjectRecord
from cybous3.server.store import labels
from cybous3.server.store.labels import Label
from cybous3.server.store.sealing import SealError, load_seal
from cybous3.server.workers.verify import Pace, verdict_on

_LOG: Final = "-wal"
_SHARED: Final = "-shm"


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What came of it. `kept` is where the old index is now, None if there was none."""

    objects: int
    from_labels: int
    uploads: int
    users: int
    keys: int
    losses: tuple[Loss, ...]
    kept: Path | None
    continued: bool = False  # an interrupted rebuild was finished, and its losses were not found again


OnProgress = Callable[[int], None]


def _silent(_: int) -> None:
    """Tell nobody."""


async def rebuild(data: Path, region: str, on_progress: OnProgress = _silent) -> Rebuilt:
    """Make the index of `data` anew; `region` is that of buckets of which only labels tell.

    NoDataDirectoryError when there is nothing to make it of, DataInUseError while a server runs, SealError when what
    stands in the seal key's place is none, LocalError.
    """
    place = DataDirectory.at(data)
    if not _begun(place):
        raise NoDataDirectoryError(f"there is no data directory at {str(data)!r}")
    with place.lock():
        try:
            if SYSTEM.exists(place.rebuilt):
                kept = _swap(place)
                return Rebuilt(0, 0, 0, 0, 0, (), kept, continued=True)
            return await _rebuild(place, region, on_progress)
        except OSError as error:
            raise local("cannot rebuild the index", error) from error


def _begun(place: DataDirectory) -> bool:
    return any(SYSTEM.exists(path) for path in (place.index, place.rebuilt, place.blobs / "blobs"))


async def _rebuild(place: DataDirectory, region: str, on_progress: OnProgress) -> Rebuilt:
    old = await asyncio.to_thread(salvage, place.index)
    losses = [Loss(lost.kind, lost.name, lost.reason) for lost in old.lost if lost.kind != "file"]
    if any(lost.kind == "file" for lost in old.lost):
        losses.append(Loss("index", str(place.index), "it is gone: small objects, users and keys lived in it alone"))
    blobs = open_blobs(place, "rebuild")
    try:
        read = await _read_labels(blobs, losses, on_progress)
        for blob in old.doomed:  # they stay where they are, for `fsck --remove-orphans`
            read.pop(blob, None)
        gathered = _Gathered(old, read, region)
        gathered.weigh(losses)
        await gathered.prove(blobs, losses)
    finally:
        await blobs.aclose()
    whole = gathered.salvaged(place, losses)
    not_taken = await asyncio.to_thread(build, place.rebuilt, whole)
    losses += [Loss(lost.kind, lost.name, lost.reason) for lost in not_taken]
    kept = _swap(place)
    return Rebuilt(
        objects=gathered.count,
        from_labels=len(gathered.labelled),
        uploads=len(whole.uploads),
        users=len(whole.users),
        keys=len(whole.keys),
        losses=tuple(losses),
        kept=kept,
    )


async def _read_labels(blobs: Blobs, losses: list[Loss], on_progress: OnProgress) -> dict[str, Label | None]:
    """Return every blob that is there with its label, None where that cannot be read."""
    found: dict[str, Label | None] = {}
    async for blob in blobs.walk():
        try:
            found[blob] = labels.read((await blobs.label(blob)).label, blob)
        except FileNotFoundError:
            continue
        except (DamagedBlobError, labels.LabelError) as error:
            found[blob] = None
            reason = error.reason if isinstance(error, DamagedBlobError) else str(error)
            losses.append(Loss("blob", blob, f"what it says of itself cannot be read: {reason}"))
        on_progress(len(found))
    return found


class _Gathered:
    """The old rows and the labels, brought together.

    Rows of objects are read anew at each turn and not kept; what the labels give beside them is.
    """

    def __init__(self, old: Salvaged, read: dict[str, Label | None], region: str) -> None:
        self._old = old
        self._read = read
        self._region = region
        self._labels = {blob: label for blob, label in read.items() if label is not None}
        self._names = plan.named(old.strays, self._labels)
        self.labelled: dict[tuple[str, str], ObjectRecord] = {}
        self._candidates: dict[tuple[str, str], list[Label]] = {}
        self.count = 0

    def rows(self) -> Iterator[ObjectRecord]:
        """Yield the objects of the old index, those of lost buckets among them whose names the labels tell."""
        yield from self._old.objects
        for number, record in self._old.strays:
            if number in self._names:
                yield plan.housed(record, *self._names[number])

    def weigh(self, losses: list[Loss]) -> None:
        """Find out which blobs only labels tell of, and what cannot be placed."""
        named = {extent.blob for record in self.rows() for extent in record.extents}
        named |= {extent.blob for one in self._old.parts for extent in one.part.extents}
        self._in_rows = named
        self._candidates = plan.newest_of(label for blob, label in self._labels.items() if blob not in named)
        losses += [
            Loss("object", f"bucket {number}/{record.key}", "nothing tells the name of its bucket")
            for number, record in self._old.strays
            if number not in self._names
        ]

    async def prove(self, blobs: Blobs, losses: list[Loss]) -> None:
        """Choose for every key that labels tell of, once the blobs concerned are read."""
        whole = set(self._labels)
        for place, candidates in self._candidates.items():
            for label in candidates:
                await self._read_all(blobs, label, whole)
            self._candidates[place] = candidates
        pending = dict(self._candidates)
        for row in self.rows():
            candidates = pending.pop((row.bucket, row.key), [])
            chosen, reason = plan.choose(row, candidates, whole)
            if reason:
                losses.append(Loss("object", f"{row.bucket}/{row.key}", reason))
            if chosen is not None and chosen is not row:
                self.labelled[row.bucket, row.key] = chosen
        for place, candidates in pending.items():
            chosen, reason = plan.choose(None, candidates, whole)
            if chosen is None:
                losses.append(Loss("object", "/".join(place), reason))
            else:
                self.labelled[place] = chosen

    async def _read_all(self, blobs: Blobs, label: Label, whole: set[str]) -> None:
        """Take out of `whole` what is not, of the blobs of an object that only a label tells of."""
        for extent in label.record.extents if label.record is not None else ():
            if extent.blob in whole:
                verdict = await verdict_on(blobs, extent.blob, Pace(None), extent.length)
                if verdict.labelled is None:
                    whole.discard(extent.blob)

    def objects(self) -> Iterator[ObjectRecord]:
        """Yield the objects of the new index."""
        left = dict(self.labelled)
        for row in self.rows():
            self.count += 1
            yield left.pop((row.bucket, row.key), row)
        self.count += len(left)
        yield from left.values()

    def salvaged(self, place: DataDirectory, losses: list[Loss]) -> Salvaged:
        """Return the values of the new index."""
        old = self._old
        taken = {extent.blob for record in self.labelled.values() for extent in record.extents} | self._in_rows
        uploads, parts = plan.unfinished(self._labels.values(), taken)
        known_uploads = {upload.id for upload in old.uploads}
        known_parts = {(part.upload_id, part.part.number) for part in old.parts}
        uploads = [upload for upload in uploads if upload.id not in known_uploads]
        parts = [part for part in parts if (part.upload_id, part.part.number) not in known_parts]
        buckets, users = self._houses(losses)
        return replace(
            old,
            buckets=buckets,
            users=users,
            keys=_usable_keys(old, place, losses),
            objects=_Again(self.objects),
            uploads=[*old.uploads, *uploads],
            parts=[*old.parts, *parts],
            strays=(),
            lost=(),
        )

    def _houses(self, losses: list[Loss]) -> tuple[list[Bucket], list[User]]:
        owners = {label.place[0]: label.owner for label in self._labels.values()}
        owners |= dict(self._names.values())
        made, lost = plan.missing_buckets(
            {bucket.name for bucket in self._old.buckets}, owners, self._region, int(time.time() * 1000)
        )
        buckets = [*self._old.buckets, *made]
        users, nameless = plan.missing_users(
            {user.id for user in self._old.users}, (bucket.owner for bucket in buckets)
        )
        losses += [*lost, *nameless]
        return buckets, [*self._old.users, *users]


class _Again:
    """An iterable that begins anew at each turn."""

    def __init__(self, source: Callable[[], Iterator[ObjectRecord]]) -> None:
        self._source = source

    def __iter__(self) -> Iterator[ObjectRecord]:
        return self._source()


def _usable_keys(old: Salvaged, place: DataDirectory, losses: list[Loss]) -> Sequence[AccessKey]:
    """Return the keys whose secrets can still be opened; a server with another does not begin."""
    if not old.keys:
        return ()
    if not SYSTEM.exists(place.seal):
        losses += [Loss("access key", key.access_key, "the seal key that opens its secret is gone") for key in old.keys]
        return ()
    seal = load_seal(place.seal, os.urandom, has_keys=True)
    usable = []
    for key in old.keys:
        try:
            seal.open(key.access_key, key.sealed_secret)
        except SealError:
            losses.append(Loss("access key", key.access_key, "its secret was sealed with another seal key"))
        else:
            usable.append(key)
    return usable


def _swap(place: DataDirectory) -> Path | None:
    """Give the old index another name, with its log, and the new one its place. Goes on where it was interrupted.

    The old one keeps its first name until the new one takes it, so that there is an index at every moment; its log goes
    before, for SQLite would otherwise read it into the new index.
    """
    kept = _keep(place)
    for suffix in (_LOG, _SHARED):
        beside = place.root / (place.index.name + suffix)
        if SYSTEM.exists(beside):
            SYSTEM.rename(beside, place.root / (_newest_kept(place).name + suffix))
    SYSTEM.sync_directory(place.root)
    SYSTEM.rename(place.rebuilt, place.index)
    SYSTEM.sync_directory(place.root)
    return kept


def _keep(place: DataDirectory) -> Path | None:
    if not SYSTEM.exists(place.index):
        return None
    kept = _newest_kept(place)
    if SYSTEM.exists(kept) and kept.samefile(place.index):
        return kept  # an interrupted rebuild has come this far
    number = 1
    while SYSTEM.exists(kept := place.root / f"{place.index.name}.damaged-{number}"):
        number += 1
    try:
        SYSTEM.link(place.index, kept)
    except OSError as error:
        if error.errno not in NO_HARD_LINKS:
            raise
        SYSTEM.rename(place.index, kept)
    return kept


def _newest_kept(place: DataDirectory) -> Path:
    numbers = [
        int(name.rpartition("-")[2])
        for name in SYSTEM.names(place.root)
        if name.startswith(f"{place.index.name}.damaged-") and name.rpartition("-")[2].isdecimal()
    ]
    return place.root / f"{place.index.name}.damaged-{max(numbers, default=1)}"

"""Local blobs, cut at every call: what was published and indexed is whole, and nothing else is left after recovery."""

import errno
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from cybous3.lab.chaos.crashfs.files import CrashFiles, Fault, PowerCut
from cybous3.server.blobs.local import published
from cybous3.server.blobs.local.store import LocalBlobs
from cybous3.server.blobs.port import Blobs, DamagedBlobError
from tests.contracts.blobs_contract import whole
from tests.contracts.values import entropy
from tests.support.cuts import ROOT, SEEDS, every_fault

pytestmark = pytest.mark.anyio
SMALL, LARGE = b"a few bytes", bytes(range(256)) * 260  # less than a block, and more than one


class AtOnce(Executor):
    """Does on the spot what a thread would do: the same calls, many times faster, and always in the same order."""

    def __init__(self, *_: object, **__: object) -> None:
        """Take what a pool of threads takes."""

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(work(*arguments, **named))
        except BaseException as error:  # noqa: BLE001  # a power cut as well
            done.set_exception(error)
        return done


@pytest.fixture(autouse=True)
def _without_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "ThreadPoolExecutor", AtOnce)


@dataclass
class World:
    """What the index and the callers know: everything that was promised to them."""

    made: dict[str, bytes] = field(default_factory=dict)
    index: set[str] = field(default_factory=set)
    unsettled: set[str] = field(default_factory=set)
    garbage: set[str] = field(default_factory=set)  # the index has forgotten them; their deletion was asked for
    gone: set[str] = field(default_factory=set)

    def indexes(self) -> list[set[str]]:
        """Return what the index may hold: the last commit may have failed, or not have come."""
        return [self.index, *({*self.index} - {blob} for blob in self.unsettled & self.index)]


async def put(blobs: Blobs, world: World, *pieces: bytes, commit: bool = True) -> str:
    """Do what the store does: publish, commit; discard what failed."""
    writer = await blobs.create()
    world.made[writer.id] = b"".join(pieces)
    try:
        for piece in pieces:
            await writer.write(piece)
        await writer.publish()
    except OSError:
        with suppress(OSError):
            await writer.discard()
        raise
    if commit:
        world.index.add(writer.id)
        world.unsettled.add(writer.id)
    else:
        await writer.discard()
    return writer.id


async def story(blobs: Blobs, world: World) -> None:
    """Let a server live a little: writes that are settled, refused, given up and deleted."""
    first = await put(blobs, world, SMALL)
    world.unsettled.discard(first)
    await blobs.settle([first])
    await put(blobs, world, LARGE[:1000], LARGE[1000:])
    await put(blobs, world, SMALL, commit=False)
    given_up = await blobs.create()
    world.made[given_up.id] = b""
    await given_up.write(LARGE)
    await given_up.discard()
    world.index.discard(first)
    world.garbage.add(first)
    world.gone.update(await blobs.delete([first]))


async def live(files: CrashFiles, world: World) -> None:
    """Start, recover, and live."""
    blobs = LocalBlobs(ROOT, "w0", entropy, files=files)
    try:
        await blobs.recover(knowing(world.index))
        await story(blobs, world)
    finally:
        await blobs.aclose()


def knowing(index: set[str]) -> Callable[[Sequence[str]], Awaitable[frozenset[str]]]:
    """Return the index's answer to which of some blobs it refers to."""

    async def referenced(_: Sequence[str]) -> frozenset[str]:
        return frozenset(index)

    return referenced


async def judge(found: CrashFiles, world: World, index: set[str]) -> None:
    """Start on what is left, and hold it against everything that was promised."""
    blobs = LocalBlobs(ROOT, "w0", entropy, files=found)
    await blobs.recover(knowing(index))
    for blob in index:
        assert await whole(blobs, blob) == world.made[blob], "acknowledged and not there"
    for blob in world.made.keys() - index - world.garbage:
        with pytest.raises(FileNotFoundError):
            await blobs.open(blob)
    allowed = index | (world.garbage - world.gone)
    names = [str(path) for path in found.contents()]
    leaked = [blob for blob in world.made.keys() - allowed if any(blob in name for name in names)]
    assert leaked == [], "left behind, and nobody would ever remove it"
    assert set(await blobs.delete(sorted(world.garbage))) == world.garbage
    fresh = World()
    assert await whole(blobs, await put(blobs, fresh, SMALL)) == SMALL, "writes come back by themselves"
    await blobs.aclose()


async def prepared() -> CrashFiles:
    """Return a store's files after its first start, durable."""
    files = CrashFiles(ROOT)
    await LocalBlobs(ROOT, "w0", entropy, files=files).aclose()
    return files.after(0)


def without_links(files: CrashFiles) -> CrashFiles:
    """Take hard links away."""
    files.fail(Fault("link", 1, errno.EPERM, lasting=True))
    return files


def as_it_is(files: CrashFiles) -> CrashFiles:
    """Leave hard links."""
    return files


Kind = Callable[[CrashFiles], CrashFiles]
KINDS = pytest.mark.parametrize("kind", [as_it_is, without_links], ids=["links", "no links"])


async def died(base: CrashFiles, kind: Kind, at: int) -> tuple[CrashFiles, World]:
    """Return the files of a process whose power went at call `at`, and what it had promised."""
    files, world = kind(base.after(1)), World()
    files.crash(at=at)
    with suppress(PowerCut):
        await live(files, world)
    assert files.cut
    return files, world


async def calls_of(base: CrashFiles, kind: Kind) -> list[str]:
    files = kind(base.after(1))
    await live(files, World())
    return files.log


@KINDS
async def test_every_cut_of_a_life(kind: Kind) -> None:
    base = await prepared()
    total = len(await calls_of(base, kind))
    for at in range(1, total + 1):
        files, world = await died(base, kind, at)
        for index in world.indexes():
            for seed in SEEDS if kind is as_it_is else SEEDS[:5]:
                await judge(kind(files.after(seed)), world, index)
        await judge(kind(files.killed()), world, world.index)
    print(f"{total} crash points of local blobs, {len(SEEDS)} ways at most each")  # noqa: T201  # the count is a result
    assert total >= 40


@KINDS
async def test_every_cut_of_the_recovery_after_a_cut(kind: Kind) -> None:
    """A start that dies on its way leaves the next one no worse off."""
    base = await prepared()
    points = 0
    for at in range(1, len(await calls_of(base, kind)) + 1, 5):
        files, world = await died(base, kind, at)
        for seed in (1, 5):
            points += await cut_recoveries(files, world, kind, seed)
    assert points >= 60


async def cut_recoveries(files: CrashFiles, world: World, kind: Kind, seed: int) -> int:
    """Cut the recovery of what `seed` left at each of its calls, and judge what the one after it makes of that."""
    again, at = False, 0
    while not again:
        at += 1
        found = kind(files.after(seed))
        found.crash(at=at)
        try:
            blobs = LocalBlobs(ROOT, "w0", entropy, files=found)
            await blobs.recover(knowing(world.index))
            again = True
        except PowerCut:
            await judge(kind(found.after(at)), world, world.index)
    return at


async def test_every_cut_of_the_first_start() -> None:
    first = CrashFiles(ROOT)
    await LocalBlobs(ROOT, "w0", entropy, files=first).aclose()
    total = len(first.log)
    assert total >= 256
    for at in range(1, total + 1, 9):
        files = CrashFiles(ROOT)
        files.crash(at=at)
        with suppress(PowerCut):
            LocalBlobs(ROOT, "w0", entropy, files=files)
        for found in (files.after(1), files.after(at + 4), files.killed()):
            await every_directory_is_there(found)


async def every_directory_is_there(found: CrashFiles) -> None:
    """Write blobs whose ids begin with the first, the last, and some of the digits between."""
    numbers = iter([0, 255, 16, 77, 123, 183, 200, 254])
    blobs = LocalBlobs(ROOT, "w0", lambda count: bytes([next(numbers)]) + entropy(count - 1), files=found)
    world = World()
    for _ in range(8):
        await put(blobs, world, SMALL)
    await blobs.aclose()


@KINDS
async def test_every_fault_is_told_leaves_nothing_and_passes(kind: Kind) -> None:
    """Full or failing disks: the error is heard, reads go on, nothing is half there, and all is well afterwards."""
    base = await prepared()
    plan = list(every_fault(await calls_of(base, kind)))
    heard = 0
    for fault in plan:
        files, world = kind(base.after(1)), World()
        blobs = LocalBlobs(ROOT, "w0", entropy, files=files)
        old = await put(blobs, world, LARGE)
        await blobs.settle([old])
        done = len([call for call in files.log if call == fault.call])
        files.fail(Fault(fault.call, fault.nth + done, fault.error, lasting=fault.lasting))
        try:
            await story(blobs, world)
        except OSError as error:
            heard += error.errno == fault.error
        assert await whole(blobs, old) == LARGE, "reads go on"
        files.heal()
        kind(files)
        await story(blobs, world)
        await blobs.aclose()
        world.unsettled.clear()
        await judge(kind(files.after(5)), world, world.index)
    print(f"{len(plan)} faults of local blobs, {heard} heard")  # noqa: T201  # the count is a result
    assert heard >= len(plan) // 4


async def test_what_was_published_without_sync_is_whole_or_known_to_be_damaged() -> None:
    """Relaxed: between the publication and `sync` a power cut may take it, and never gives wrong bytes."""
    base = await prepared()
    for seed in range(30):
        files = base.after(1)
        blobs = LocalBlobs(ROOT, "w0", entropy, files=files)
        early, late = await blobs.create(), await blobs.create()
        for writer in (early, late):
            await writer.write(LARGE)
            await writer.publish(sync=False)
        await blobs.sync([early.id])
        found = LocalBlobs(ROOT, "w0", entropy, files=files.after(seed))
        assert await whole(found, early.id) == LARGE
        with suppress(FileNotFoundError, DamagedBlobError):
            assert await whole(found, late.id) == LARGE

"""Local files keep every promise of the port, also where there are no hard links, and after a crash."""

import asyncio
import errno
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from cybous3.disk.files import SystemFiles
from cybous3.server.blobs.local.format import BLOCK, CHECK, TAIL
from cybous3.server.blobs.local.store import LocalBlobs, SlotTakenError
from cybous3.server.blobs.local.writer import WRITE_BACK
from cybous3.server.blobs.port import Blobs, DamagedBlobError, Recovered
from tests.contracts.blobs_contract import BlobsContract, Cut, Flip, nothing, range_of, whole, written
from tests.contracts.values import entropy

pytestmark = pytest.mark.anyio


class Waiting(SystemFiles):
    """Reads of which nobody knows how long they take: none is made on the event loop."""

    def read(self, fd: int, length: int, offset: int) -> bytes:
        return super().read(fd, min(length, 10_000), offset)


class WithoutLinks(Waiting):
    """A file system that gives a file one name."""

    def link(self, source: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "no hard links here", str(source), None, str(target))


class Recording(SystemFiles):
    """Notes the calls whose order durability hangs on, and fails where it is told to."""

    def __init__(self, failing: dict[str, OSError] | None = None) -> None:
        super().__init__()
        self.calls: list[str] = []
        self._failing = failing or {}

    def _note(self, call: str, what: str = "") -> None:
        self.calls.append(f"{call} {what}".strip())
        if call in self._failing:
            raise self._failing[call]

    def sync(self, fd: int) -> None:
        self._note("sync")
        super().sync(fd)

    def begin_sync(self, fd: int, offset: int, length: int) -> None:
        self._note("begin_sync", f"{offset}+{length}")
        super().begin_sync(fd, offset, length)

    def link(self, source: Path, target: Path) -> None:
        self._note("link")
        super().link(source, target)

    def unlink(self, path: Path) -> bool:
        self._note("unlink", path.parent.parent.name)
        return super().unlink(path)

    def sync_directory(self, path: Path) -> None:
        self._note("sync_directory", path.parent.name)
        super().sync_directory(path)


def file_of(blobs: Blobs, blob: str) -> Path:
    """Return where a blob's file is."""
    return cast("LocalBlobs", blobs).path(blob)


def files_in(root: Path) -> list[Path]:
    """Return the files below `root` that are no locks."""
    return [path for path in root.rglob("*") if path.is_file() and not path.name.endswith(".lock")]


class OnDisk(BlobsContract):
    """How files are damaged."""

    @pytest.fixture
    def flip(self) -> Flip:
        def flip(blobs: Blobs, blob: str, at: int) -> None:
            path = file_of(blobs, blob)
            content = bytearray(path.read_bytes())
            data = int.from_bytes(content[-TAIL + 16 : -TAIL + 24])
            content[at if at < data else at + CHECK * -(-data // BLOCK)] ^= 1
            path.write_bytes(content)

        return flip

    @pytest.fixture
    def cut(self) -> Cut:
        return lambda blobs, blob, length: os.truncate(file_of(blobs, blob), length)


class TestWithLinks(OnDisk):
    @pytest.fixture
    async def blobs(self, tmp_path: Path) -> AsyncIterator[Blobs]:
        opened = LocalBlobs(tmp_path, "w0", entropy)
        yield opened
        await opened.aclose()


class TestWithoutLinks(OnDisk):
    @pytest.fixture
    async def blobs(self, tmp_path: Path) -> AsyncIterator[Blobs]:
        opened = LocalBlobs(tmp_path, "w0", entropy, files=WithoutLinks())
        yield opened
        await opened.aclose()


async def test_the_medium_begins_while_bytes_still_come(tmp_path: Path) -> None:
    """What was written long before the end is not left to the sync; a failure there fails the write."""
    piece = bytes(WRITE_BACK // 2)
    files = Recording()
    blobs = LocalBlobs(tmp_path, "w0", entropy, files=files)
    writer = await blobs.create()
    await writer.write(piece)
    await writer.write(piece, b"more")
    await writer.write(piece)
    await writer.publish()
    assert [call for call in files.calls if "sync " in call and "directory" not in call] == [
        f"begin_sync 0+{WRITE_BACK + 4}"
    ]
    assert await whole(blobs, writer.id) == piece + piece + b"more" + piece
    await blobs.aclose()

    failing = LocalBlobs(tmp_path, "w0", entropy, files=Recording({"begin_sync": OSError(errno.EIO, "broken")}))
    writer = await failing.create()
    with pytest.raises(OSError, match="broken"):
        await writer.write(piece, piece)
    await writer.discard()
    await failing.aclose()


async def test_bytes_then_mark_then_name_then_directory(tmp_path: Path) -> None:
    """The order that a power loss must find."""
    files = Recording()
    blobs = LocalBlobs(tmp_path, "w0", entropy, files=files)
    files.calls.clear()
    blob = await written(blobs, b"x")
    assert files.calls == ["sync", "sync_directory incoming", "link", "sync_directory blobs"]
    files.calls.clear()
    await blobs.settle([blob])
    assert files.calls == ["unlink incoming"]
    files.calls.clear()
    await blobs.delete([blob])
    assert files.calls == ["unlink blobs", "sync_directory blobs"]
    await blobs.aclose()


async def test_a_failed_sync_is_not_repeated_and_the_blob_does_not_exist(tmp_path: Path) -> None:
    files = Recording({"sync": OSError(errno.EIO, "the disk is gone")})
    blobs = LocalBlobs(tmp_path, "w0", entropy, files=files)
    writer = await blobs.create()
    await writer.write(b"x")
    with pytest.raises(OSError, match="the disk is gone"):
        await writer.publish()
    with pytest.raises(ValueError, match="no longer"):
        await writer.publish()
    assert files.calls.count("sync") == 1
    with pytest.raises(FileNotFoundError):
        await blobs.open(writer.id)
    await writer.discard()
    assert list((tmp_path / "incoming" / "w0").iterdir()) == []
    await blobs.aclose()


async def test_a_failure_that_is_not_about_links_is_raised(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path, "w0", entropy, files=Recording({"link": OSError(errno.ENOSPC, "full")}))
    writer = await blobs.create()
    with pytest.raises(OSError, match="full"):
        await writer.publish()
    await writer.discard()
    await blobs.aclose()


async def test_a_mark_that_cannot_be_removed_waits_for_the_next_start(tmp_path: Path) -> None:
    files = Recording()
    blobs = LocalBlobs(tmp_path, "w0", entropy, files=files)
    blob = await written(blobs, b"x")
    files._failing["unlink"] = OSError(errno.EACCES, "in use")
    await blobs.settle([blob])
    assert await blobs.delete([blob]) == []
    del files._failing["unlink"]
    await blobs.aclose()

    async def index(_: object) -> frozenset[str]:
        return frozenset({blob})

    again = LocalBlobs(tmp_path, "w0", entropy)
    assert await again.recover(index) == Recovered(settled=1)
    assert await whole(again, blob) == b"x"
    await again.aclose()


async def test_a_slot_belongs_to_one_living_process(tmp_path: Path) -> None:
    first = LocalBlobs(tmp_path, "w0", entropy)
    with pytest.raises(SlotTakenError):
        LocalBlobs(tmp_path, "w0", entropy)
    await first.aclose()
    await LocalBlobs(tmp_path, "w0", entropy).aclose()


async def test_a_start_cleans_the_slots_of_the_dead_and_no_others(tmp_path: Path) -> None:
    living, dead = LocalBlobs(tmp_path, "w1", entropy), LocalBlobs(tmp_path, "w2", entropy)
    kept = await living.create()
    await kept.write(b"going on")
    lost = await dead.create()
    await lost.write(b"never finished")
    await dead.aclose()  # what the kernel does when a process dies: the lock goes, the file stays
    mine = LocalBlobs(tmp_path, "w0", entropy)
    assert await mine.recover(nothing) == Recovered(unfinished=1)
    assert list((tmp_path / "incoming" / "w2").iterdir()) == []
    await kept.publish()
    assert await whole(mine, kept.id) == b"going on"
    await mine.aclose()
    await living.aclose()


async def test_a_crash_between_mark_and_rename_is_found(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path, "w0", entropy, files=WithoutLinks())
    writer = await blobs.create()
    await writer.write(b"x")
    (tmp_path / "incoming" / "w0" / f"{writer.id}.mark").touch()
    await blobs.aclose()
    again = LocalBlobs(tmp_path, "w0", entropy, files=WithoutLinks())
    assert await again.recover(nothing) == Recovered(unfinished=1)
    assert list((tmp_path / "incoming" / "w0").iterdir()) == []
    await again.aclose()


async def test_strange_files_are_left_alone(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path, "w0", entropy)
    stranger = tmp_path / "incoming" / "w0" / "lost+found"
    stranger.mkdir()
    assert await blobs.recover(nothing) == Recovered()
    assert stranger.exists()
    await blobs.aclose()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
async def test_nobody_else_may_look(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path / "data", "w0", entropy)
    blob = await written(blobs, b"x")
    path = tmp_path / "data" / "blobs" / blob[:2] / blob
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    await blobs.aclose()


async def test_only_an_id_becomes_a_path(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path, "w0", entropy)
    for name in ("../../etc/passwd", "", "0" * 31, "A" * 32):
        with pytest.raises(ValueError, match="not a blob id"):
            await blobs.open(name)
    await blobs.aclose()


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need a privilege there")
async def test_a_link_in_place_of_a_blob_is_not_followed(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path, "w0", entropy)
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    (tmp_path / "blobs" / "00" / ("0" * 32)).symlink_to(secret)
    with pytest.raises(OSError, match="something else stands in its place"):
        await blobs.open("0" * 32)
    await blobs.aclose()


async def test_a_cancelled_writer_closes_nothing_under_the_thread_that_writes(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path, "w0", entropy)
    writer = await blobs.create()
    task = asyncio.create_task(writer.write(bytes(8 * 1024 * 1024)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await writer.discard()
    assert list((tmp_path / "incoming" / "w0").iterdir()) == []
    await blobs.aclose()


async def test_a_reader_that_is_closed_reads_no_more(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path, "w0", entropy)
    reader = await blobs.open(await written(blobs, bytes(3 * 1024 * 1024)))
    pieces = reader.read(0, reader.length)
    await anext(pieces)
    await reader.aclose()
    with pytest.raises(ValueError, match="closed"):
        await anext(pieces)
    with pytest.raises(ValueError, match="closed"):
        reader.span(0, 1)
    await blobs.aclose()


async def test_a_blob_that_lost_its_end_is_an_error_and_not_a_short_answer(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path, "w0", entropy)
    blob = await written(blobs, b"0123456789")
    reader = await blobs.open(blob)
    os.truncate(tmp_path / "blobs" / blob[:2] / blob, 4)
    with pytest.raises(DamagedBlobError, match="cut short: ends at 4"):
        await range_of(reader, 0, 10)
    assert reader.damage is not None
    await reader.aclose()
    await blobs.aclose()


async def test_a_probe_that_reads_something_else_fails(tmp_path: Path) -> None:
    class Lying(SystemFiles):
        def read(self, fd: int, length: int, offset: int) -> bytes:
            return bytes(len(super().read(fd, length, offset)))

    blobs = LocalBlobs(tmp_path, "w0", entropy, files=Lying())
    with pytest.raises(DamagedBlobError, match="missing tail"):
        await blobs.probe()
    assert list((tmp_path / "incoming" / "w0").iterdir()) == []
    await blobs.aclose()


async def test_a_blob_whose_size_cannot_be_told_is_closed_again(tmp_path: Path) -> None:
    closed: list[int] = []

    class Sizeless(SystemFiles):
        def size(self, fd: int) -> int:
            raise OSError(errno.EIO, f"no size of {fd}")

        def close(self, fd: int) -> None:
            closed.append(fd)
            super().close(fd)

    blobs = LocalBlobs(tmp_path, "w0", entropy, files=Sizeless())
    blob = await written(blobs, b"x")
    before = len(closed)
    with pytest.raises(OSError, match="no size"):
        await blobs.open(blob)
    assert len(closed) == before + 1
    await blobs.aclose()


async def test_closing_a_reader_waits_for_the_thread_that_reads(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path, "w0", entropy, files=Waiting())
    reader = await blobs.open(await written(blobs, bytes(1024 * 1024)))

    async def first() -> bytes:
        return await anext(reader.read(0, reader.length))

    task = asyncio.create_task(first())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await reader.aclose()
    assert not reader._reads
    await blobs.aclose()


@pytest.mark.parametrize("base", [SystemFiles, WithoutLinks])
async def test_what_a_failing_disk_kept_goes_once_it_works_again(tmp_path: Path, base: type[SystemFiles]) -> None:
    """A write that failed, and could not be taken back, leaves nothing for the next start either."""

    class Moody(base):  # type: ignore[misc, valid-type]  # the two file systems of this test
        well = True

        def sync_directory(self, path: Path) -> None:
            if not self.well and path.parent.name == "blobs":
                raise OSError(errno.EIO, "the names cannot be synced")
            super().sync_directory(path)

    files = Moody()
    blobs = LocalBlobs(tmp_path, "w0", entropy, files=files)
    files.well = False
    writer = await blobs.create()
    await writer.write(b"bytes")
    with pytest.raises(OSError, match="cannot be synced"):
        await writer.publish()
    with pytest.raises(OSError, match="cannot be synced"):
        await writer.discard()
    files.well = True
    await blobs.probe()
    assert not files_in(tmp_path)
    await blobs.aclose()

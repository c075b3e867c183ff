"""An open blob file gives verified bytes, however it is read and whatever the medium does."""

import errno
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cybous3.disk.files import SystemFiles
from cybous3.server.blobs.local import verified
from cybous3.server.blobs.local.format import BLOCK, CHECK, TAIL
from cybous3.server.blobs.local.reader import PIECE_MAX, LocalReader
from cybous3.server.blobs.local.reading import CopiedReading, LinuxReading, Reading, WouldWaitError, reading_of
from cybous3.server.blobs.local.store import LocalBlobs
from cybous3.server.blobs.port import DamagedBlobError
from tests.contracts.blobs_contract import range_of, sent_from, written
from tests.contracts.values import entropy

pytestmark = pytest.mark.anyio
DATA = b"".join(number.to_bytes(4) for number in range(10 * BLOCK // 4)) + b"end"


class Medium(SystemFiles):
    """Reads that can be made to fail from an offset on, and are noted."""

    def __init__(self) -> None:
        super().__init__()
        self.error: OSError | None = None
        self.bad_from = 0
        self.reads: list[tuple[int, int]] = []

    def read(self, fd: int, length: int, offset: int) -> bytes:
        self.reads.append((offset, length))
        if self.error is not None and offset + length > self.bad_from:
            raise self.error
        return super().read(fd, length, offset)


@pytest.fixture(params=[SystemFiles, Medium], ids=["straight", "copied"])
async def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[LocalBlobs]:
    opened = LocalBlobs(tmp_path, "w0", entropy, files=request.param())
    yield opened
    await opened.aclose()


@pytest.fixture
def medium(tmp_path: Path) -> tuple[Medium, LocalBlobs]:
    medium = Medium()
    return medium, LocalBlobs(tmp_path, "w0", entropy, files=medium)


@pytest.mark.parametrize(("label", "ahead"), [(b"", 512), (bytes(10_000), 512), (bytes(10_000), 3)])
async def test_ranges_anywhere_are_what_was_written(
    blobs: LocalBlobs, label: bytes, ahead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the checks lie too far from the file's end to be read with it, and are read in parts."""
    monkeypatch.setattr(verified, "_CHECKS_AHEAD", ahead)
    reader = await blobs.open(await written(blobs, DATA, label=label))
    for offset, length in ((0, len(DATA)), (BLOCK - 1, 2), (9 * BLOCK, BLOCK + 3), (3, 5), (5 * BLOCK, 1), (0, 1)):
        wanted = DATA[offset : offset + length]
        assert await range_of(reader, offset, length) == wanted
        span = reader.span(offset, length)
        assert span is not None
        assert sent_from(span) == wanted
        at_hand = span.at_hand()
        assert at_hand is None or at_hand == wanted
        await reader.prove(offset, length)
        span = reader.span(offset, length)
        assert span is not None
        assert sent_from(span) == wanted
    await reader.aclose()


@pytest.mark.parametrize("error", [errno.EIO, getattr(errno, "EUCLEAN", errno.EIO), errno.EBADMSG])
async def test_what_the_medium_has_lost_is_damage(medium: tuple[Medium, LocalBlobs], error: int) -> None:
    files, blobs = medium
    blob = await written(blobs, DATA, label=bytes(10_000))
    reader = await blobs.open(blob)
    files.error = OSError(error, os.strerror(error))
    for lost in (lambda: reader.prove(0, 1), lambda: range_of(reader, 0, 1)):
        with pytest.raises(DamagedBlobError, match="cannot be read"):
            await lost()
    assert reader.damage is not None
    for asked in (blobs.open, blobs.label, blobs.check):
        with pytest.raises(DamagedBlobError, match="cannot be read"):
            await asked(blob)
    files.bad_from = len(DATA) + 1  # the checks and all behind them
    with pytest.raises(DamagedBlobError, match="cannot be read"):
        await range_of(reader, 0, 1)
    files.error = None
    assert await range_of(reader, 0, len(DATA)) == DATA
    await reader.aclose()
    await blobs.aclose()


async def test_another_failure_is_no_damage(medium: tuple[Medium, LocalBlobs]) -> None:
    files, blobs = medium
    blob = await written(blobs, DATA)
    reader = await blobs.open(blob)
    files.error = OSError(errno.ENOMEM, "no memory")
    for asked in (reader.prove(0, 1), blobs.check(blob)):
        with pytest.raises(OSError, match="no memory") as raised:
            await asked
        assert not isinstance(raised.value, DamagedBlobError)
    assert reader.damage is None
    await reader.aclose()
    await blobs.aclose()


async def test_nothing_is_read_twice_by_who_reads_on(medium: tuple[Medium, LocalBlobs]) -> None:
    """What was proved before the head is what is sent first, by chunks and from threads."""
    files, blobs = medium
    blob = await written(blobs, DATA)
    for whole in (False, True):
        reader = await blobs.open(blob)
        files.reads.clear()
        offset, length = (70_000, 200_000) if whole else (5, len(DATA) - 5)
        await reader.prove(offset, length)
        if whole:
            span = reader.span(offset, length)
            assert span is not None
            assert bytes(span.at_hand() or b"") == DATA[offset : offset + length]
        else:
            assert await range_of(reader, offset, length) == DATA[offset:]
        blocks = [number for at, size in files.reads for number in range(at // BLOCK, -(-(at + size) // BLOCK))]
        assert len(blocks) == len(set(blocks))
        await reader.aclose()
    await blobs.aclose()


async def test_a_file_that_was_changed_while_it_is_open(tmp_path: Path) -> None:
    """Its checks do not fit any more; its bytes before the change do."""
    blobs = LocalBlobs(tmp_path, "w0", entropy)
    blob = await written(blobs, DATA)
    reader = await blobs.open(blob)
    with blobs.path(blob).open("r+b") as file:
        file.seek(5 * BLOCK)
        file.write(b"other")
    span = reader.span(0, len(DATA))
    assert span is not None
    buffer = memoryview(bytearray(5 * BLOCK))
    assert span.take(0, buffer, wait=True) == DATA[: 5 * BLOCK]
    with pytest.raises(DamagedBlobError, match="block 5 differs"):
        span.take(5 * BLOCK, buffer, wait=True)
    with pytest.raises(DamagedBlobError, match="block 5 differs"):
        span.at_hand()
    await reader.aclose()
    with pytest.raises(ValueError, match="closed"):
        span.take(0, buffer, wait=True)
    await blobs.aclose()


async def test_files_swapped_on_the_disk_are_found(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path, "w0", entropy)
    one, two = [await written(blobs, data * BLOCK) for data in (b"1", b"2")]
    blobs.path(one).replace(tmp_path / "aside")
    blobs.path(two).replace(blobs.path(one))
    (tmp_path / "aside").replace(blobs.path(two))
    for blob in (one, two):
        with pytest.raises(DamagedBlobError, match="the tail differs"):
            await blobs.open(blob)
    await blobs.aclose()


async def test_blocks_swapped_with_their_checks_are_found(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path, "w0", entropy)
    blob = await written(blobs, DATA[: 2 * BLOCK])
    content = blobs.path(blob).read_bytes()
    checks = content[2 * BLOCK : -TAIL]
    blobs.path(blob).write_bytes(
        content[BLOCK : 2 * BLOCK] + content[:BLOCK] + checks[CHECK:] + checks[:CHECK] + content[-TAIL:]
    )
    reader: LocalReader = await blobs.open(blob)
    for number in (0, 1):
        with pytest.raises(DamagedBlobError, match=f"block {number} differs"):
            await reader.prove(number * BLOCK, 1)
    await reader.aclose()
    await blobs.aclose()


async def test_pieces_end_where_blocks_end(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path, "w0", entropy)
    reader = await blobs.open(await written(blobs, DATA))
    lengths = [len(piece) async for piece in reader.read(10, len(DATA) - 10)]
    assert lengths == [PIECE_MAX - 10, PIECE_MAX, len(DATA) - 2 * PIECE_MAX]
    await reader.aclose()
    await blobs.aclose()


@pytest.mark.parametrize("reading", [LinuxReading(), CopiedReading(SystemFiles())], ids=["straight", "copied"])
def test_reading_goes_to_the_end_and_no_further(tmp_path: Path, reading: Reading) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    buffer = memoryview(bytearray(8))
    with path.open("rb") as file:
        assert (reading.wait(file.fileno(), buffer, 0), bytes(buffer)) == (8, b"01234567")
        assert (reading.wait(file.fileno(), buffer, 7), bytes(buffer[:3])) == (3, b"789")
        assert reading.wait(file.fileno(), buffer, 10) == 0
        with pytest.raises(WouldWaitError):
            reading.at_hand(file.fileno(), buffer, 7)
    with pytest.raises(WouldWaitError):
        reading.at_hand(-1, buffer, 0)


def test_who_reads_in_a_way_of_his_own_is_asked_himself() -> None:
    assert isinstance(reading_of(SystemFiles()), LinuxReading)
    assert isinstance(reading_of(Medium()), CopiedReading)

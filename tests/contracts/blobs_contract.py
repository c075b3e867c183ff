"""What every place for blobs promises.

An adapter's tests subclass `BlobsContract` and bring the fixtures `blobs`, `flip` and `cut`.
"""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from cybous3.server.blobs.port import LABEL_BYTES_MAX, BlobReader, Blobs, DamagedBlobError, Labelled, Recovered
from cybous3.server.wire.message import SPAN_BUFFER_MIN, FileSpan

MIB = 1024 * 1024


Flip = Callable[[Blobs, str, int], None]
"""Changes one bit of the data's byte at an offset, or, behind the data's end, of the label."""
Cut = Callable[[Blobs, str, int], None]
"""Leaves that many bytes of the data and takes away the rest."""


async def written(blobs: Blobs, *pieces: bytes, label: bytes = b"", sync: bool = True) -> str:
    """Publish a blob of these pieces and return its id."""
    writer = await blobs.create(sum(map(len, pieces)))
    for piece in pieces:
        await writer.write(piece)
    await writer.publish(label, sync=sync)
    return writer.id


async def whole(blobs: Blobs, blob: str) -> bytes:
    """Return a blob's bytes."""
    reader = await blobs.open(blob)
    try:
        return await range_of(reader, 0, reader.length)
    finally:
        await reader.aclose()


async def range_of(reader: BlobReader, offset: int, length: int) -> bytes:
    """Return a range of a blob."""
    pieces = [piece async for piece in reader.read(offset, length)]
    assert all(0 < len(piece) <= MIB for piece in pieces)
    return b"".join(pieces)


def sent_from(span: FileSpan) -> bytes:
    """Return a span's bytes as they are taken piece by piece: what needs no waiting at once, the rest by waiting."""
    buffer, taken = memoryview(bytearray(2 * SPAN_BUFFER_MIN)), bytearray()
    while len(taken) < span.length:
        taken += span.take(len(taken), buffer, wait=False) or span.take(len(taken), buffer, wait=True)
    return bytes(taken)


async def nothing(_: Sequence[str]) -> frozenset[str]:
    """Stand in for an index that refers to no blob."""
    return frozenset()


@pytest.mark.anyio
class BlobsContract:
    """Everything an adapter must keep."""

    async def test_what_was_published_is_read(self, blobs: Blobs) -> None:
        blob = await written(blobs, b"one ", b"two", b"")
        assert len(blob) == 32
        assert await whole(blobs, blob) == b"one two"

    async def test_pieces_given_together_stand_in_their_order(self, blobs: Blobs) -> None:
        writer = await blobs.create()
        await writer.write(b"one ", b"two ")
        await writer.write()
        await writer.write(b"three")
        await writer.publish()
        assert await whole(blobs, writer.id) == b"one two three"

    async def test_an_empty_blob_is_a_blob(self, blobs: Blobs) -> None:
        assert await whole(blobs, await written(blobs)) == b""

    async def test_ranges(self, blobs: Blobs) -> None:
        data = bytes(range(256)) * 10_000
        reader = await blobs.open(await written(blobs, data))
        assert reader.length == len(data)
        for offset, length in ((0, 1), (5, 0), (len(data) - 1, 1), (1000, 2 * MIB), (0, len(data))):
            assert await range_of(reader, offset, length) == data[offset : offset + length]
            span = reader.span(offset, length)
            assert span is None or sent_from(span) == data[offset : offset + length]
            at_hand = None if span is None else span.at_hand()
            assert at_hand is None or at_hand == data[offset : offset + length]
        await reader.aclose()
        await reader.aclose()

    async def test_a_range_beyond_the_end_is_an_error(self, blobs: Blobs) -> None:
        reader = await blobs.open(await written(blobs, b"short"))
        with pytest.raises(OSError, match="5 bytes"):
            await range_of(reader, 3, 3)
        await reader.aclose()

    async def test_nothing_is_there_before_it_is_published(self, blobs: Blobs) -> None:
        writer = await blobs.create()
        await writer.write(b"half")
        with pytest.raises(FileNotFoundError):
            await blobs.open(writer.id)
        await writer.discard()

    async def test_discarding_forgets_at_any_time(self, blobs: Blobs) -> None:
        fresh, begun, published = [await blobs.create() for _ in range(3)]
        await begun.write(b"half")
        await published.write(b"whole")
        await published.publish()
        for writer in (fresh, begun, published):
            await writer.discard()
            await writer.discard()
            with pytest.raises(FileNotFoundError):
                await blobs.open(writer.id)
        assert await blobs.recover(nothing) == Recovered()

    async def test_a_finished_writer_takes_no_more(self, blobs: Blobs) -> None:
        writer = await blobs.create()
        await writer.publish()
        with pytest.raises(ValueError, match="no longer"):
            await writer.write(b"late")
        with pytest.raises(ValueError, match="no longer"):
            await writer.publish()

    async def test_an_open_blob_outlives_its_name(self, blobs: Blobs) -> None:
        blob = await written(blobs, b"still here")
        reader = await blobs.open(blob)
        assert list(await blobs.delete([blob])) == [blob]
        assert await range_of(reader, 0, 10) == b"still here"
        await reader.aclose()
        with pytest.raises(FileNotFoundError):
            await blobs.open(blob)

    async def test_deleting_what_is_absent_is_fine(self, blobs: Blobs) -> None:
        blob = await written(blobs, b"x")
        assert sorted(await blobs.delete([blob, "0" * 32])) == sorted([blob, "0" * 32])

    async def test_recovery_asks_the_index_about_what_was_under_way_only(self, blobs: Blobs) -> None:
        settled, referenced, orphan = [await written(blobs, name) for name in (b"settled", b"referenced", b"orphan")]
        unfinished = await blobs.create()
        await unfinished.write(b"unfinished")
        await blobs.settle([settled])
        await blobs.settle([settled])
        asked: list[str] = []

        async def index(blobs_asked: Sequence[str]) -> frozenset[str]:
            asked.extend(blobs_asked)
            return frozenset({referenced})

        assert await blobs.recover(index) == Recovered(unfinished=1, orphans=1, settled=1)
        assert sorted(asked) == sorted([referenced, orphan])
        assert await whole(blobs, settled) == b"settled"
        assert await whole(blobs, referenced) == b"referenced"
        for gone in (orphan, unfinished.id):
            with pytest.raises(FileNotFoundError):
                await blobs.open(gone)
        assert await blobs.recover(index) == Recovered()

    async def test_many_writers_do_not_disturb_each_other(self, blobs: Blobs) -> None:
        async def one(number: int) -> tuple[str, bytes]:
            pieces = [bytes([number]) * 70_000 for _ in range(5)]
            return await written(blobs, *pieces), b"".join(pieces)

        for blob, data in await asyncio.gather(*(one(number) for number in range(20))):
            assert await whole(blobs, blob) == data

    async def test_the_probe_leaves_nothing_and_closing_twice_is_fine(self, blobs: Blobs) -> None:
        await blobs.probe()
        assert await blobs.recover(nothing) == Recovered()
        await blobs.aclose()
        await blobs.aclose()

    async def test_a_blob_says_what_was_said_of_it(self, blobs: Blobs) -> None:
        for data, label in ((b"data", b""), (b"", b"only a label"), (bytes(200_000), bytes(range(256)) * 300)):
            blob = await written(blobs, data, label=label)
            assert await blobs.label(blob) == await blobs.check(blob) == Labelled(len(data), label)
            assert await whole(blobs, blob) == data
        for asked in (blobs.label, blobs.check):
            with pytest.raises(FileNotFoundError):
                await asked("0" * 32)

    async def test_a_label_has_a_limit(self, blobs: Blobs) -> None:
        longest = await written(blobs, label=bytes(LABEL_BYTES_MAX))
        assert len((await blobs.label(longest)).label) == LABEL_BYTES_MAX
        writer = await blobs.create()
        with pytest.raises(ValueError, match="label"):
            await writer.publish(bytes(LABEL_BYTES_MAX + 1))
        await writer.discard()
        assert await blobs.recover(nothing) == Recovered(orphans=1)

    async def test_published_without_sync_is_as_visible_and_can_be_made_durable(self, blobs: Blobs) -> None:
        several = [await written(blobs, bytes([number]) * 100_000, label=b"x", sync=False) for number in range(3)]
        for number, blob in enumerate(several):
            assert await whole(blobs, blob) == bytes([number]) * 100_000
        await blobs.sync(several)
        await blobs.sync(several)
        await blobs.sync([])
        with pytest.raises(FileNotFoundError):
            await blobs.sync([several[0], "0" * 32])

    async def test_every_published_blob_is_walked_past_once_and_in_order(self, blobs: Blobs) -> None:
        several = sorted([await written(blobs, b"x") for _ in range(20)])
        writing = await blobs.create()
        assert [blob async for blob in blobs.walk()] == several
        assert [blob async for blob in blobs.walk(several[7])] == several[8:]
        assert [blob async for blob in blobs.walk("f" * 32)] == []
        await writing.discard()

    async def test_a_changed_bit_never_leaves(self, blobs: Blobs, flip: Flip) -> None:
        """Whoever asks for the block it is in is refused; the other blocks are good."""
        data = bytes(range(256)) * 1024  # 256 KiB
        blob = await written(blobs, data, label=b"label")
        flip(blobs, blob, 100_000)
        with pytest.raises(DamagedBlobError, match=r"block 1 differs") as found:
            await blobs.check(blob)
        assert (found.value.blob, found.value.reason) == (blob, "block 1 differs")
        assert found.value.errno is None
        assert await blobs.label(blob) == Labelled(len(data), b"label")
        reader = await blobs.open(blob)
        assert await range_of(reader, 0, 65_536) == data[:65_536]
        assert await range_of(reader, 131_072, 131_072) == data[131_072:]
        await reader.prove(0, 65_536)
        assert reader.damage is None
        for offset, length in ((99_999, 3), (65_535, 2), (131_071, 2), (0, len(data))):
            with pytest.raises(DamagedBlobError, match="block 1 differs"):
                await range_of(reader, offset, length)
        assert reader.damage is not None
        await reader.aclose()
        again = await blobs.open(blob)
        with pytest.raises(DamagedBlobError):
            await again.prove(70_000, 1)
        assert again.damage is not None
        await again.aclose()

    async def test_a_changed_label_is_not_believed(self, blobs: Blobs, flip: Flip) -> None:
        blob = await written(blobs, b"data", label=b"label")
        flip(blobs, blob, 5)
        for asked in (blobs.label, blobs.check):
            with pytest.raises(DamagedBlobError, match="label"):
                await asked(blob)

    @pytest.mark.parametrize("left", [0, 1, 65_536, 99_999])
    async def test_a_blob_that_was_cut_is_not_opened(self, blobs: Blobs, cut: Cut, left: int) -> None:
        blob = await written(blobs, bytes(100_000), label=b"label")
        cut(blobs, blob, left)
        for asked in (blobs.open, blobs.label, blobs.check):
            with pytest.raises(DamagedBlobError):
                await asked(blob)

    async def test_what_was_proved_is_what_is_read(self, blobs: Blobs) -> None:
        data = bytes(range(251)) * 4000
        reader = await blobs.open(await written(blobs, data))
        for offset, length in ((0, len(data)), (70_001, 5), (0, 0), (len(data) - 1, 1), (300_000, 700_000)):
            await reader.prove(offset, length)
            assert await range_of(reader, offset, length) == data[offset : offset + length]
        with pytest.raises(OSError, match="bytes was asked"):
            await reader.prove(len(data), 1)
        await reader.aclose()

"""What every place for blobs promises. An adapter's tests subclass `BlobsContract` and bring the fixture `blobs`."""

import asyncio
from collections.abc import Sequence

import pytest

from cybous3.server.blobs.port import BlobReader, Blobs, Recovered

MIB = 1024 * 1024


async def written(blobs: Blobs, *pieces: bytes) -> str:
    """Publish a blob of these pieces and return its id."""
    writer = await blobs.create(sum(map(len, pieces)))
    for piece in pieces:
        await writer.write(piece)
    await writer.publish()
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
            assert span is None or (span.offset, span.length) == (offset, length)
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

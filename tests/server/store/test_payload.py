"""An answer made of blobs: what is wrong is found before it begins, or breaks it off, and is remembered."""

import pytest

from cybous3.server.blobs.memory.store import MemoryBlobs
from cybous3.server.blobs.port import DamagedBlobError
from cybous3.server.store import payload as payloads
from cybous3.server.store.payload import BlobPayload, Piece
from tests.contracts.blobs_contract import written
from tests.contracts.values import entropy

pytestmark = pytest.mark.anyio
SIZE = 300_000


async def three(blobs: MemoryBlobs) -> list[Piece]:
    """Store three blobs and return them as the pieces of one answer."""
    names = [await written(blobs, bytes([number]) * SIZE) for number in range(3)]
    return [Piece(name, 0, SIZE, SIZE) for name in names]


async def collect(payload: BlobPayload, received: list[bytes]) -> None:
    """Take the answer's bytes as they come."""
    async for chunk in payload.chunks():
        received.append(chunk)  # noqa: PERF401  # what came before an error is wanted too


async def test_what_is_wrong_from_the_first_byte_is_refused_before_the_answer() -> None:
    blobs = MemoryBlobs(entropy)
    pieces = await three(blobs)
    blobs.flip(pieces[0].blob, 100)
    payload = BlobPayload(blobs, pieces)
    with pytest.raises(DamagedBlobError, match="block 0 differs"):
        await payload.pin()
    assert payload.damage is not None
    assert payload.damage.blob == pieces[0].blob


@pytest.mark.parametrize("pinned", [1, 3])
async def test_later_damage_breaks_the_answer_off_and_is_remembered(
    pinned: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(payloads, "PINS_MAX", pinned)
    blobs = MemoryBlobs(entropy)
    pieces = await three(blobs)
    blobs.flip(pieces[2].blob, SIZE - 1)
    payload = BlobPayload(blobs, pieces)
    await payload.pin()
    assert payload.damage is None
    received: list[bytes] = []
    with pytest.raises(DamagedBlobError, match="block 4 differs"):
        await collect(payload, received)
    assert b"".join(received) == bytes(SIZE) + b"\1" * SIZE
    await payload.aclose()
    assert payload.damage is not None
    assert payload.damage.blob == pieces[2].blob


async def test_a_blob_that_is_opened_late_and_cut_by_then_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payloads, "PINS_MAX", 1)
    blobs = MemoryBlobs(entropy)
    pieces = await three(blobs)
    payload = BlobPayload(blobs, pieces)
    await payload.pin()
    blobs.cut(pieces[1].blob, 10)
    with pytest.raises(DamagedBlobError, match="10 bytes instead of"):
        _ = [chunk async for chunk in payload.chunks()]
    await payload.aclose()
    assert payload.damage is not None


async def test_a_blob_that_is_not_as_long_as_the_index_says_is_damaged() -> None:
    blobs = MemoryBlobs(entropy)
    blob = await written(blobs, b"four")
    with pytest.raises(DamagedBlobError, match="4 bytes instead of 5"):
        await BlobPayload(blobs, [Piece(blob, 0, 5, 5)]).pin()

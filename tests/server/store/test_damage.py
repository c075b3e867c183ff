"""No wrong byte leaves the store, whatever way it is asked for, and what is damaged stays an error until it heals."""

from dataclasses import replace

import pytest

from cybous3.server.blobs.local.store import LocalBlobs
from cybous3.server.blobs.memory.store import MemoryBlobs
from cybous3.server.blobs.port import Blobs, DamagedBlobError
from cybous3.server.meta.port import DamagedRecordError, Index
from cybous3.server.model.objects import ObjectRecord
from cybous3.server.store import damage
from cybous3.server.store.store import Store
from cybous3.server.wire.errors import S3Error
from cybous3.server.wire.message import Payload
from tests.contracts.index_contract import refused
from tests.contracts.values import BUCKET
from tests.server.store.conftest import Pieces
from tests.server.store.test_store import bytes_of, naming, spec, upload_of

pytestmark = pytest.mark.anyio

BIG = bytes(range(256)) * 8_000  # two megabytes: damage at the end is met after the answer has begun


async def collect(payload: Payload, received: list[bytes]) -> None:
    """Take the answer's bytes as they come."""
    async for chunk in payload.chunks():
        received.append(chunk)  # noqa: PERF401  # what came before an error is wanted too


def flip(blobs: Blobs, blob: str, offset: int) -> None:
    """Change one byte of what is stored of a blob."""
    if isinstance(blobs, MemoryBlobs):
        blobs.flip(blob, offset)
        return
    assert isinstance(blobs, LocalBlobs)
    path = blobs.path(blob)
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


async def planted(store: Store, blobs: Blobs, offset: int = 10) -> ObjectRecord:
    stored = await store.put(spec(), Pieces(BIG))
    flip(blobs, stored.extents[0].blob, offset)
    return stored


async def test_damage_at_the_beginning_is_an_error_before_any_byte(
    store: Store, parts_of_store: tuple[Index, Blobs]
) -> None:
    stored = await planted(store, parts_of_store[1])
    with pytest.raises(S3Error) as caught:
        await store.open(stored)
    assert (caught.value.code, caught.value.message) == ("InternalError", damage.SENTENCE)
    assert "block 0" in caught.value.detail["Integrity"]
    await refused("InternalError", store.head(BUCKET.name, "key"))
    [entry] = await store.index.objects.damaged()
    assert (entry.bucket, entry.key) == (BUCKET.name, "key")


async def test_damage_further_on_breaks_the_answer_off_and_is_remembered(
    store: Store, parts_of_store: tuple[Index, Blobs]
) -> None:
    stored = await planted(store, parts_of_store[1], len(BIG) - 1)
    payload = await store.open(stored)
    got: list[bytes] = []
    with pytest.raises(DamagedBlobError):
        await collect(payload, got)
    assert BIG.startswith(b"".join(got))
    await store.head(BUCKET.name, "key")  # not yet: the answer is still being broken off
    await payload.aclose()
    await store.commits.aclose()
    await refused("InternalError", store.head(BUCKET.name, "key"))


async def test_a_range_beside_the_damage_is_given_and_one_within_is_not(
    store: Store, parts_of_store: tuple[Index, Blobs]
) -> None:
    stored = await planted(store, parts_of_store[1], len(BIG) - 1)
    assert await bytes_of(store, stored, 5, 100) == BIG[5:105]
    await refused("InternalError", store.open(stored, len(BIG) - 10, 10))


async def test_overwriting_and_deleting_heal(store: Store, parts_of_store: tuple[Index, Blobs]) -> None:
    await refused("InternalError", store.open(await planted(store, parts_of_store[1])))
    healed = await store.put(spec(), Pieces(BIG))
    assert await bytes_of(store, await store.head(BUCKET.name, "key")) == BIG
    flip(parts_of_store[1], healed.extents[0].blob, 0)
    await refused("InternalError", store.open(healed))
    await store.delete(BUCKET.name, "key")
    await refused("NoSuchKey", store.head(BUCKET.name, "key"))
    assert await store.index.objects.damaged() == []


async def test_a_damaged_source_copies_nothing(store: Store, parts_of_store: tuple[Index, Blobs]) -> None:
    source = await planted(store, parts_of_store[1], len(BIG) - 1)
    await refused("InternalError", store.copy(source, spec("target")))
    await refused("NoSuchKey", store.head(BUCKET.name, "target"))
    upload_id, _ = await upload_of(store, key="target")
    await refused("InternalError", store.copy_part(BUCKET.name, "target", upload_id, 1, source))
    assert await store.index.uploads.parts(BUCKET.name, "target", upload_id) == []
    await refused("InternalError", store.head(BUCKET.name, "key"))


async def test_a_blob_of_another_length_is_damage(store: Store) -> None:
    stored = await store.put(spec(), Pieces(BIG))
    extent = replace(stored.extents[0], length=len(BIG) + 1)
    with pytest.raises(S3Error) as caught:
        await store.open(replace(stored, size=len(BIG) + 1, extents=(extent,)))
    assert "instead of" in caught.value.detail["Integrity"]
    await store.head(BUCKET.name, "key")  # the object that is there is another one than was seen


async def test_what_replaced_a_damaged_object_is_not_put_into_quarantine(
    store: Store, parts_of_store: tuple[Index, Blobs]
) -> None:
    stored = await planted(store, parts_of_store[1])
    await store.put(spec(), Pieces(b"new" * 10_000))
    await refused("InternalError", store.open(stored))
    assert await bytes_of(store, await store.head(BUCKET.name, "key")) == b"new" * 10_000


async def test_an_index_that_cannot_be_written_changes_no_answer(
    store: Store, parts_of_store: tuple[Index, Blobs], monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = await planted(store, parts_of_store[1])

    async def full(seen: ObjectRecord, reason: str) -> bool:
        raise OSError(28, f"no space for {seen.key} {reason}")

    monkeypatch.setattr(parts_of_store[0].objects, "quarantine", full)
    await refused("InternalError", store.open(stored))
    await refused("InternalError", store.open(stored))


async def test_a_damaged_index_entry_answers_the_same(
    store: Store, parts_of_store: tuple[Index, Blobs], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def damaged(bucket: str, key: str) -> ObjectRecord:
        raise DamagedRecordError(bucket, key, "its sum differs")

    monkeypatch.setattr(parts_of_store[0].objects, "get", damaged)
    with pytest.raises(S3Error) as caught:
        await store.head(BUCKET.name, "key")
    assert (caught.value.code, caught.value.message) == ("InternalError", damage.SENTENCE)


async def test_damage_behind_what_an_answer_pins_is_remembered_too(
    store: Store, parts_of_store: tuple[Index, Blobs], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cybous3.server.store.payload.PINS_MAX", 1)
    part = b"p" * (5 * 1024 * 1024)
    upload_id, parts = await upload_of(store, part, b"end")
    whole = await store.complete(BUCKET.name, "key", upload_id, naming(parts))
    flip(parts_of_store[1], whole.extents[1].blob, 1)
    payload = await store.open(whole)
    with pytest.raises(DamagedBlobError):
        await collect(payload, [])
    await payload.aclose()
    await store.commits.aclose()
    await refused("InternalError", store.head(BUCKET.name, "key"))

"""The store's promises, over memory and over SQLite with files."""

import asyncio
import errno
import hashlib
from dataclasses import replace
from typing import Any

import pytest

from cybous3.core import checksums
from cybous3.server.blobs.local.store import LocalBlobs
from cybous3.server.blobs.port import Blobs, BlobWriter, Recovered
from cybous3.server.meta.port import Index
from cybous3.server.meta.space import Space
from cybous3.server.model.objects import ALWAYS, Checksum, ChecksumAlgorithm, ObjectRecord, WriteCondition
from cybous3.server.model.uploads import CompletedPart, Part
from cybous3.server.store import payload as payloads
from cybous3.server.store.room import Room
from cybous3.server.store.spec import PART_SIZE_MIN, Expected, ObjectSpec
from cybous3.server.store.store import INLINE_MAX, Store
from cybous3.server.wire.errors import S3Error
from tests.contracts.index_contract import refused
from tests.contracts.values import BUCKET, OTHER, OWNER, entropy
from tests.server.store.conftest import Pieces, Ticking

pytestmark = pytest.mark.anyio

BIG = bytes(range(256)) * 2_000  # half a megabyte
SIZES = [0, 1, INLINE_MAX, INLINE_MAX + 1, len(BIG)]
ALGORITHMS: list[ChecksumAlgorithm] = ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]


def spec(key: str = "key", **changes: Any) -> ObjectSpec:
    return ObjectSpec(**{"bucket": BUCKET.name, "key": key, "owner": OWNER, **changes})


def checksum(algorithm: ChecksumAlgorithm, data: bytes) -> Checksum:
    return Checksum(algorithm, checksums.to_base64(checksums.compute(algorithm, data)))


def md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


async def bytes_of(store: Store, record: ObjectRecord, offset: int = 0, length: int | None = None) -> bytes:
    payload = await store.open(record, offset, length)
    try:
        data = b"".join([chunk async for chunk in payload.chunks()])
        assert payload.length == len(data)
        return data
    finally:
        await payload.aclose()


async def leftovers(store: Store, blobs: Blobs) -> Recovered:
    """Close the store, and see what a start would find to clean."""
    await store.aclose()
    return await blobs.recover(store.index.garbage.referenced)


@pytest.mark.parametrize("size", SIZES)
async def test_what_was_put_is_read(store: Store, size: int) -> None:
    data = BIG[:size]
    stored = await store.put(spec(user={"a": "b"}), Pieces(data[:10], data[10:]), Expected(content_length=size))
    assert await store.head(BUCKET.name, "key") == stored
    assert stored.etag == md5(data).hex()
    assert stored.checksum == checksum("CRC64NVME", data)
    assert (stored.inline is not None) == (size <= INLINE_MAX)
    assert await bytes_of(store, stored) == data
    assert await bytes_of(store, stored, size // 3, size // 2) == data[size // 3 : size // 3 + size // 2]


async def test_a_length_nobody_announced_is_counted(store: Store) -> None:
    stored = await store.put(spec(), Pieces(*(b"x" * 100 for _ in range(3_000))))
    assert stored.size == 300_000


@pytest.mark.parametrize("data", [b"small", BIG], ids=["small", "big"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_checksum_asked_for_is_kept_and_one_given_is_checked(
    store: Store, algorithm: ChecksumAlgorithm, data: bytes
) -> None:
    right, wrong = checksum(algorithm, data), checksum(algorithm, data + b"!")
    header = checksums.algorithm(algorithm).header
    for expected in (
        Expected(checksum_algorithm=algorithm),
        Expected(checksum=right),
        Expected(checksum_algorithm=algorithm, trailer=lambda: {header: right.value}),
        Expected(checksum=right, sha256=hashlib.sha256(data).digest()),
    ):
        assert (await store.put(spec(), Pieces(data), expected)).checksum == right
    before = await store.head(BUCKET.name, "key")
    for expected, code in (
        (Expected(checksum=wrong), "BadDigest"),
        (Expected(checksum_algorithm=algorithm, trailer=lambda: {header: wrong.value}), "BadDigest"),
        (Expected(checksum_algorithm=algorithm, trailer=dict[str, str]), "InvalidRequest"),
        (Expected(checksum_algorithm=algorithm, trailer=lambda: {header: "?"}), "InvalidRequest"),
        (Expected(checksum=Checksum(algorithm, "AAA=")), "InvalidRequest"),
    ):
        await refused(code, store.put(spec(), Pieces(data), expected))
    assert await store.head(BUCKET.name, "key") == before


@pytest.mark.parametrize("data", [b"small", BIG], ids=["small", "big"])
async def test_nothing_false_becomes_visible_or_stays(
    store: Store, parts_of_store: tuple[Index, Blobs], data: bytes
) -> None:
    size, sha256 = len(data), hashlib.sha256(data).digest()
    await store.put(spec("good"), Pieces(data), Expected(content_length=size, content_md5=md5(data), sha256=sha256))
    for expected, code in (
        (Expected(content_md5=md5(b"other")), "BadDigest"),
        (Expected(content_md5=b"short"), "InvalidDigest"),
        (Expected(sha256=bytes(32)), "XAmzContentSHA256Mismatch"),
        (Expected(sha256=bytes(32), checksum_algorithm="SHA256"), "XAmzContentSHA256Mismatch"),
        (Expected(content_length=size + 1), "IncompleteBody"),
        (Expected(content_length=size - 1), "IncompleteBody"),
        (Expected(max_size=size - 1), "EntityTooLarge"),
        (Expected(content_length=size, max_size=size - 1), "EntityTooLarge"),
    ):
        await refused(code, store.put(spec("bad"), Pieces(data), expected))
    await refused("IncompleteBody", store.put(spec("bad"), Pieces(data, error=ConnectionResetError())))
    await refused("NoSuchBucket", store.put(spec("bad", bucket="absent"), Pieces(data)))
    await refused(
        "PreconditionFailed", store.put(spec("good"), Pieces(data), condition=WriteCondition(if_none_match="*"))
    )
    await refused("NoSuchKey", store.head(BUCKET.name, "bad"))
    assert await leftovers(store, parts_of_store[1]) == Recovered()


async def test_a_body_too_long_is_refused_before_it_is_read(store: Store) -> None:
    body = Pieces(b"x")
    await refused("EntityTooLarge", store.put(spec(), body, Expected(content_length=6 * 1024**3)))
    assert body.reads == 0


@pytest.mark.parametrize("pieces_before", [0, 1, 3])
async def test_a_cancelled_upload_leaves_nothing(
    store: Store, parts_of_store: tuple[Index, Blobs], pieces_before: int
) -> None:
    waiting = asyncio.Event()

    class Stalled(Pieces):
        async def read(self) -> bytes:
            piece = await super().read()
            if not piece:
                waiting.set()
                await asyncio.Event().wait()
            return piece

    task = asyncio.create_task(store.put(spec(), Stalled(*[BIG] * pieces_before)))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await refused("NoSuchKey", store.head(BUCKET.name, "key"))
    assert await leftovers(store, parts_of_store[1]) == Recovered()


async def test_impatience_does_not_leave_a_file_behind(
    store: Store, parts_of_store: tuple[Index, Blobs], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled again while it cleans up after the first time; the disk refuses to forget one of two."""
    blobs = parts_of_store[1]
    create, waiting, forgetting = blobs.create, asyncio.Event(), asyncio.Event()

    async def reluctant(size_hint: int | None = None) -> BlobWriter:
        writer = await create(size_hint)
        discard = writer.discard

        async def slowly() -> None:
            forgetting.set()
            await asyncio.sleep(0.01)
            await discard()
            raise OSError(errno.EACCES, "in use")

        monkeypatch.setattr(writer, "discard", slowly)
        return writer

    class Stalled(Pieces):
        async def read(self) -> bytes:
            piece = await super().read()
            if not piece:
                waiting.set()
                await asyncio.Event().wait()
            return piece

    monkeypatch.setattr(blobs, "create", reluctant)
    task = asyncio.create_task(store.put(spec(), Stalled(BIG)))
    await waiting.wait()
    task.cancel()
    await forgetting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await leftovers(store, blobs) == Recovered()


async def test_a_write_that_reached_its_commit_is_carried_through(
    store: Store, parts_of_store: tuple[Index, Blobs], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever gives up while the index commits must not take the bytes away under the record."""
    index, blobs = parts_of_store
    begun, go_on, put = asyncio.Event(), asyncio.Event(), index.objects.put

    async def slowly(record: ObjectRecord, condition: WriteCondition) -> None:
        begun.set()
        await go_on.wait()
        await put(record, condition)

    monkeypatch.setattr(index.objects, "put", slowly)
    task = asyncio.create_task(store.put(spec(), Pieces(BIG)))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
    await store.commits.aclose()
    assert await bytes_of(store, await store.head(BUCKET.name, "key")) == BIG
    assert await leftovers(store, blobs) == Recovered()


async def test_an_index_that_breaks_leaves_the_question_to_the_next_start(
    store: Store, parts_of_store: tuple[Index, Blobs], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failed sync nobody knows what a crash would find, so the bytes stay until the index is asked."""
    index, blobs = parts_of_store

    async def breaks(record: ObjectRecord, condition: WriteCondition) -> None:
        raise OSError(errno.EIO, f"lost {record.key} {condition}")

    monkeypatch.setattr(index.objects, "put", breaks)
    with pytest.raises(OSError, match="lost key"):
        await store.put(spec(), Pieces(BIG))
    assert await leftovers(store, blobs) == Recovered(orphans=1)


@pytest.mark.parametrize(
    ("code", "answer"), [(errno.ENOSPC, "InsufficientStorage"), (errno.EMFILE, "SlowDown"), (errno.EIO, None)]
)
@pytest.mark.parametrize("step", ["create", "write", "publish"])
async def test_a_disk_that_fails_at_any_step_fails_the_put_and_nothing_else(
    store: Store,
    parts_of_store: tuple[Index, Blobs],
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    code: int,
    answer: str | None,
) -> None:
    blobs = parts_of_store[1]
    create = blobs.create

    async def fails(*_: object) -> None:
        raise OSError(code, "the disk says no")

    async def failing(size_hint: int | None = None) -> BlobWriter:
        if step == "create":
            await fails()
        writer = await create(size_hint)
        monkeypatch.setattr(writer, step, fails)
        return writer

    with monkeypatch.context() as patch:
        patch.setattr(blobs, "create", failing)
        if answer is None:
            with pytest.raises(OSError, match="the disk says no"):
                await store.put(spec(), Pieces(BIG * 20))
        else:
            await refused(answer, store.put(spec(), Pieces(BIG * 20)))
    stored = await store.put(spec("small"), Pieces(b"still works"))
    assert await bytes_of(store, stored) == b"still works"
    await refused("NoSuchKey", store.head(BUCKET.name, "key"))
    assert await leftovers(store, blobs) == Recovered()


async def test_memory_per_upload_is_bounded(store: Store, parts_of_store: tuple[Index, Blobs]) -> None:
    """A disk that does not keep up holds the receiver back."""
    blobs = parts_of_store[1]
    create, go_on = blobs.create, asyncio.Event()

    async def slow(size_hint: int | None = None) -> BlobWriter:
        writer = await create(size_hint)
        write = writer.write

        async def stalled(*pieces: bytes) -> None:
            await go_on.wait()
            await write(*pieces)

        writer.write = stalled  # type: ignore[method-assign] # a disk that waits
        return writer

    blobs.create = slow  # type: ignore[method-assign] # a disk that waits
    body = Pieces(*(bytes(256 * 1024) for _ in range(100)))
    task = asyncio.create_task(store.put(spec(), body))
    for _ in range(200):
        await asyncio.sleep(0.001)
    assert body.reads * 256 * 1024 <= 6 * 1024 * 1024
    go_on.set()
    assert (await task).size == 100 * 256 * 1024


async def test_readers_see_the_old_or_the_new_object(store: Store) -> None:
    old = await store.put(spec(), Pieces(BIG))
    payload = await store.open(old)
    new = await store.put(spec(), Pieces(b"new" * 10_000))
    assert await store.index.garbage.due(10) == [old.extents[0].blob]
    await store._blobs.delete([old.extents[0].blob])
    assert b"".join([chunk async for chunk in payload.chunks()]) == BIG
    await payload.aclose()
    await payload.aclose()
    assert await bytes_of(store, new) == b"new" * 10_000
    await refused("ServiceUnavailable", store.open(old))
    await store.delete(BUCKET.name, "key")
    await refused("ServiceUnavailable", store.open(old))


async def test_a_lost_blob_is_an_error_and_not_an_empty_answer(store: Store) -> None:
    stored = await store.put(spec(), Pieces(BIG))
    await store._blobs.delete([stored.extents[0].blob])
    await refused("InternalError", store.open(stored))
    await refused("InternalError", store.head(BUCKET.name, "key"))  # in quarantine from now on
    assert store.counts.damage_found == 1


async def test_a_range_must_lie_within(store: Store) -> None:
    stored = await store.put(spec(), Pieces(b"0123456789"))
    for offset, length in ((-1, 1), (0, 11), (11, 0), (5, -1)):
        with pytest.raises(ValueError, match="object of 10"):
            await store.open(stored, offset, length)


async def test_deleting_wakes_the_reaper(store: Store) -> None:
    await store.put(spec(), Pieces(BIG))
    store.garbage_made.clear()
    assert await store.delete(BUCKET.name, "key")
    assert store.garbage_made.is_set()
    store.garbage_made.clear()
    assert await store.delete_many(BUCKET.name, [("a", ALWAYS)]) == [None]
    assert store.garbage_made.is_set()


# copies


@pytest.mark.parametrize("data", [b"", b"small", BIG], ids=["empty", "small", "big"])
async def test_a_copy_has_the_bytes_and_its_own_description(store: Store, data: bytes) -> None:
    source = await store.put(spec("source", user={"old": "1"}), Pieces(data), Expected(checksum_algorithm="SHA256"))
    copied = await store.copy(source, spec("target", user={"new": "2"}, owner=OTHER))
    assert await bytes_of(store, copied) == data
    assert (copied.etag, copied.user, copied.owner) == (source.etag, {"new": "2"}, OTHER)
    assert copied.checksum == checksum("SHA256", data)
    assert not {extent.blob for extent in source.extents} & {extent.blob for extent in copied.extents}
    crc = await store.copy(source, spec("third"), checksum_algorithm="CRC32C")
    assert crc.checksum == checksum("CRC32C", data)
    await refused("PreconditionFailed", store.copy(source, spec("target"), WriteCondition(if_none_match="*")))


async def test_a_copy_onto_itself_keeps_the_bytes(store: Store) -> None:
    source = await store.put(spec(), Pieces(BIG))
    changed = await store.copy(source, spec(user={"new": "words"}, storage_class="GLACIER"))
    manifest = changed.extents[-1]
    assert manifest.length == 0
    assert changed == replace(
        source,
        user={"new": "words"},
        storage_class="GLACIER",
        modified_ms=changed.modified_ms,
        extents=(*source.extents, manifest),
    )
    assert changed.modified_ms > source.modified_ms
    assert await bytes_of(store, changed) == BIG
    assert await store.index.garbage.due(10) == []
    again = await store.copy(changed, spec(user={"newer": "words"}))
    assert await store.index.garbage.due(10) == [manifest.blob]  # one manifest at a time
    assert again.extents[:-1] == source.extents
    changed = again
    rehashed = await store.copy(changed, spec(), checksum_algorithm="SHA1")
    assert rehashed.checksum == checksum("SHA1", BIG)
    assert rehashed.extents != changed.extents
    await refused("OperationAborted", store.copy(source, spec()))


async def test_rotten_bytes_are_not_copied(store: Store) -> None:
    source = await store.put(spec(), Pieces(b"good"))
    await refused("InternalError", store.copy(replace(source, inline=b"evil"), spec("target")))
    await refused("NoSuchKey", store.head(BUCKET.name, "target"))


# multipart


async def upload_of(store: Store, *bodies: bytes, key: str = "key", **checksums_wanted: Any) -> tuple[str, list[Part]]:
    upload = await store.create_upload(spec(key, user={"a": "b"}), initiator=OTHER, **checksums_wanted)
    parts = [
        await store.put_part(BUCKET.name, key, upload.id, number, Pieces(body), Expected(content_length=len(body)))
        for number, body in enumerate(bodies, 1)
    ]
    return upload.id, parts


def naming(parts: list[Part]) -> list[CompletedPart]:
    return [CompletedPart(part.number, part.etag, part.checksum) for part in parts]


PART = b"p" * PART_SIZE_MIN


async def test_parts_become_one_object_without_a_copy(store: Store) -> None:
    bodies = [PART, PART[:-1] + b"q", b"end"]
    upload_id, parts = await upload_of(store, *bodies)
    whole = await store.complete(BUCKET.name, "key", upload_id, naming(parts), expected_size=2 * PART_SIZE_MIN + 3)
    assert await store.head(BUCKET.name, "key") == whole
    assert await bytes_of(store, whole) == b"".join(bodies)
    assert await bytes_of(store, whole, PART_SIZE_MIN - 2, PART_SIZE_MIN + 3) == b"pp" + bodies[1] + b"e"
    assert whole.etag == f"{md5(b''.join(map(md5, bodies))).hex()}-3"
    assert [(part.number, part.size, part.etag) for part in whole.parts] == [
        (number, len(body), md5(body).hex()) for number, body in enumerate(bodies, 1)
    ]
    assert whole.checksum == checksum("CRC64NVME", b"".join(bodies))
    assert whole.extents[:-1] == tuple(extent for part in parts for extent in part.extents)
    assert whole.extents[-1].length == 0
    assert whole.user == {"a": "b"}
    copied = await store.copy(whole, spec("copy"))
    assert copied.etag == md5(b"".join(bodies)).hex()
    assert copied.parts == ()


@pytest.mark.parametrize(
    ("algorithm", "kind", "wanted"),
    [
        ("CRC32", None, "COMPOSITE"),
        ("CRC32", "FULL_OBJECT", "FULL_OBJECT"),
        ("CRC32C", "COMPOSITE", "COMPOSITE"),
        ("CRC32C", "FULL_OBJECT", "FULL_OBJECT"),
        ("CRC64NVME", None, "FULL_OBJECT"),
        ("SHA1", None, "COMPOSITE"),
        ("SHA256", "COMPOSITE", "COMPOSITE"),
    ],
)
async def test_the_checksum_of_a_whole_follows_from_its_parts(
    store: Store, algorithm: ChecksumAlgorithm, kind: str | None, wanted: str
) -> None:
    upload_id, parts = await upload_of(store, PART, b"end", checksum_algorithm=algorithm, checksum_type=kind)
    assert [part.checksum for part in parts] == [checksum(algorithm, PART), checksum(algorithm, b"end")]
    if wanted == "FULL_OBJECT":
        expected = checksum(algorithm, PART + b"end")
    else:
        digests = [checksums.compute(algorithm, PART), checksums.compute(algorithm, b"end")]
        expected = Checksum(algorithm, checksums.composite(algorithm, digests), "COMPOSITE")
    for wrong, code in (
        (checksum("SHA256" if algorithm != "SHA256" else "CRC32", b""), "InvalidRequest"),
        (expected._replace(value="AAAA"), "BadDigest"),
    ):
        await refused(code, store.complete(BUCKET.name, "key", upload_id, naming(parts), expected_checksum=wrong))
    whole = await store.complete(BUCKET.name, "key", upload_id, naming(parts), expected_checksum=expected)
    assert whole.checksum == expected


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [("CRC64NVME", "COMPOSITE"), ("SHA256", "FULL_OBJECT"), (None, "COMPOSITE"), ("CRC32", "HALF")],
)
async def test_a_checksum_type_that_cannot_be_is_refused_at_the_beginning(
    store: Store, algorithm: ChecksumAlgorithm | None, kind: str
) -> None:
    await refused(
        "InvalidRequest",
        store.create_upload(spec(), initiator=OTHER, checksum_algorithm=algorithm, checksum_type=kind),
    )


async def test_a_part_speaks_its_uploads_algorithm(store: Store) -> None:
    upload = await store.create_upload(spec(), initiator=OTHER, checksum_algorithm="CRC32")
    place = (BUCKET.name, "key", upload.id)
    await refused("InvalidRequest", store.put_part(*place, 1, Pieces(b"x"), Expected(checksum=checksum("SHA1", b"x"))))
    part = await store.put_part(*place, 1, Pieces(b"x"), Expected(checksum=checksum("CRC32", b"x")))
    assert part.checksum == checksum("CRC32", b"x")
    assert (await store.put_part(*place, 1, Pieces(b"y"))).checksum == checksum("CRC32", b"y")


async def test_parts_of_an_upload_without_algorithm_may_differ_and_then_the_whole_has_none(store: Store) -> None:
    upload = await store.create_upload(spec(), initiator=OTHER)
    part = await store.put_part(BUCKET.name, "key", upload.id, 1, Pieces(b"x"), Expected(checksum_algorithm="SHA1"))
    whole = await store.complete(BUCKET.name, "key", upload.id, naming([part]))
    assert whole.checksum is None
    plain = await store.copy(whole, spec("copy"))
    assert plain.checksum == checksum("CRC64NVME", b"x")


async def test_what_cannot_be_completed_stays_as_it_was(store: Store) -> None:
    upload_id, parts = await upload_of(store, PART, b"small", b"end", checksum_algorithm="CRC32")
    named = naming(parts)
    for wanted, code in (
        ([], "MalformedXML"),
        ([named[1], named[0]], "InvalidPartOrder"),
        ([named[0], named[0]], "InvalidPartOrder"),
        ([named[0], CompletedPart(9, parts[0].etag)], "InvalidPart"),
        ([CompletedPart(1, "0" * 32)], "InvalidPart"),
        ([CompletedPart(1, parts[0].etag, parts[1].checksum)], "InvalidPart"),
        (named, "EntityTooSmall"),
    ):
        await refused(code, store.complete(BUCKET.name, "key", upload_id, wanted))
    await refused("InvalidRequest", store.complete(BUCKET.name, "key", upload_id, named[:2], expected_size=1))
    await refused("NoSuchUpload", store.complete(BUCKET.name, "key", "absent", named))
    assert await store.index.uploads.parts(BUCKET.name, "key", upload_id) == parts
    quoted = [CompletedPart(part.number, f'"{part.etag}"') for part in parts[:2]]
    assert (await store.complete(BUCKET.name, "key", upload_id, quoted)).size == PART_SIZE_MIN + 5
    assert await store.index.garbage.due(10) == [parts[2].extents[0].blob]


async def test_an_object_has_its_limit(store: Store) -> None:
    upload = await store.create_upload(spec(), initiator=OTHER)
    huge = Part(1, 6 * 1024**4, "0" * 32, 1)
    await store.index.uploads.put_part(BUCKET.name, "key", upload.id, huge)
    await refused("EntityTooLarge", store.complete(BUCKET.name, "key", upload.id, naming([huge])))


async def test_one_empty_part_makes_an_empty_object(store: Store) -> None:
    upload_id, parts = await upload_of(store, b"")
    assert parts[0].extents == ()
    whole = await store.complete(BUCKET.name, "key", upload_id, naming(parts))
    assert (whole.size, whole.etag) == (0, f"{md5(md5(b'')).hex()}-1")
    assert await bytes_of(store, await store.head(BUCKET.name, "key")) == b""


async def test_a_part_may_be_copied_from_an_object(store: Store) -> None:
    source = await store.put(spec("source"), Pieces(BIG))
    upload = await store.create_upload(spec(), initiator=OTHER)
    place = (BUCKET.name, "key", upload.id)
    part = await store.copy_part(*place, 1, source, 1000, 100_000)
    assert (part.size, part.etag) == (100_000, md5(BIG[1000:101_000]).hex())
    whole = await store.complete(*place, naming([part]))
    assert await bytes_of(store, whole) == BIG[1000:101_000]


async def test_an_aborted_upload_takes_no_more(store: Store, parts_of_store: tuple[Index, Blobs]) -> None:
    upload_id, parts = await upload_of(store, b"x" * 50_000)
    await store.abort(BUCKET.name, "key", upload_id)
    assert store.garbage_made.is_set()
    await refused("NoSuchUpload", store.put_part(BUCKET.name, "key", upload_id, 2, Pieces(BIG)))
    await refused("NoSuchUpload", store.abort(BUCKET.name, "key", upload_id))
    assert await store.index.garbage.due(10) == [parts[0].extents[0].blob]
    assert await leftovers(store, parts_of_store[1]) == Recovered()


async def test_an_upload_aborted_while_a_part_arrives_leaves_nothing(
    store: Store, parts_of_store: tuple[Index, Blobs]
) -> None:
    upload = await store.create_upload(spec(), initiator=OTHER)

    class Aborting(Pieces):
        async def read(self) -> bytes:
            piece = await super().read()
            if not piece:
                await store.abort(BUCKET.name, "key", upload.id)
            return piece

    await refused("NoSuchUpload", store.put_part(BUCKET.name, "key", upload.id, 1, Aborting(BIG)))
    assert await leftovers(store, parts_of_store[1]) == Recovered()
    assert await store.index.garbage.due(10) == []


# payloads


async def many_parts(store: Store, count: int) -> tuple[ObjectRecord, bytes]:
    bodies = [bytes([number % 256]) * 1000 for number in range(count)]
    parts = [await store.put(spec(f"part-{number}"), Pieces(body * 20)) for number, body in enumerate(bodies)]
    extents = tuple(extent for part in parts for extent in part.extents)
    return replace(parts[0], extents=extents, size=count * 20_000), b"".join(body * 20 for body in bodies)


async def test_a_long_chain_is_opened_as_it_is_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payloads, "PINS_MAX", 2)
    record, data = await many_parts(store, 5)
    payload = await store.open(record)
    assert payload.spans() is None
    assert b"".join([chunk async for chunk in payload.chunks()]) == data
    await payload.aclose()
    short = await store.open(record, 20_000, 40_000)
    assert b"".join([chunk async for chunk in short.chunks()]) == data[20_000:60_000]
    await short.aclose()


async def test_files_are_offered_as_spans(store: Store, parts_of_store: tuple[Index, Blobs]) -> None:
    record, _ = await many_parts(store, 3)
    payload = await store.open(record, 10_000, 40_000)
    spans = payload.spans()
    assert (spans is not None) == isinstance(parts_of_store[1], LocalBlobs)
    if spans is not None:
        assert [span.length for span in spans] == [10_000, 20_000, 10_000]
    await payload.aclose()
    small = await store.put(spec("small"), Pieces(b"x"))
    inline = await store.open(small)
    assert inline.spans() is None
    await inline.aclose()


async def test_no_descriptor_left_is_a_reason_to_slow_down(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    record, _ = await many_parts(store, 2)
    opened = store._blobs.open

    async def second_fails(blob: str) -> Any:
        if blob == record.extents[1].blob:
            raise OSError(errno.EMFILE, "too many open files")
        return await opened(blob)

    monkeypatch.setattr(store._blobs, "open", second_fails)
    error = await refused("SlowDown", store.open(record))
    assert isinstance(error, S3Error)


async def test_a_blob_that_lost_its_end_is_refused_before_the_answer_begins(
    store: Store, parts_of_store: tuple[Index, Blobs], monkeypatch: pytest.MonkeyPatch
) -> None:
    record = await store.put(spec(), Pieces(b"x" * 100_000))
    short = await store.put(spec("short"), Pieces(b"x" * 50_000))
    blobs, opening = parts_of_store[1], parts_of_store[1].open

    async def open_short(_: str) -> object:
        return await opening(short.extents[0].blob)

    monkeypatch.setattr(blobs, "open", open_short)
    with pytest.raises(S3Error) as raised:
        await store.open(record)
    assert raised.value.code == "InternalError"


async def test_a_body_without_room_is_refused_before_it_is_read(parts_of_store: tuple[Index, Blobs]) -> None:
    index, blobs = parts_of_store
    room = Room(lambda: Space(100, 0))
    store = Store(index, blobs, clock=Ticking(), entropy=entropy, region="us-east-1", room=room)
    body = Pieces(b"x" * 100)
    with pytest.raises(S3Error) as raised:
        await store.put(spec(), body)
    assert (raised.value.code, body.reads) == ("InsufficientStorage", 0)
    assert not await store.delete(BUCKET.name, "key")
    await store.aclose()

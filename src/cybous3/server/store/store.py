"""The one place where the index and the bytes meet.

What it keeps true: nothing of a write is visible before all of it is durable and everything announced about it was
found true; the bytes are published before the index refers to them, and forgotten by the index before they are deleted;
a write that fails or is cancelled leaves nothing behind, and one that reached its commit is carried through even if
nobody waits for it any more. Every blob says of itself what it is (`labels`). An object that is found damaged is put in
quarantine and answers an error from then on, until it is overwritten, deleted or found whole again.
"""

import os
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Final

import structlog

from cybous3.core.clock import Clock, Entropy
from cybous3.server.blobs.port import Blobs, DamagedBlobError
from cybous3.server.meta.port import DamagedRecordError, Index
from cybous3.server.model.buckets import Durability
from cybous3.server.model.objects import ALWAYS, Checksum, ChecksumAlgorithm, Extent, ObjectRecord, WriteCondition
from cybous3.server.model.uploads import CompletedPart, Part, Upload
from cybous3.server.store import copying, damage, labels, multipart
from cybous3.server.store.commits import Commits, Counts
from cybous3.server.store.ingest import Ingest, Received, in_s3_words
from cybous3.server.store.payload import BlobPayload, InlinePayload, pieces_of
from cybous3.server.store.room import RECORD_BYTES, Room, unbounded
from cybous3.server.store.spec import NOTHING_EXPECTED, Expected, ObjectSpec
from cybous3.server.wire.errors import S3Error
from cybous3.server.wire.message import Body, Payload

INLINE_MAX: Final = 16 * 1024

_log = structlog.get_logger("cybous3.store")


class Store:
    """Objects and uploads for handlers. `index` is for what has no bytes: buckets, accounts, listings."""

    def __init__(
        self,
        index: Index,
        blobs: Blobs,
        *,
        clock: Clock,
        entropy: Entropy,
        region: str,
        inline_max: int = INLINE_MAX,
        room: Room | None = None,
        durability: Durability = "strict",
    ) -> None:
        """Without a `room` writes go on until the medium itself is full. `durability` is the mode of new buckets."""
        self.index: Final = index
        self.region: Final = region
        self.durability: Final = durability
        self.commits: Final = Commits(index, blobs)
        self.garbage_made: Final = self.commits.garbage_made
        self._blobs = blobs
        self._clock = clock
        self._entropy = entropy
        self._inline_max = inline_max
        self._threads = ThreadPoolExecutor(max(2, os.cpu_count() or 1), thread_name_prefix="hash")
        self._room = room or unbounded()
        self._ingest = Ingest(blobs, self._threads, self._room)

    # objects

    async def put(
        self, spec: ObjectSpec, body: Body, digests: Expected = NOTHING_EXPECTED, condition: WriteCondition = ALWAYS
    ) -> ObjectRecord:
        """Store the body as the current object of its key and return what was stored.

        NoSuchBucket, PreconditionFailed, NoSuchKey (If-Match, absent), BadDigest, InvalidDigest, InvalidRequest,
        IncompleteBody, XAmzContentSHA256Mismatch, EntityTooLarge, InsufficientStorage.
        """
        if digests.content_length is not None and digests.content_length <= self._inline_max:
            record = self._record(spec, await self._ingest.receive_small(body, digests))
            with in_s3_words():  # one transaction, which the index carries through or never begins
                await self.index.objects.put(record, condition)
            self.garbage_made.set()
            return record
        async with self._ingest.receive(body, digests, self._inline_max) as received:
            record = self._record(spec, received)
            await self._commit(
                received,
                record.bucket,
                lambda: labels.of_object(record, self._now_us()),
                lambda: self.index.objects.put(record, condition),
            )
        return record

    def _record(self, spec: ObjectSpec, received: Received) -> ObjectRecord:
        judged = received.judged
        return ObjectRecord(
            bucket=spec.bucket,
            key=spec.key,
            size=judged.size,
            etag=judged.etag,
            modified_ms=self.now_ms(),
            owner=spec.owner,
            storage_class=spec.storage_class,
            system=spec.system,
            user=spec.user,
            checksum=judged.checksum,
            inline=received.inline,
            extents=received.extents,
        )

    async def head(self, bucket: str, key: str) -> ObjectRecord:
        """Return the current object, fit to be read. NoSuchBucket, NoSuchKey; InternalError when it is damaged."""
        try:
            record = await self.index.objects.get(bucket, key)
        except DamagedRecordError as error:
            self.counts.damage_found += 1
            _log.error("damaged index entry", bucket=bucket, reason=error.reason)  # nothing of ours failed
            raise damage.of_the_index(error) from error
        damage.require_whole(record)
        return record

    async def open(self, record: ObjectRecord, offset: int = 0, length: int | None = None) -> Payload:
        """Return the bytes [offset, offset + length) of the object, pinned; to the end by default.

        An empty or small object's bytes are also `record.inline`, without any payload. ServiceUnavailable: the object
        was replaced since its record was read, and its bytes are gone; a client's retry finds the new one. SlowDown.
        InternalError: the first bytes are not those that were stored; the object is in quarantine from now on, as it
        is when damage is met later, in the middle of the answer.
        """
        length = record.size - offset if length is None else length
        if offset < 0 or length < 0 or offset + length > record.size:
            raise ValueError(f"bytes {offset}+{length} of an object of {record.size}")
        if record.inline is not None:
            return InlinePayload(record.inline[offset : offset + length])
        payload = BlobPayload(
            self._blobs,
            pieces_of(record.extents, offset, length),
            lambda met: void(self.commits.later(self._quarantine(record, met.reason))),
        )
        try:
            await payload.pin()
        except FileNotFoundError as error:
            if not await self._is_current(record):
                raise S3Error("ServiceUnavailable") from error
            raise await self._damaged(record, "its bytes are missing") from error
        except DamagedBlobError as error:
            raise await self._damaged(record, error.reason) from error
        return payload

    async def copy(
        self,
        source: ObjectRecord,
        spec: ObjectSpec,
        condition: WriteCondition = ALWAYS,
        *,
        checksum_algorithm: ChecksumAlgorithm | None = None,
    ) -> ObjectRecord:
        """Store a copy of `source` as `spec` describes it.

        Onto itself the bytes, ETag and parts are kept and only what `spec` says is new; OperationAborted when the
        object was replaced meanwhile. Otherwise the bytes are read, checked against the source's ETag where that is an
        MD5, and written anew. The checksum is of the algorithm asked for, else of the source's. EntityTooLarge above 5
        GiB.
        """
        if copying.is_onto_itself(source, spec, checksum_algorithm):
            self._room.take(RECORD_BYTES, indexed=True)
            record = copying.relabelled(source, spec, self.now_ms())
            return await self._described_anew(record, lambda new: self.index.objects.put(new, condition))
        payload = await self.open(source)
        expected = copying.expectation(source, checksum_algorithm)
        try:
            return await self.put(spec, copying.PayloadBody(payload), expected, condition)
        except DamagedBlobError as error:
            raise await self._damaged(source, error.reason) from error
        except S3Error as error:
            if error.code != "BadDigest":
                raise
            raise await self._damaged(source, "its bytes do not have its checksum") from error
        finally:
            await payload.aclose()

    async def delete(self, bucket: str, key: str, condition: WriteCondition = ALWAYS) -> bool:
        """Remove the object and return whether there was one.

        NoSuchBucket, PreconditionFailed, NoSuchKey (If-Match, absent).
        """
        existed: bool = await self.commits.refer(self.index.objects.delete(bucket, key, condition))
        return existed

    async def delete_many(self, bucket: str, keys: Sequence[tuple[str, WriteCondition]]) -> Sequence[Exception | None]:
        """Remove up to 1,000 objects in one transaction; one answer a key: None, or the S3Error that kept it."""
        answers: Sequence[Exception | None] = await self.commits.refer(self.index.objects.delete_many(bucket, keys))
        return answers

    # multipart

    async def create_upload(
        self,
        spec: ObjectSpec,
        *,
        initiator: str,
        checksum_algorithm: ChecksumAlgorithm | None = None,
        checksum_type: str | None = None,
    ) -> Upload:
        """Begin an upload. NoSuchBucket, InsufficientStorage.

        InvalidRequest when the algorithm has no checksum of that type.
        """
        upload = multipart.new_upload(
            spec, initiator, checksum_algorithm, checksum_type, now_ms=self.now_ms(), entropy=self._entropy
        )
        self._room.take(RECORD_BYTES, indexed=True)
        await self.commits.refer(self.index.uploads.create(upload))
        return upload

    async def put_part(
        self, bucket: str, key: str, upload_id: str, number: int, body: Body, digests: Expected = NOTHING_EXPECTED
    ) -> Part:
        """Add or replace a part. NoSuchUpload, and what `put` refuses.

        InvalidRequest for an algorithm that is not the upload's.
        """
        upload = await self.index.uploads.get(bucket, key, upload_id)
        async with self._ingest.receive(body, multipart.part_expectation(upload, digests), 0) as received:
            part = multipart.part_of(number, received.judged, received.extents, self.now_ms())
            await self._commit(
                received,
                bucket,
                lambda: labels.of_part(upload, part, self._now_us()),
                lambda: self.index.uploads.put_part(bucket, key, upload_id, part),
            )
        return part

    async def copy_part(
        self,
        bucket: str,
        key: str,
        upload_id: str,
        number: int,
        source: ObjectRecord,
        offset: int = 0,
        length: int | None = None,
    ) -> Part:
        """Add a part from bytes of an object. NoSuchUpload, EntityTooLarge, ServiceUnavailable."""
        payload = await self.open(source, offset, length)
        try:
            expected = Expected(content_length=payload.length)
            return await self.put_part(bucket, key, upload_id, number, copying.PayloadBody(payload), expected)
        except DamagedBlobError as error:
            raise await self._damaged(source, error.reason) from error
        finally:
            await payload.aclose()

    async def complete(
        self,
        bucket: str,
        key: str,
        upload_id: str,
        wanted: Sequence[CompletedPart],
        condition: WriteCondition = ALWAYS,
        *,
        expected_checksum: Checksum | None = None,
        expected_size: int | None = None,
    ) -> ObjectRecord:
        """Make the object of the parts named, without copying a byte, and return it.

        NoSuchUpload, InvalidPart, InvalidPartOrder, EntityTooSmall, EntityTooLarge, BadDigest, InvalidRequest (size,
        checksum type), PreconditionFailed, NoSuchKey (If-Match, absent). After any of them the upload is as it was.
        """
        upload = await self.index.uploads.get(bucket, key, upload_id)
        parts = await self.index.uploads.parts(bucket, key, upload_id)
        record = multipart.joined(upload, parts, wanted, self.now_ms())
        multipart.check_whole(record, expected_checksum, expected_size)
        used = [part.number for part in wanted]
        return await self._described_anew(record, lambda new: self.index.uploads.complete(upload, new, used, condition))

    async def abort(self, bucket: str, key: str, upload_id: str) -> None:
        """Forget the upload and its parts. NoSuchUpload."""
        await self.commits.refer(self.index.uploads.abort(bucket, key, upload_id))

    # the rest

    @property
    def counts(self) -> Counts:
        """What was met with since the store was opened."""
        return self.commits.counts

    def now_ms(self) -> int:
        """Return the time as records carry it."""
        return int(self._clock() * 1000)

    async def aclose(self) -> None:
        """Wait for commits under way. The index and the blobs belong to whoever made them."""
        await self.commits.aclose()
        self._threads.shutdown(wait=True)

    def _now_us(self) -> int:
        return int(self._clock() * 1_000_000)

    async def _is_current(self, record: ObjectRecord) -> bool:
        try:
            current = await self.index.objects.get(record.bucket, record.key)
        except S3Error:
            return False
        return current.extents == record.extents

    async def _damaged(self, record: ObjectRecord, reason: str) -> S3Error:
        """Put the object in quarantine and return what the request answers."""
        await self._quarantine(record, reason)
        return damage.refusal(reason)

    async def _quarantine(self, record: ObjectRecord, reason: str) -> None:
        """Mark the object, unless it was replaced meanwhile. An index that cannot be written changes no answer."""
        self.counts.damage_found += 1
        marked = False
        with suppress(OSError, S3Error):  # a full or failing disk: the next reader finds the damage as we did
            marked = await self.index.objects.quarantine(record, reason)
        _log.error("damaged object", bucket=record.bucket, etag=record.etag, reason=reason, quarantined=marked)

    async def _commit(
        self,
        received: Received,
        bucket: str,
        label: Callable[[], bytes],
        refer: Callable[[], Awaitable[None]],
    ) -> None:
        """Publish the bytes and let the index refer to them.

        From here on the write is carried through, waited for or not.
        """
        writer, received.writer = received.writer, None
        if writer is None:  # one transaction is all there is
            await self.commits.refer(refer())
        else:
            await self.commits.with_blob(writer, label(), bucket, refer)

    async def _described_anew(
        self, record: ObjectRecord, refer: Callable[[ObjectRecord], Awaitable[None]]
    ) -> ObjectRecord:
        """Let the index take `record`, whose bytes lie in blobs that say something else, and return it.

        A manifest says what the blobs together are from now on. What has no blob needs none.
        """
        if not record.extents:
            await self.commits.refer(refer(record))
            return record
        with in_s3_words():
            writer = await self._blobs.create(0)
        kept = tuple(extent for extent in record.extents if extent.length)
        named = replace(record, extents=(*kept, Extent(writer.id, 0)))
        label = labels.of_manifest(named, self._now_us())
        blobs = [extent.blob for extent in kept]
        await self.commits.with_blob(writer, label, record.bucket, lambda: refer(named), blobs)
        return named


def void(_: object) -> None:
    """Take what nobody needs: the task of work that goes on by itself."""

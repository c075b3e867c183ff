"""What every index promises.

An adapter's tests subclass each contract and bring the fixtures `index` (open and empty) and `opener`. Listings are
compared with a model of ten lines that knows nothing of seeking: it sorts everything and groups it.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybous3.server.meta.port import DamagedRecord, Index, ListPage, ListQuery, UploadedPart, UploadQuery
from cybous3.server.model.buckets import Bucket
from cybous3.server.model.objects import ALWAYS, Checksum, Extent, ObjectPart, ObjectRecord, WriteCondition
from cybous3.server.model.scrubs import ScrubState
from cybous3.server.model.uploads import Upload
from cybous3.server.wire.errors import S3Error
from tests.contracts.values import BUCKET, MD5, OTHER, OWNER, access_key, blob, in_blobs, part, record, upload, user

IF_ABSENT = WriteCondition(if_none_match="*")
Opener = Callable[[], AbstractAsyncContextManager[Index]]

KEYS = st.text(st.sampled_from("ab/\0é\U0001f600\x1f"), min_size=1, max_size=6)
AFFIXES = st.text(st.sampled_from("ab/é"), max_size=3)
DELIMITERS = st.sampled_from(["", "/", "a", "a/", "é"])


async def refused(code: str, call: Coroutine[Any, Any, Any]) -> S3Error:
    """Await `call`, which must be refused with `code`."""
    with pytest.raises(S3Error) as caught:
        await call
    assert caught.value.code == code
    return caught.value


def expected_page(keys: set[str], query: ListQuery) -> list[str]:
    """Return what a listing shows behind `after`, objects and common prefixes in one order, without a limit."""
    entries: dict[str, None] = {}
    for key in sorted(keys, key=str.encode):
        if key.startswith(query.prefix) and key.encode() > query.after.encode():
            cut = key.find(query.delimiter, len(query.prefix)) if query.delimiter else -1
            entry = key if cut < 0 else key[: cut + len(query.delimiter)]
            if entry != query.after:
                entries[entry] = None
    return list(entries)


def shown(page: ListPage) -> list[str]:
    """Return a page's entries in one order."""
    return sorted([*(entry.key for entry in page.objects), *page.prefixes], key=str.encode)


@pytest.mark.anyio
class BucketContract:
    """Buckets."""

    async def test_a_bucket_is_found_as_it_was_made(self, index: Index) -> None:
        await index.buckets.create(BUCKET)
        assert await index.buckets.get(BUCKET.name) == BUCKET
        await refused("NoSuchBucket", index.buckets.get("absent"))

    async def test_a_name_is_taken_once(self, index: Index) -> None:
        await index.buckets.create(BUCKET)
        await refused("BucketAlreadyOwnedByYou", index.buckets.create(BUCKET))
        await refused("BucketAlreadyExists", index.buckets.create(replace(BUCKET, owner=OTHER)))

    async def test_buckets_are_listed_by_owner_prefix_and_page(self, index: Index) -> None:
        for name, owner in (("b-2", OWNER), ("b-1", OWNER), ("b-3", OTHER), ("c", OWNER)):
            await index.buckets.create(Bucket(name, owner, "us-east-1", 1))

        async def names(owner: str | None, **page: Any) -> list[str]:  # the page's arguments
            return [bucket.name for bucket in await index.buckets.list(owner, **page)]

        assert await names(OWNER) == ["b-1", "b-2", "c"]
        assert await names(None) == ["b-1", "b-2", "b-3", "c"]
        assert await names(OWNER, prefix="b-") == ["b-1", "b-2"]
        assert await names(None, after="b-1", limit=2) == ["b-2", "b-3"]
        assert await names("nobody") == []

    async def test_only_an_empty_bucket_goes(self, index: Index) -> None:
        await index.buckets.create(BUCKET)
        await index.objects.put(record("key"), ALWAYS)
        await refused("BucketNotEmpty", index.buckets.delete(BUCKET.name))
        await index.objects.delete(BUCKET.name, "key", ALWAYS)
        await index.buckets.delete(BUCKET.name)
        await refused("NoSuchBucket", index.buckets.delete(BUCKET.name))

    async def test_a_bucket_takes_its_uploads_along(self, index: Index) -> None:
        await index.buckets.create(BUCKET)
        begun, doomed = upload("key"), part(1)
        await index.uploads.create(begun)
        await index.uploads.put_part(BUCKET.name, "key", begun.id, doomed)
        await index.buckets.delete(BUCKET.name)
        assert await index.garbage.due(10) == [doomed.extents[0].blob]
        await index.buckets.create(BUCKET)
        await refused("NoSuchUpload", index.uploads.get(BUCKET.name, "key", begun.id))


@pytest.mark.anyio
class ObjectContract:
    """Objects."""

    @pytest.fixture(autouse=True)
    async def _bucket(self, index: Index) -> None:
        await index.buckets.create(BUCKET)

    @pytest.mark.parametrize(
        "stored",
        [
            record("plain"),
            record("empty", inline=b"", size=0),
            record("a/../b//\0\x1f\U0001f600é"),
            record("foreign", owner=OTHER, storage_class="GLACIER_IR", version_id="v1"),
            record("described", system={"content-type": "text/plain"}, user={"größe": 'ein "Wert"', "empty": ""}),
            record("summed", checksum=Checksum("CRC32C", "AAAAAA==")),
            in_blobs("one blob", [blob()]),
            in_blobs("joined", [blob() for _ in range(300)]),
            in_blobs(
                "parts",
                [blob(), blob()],
                etag=f"{MD5}-2",
                checksum=Checksum("SHA256", "x-2", "COMPOSITE"),
                parts=(ObjectPart(1, 100_000, MD5, "x"), ObjectPart(7, 100_000, MD5)),
            ),
            record("one empty part", inline=b"", size=0, parts=(ObjectPart(1, 0, MD5),)),
        ],
        ids=lambda stored: stored.key.encode("unicode_escape").decode(),
    )
    async def test_an_object_is_found_as_it_was_put(self, index: Index, stored: ObjectRecord) -> None:
        await index.objects.put(stored, ALWAYS)
        assert await index.objects.get(BUCKET.name, stored.key) == stored

    async def test_what_is_absent_is_named(self, index: Index) -> None:
        assert (await refused("NoSuchKey", index.objects.get(BUCKET.name, "key"))).detail == {"Key": "key"}
        missing = replace(record("key"), bucket="absent")
        for call in (
            index.objects.get("absent", "key"),
            index.objects.put(missing, ALWAYS),
            index.objects.delete("absent", "key", ALWAYS),
            index.objects.delete_many("absent", [("key", ALWAYS)]),
            index.objects.list(ListQuery("absent")),
        ):
            await refused("NoSuchBucket", call)

    async def test_the_last_one_put_is_current(self, index: Index) -> None:
        big = in_blobs("key", [blob(), blob()], parts=(ObjectPart(1, 100_000, MD5), ObjectPart(2, 100_000, MD5)))
        for stored in (record("key"), record("key", inline=b"xyz"), big, record("key", user={"a": "b"})):
            await index.objects.put(stored, ALWAYS)
            assert await index.objects.get(BUCKET.name, "key") == stored
        page = await index.objects.list(ListQuery(BUCKET.name))
        assert [entry.key for entry in page.objects] == ["key"]

    async def test_delete_says_whether_there_was_one(self, index: Index) -> None:
        await index.objects.put(record("key"), ALWAYS)
        assert await index.objects.delete(BUCKET.name, "key", ALWAYS)
        assert not await index.objects.delete(BUCKET.name, "key", ALWAYS)
        await refused("NoSuchKey", index.objects.get(BUCKET.name, "key"))

    async def test_many_are_deleted_each_on_its_own_terms(self, index: Index) -> None:
        for key in ("a", "b", "c"):
            await index.objects.put(record(key), ALWAYS)
        answers = await index.objects.delete_many(
            BUCKET.name, [("a", ALWAYS), ("b", WriteCondition(if_match="other")), ("absent", ALWAYS), ("c", ALWAYS)]
        )
        assert [error and getattr(error, "code", error) for error in answers] == [
            None,
            "PreconditionFailed",
            None,
            None,
        ]
        page = await index.objects.list(ListQuery(BUCKET.name))
        assert [entry.key for entry in page.objects] == ["b"]

    @pytest.mark.parametrize(
        ("condition", "present", "absent"),
        [
            (ALWAYS, None, None),
            (IF_ABSENT, "PreconditionFailed", None),
            (WriteCondition(if_none_match="other"), None, None),
            (WriteCondition(if_none_match=MD5), "PreconditionFailed", None),
            (WriteCondition(if_match="*"), None, "NoSuchKey"),
            (WriteCondition(if_match=MD5), None, "NoSuchKey"),
            (WriteCondition(if_match="other"), "PreconditionFailed", "NoSuchKey"),
            (WriteCondition(if_match_size=3), None, None),
            (WriteCondition(if_match_size=4), "PreconditionFailed", None),
            (WriteCondition(if_match_modified_ms=1_700_000_000_000), None, None),
            (WriteCondition(if_match_modified_ms=1_700_000_001_000), "PreconditionFailed", None),
            (WriteCondition(if_match=MD5, if_match_size=4), "PreconditionFailed", "NoSuchKey"),
        ],
    )
    async def test_conditions(
        self, index: Index, condition: WriteCondition, present: str | None, absent: str | None
    ) -> None:
        await index.objects.put(record("present"), ALWAYS)
        for key, code in (("present", present), ("absent", absent)):
            for call in (
                lambda key=key: index.objects.put(record(key, inline=b"new"), condition),
                lambda key=key: index.objects.delete(BUCKET.name, key, condition),
            ):
                before = await self._find(index, key)
                if code is None:
                    await call()
                    await self._restore(index, key, before)
                else:
                    await refused(code, call())
                    assert await self._find(index, key) == before

    async def _find(self, index: Index, key: str) -> ObjectRecord | None:
        try:
            return await index.objects.get(BUCKET.name, key)
        except S3Error:
            return None

    async def _restore(self, index: Index, key: str, before: ObjectRecord | None) -> None:
        if before is None:
            await index.objects.delete(BUCKET.name, key, ALWAYS)
        else:
            await index.objects.put(before, ALWAYS)

    async def test_of_64_writers_exactly_one_makes_the_object(self, index: Index) -> None:
        for round_number in range(10):
            key = f"lock-{round_number}"
            writers = [record(key, inline=b"%d" % number) for number in range(64)]
            outcomes = await asyncio.gather(
                *(index.objects.put(writer, IF_ABSENT) for writer in writers), return_exceptions=True
            )
            winners = [writer for writer, outcome in zip(writers, outcomes, strict=True) if outcome is None]
            assert len(winners) == 1
            assert {error.code for error in outcomes if isinstance(error, S3Error)} == {"PreconditionFailed"}
            assert await index.objects.get(BUCKET.name, key) == winners[0]

    async def test_of_64_exchanges_exactly_one_succeeds(self, index: Index) -> None:
        await index.objects.put(record("register", etag="0" * 32), ALWAYS)
        for round_number in range(10):
            old, new = f"{round_number:032}", f"{round_number + 1:032}"
            outcomes = await asyncio.gather(
                *(
                    index.objects.put(record("register", etag=new, inline=b"%d" % number), WriteCondition(if_match=old))
                    for number in range(64)
                ),
                return_exceptions=True,
            )
            assert outcomes.count(None) == 1

    async def test_replaced_and_deleted_blobs_become_garbage(self, index: Index) -> None:
        first, second, third = blob(), blob(), blob()
        await index.objects.put(in_blobs("key", [first]), ALWAYS)
        await index.objects.put(in_blobs("key", [second, third]), ALWAYS)
        assert await index.garbage.due(10) == [first]
        await index.objects.delete_many(BUCKET.name, [("key", ALWAYS)])
        assert sorted(await index.garbage.due(10)) == sorted([first, second, third])
        assert await index.garbage.due(1) == [first]

    async def test_a_refused_write_makes_no_garbage_and_claims_no_blob(self, index: Index) -> None:
        kept, refused_blob = blob(), blob()
        await index.objects.put(in_blobs("key", [kept]), ALWAYS)
        await refused("PreconditionFailed", index.objects.put(in_blobs("key", [refused_blob]), IF_ABSENT))
        assert await index.garbage.due(10) == []
        assert await index.garbage.referenced([kept, refused_blob]) == {kept}

    async def test_new_metadata_keeps_the_bytes(self, index: Index) -> None:
        stored = in_blobs("key", [blob(), blob()])
        await index.objects.put(stored, ALWAYS)
        changed = replace(stored, user={"new": "words"})
        await index.objects.put(changed, ALWAYS)
        assert await index.objects.get(BUCKET.name, "key") == changed
        assert await index.garbage.due(10) == []

    async def test_a_blob_belongs_to_one_object(self, index: Index) -> None:
        """The record of a metadata change may be older than the object it would replace; its bytes may be gone."""
        stored = in_blobs("key", [blob()])
        await index.objects.put(stored, ALWAYS)
        await refused("OperationAborted", index.objects.put(replace(stored, key="thief"), ALWAYS))
        await index.objects.put(record("key"), ALWAYS)
        await refused("OperationAborted", index.objects.put(replace(stored, user={"a": "b"}), ALWAYS))
        assert (await index.objects.get(BUCKET.name, "key")).inline == b"abc"


@pytest.mark.anyio
class ListingContract:
    """Listings."""

    async def test_a_summary_shows_what_the_object_is(self, index: Index) -> None:
        await index.buckets.create(BUCKET)
        await index.objects.put(record("a", checksum=Checksum("CRC32", "AAAAAA==")), ALWAYS)
        await index.objects.put(record("b", owner=OTHER, storage_class="GLACIER"), ALWAYS)
        first, second = (await index.objects.list(ListQuery(BUCKET.name))).objects
        assert first == ("a", 3, MD5, 1_700_000_000_123, OWNER, "STANDARD", "CRC32", "FULL_OBJECT", "null")
        assert second == ("b", 3, MD5, 1_700_000_000_123, OTHER, "GLACIER", None, None, "null")

    async def test_a_limit_of_nothing_shows_nothing(self, index: Index) -> None:
        await index.buckets.create(BUCKET)
        await index.objects.put(record("a"), ALWAYS)
        assert await index.objects.list(ListQuery(BUCKET.name, limit=0)) == ListPage([], [], "")

    async def test_one_prefix_that_holds_nearly_everything_is_one_entry(self, index: Index) -> None:
        await index.buckets.create(BUCKET)
        keys = ["a", *(f"all/{number:04}" for number in range(500)), "b/1", "c"]
        await asyncio.gather(*(index.objects.put(record(key), ALWAYS) for key in keys))
        page = await index.objects.list(ListQuery(BUCKET.name, delimiter="/"))
        assert ([entry.key for entry in page.objects], page.prefixes) == (["a", "c"], ["all/", "b/"])
        behind = await index.objects.list(ListQuery(BUCKET.name, delimiter="/", after="all/", limit=1))
        assert (behind.prefixes, behind.next_after) == (["b/"], "b/")
        within = await index.objects.list(ListQuery(BUCKET.name, delimiter="/", after="all/0400", limit=1))
        assert within.prefixes == ["all/"]

    def test_pages_are_what_a_naive_model_shows(self, opener: Opener) -> None:
        bucket_numbers = count()

        @given(
            keys=st.sets(KEYS, max_size=20),
            prefix=AFFIXES,
            delimiter=DELIMITERS,
            after=st.one_of(AFFIXES, KEYS),
            limit=st.integers(1, 5),
        )
        def compare(keys: set[str], prefix: str, delimiter: str, after: str, limit: int) -> None:
            query = ListQuery(f"bucket-{next(bucket_numbers)}", prefix, delimiter, after, limit)
            runner.run(self._compare(index, keys, query))

        with asyncio.Runner() as runner:
            opened = opener()
            index = runner.run(opened.__aenter__())
            try:
                compare()
            finally:
                runner.run(opened.__aexit__(None, None, None))

    async def _compare(self, index: Index, keys: set[str], query: ListQuery) -> None:
        await index.buckets.create(replace(BUCKET, name=query.bucket))
        await asyncio.gather(*(index.objects.put(record(key, bucket=query.bucket), ALWAYS) for key in keys))
        wanted = expected_page(keys, query)
        while True:
            page = await index.objects.list(query)
            assert shown(page) == wanted[: query.limit]
            del wanted[: query.limit]
            assert bool(page.next_after) == bool(wanted)
            if not wanted:
                return
            query = replace(query, after=page.next_after)


@pytest.mark.anyio
class UploadContract:
    """Multipart uploads."""

    @pytest.fixture(autouse=True)
    async def _bucket(self, index: Index) -> None:
        await index.buckets.create(BUCKET)

    async def test_an_upload_is_found_as_it_was_begun(self, index: Index) -> None:
        plain = upload("key")
        rich = upload(
            "k\0é",
            storage_class="GLACIER",
            system={"content-type": "x/y"},
            user={"ü": "v"},
            checksum_algorithm="CRC32",
            checksum_type="FULL_OBJECT",
        )
        for begun in (plain, rich):
            await index.uploads.create(begun)
            assert await index.uploads.get(BUCKET.name, begun.key, begun.id) == begun
        await refused("NoSuchBucket", index.uploads.create(replace(plain, id="x", bucket="absent")))

    async def test_an_id_is_good_for_its_bucket_and_key_only(self, index: Index) -> None:
        begun = upload("key")
        await index.uploads.create(begun)
        await index.buckets.create(replace(BUCKET, name="other"))
        for bucket, key, upload_id in (
            (BUCKET.name, "other", begun.id),
            ("other", "key", begun.id),
            (BUCKET.name, "key", "x"),
        ):
            place = (bucket, key, upload_id)
            await refused("NoSuchUpload", index.uploads.get(*place))
            await refused("NoSuchUpload", index.uploads.put_part(*place, part(1)))
            await refused("NoSuchUpload", index.uploads.parts(*place))
            await refused("NoSuchUpload", index.uploads.abort(*place))

    async def test_parts_are_listed_by_number(self, index: Index) -> None:
        begun = upload("key")
        await index.uploads.create(begun)
        parts = {number: part(number) for number in (10_000, 2, 1)}
        for one in parts.values():
            await index.uploads.put_part(BUCKET.name, "key", begun.id, one)
        place = (BUCKET.name, "key", begun.id)
        assert await index.uploads.parts(*place) == [parts[1], parts[2], parts[10_000]]
        assert await index.uploads.parts(*place, after=1, limit=1) == [parts[2]]
        summed = replace(part(3), checksum=Checksum("CRC64NVME", "AAAAAAAAAAA="))
        await index.uploads.put_part(*place, summed)
        assert await index.uploads.parts(*place, after=2, limit=1) == [summed]

    async def test_a_part_replaced_becomes_garbage(self, index: Index) -> None:
        begun, first, second = upload("key"), part(1), part(1)
        await index.uploads.create(begun)
        await index.uploads.put_part(BUCKET.name, "key", begun.id, first)
        await index.uploads.put_part(BUCKET.name, "key", begun.id, second)
        assert await index.uploads.parts(BUCKET.name, "key", begun.id) == [second]
        assert await index.garbage.due(10) == [first.extents[0].blob]
        await refused(
            "OperationAborted", index.uploads.put_part(BUCKET.name, "key", begun.id, replace(second, number=2))
        )

    async def test_completing_keeps_the_parts_used_and_no_others(self, index: Index) -> None:
        begun, parts = await self._begun(index, 3)
        whole = self._joined(begun, [parts[0], parts[2]])
        await index.uploads.complete(begun, whole, [1, 3], ALWAYS)
        assert await index.objects.get(BUCKET.name, "key") == whole
        assert await index.garbage.due(10) == [parts[1].extents[0].blob]
        await refused("NoSuchUpload", index.uploads.get(BUCKET.name, "key", begun.id))
        await refused("NoSuchUpload", index.uploads.complete(begun, whole, [1, 3], ALWAYS))

    async def test_a_part_replaced_meanwhile_is_not_completed(self, index: Index) -> None:
        begun, parts = await self._begun(index, 2)
        whole = self._joined(begun, parts)
        await index.uploads.put_part(BUCKET.name, "key", begun.id, part(2))
        await refused("InvalidPart", index.uploads.complete(begun, whole, [1, 2], ALWAYS))
        await refused("InvalidPart", index.uploads.complete(begun, whole, [1, 3], ALWAYS))
        assert await index.uploads.get(BUCKET.name, "key", begun.id) == begun

    async def test_conditions_hold_for_completing(self, index: Index) -> None:
        begun, parts = await self._begun(index, 1)
        whole = self._joined(begun, parts)
        await refused("NoSuchKey", index.uploads.complete(begun, whole, [1], WriteCondition(if_match="x")))
        await index.objects.put(in_blobs("key", [blob()]), ALWAYS)
        await refused("PreconditionFailed", index.uploads.complete(begun, whole, [1], IF_ABSENT))
        assert await index.uploads.parts(BUCKET.name, "key", begun.id) == parts
        await index.uploads.complete(begun, whole, [1], WriteCondition(if_match=MD5))
        assert await index.objects.get(BUCKET.name, "key") == whole

    async def test_aborting_leaves_nothing(self, index: Index) -> None:
        begun, parts = await self._begun(index, 3)
        await index.uploads.abort(BUCKET.name, "key", begun.id)
        blobs = [one.extents[0].blob for one in parts]
        assert sorted(await index.garbage.due(10)) == sorted(blobs)
        await refused("NoSuchUpload", index.uploads.put_part(BUCKET.name, "key", begun.id, part(4)))
        await index.garbage.done(blobs)
        assert await index.garbage.referenced(blobs) == frozenset()

    async def test_completes_aborts_and_parts_race_to_one_outcome(self, index: Index) -> None:
        for round_number in range(20):
            begun, parts = await self._begun(index, 2, key=f"race-{round_number}")
            place = (BUCKET.name, begun.key, begun.id)
            late = part(3)
            calls: list[Coroutine[Any, Any, None]] = [
                *(index.uploads.complete(begun, self._joined(begun, parts), [1, 2], ALWAYS) for _ in range(3)),
                *(index.uploads.abort(*place) for _ in range(3)),
            ]
            calls = calls[round_number % 6 :] + calls[: round_number % 6]
            calls.insert(round_number % 7, index.uploads.put_part(*place, late))
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            codes = {error.code for error in outcomes if isinstance(error, S3Error)}
            assert codes == {"NoSuchUpload"}
            part_stored = outcomes[round_number % 7] is None
            assert outcomes.count(None) == 1 + part_stored
            made = await self._exists(index, begun.key)
            used = {one.extents[0].blob for one in parts}
            late_blob = late.extents[0].blob
            dead = set(await index.garbage.due(1000))
            assert (late_blob in dead) == part_stored
            assert used.isdisjoint(dead) if made else used <= dead
            await index.garbage.done(list(dead))

    async def test_uploads_are_listed_by_key_and_time(self, index: Index) -> None:
        begun = [
            upload("b/1", "u3", created_ms=3),
            upload("b/1", "u1", created_ms=4),
            upload("a", "u5"),
            upload("b/2", "u2"),
            upload("c", "u4"),
        ]
        for one in begun:
            await index.uploads.create(one)
        assert await self._listed(index) == ["a u5", "b/1 u3", "b/1 u1", "b/2 u2", "c u4"]
        assert await self._listed(index, prefix="b/") == ["b/1 u3", "b/1 u1", "b/2 u2"]
        assert await self._listed(index, key_marker="b/1") == ["b/2 u2", "c u4"]
        assert await self._listed(index, key_marker="b/1", upload_id_marker="u3") == ["b/1 u1", "b/2 u2", "c u4"]
        grouped = await index.uploads.list(UploadQuery(BUCKET.name, delimiter="/"))
        assert ([one.id for one in grouped.uploads], grouped.prefixes) == (["u5", "u4"], ["b/"])
        behind = await index.uploads.list(UploadQuery(BUCKET.name, delimiter="/", key_marker="b/"))
        assert ([one.id for one in behind.uploads], behind.prefixes) == (["u4"], [])
        await refused("NoSuchBucket", index.uploads.list(UploadQuery("absent")))

    @pytest.mark.parametrize("limit", [1, 2, 3])
    @pytest.mark.parametrize("delimiter", ["", "/"])
    async def test_pages_of_uploads_miss_none(self, index: Index, limit: int, delimiter: str) -> None:
        for number in range(4):
            for key in ("a", "b/1", "b/2", "c"):
                await index.uploads.create(upload(key, f"{key[:1]}{key[-1:]}{number}", created_ms=number % 2))
        whole = await index.uploads.list(UploadQuery(BUCKET.name, delimiter=delimiter))
        query = UploadQuery(BUCKET.name, delimiter=delimiter, limit=limit)
        uploads: list[Upload] = []
        prefixes: list[str] = []
        while True:
            page = await index.uploads.list(query)
            assert 0 < len(page.uploads) + len(page.prefixes) <= limit
            uploads += page.uploads
            prefixes += page.prefixes
            if not page.next_key_marker:
                break
            query = replace(query, key_marker=page.next_key_marker, upload_id_marker=page.next_upload_id_marker)
        assert (uploads, prefixes) == (whole.uploads, whole.prefixes)

    async def test_a_marker_that_was_aborted_skips_no_other_upload(self, index: Index) -> None:
        for name in ("u1", "u2", "u3"):
            await index.uploads.create(upload("key", name))
        await index.uploads.abort(BUCKET.name, "key", "u2")
        assert set(await self._listed(index, key_marker="key", upload_id_marker="u2")) >= {"key u3"}

    async def _listed(self, index: Index, **query: Any) -> list[str]:  # the query's fields
        page = await index.uploads.list(UploadQuery(BUCKET.name, **query))
        return [f"{one.key} {one.id}" for one in page.uploads]

    async def _begun(self, index: Index, count: int, key: str = "key") -> tuple[Upload, list[Any]]:
        begun = upload(key)
        await index.uploads.create(begun)
        parts = [part(number) for number in range(1, count + 1)]
        for one in parts:
            await index.uploads.put_part(BUCKET.name, key, begun.id, one)
        return begun, parts

    def _joined(self, begun: Upload, parts: list[Any]) -> ObjectRecord:
        return in_blobs(
            begun.key,
            [one.extents[0].blob for one in parts],
            parts=tuple(ObjectPart(one.number, one.size, one.etag) for one in parts),
        )

    async def _exists(self, index: Index, key: str) -> bool:
        try:
            await index.objects.get(BUCKET.name, key)
        except S3Error:
            return False
        return True


@pytest.mark.anyio
class AccountContract:
    """Users and keys."""

    async def test_users_are_listed_by_name(self, index: Index) -> None:
        second, first = user("zoe"), user("anna", OTHER, email="a@example.org", root=True)
        await index.accounts.add_user(second)
        await index.accounts.add_user(first)
        assert await index.accounts.users() == [first, second]
        assert await index.accounts.user(OTHER) == first
        await refused("NoSuchEntity", index.accounts.user("absent"))

    async def test_id_name_and_mail_are_taken_once(self, index: Index) -> None:
        await index.accounts.add_user(user("anna", email="a@example.org"))
        for taken in (
            user("other", OWNER),
            user("anna", OTHER),
            user("other", OTHER, email="a@example.org"),
        ):
            await refused("EntityAlreadyExists", index.accounts.add_user(taken))
        await index.accounts.add_user(user("b", OTHER))
        await index.accounts.add_user(user("c", "c" * 64))

    async def test_a_key_is_found_with_its_user(self, index: Index) -> None:
        anna = user("anna")
        await index.accounts.add_user(anna)
        wide, narrow = access_key("WIDE"), access_key("NARROW", created_ms=4, buckets=frozenset({"a", "b"}))
        for key in (wide, narrow):
            await index.accounts.add_key(key)
            assert await index.accounts.find_key(key.access_key) == (key, anna)
        assert await index.accounts.keys(OWNER) == [narrow, wide]
        assert await index.accounts.find_key("ABSENT") is None
        await refused("EntityAlreadyExists", index.accounts.add_key(wide))
        await refused("NoSuchEntity", index.accounts.add_key(access_key("THIRD", "nobody")))

    async def test_a_deleted_key_is_gone_at_once(self, index: Index) -> None:
        await index.accounts.add_user(user("anna"))
        await index.accounts.add_key(access_key("KEY"))
        assert await index.accounts.find_key("KEY") is not None
        await index.accounts.delete_key("KEY")
        assert await index.accounts.find_key("KEY") is None
        await refused("NoSuchEntity", index.accounts.delete_key("KEY"))

    async def test_a_changed_key_is_found_changed(self, index: Index) -> None:
        await index.accounts.add_user(user("anna"))
        await index.accounts.add_key(access_key("KEY"))
        await index.accounts.find_key("KEY")
        await index.accounts.delete_key("KEY")
        changed = access_key("KEY", sealed_secret=b"other")
        await index.accounts.add_key(changed)
        found = await index.accounts.find_key("KEY")
        assert found is not None
        assert found[0] == changed

    async def test_a_user_goes_with_its_keys_but_not_with_its_buckets(self, index: Index) -> None:
        await index.accounts.add_user(user("anna"))
        await index.accounts.add_key(access_key("KEY"))
        await index.buckets.create(BUCKET)
        await refused("DeleteConflict", index.accounts.delete_user("anna"))
        await index.buckets.delete(BUCKET.name)
        await index.accounts.delete_user("anna")
        assert await index.accounts.find_key("KEY") is None
        assert await index.accounts.users() == []
        await refused("NoSuchEntity", index.accounts.delete_user("anna"))


@pytest.mark.anyio
class GarbageContract:
    """The garbage queue, and the index as a whole."""

    async def test_garbage_is_kept_until_it_is_done(self, index: Index) -> None:
        await index.buckets.create(BUCKET)
        blobs = [blob() for _ in range(5)]
        for name in blobs:
            await index.objects.put(in_blobs("key", [name]), ALWAYS)
        assert await index.garbage.due(3) == blobs[:3]
        await index.garbage.done(blobs[:2])
        assert await index.garbage.due(10) == blobs[2:4]
        await index.garbage.done([blobs[4]])
        assert await index.garbage.referenced(blobs) == frozenset(blobs[2:]), "the live blob is nobody's to forget"

    async def test_the_probe_writes_and_closing_twice_is_fine(self, index: Index) -> None:
        await asyncio.gather(*(index.probe() for _ in range(3)))
        await index.aclose()
        await index.aclose()


FAR_MS = 4_000_000_000_000
RELAXED = replace(BUCKET, name="relaxed", durability="relaxed")
NONE = replace(BUCKET, name="none", durability="none")


@pytest.mark.anyio
class HoldContract:
    """The garbage queue under a hold, and the state of the scrub."""

    async def test_while_anybody_holds_the_queue_nothing_is_due(self, index: Index) -> None:
        await index.buckets.create(BUCKET)
        doomed = blob()
        await index.objects.put(in_blobs("key", [doomed]), ALWAYS)
        await index.objects.delete(BUCKET.name, "key", ALWAYS)
        await index.garbage.hold("one", FAR_MS)
        await index.garbage.hold("other", FAR_MS)
        await index.garbage.hold("past", 1)
        assert await index.garbage.due(10) == []
        assert await index.garbage.referenced([doomed]) == {doomed}
        await index.garbage.release("one")
        assert await index.garbage.due(10) == []
        await index.garbage.hold("other", 1)
        assert await index.garbage.due(10) == [doomed]
        await index.garbage.release("never was")

    async def test_a_scrub_goes_on_where_it_was(self, index: Index) -> None:
        assert await index.scrubs.load() is None
        first = ScrubState("", 1)
        await index.scrubs.save(first)
        assert await index.scrubs.load() == first
        later = ScrubState('["b", "k\u00e9"]', 1, 99, 5, 6, 7)
        await index.scrubs.save(later)
        assert await index.scrubs.load() == later


@pytest.mark.anyio
class DurabilityContract:
    """The modes of buckets, and who is told what is not durable yet."""

    @pytest.fixture(autouse=True)
    async def _buckets(self, index: Index) -> None:
        for bucket in (BUCKET, RELAXED, NONE):
            await index.buckets.create(bucket)

    async def test_a_bucket_keeps_its_mode_until_it_is_given_another(self, index: Index) -> None:
        assert [bucket.durability for bucket in await index.buckets.list(None)] == ["strict", "none", "relaxed"]
        await index.buckets.set_durability(BUCKET.name, "none")
        assert await index.buckets.get(BUCKET.name) == replace(BUCKET, durability="none")
        await refused("NoSuchBucket", index.buckets.set_durability("absent", "none"))

    async def test_the_blobs_of_relaxed_writes_are_told_until_they_are_synced(self, index: Index) -> None:
        kept, other, strict, none = blob(), blob(), blob(), blob()
        await index.objects.put(in_blobs("one", [kept], bucket=RELAXED.name), ALWAYS)
        await index.objects.put(in_blobs("two", [other], bucket=RELAXED.name), ALWAYS)
        await index.objects.put(in_blobs("one", [strict]), ALWAYS)
        await index.objects.put(in_blobs("one", [none], bucket=NONE.name), ALWAYS)
        assert await index.unsynced.pending(10) == [kept, other]
        assert await index.unsynced.pending(1) == [kept]
        assert await index.unsynced.among([strict, other, none, kept]) == [other, kept]
        await index.unsynced.done([kept])
        assert await index.unsynced.pending(10) == await index.unsynced.among([kept, other]) == [other]
        await index.unsynced.done([other])
        assert await index.unsynced.among([kept, other]) == []

    async def test_what_is_deleted_need_not_be_synced(self, index: Index) -> None:
        first, second = blob(), blob()
        await index.objects.put(in_blobs("one", [first], bucket=RELAXED.name), ALWAYS)
        await index.objects.put(in_blobs("one", [second], bucket=RELAXED.name), ALWAYS)
        assert await index.unsynced.pending(10) == [second]
        await index.objects.delete(RELAXED.name, "one", ALWAYS)
        assert await index.unsynced.pending(10) == []

    async def test_the_parts_of_relaxed_uploads_are_told(self, index: Index) -> None:
        begun, one = upload("key", bucket=RELAXED.name), part(1)
        manifest = Extent(blob(), 0)
        await index.uploads.create(begun)
        await index.uploads.put_part(RELAXED.name, "key", begun.id, one)
        assert await index.unsynced.pending(10) == [one.extents[0].blob]
        whole = record("key", bucket=RELAXED.name, extents=(*one.extents, manifest))
        await index.uploads.complete(begun, whole, [1], ALWAYS)
        assert await index.unsynced.pending(10) == [one.extents[0].blob, manifest.blob]

    async def test_it_is_known_whether_anything_waits_for_a_sync(self, index: Index) -> None:
        assert not index.unsynced.waiting()
        for name in (RELAXED.name, NONE.name):
            await index.objects.put(record("key", bucket=name), ALWAYS)
            assert index.unsynced.waiting()
            await index.unsynced.done([])
            assert not index.unsynced.waiting()
        await index.objects.put(record("key", bucket=RELAXED.name), ALWAYS)
        await index.objects.put(record("key"), ALWAYS)
        assert not index.unsynced.waiting(), "a strict write takes the earlier ones along"


@pytest.mark.anyio
class DamageContract:
    """Quarantine, and the walks that look for damage."""

    @pytest.fixture(autouse=True)
    async def _buckets(self, index: Index) -> None:
        for name in (BUCKET.name, "another", "empty"):
            await index.buckets.create(replace(BUCKET, name=name))

    async def test_an_object_in_quarantine_says_why_until_it_is_released(self, index: Index) -> None:
        stored = in_blobs("key", [blob(), blob()])
        await index.objects.put(stored, ALWAYS)
        assert await index.objects.get(BUCKET.name, "key") == stored
        assert await index.objects.quarantine(stored, "block 3 differs")
        assert await index.objects.get(BUCKET.name, "key") == replace(stored, damaged="block 3 differs")
        assert await index.objects.damaged() == [DamagedRecord(BUCKET.name, "key", "block 3 differs")]
        assert await index.objects.release(BUCKET.name, "key")
        assert not await index.objects.release(BUCKET.name, "key")
        assert await index.objects.get(BUCKET.name, "key") == stored
        assert await index.objects.damaged() == []

    @pytest.mark.parametrize("place", [("absent", "key"), (BUCKET.name, "absent")])
    async def test_what_is_absent_has_no_quarantine(self, index: Index, place: tuple[str, str]) -> None:
        bucket, key = place
        assert not await index.objects.quarantine(record(key, bucket=bucket), "why")
        assert not await index.objects.release(bucket, key)
        assert not await index.objects.forget(bucket, key, [])

    async def test_only_the_object_that_was_seen_is_put_in_quarantine(self, index: Index) -> None:
        seen = in_blobs("key", [blob()])
        await index.objects.put(seen, ALWAYS)
        newer = in_blobs("key", [blob()])
        await index.objects.put(newer, ALWAYS)
        assert not await index.objects.quarantine(seen, "why")
        assert await index.objects.get(BUCKET.name, "key") == newer

    async def test_a_put_or_a_delete_ends_the_quarantine(self, index: Index) -> None:
        for number, heal in enumerate(("put", "delete")):
            stored = in_blobs(f"key-{number}", [blob()])
            await index.objects.put(stored, ALWAYS)
            await index.objects.quarantine(stored, "why")
            if heal == "delete":
                await index.objects.delete(BUCKET.name, stored.key, ALWAYS)
            await index.objects.put(replace(stored, extents=(Extent(blob(), 7),), size=7, damaged="old"), ALWAYS)
            assert (await index.objects.get(BUCKET.name, stored.key)).damaged is None
        assert await index.objects.damaged() == []

    async def test_quarantines_are_listed_in_pages(self, index: Index) -> None:
        for bucket, key in ((BUCKET.name, "b"), (BUCKET.name, "a"), ("another", "z")):
            stored = record(key, bucket=bucket)
            await index.objects.put(stored, ALWAYS)
            await index.objects.quarantine(stored, "why")
        await index.objects.put(record("whole"), ALWAYS)
        first = await index.objects.damaged(limit=2)
        assert [(one.bucket, one.key) for one in first] == [("another", "z"), (BUCKET.name, "a")]
        rest = await index.objects.damaged(after=(BUCKET.name, "a"))
        assert [(one.bucket, one.key) for one in rest] == [(BUCKET.name, "b")]

    @pytest.mark.parametrize("limit", [1, 2, 3, 100])
    async def test_a_walk_meets_every_object_whole_and_in_order(self, index: Index, limit: int) -> None:
        stored = [
            record("a", bucket="another"),
            in_blobs("a\0", [blob(), blob()], bucket="another", parts=(ObjectPart(1, 200_000, MD5),)),
            record("a"),
            in_blobs("\u00e9", [blob()]),
            record("\U0001f600"),
        ]
        for one in reversed(stored):
            await index.objects.put(one, ALWAYS)
        met: list[Any] = []
        while found := await index.objects.walk((met[-1].bucket, met[-1].key) if met else None, limit):
            assert len(found) <= limit
            met += found
        assert met == stored

    @pytest.mark.parametrize("limit", [1, 2, 100])
    async def test_a_walk_meets_every_part(self, index: Index, limit: int) -> None:
        expected: list[UploadedPart] = []
        for name in ("u1", "u2", "u3"):
            begun = upload("k\u00e9", name)
            await index.uploads.create(begun)
            for number in (1, 7) if name != "u2" else ():
                one = part(number)
                await index.uploads.put_part(BUCKET.name, begun.key, name, one)
                expected.append(UploadedPart(BUCKET.name, begun.key, name, one))
        met: list[Any] = []
        while found := await index.uploads.walk((met[-1].upload_id, met[-1].part.number) if met else None, limit):
            met += found
        assert met == expected

    async def test_an_object_is_forgotten_only_if_it_still_has_these_bytes(self, index: Index) -> None:
        stored = in_blobs("key", [blob(), blob()])
        await index.objects.put(stored, ALWAYS)
        assert not await index.objects.forget(BUCKET.name, "key", stored.extents[:1])
        assert await index.objects.forget(BUCKET.name, "key", stored.extents)
        await refused("NoSuchKey", index.objects.get(BUCKET.name, "key"))
        assert sorted(await index.garbage.due(10)) == sorted(extent.blob for extent in stored.extents)


@pytest.mark.anyio
class ManifestContract:
    """Blobs that hold none of the object's bytes."""

    @pytest.fixture(autouse=True)
    async def _bucket(self, index: Index) -> None:
        await index.buckets.create(BUCKET)

    @pytest.mark.parametrize("inline", [b"", b"abc"])
    async def test_an_object_of_any_size_may_have_one(self, index: Index, inline: bytes) -> None:
        manifest = Extent(blob(), 0)
        stored = replace(record("key", inline=inline, size=len(inline)), extents=(manifest,))
        await index.objects.put(stored, ALWAYS)
        assert await index.objects.get(BUCKET.name, "key") == stored
        await index.objects.delete(BUCKET.name, "key", ALWAYS)
        assert await index.garbage.due(10) == [manifest.blob]

    async def test_completing_takes_it_beside_the_parts(self, index: Index) -> None:
        begun, parts = upload("key"), [part(1), part(2)]
        await index.uploads.create(begun)
        for one in parts:
            await index.uploads.put_part(BUCKET.name, "key", begun.id, one)
        manifest = Extent(blob(), 0)
        extents = (parts[0].extents[0], parts[1].extents[0], manifest)
        whole = record("key", extents=extents, parts=(ObjectPart(1, 100_000, MD5), ObjectPart(2, 100_000, MD5)))
        await index.uploads.complete(begun, whole, [1, 2], ALWAYS)
        assert await index.objects.get(BUCKET.name, "key") == whole
        changed = replace(whole, extents=(*extents[:2], Extent(blob(), 0)), user={"a": "b"})
        await index.objects.put(changed, ALWAYS)
        assert await index.garbage.due(10) == [manifest.blob]
        await refused("OperationAborted", index.objects.put(replace(changed, extents=extents), ALWAYS))

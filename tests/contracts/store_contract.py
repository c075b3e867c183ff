"""What every bucket promises (client/stores/port.py), once for all adapters: subclass it and give a `store` fixture.

Nothing here knows which adapter runs. A store that lacks a capability skips the promises that go with it, by name.
"""

import hashlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from cybous3.client.stores.errors import (
    NoSuchUpload,
    NotFound,
    PreconditionFailed,
    RangeOutside,
    Refused,
    StoreError,
)
from cybous3.client.stores.port import MIB, Store, each_entry

# Keys a file system, a URL or XML could each get wrong.
ODD_KEYS = (
    "plain",
    "with space",
    "a+b%20c&d=e?f#g",
    "../up",
    "a/./b",
    "a//b",
    "/leading",
    "trailing/",
    "é-ü-漢字-🙂",
    "e\u0301 decomposed",
    "quote\"'<>&;",
    "back\\slash:star*",
    "CON",
    "dot.",
    "CaSe",
    "case",
    "x" * 1024,
    "/".join(["y" * 63] * 15),
)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def content(store: Store, key: str, **options: Any) -> bytes:
    with store.get(key, **options) as download:
        return download.read()


class StoreContract:
    """The suite."""

    # objects

    @pytest.mark.parametrize("size", [0, 1, 1000, 70_000, 3 * MIB + 1])
    def test_what_was_put_is_got(self, store: Store, size: int) -> None:
        data = os.urandom(size)
        written = store.put("k", data, metadata={"cybs3": "1.1.abc", "other": "x y"}, content_type="text/x-odd")
        with store.get("k") as download:
            assert (download.length, download.info.size) == (size, size)
            assert sha(download.read()) == sha(data)
            info = download.info
        assert info.etag == written.etag == store.head("k").etag
        assert info.metadata == store.head("k").metadata == {"cybs3": "1.1.abc", "other": "x y"}
        assert info.content_type == "text/x-odd"

    def test_a_body_may_come_in_several_buffers(self, store: Store) -> None:
        pieces: list[bytes | bytearray | memoryview] = [b"ab", bytearray(b"cd"), memoryview(b"xefx")[1:3]]
        store.put("k", pieces)
        assert content(store, "k") == b"abcdef"

    @pytest.mark.parametrize("key", ODD_KEYS)
    def test_any_key_is_only_a_name(self, store: Store, key: str) -> None:
        store.put(key, key.encode())
        assert content(store, key) == key.encode()
        assert store.head(key).key == key
        assert [entry.key for entry in each_entry(store)] == [key]
        store.copy(key, "copy of it")
        assert store.delete_many([key]) == []
        assert [entry.key for entry in each_entry(store)] == ["copy of it"]

    def test_keys_that_differ_are_different_objects(self, store: Store) -> None:
        for key in ODD_KEYS:
            store.put(key, key.encode())
        assert [entry.key for entry in each_entry(store)] == sorted(ODD_KEYS)
        assert all(content(store, key) == key.encode() for key in ODD_KEYS)

    def test_a_key_longer_than_1024_bytes_is_refused(self, store: Store) -> None:
        with pytest.raises(Refused):
            store.put("é" * 513, b"")

    def test_a_put_replaces_everything(self, store: Store) -> None:
        first = store.put("k", b"first", metadata={"a": "1"}, content_type="text/a")
        second = store.put("k", b"second", metadata={"b": "2"})
        assert first.etag != second.etag
        assert content(store, "k") == b"second"
        assert store.head("k").metadata == {"b": "2"}

    @pytest.mark.parametrize(
        ("start", "length", "expected"),
        [(0, 4, b"0123"), (3, 4, b"3456"), (9, 1, b"9"), (9, 100, b"9"), (4, None, b"456789"), (0, 100, b"0123456789")],
    )
    def test_a_range_is_its_bytes_and_says_the_whole_size(
        self, store: Store, start: int, length: int | None, expected: bytes
    ) -> None:
        store.put("k", b"0123456789")
        with store.get("k", start=start, length=length) as download:
            assert (download.length, download.info.size) == (len(expected), 10)
            assert download.read() == expected

    @pytest.mark.parametrize("start", [10, 11])
    def test_a_range_beyond_the_end_says_so(self, store: Store, start: int) -> None:
        store.put("k", b"0123456789")
        with pytest.raises(RangeOutside):
            store.get("k", start=start, length=5)

    def test_readinto_fills_the_buffer_until_the_end(self, store: Store) -> None:
        data = os.urandom(150_000)
        store.put("k", data)
        got, buffer = bytearray(), bytearray(64 * 1024)
        with store.get("k") as download:
            counts = []
            while count := download.readinto(buffer):
                counts.append(count)
                got += memoryview(buffer)[:count]
            assert download.readinto(buffer) == 0
        assert counts == [65536, 65536, 150_000 - 2 * 65536]
        assert got == data

    def test_a_download_may_be_left_early_and_closed_twice(self, store: Store) -> None:
        store.put("k", bytes(2 * MIB))
        for _ in range(3):
            download = store.get("k")
            download.readinto(bytearray(10))
            download.close()
            download.close()
        assert store.head("k").size == 2 * MIB

    def test_what_is_not_there_is_not_found(self, store: Store) -> None:
        for call in (store.get, store.head, lambda key: store.copy(key, "elsewhere")):
            with pytest.raises(NotFound) as caught:
                call("missing")
            assert type(caught.value) is NotFound
            assert caught.value.exit_code == 3

    def test_deleting_is_the_same_twice(self, store: Store) -> None:
        store.put("k", b"x")
        store.delete("k")
        store.delete("k")
        with pytest.raises(NotFound):
            store.head("k")

    def test_many_are_deleted_at_once(self, store: Store) -> None:
        for number in range(12):
            store.put(f"k{number:02}", b"")
        assert store.delete_many([f"k{number:02}" for number in range(10)] + ["never there"]) == []
        assert [entry.key for entry in each_entry(store)] == ["k10", "k11"]
        with pytest.raises(Refused):
            store.delete_many([str(number) for number in range(store.capabilities.delete_many_max + 1)])

    def test_metadata_that_no_header_carries_is_refused(self, store: Store) -> None:
        for metadata in ({"a": "line\nbreak"}, {"a": "é"}, {"A": "x"}, {"a b": "x"}, {"a": " x"}):
            with pytest.raises(Refused):
                store.put("k", b"", metadata=metadata)
        assert list(each_entry(store)) == []

    # conditions

    def test_absent_writes_only_the_first(self, store: Store) -> None:
        self._needs_conditions(store)
        store.put("k", b"first", absent=True)
        with pytest.raises(PreconditionFailed):
            store.put("k", b"second", absent=True)
        assert content(store, "k") == b"first"

    def test_if_match_writes_only_over_the_state_it_names(self, store: Store) -> None:
        self._needs_conditions(store)
        first = store.put("k", b"first")
        second = store.put("k", b"second", if_match=first.etag)
        with pytest.raises(PreconditionFailed):
            store.put("k", b"third", if_match=first.etag)
        store.delete("k")
        with pytest.raises(PreconditionFailed):
            store.put("k", b"fourth", if_match=second.etag)
        with pytest.raises(NotFound):
            store.head("k")

    def test_of_many_writers_at_once_one_wins(self, store: Store) -> None:
        self._needs_conditions(store)
        start = threading.Barrier(6)

        def write(number: int) -> bool:
            start.wait()
            try:
                store.put("k", str(number).encode(), absent=True)
            except PreconditionFailed:
                return False
            return True

        with ThreadPoolExecutor(6) as threads:
            won = [number for number, ok in enumerate(threads.map(write, range(6))) if ok]
        assert len(won) == 1
        assert content(store, "k") == str(won[0]).encode()

    def test_a_read_of_another_state_is_refused(self, store: Store) -> None:
        first = store.put("k", b"first")
        assert content(store, "k", if_match=first.etag) == b"first"
        store.put("k", b"second")
        with pytest.raises(PreconditionFailed):
            store.get("k", if_match=first.etag, start=1, length=2)

    # listing

    def test_an_empty_bucket_lists_nothing(self, store: Store) -> None:
        page = store.list()
        assert (list(page.entries), list(page.prefixes), page.next_token) == ([], [], None)

    def test_a_listing_shows_size_etag_and_time(self, store: Store) -> None:
        written = store.put("k", b"12345")
        (entry,) = store.list().entries
        assert (entry.key, entry.size, entry.etag) == ("k", 5, written.etag)
        assert abs(entry.modified_s - store.head("k").modified_s) < 1.5

    @pytest.mark.parametrize("limit", [1, 2, 3, 7])
    def test_pages_follow_each_other_without_gap_or_repetition(self, store: Store, limit: int) -> None:
        keys = sorted(["a", "b/1", "b/2", "b/3", "b0", "c/d/e", "c/f", "é", "🙂"])
        for key in keys:
            store.put(key, b"")
        seen, token = [], None
        while True:
            page = store.list(limit=limit, token=token)
            assert len(page.entries) <= limit
            seen += [entry.key for entry in page.entries]
            token = page.next_token
            if token is None:
                break
        assert seen == keys

    @pytest.mark.parametrize("limit", [1, 2, 1000])
    def test_a_delimiter_rolls_up(self, store: Store, limit: int) -> None:
        for key in ("a", "b/1", "b/2", "b/c/3", "b0", "d/e/f", "é/x"):
            store.put(key, b"")
        shown, token = [], None
        while True:
            page = store.list(delimiter="/", limit=limit, token=token)
            assert len(page.entries) + len(page.prefixes) <= limit
            shown += [entry.key for entry in page.entries] + [*page.prefixes]
            token = page.next_token
            if token is None:
                break
        assert sorted(shown) == ["a", "b/", "b0", "d/", "é/"]
        page = store.list("b/", delimiter="/")
        assert ([entry.key for entry in page.entries], [*page.prefixes]) == (["b/1", "b/2"], ["b/c/"])

    def test_after_and_prefix(self, store: Store) -> None:
        for key in ("a", "b", "ba", "bb", "c"):
            store.put(key, b"")
        assert [entry.key for entry in store.list(after="b").entries] == ["ba", "bb", "c"]
        assert [entry.key for entry in store.list("b", after="b").entries] == ["ba", "bb"]
        assert [entry.key for entry in store.list("b").entries] == ["b", "ba", "bb"]

    # copies

    def test_a_copy_keeps_or_replaces_metadata(self, store: Store) -> None:
        source = store.put("from", b"content", metadata={"a": "1"})
        store.copy("from", "kept")
        store.copy("from", "changed", metadata={"b": "2"}, if_match=source.etag)
        assert content(store, "kept") == content(store, "changed") == b"content"
        assert store.head("kept").metadata == {"a": "1"}
        assert store.head("changed").metadata == {"b": "2"}

    def test_a_copy_onto_itself_changes_metadata_only(self, store: Store) -> None:
        store.put("k", b"content", metadata={"a": "1"})
        store.copy("k", "k", metadata={"b": "2"})
        assert content(store, "k") == b"content"
        assert store.head("k").metadata == {"b": "2"}

    def test_a_copy_of_another_state_is_refused(self, store: Store) -> None:
        source = store.put("from", b"first")
        store.put("from", b"second")
        with pytest.raises(PreconditionFailed):
            store.copy("from", "to", metadata={}, if_match=source.etag)
        with pytest.raises(NotFound):
            store.head("to")

    # parts

    def test_an_object_in_parts_is_their_concatenation(self, store: Store) -> None:
        self._needs_parts(store)
        first, last = os.urandom(store.capabilities.part_bytes_min), os.urandom(1000)
        upload_id = store.create_upload("k", metadata={"a": "1"}, content_type="text/x-odd")
        parts = [store.upload_part("k", upload_id, 3, last), store.upload_part("k", upload_id, 1, first)]
        with pytest.raises(NotFound):
            store.head("k")
        parts.sort(key=lambda part: part.number)
        assert list(store.list_parts("k", upload_id)) == parts
        written = store.complete_upload("k", upload_id, parts)
        info = store.head("k")
        assert (info.size, info.etag) == (len(first) + len(last), written.etag)
        assert (info.metadata, info.content_type) == ({"a": "1"}, "text/x-odd")
        assert sha(content(store, "k")) == sha(first + last)
        assert content(store, "k", start=len(first) - 2, length=4) == first[-2:] + last[:2]
        assert list(store.list_uploads()) == []

    def test_a_part_sent_again_replaces_the_first(self, store: Store) -> None:
        self._needs_parts(store)
        upload_id = store.create_upload("k")
        old = store.upload_part("k", upload_id, 1, b"old")
        new = store.upload_part("k", upload_id, 1, b"new one")
        with pytest.raises(Refused):
            store.complete_upload("k", upload_id, [old])
        assert list(store.list_parts("k", upload_id)) == [new]
        store.complete_upload("k", upload_id, [new])
        assert content(store, "k") == b"new one"

    def test_parts_out_of_order_missing_or_too_small_are_refused(self, store: Store) -> None:
        self._needs_parts(store)
        upload_id = store.create_upload("k")
        one, two = (store.upload_part("k", upload_id, number, b"small") for number in (1, 2))
        for wanted in ([two, one], [one, two], [], [replace(one, number=7)]):
            with pytest.raises(Refused):
                store.complete_upload("k", upload_id, wanted)
        with pytest.raises(NotFound):
            store.head("k")
        store.abort_upload("k", upload_id)

    def test_an_aborted_upload_is_gone(self, store: Store) -> None:
        self._needs_parts(store)
        upload_id = store.create_upload("k")
        part = store.upload_part("k", upload_id, 1, b"x")
        store.abort_upload("k", upload_id)
        store.abort_upload("k", upload_id)
        with pytest.raises(NoSuchUpload):
            store.upload_part("k", upload_id, 1, b"x")
        with pytest.raises(NoSuchUpload):
            store.list_parts("k", upload_id)
        with pytest.raises(NoSuchUpload):
            store.complete_upload("k", upload_id, [part])

    def test_unfinished_uploads_are_listed_by_key(self, store: Store) -> None:
        self._needs_parts(store)
        made = {key: store.create_upload(key) for key in ("b/2 é", "a", "b/1")}
        found = list(store.list_uploads())
        assert [(info.key, info.upload_id) for info in found] == sorted(made.items())
        assert [info.key for info in store.list_uploads("b/")] == ["b/1", "b/2 é"]
        for key, upload_id in made.items():
            store.abort_upload(key, upload_id)
        assert list(store.list_uploads()) == []

    def test_completing_may_ask_for_absence_or_a_state(self, store: Store) -> None:
        self._needs_parts(store)
        self._needs_conditions(store)
        there = store.put("k", b"there")
        upload_id = store.create_upload("k")
        part = store.upload_part("k", upload_id, 1, b"parts")
        for condition in ({"absent": True}, {"if_match": "0" * 32}):
            with pytest.raises(PreconditionFailed):
                store.complete_upload("k", upload_id, [part], **condition)
        assert content(store, "k") == b"there"
        store.complete_upload("k", upload_id, [part], if_match=there.etag)
        assert content(store, "k") == b"parts"

    def test_a_part_may_be_copied(self, store: Store) -> None:
        self._needs_parts(store)
        if not store.capabilities.copy_part:
            pytest.skip("this store copies no parts")
        data = os.urandom(store.capabilities.part_bytes_min + 500)
        source = store.put("from", data)
        upload_id = store.create_upload("k")
        size = store.capabilities.part_bytes_min
        parts = [
            store.copy_part("k", upload_id, 1, source="from", start=0, length=size, if_match=source.etag),
            store.copy_part("k", upload_id, 2, source="from", start=size, length=500),
        ]
        assert [part.size for part in parts] == [size, 500]
        store.complete_upload("k", upload_id, parts)
        assert sha(content(store, "k")) == sha(data)

    # threads

    def test_many_threads_share_a_store(self, store: Store) -> None:
        def work(number: int) -> bool:
            data = os.urandom(1000 + number)
            store.put(f"k{number}", data)
            return content(store, f"k{number}") == data

        with ThreadPoolExecutor(8) as threads:
            assert all(threads.map(work, range(40)))
        assert len(store.list().entries) == 40

    def test_errors_speak_to_a_person(self, store: Store) -> None:
        with pytest.raises(StoreError) as caught:
            store.head("missing thing")
        assert "missing thing" in caught.value.message
        assert caught.value.message[0] != caught.value.message[0].upper() or caught.value.message[0] == "'"

    @staticmethod
    def _needs_conditions(store: Store) -> None:
        if not store.capabilities.conditional_put:
            pytest.skip("this store has no conditional writes")

    @staticmethod
    def _needs_parts(store: Store) -> None:
        if not store.capabilities.multipart:
            pytest.skip("this store has no multipart uploads")

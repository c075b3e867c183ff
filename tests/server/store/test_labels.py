"""A label says all that the index says of an object, a part or a manifest, and nothing else is taken for one."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybous3.server.model.objects import Checksum, Extent, ObjectPart
from cybous3.server.store import labels
from tests.contracts.values import blob, in_blobs, part, record, upload

_BLOB = "0" * 32


def test_an_object_is_read_as_it_was_written() -> None:
    said = in_blobs(
        "a/ü\u2028",
        [_BLOB],
        system={"content-type": "text/x"},
        user={"a": "b\xff"},
        checksum=Checksum("CRC32", "AAAA"),
        storage_class="STANDARD",
    )
    read = labels.read(labels.of_object(said, 7), _BLOB)
    assert (read.kind, read.at_us, read.record) == ("object", 7, said)
    assert (read.place, read.owner) == ((said.bucket, said.key), said.owner)


@given(key=st.text(min_size=1), user=st.dictionaries(st.text(), st.text()))
def test_any_key_and_metadata_survive(key: str, user: dict[str, str]) -> None:
    said = in_blobs(key, [_BLOB], user=user)
    assert labels.read(labels.of_object(said, 1), _BLOB).record == said


def test_a_part_tells_its_upload() -> None:
    begun = upload("k", checksum_algorithm="CRC32", checksum_type="COMPOSITE", user={"x": "y"})
    given_part = replace(part(3, _BLOB), checksum=Checksum("CRC32", "AAAA"))
    read = labels.read(labels.of_part(begun, given_part, 8), _BLOB)
    assert (read.kind, read.upload, read.part) == ("part", begun, given_part)
    assert (read.place, read.owner) == ((begun.bucket, begun.key), begun.owner)
    assert labels.read(labels.of_part(begun, part(1, _BLOB), 8), _BLOB).part == part(1, _BLOB)


def test_a_manifest_names_the_blobs_and_itself() -> None:
    first, second, manifest = blob(), blob(), blob()
    said = in_blobs(
        "k", [first, second], parts=(ObjectPart(1, 100_000, "e", None), ObjectPart(2, 100_000, "f", "AAAA"))
    )
    read = labels.read(labels.of_manifest(said, 9), manifest)
    assert read.record == replace(said, extents=(*said.extents, Extent(manifest, 0)))
    again = labels.read(labels.of_manifest(read.record, 9), manifest)  # the manifest before it is not named
    assert again == read


def test_the_largest_manifest_fits_into_a_label() -> None:
    parts = tuple(ObjectPart(number, 5 * 1024**3, "f" * 32, "A" * 44) for number in range(1, 10_001))
    said = in_blobs("k" * 1024, [f"{number:032x}" for number in range(10_000)], parts=parts, user={"a": "b" * 2000})
    assert len(labels.of_manifest(said, 2**53)) < 4 * 1024**2


_GOOD = json.loads(labels.of_object(in_blobs("k", [_BLOB]), 1))


@pytest.mark.parametrize(
    "label",
    [
        b"",
        b"\xff",
        b"[]",
        b"null",
        b"{}",
        json.dumps({**_GOOD, "v": 2}).encode(),
        json.dumps({**_GOOD, "kind": "other"}).encode(),
        json.dumps({**_GOOD, "at_us": True}).encode(),
        json.dumps({**_GOOD, "object": {**_GOOD["object"], "size": -1}}).encode(),
        json.dumps({**_GOOD, "object": {**_GOOD["object"], "key": 5}}).encode(),
        json.dumps({**_GOOD, "object": {**_GOOD["object"], "user": {"a": 1}}}).encode(),
        json.dumps({**_GOOD, "kind": "manifest", "extents": [["../../x", 100_000]], "parts": []}).encode(),
        json.dumps({**_GOOD, "kind": "manifest", "extents": [], "parts": []}).encode(),
        json.dumps({"v": 1, "kind": "part", "at_us": 1, "upload": {"id": "x", "odd": 1}, "part": {}}).encode(),
    ],
)
def test_what_is_no_label_is_refused(label: bytes) -> None:
    with pytest.raises(labels.LabelError):
        labels.read(label, _BLOB)


def test_a_label_of_nothing_has_neither_place_nor_owner() -> None:
    nothing = labels.Label("object", 1)
    for ask in (lambda: nothing.place, lambda: nothing.owner):
        with pytest.raises(labels.LabelError):
            ask()


def test_small_objects_have_no_label_of_their_own() -> None:
    with pytest.raises(labels.LabelError):  # three bytes inline and no blob: nothing that a label could stand in
        labels.read(labels.of_manifest(record("k"), 1), _BLOB)

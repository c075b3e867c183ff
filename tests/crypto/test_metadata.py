"""Sealed metadata: what is written is read, and what a reader would refuse is not written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybous3.crypto.canonical import Json, encode_json
from cybous3.crypto.errors import Malformed
from cybous3.crypto.metadata import DIRECTORY, FILE, ObjectMetadata, next_generation
from cybous3.crypto.primitives import pad

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
METADATA = st.builds(
    ObjectMetadata,
    path=TEXT,
    generation=st.integers(0, 2**64 - 1),
    content_type=st.none() | TEXT,
    user=st.dictionaries(TEXT, TEXT, max_size=3),
    mtime_ns=st.none() | st.integers(-(2**63), 2**63 - 1),
    mode=st.none() | st.integers(0, 0o7777),
    kind=st.sampled_from([FILE, DIRECTORY]),
)
LEAST: dict[str, Json] = {"generation": "1", "kind": "file", "path": "a"}


@given(METADATA)
def test_metadata_round_trip(metadata: ObjectMetadata) -> None:
    encoded = metadata.encode()
    assert len(encoded) % 64 == 0
    assert ObjectMetadata.decode(encoded) == metadata


@pytest.mark.parametrize(
    "change",
    [
        {"generation": 1},
        {"generation": "-1"},
        {"generation": "18446744073709551616"},
        {"kind": "symlink"},
        {"kind": None},
        {"path": 1},
        {"content_type": 1},
        {"mode": 4096},
        {"mode": "420"},
        {"mtime_ns": 1},
        {"mtime_ns": "9223372036854775808"},
        {"user": []},
        {"user": {"a": 1}},
    ],
    ids=str,
)
def test_a_member_of_another_type_or_range_is_refused(change: dict[str, Json]) -> None:
    """[F-9]."""
    with pytest.raises(Malformed):
        ObjectMetadata.decode(pad(encode_json({**LEAST, **change}), 64))


@pytest.mark.parametrize("name", list(LEAST))
def test_a_required_member_is_required(name: str) -> None:
    """[F-9]."""
    with pytest.raises(Malformed):
        ObjectMetadata.decode(pad(encode_json({key: value for key, value in LEAST.items() if key != name}), 64))


def test_unknown_members_are_ignored() -> None:
    """[F-10]."""
    assert ObjectMetadata.decode(pad(encode_json({**LEAST, "colour": "red"}), 64)) == ObjectMetadata("a", 1)


def test_wrong_padding_is_refused() -> None:
    """[F-3]."""
    with pytest.raises(Malformed):
        ObjectMetadata.decode(encode_json(LEAST) + bytes(64))


@pytest.mark.parametrize(
    "metadata", [ObjectMetadata("\ud800", 0), ObjectMetadata("a", -1), ObjectMetadata("a", 0, mode=-1)]
)
def test_what_a_reader_refuses_is_not_written(metadata: ObjectMetadata) -> None:
    with pytest.raises(Malformed):
        metadata.encode()


@given(previous=st.integers(0, 2**63), now_ms=st.integers(0, 2**47))
def test_the_clock_only_moves_on(previous: int, now_ms: int) -> None:
    assert next_generation(previous, now_ms) > previous
    assert next_generation(previous, now_ms) >= now_ms << 16

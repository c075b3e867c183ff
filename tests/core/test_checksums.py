"""Five checksums against published values, and joined over parts as if over the whole."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybous3.core import checksums
from cybous3.core.checksums import ALGORITHMS, ChecksumError

VECTORS = tomllib.loads((Path(__file__).parents[2] / "vectors/checksums/check-values.toml").read_text())
FULL_OBJECT = [row.name for row in ALGORITHMS.values() if row.full_object]


def test_the_table_says_what_s3_says() -> None:
    assert {name: (row.digest_size, row.composite, row.full_object) for name, row in ALGORITHMS.items()} == {
        "CRC32": (4, True, True),
        "CRC32C": (4, True, True),
        "CRC64NVME": (8, False, True),
        "SHA1": (20, True, False),
        "SHA256": (32, True, False),
    }
    assert checksums.HEADERS["x-amz-checksum-crc64nvme"] == "CRC64NVME"


@pytest.mark.parametrize("name", ALGORITHMS)
def test_published_check_values(name: str) -> None:
    assert checksums.compute(name, VECTORS["input"].encode()).hex() == VECTORS[name]


@pytest.mark.parametrize("name", ALGORITHMS)
@given(pieces=st.lists(st.binary()))
def test_pieces_and_kinds_of_buffer_make_no_difference(name: str, pieces: list[bytes]) -> None:
    hasher = checksums.new(name)
    for number, piece in enumerate(pieces):
        hasher.update((piece, bytearray(piece), memoryview(piece))[number % 3])
    digest = hasher.digest()
    assert digest == checksums.compute(name, b"".join(pieces))
    assert len(digest) == ALGORITHMS[name].digest_size
    assert checksums.from_base64(name, checksums.to_base64(digest)) == digest


@pytest.mark.parametrize("name", FULL_OBJECT)
@given(parts=st.lists(st.binary()))
def test_crcs_of_parts_join_to_the_crc_of_the_whole(name: str, parts: list[bytes]) -> None:
    joined = checksums.combine_full_object(name, [(checksums.compute(name, part), len(part)) for part in parts])
    assert joined == checksums.compute(name, b"".join(parts))


def test_a_composite_checksum_is_that_of_the_digests() -> None:
    parts = [b"one", b"two"]
    digests = [checksums.compute("SHA256", part) for part in parts]
    whole = checksums.to_base64(checksums.compute("SHA256", b"".join(digests)))
    assert checksums.composite("SHA256", iter(digests)) == f"{whole}-2"


def test_a_way_of_joining_that_an_algorithm_lacks_is_refused() -> None:
    with pytest.raises(ChecksumError, match="composite"):
        checksums.composite("CRC64NVME", [])
    with pytest.raises(ChecksumError, match="joined"):
        checksums.combine_full_object("SHA1", [])


@pytest.mark.parametrize("name", ["crc32", "XXHASH64", ""])
def test_an_unknown_algorithm_is_never_a_default(name: str) -> None:
    with pytest.raises(ChecksumError, match="unknown"):
        checksums.new(name)


@pytest.mark.parametrize("text", ["", "AAAA", "AAAAAA=", "AAAAAB==", "AAAA AA==", "AAAAAA==\n", "AAAAAAA=", "ÄAAAAA=="])
def test_only_the_exact_base64_is_a_digest(text: str) -> None:
    with pytest.raises(ChecksumError, match="base64"):
        checksums.from_base64("CRC32", text)

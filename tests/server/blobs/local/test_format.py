"""Blob file format 1: whatever happens to a file, it is found."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cybous3.core.checksums import compute
from cybous3.server.blobs.local.format import (
    BLOCK,
    CHECK,
    MAGIC,
    TAIL,
    Checks,
    Shape,
    read_tail,
    verify_blocks,
    verify_label,
)
from cybous3.server.blobs.port import LABEL_BYTES_MAX, DamagedBlobError

BLOB, OTHER = "00112233445566778899aabbccddeeff", "f" * 32


def file_of(data: bytes, label: bytes = b"", blob: str = BLOB) -> bytes:
    """Return a blob file."""
    checks = Checks(blob)
    checks.add(data)
    return data + checks.end(label)


def opened(file: bytes, blob: str = BLOB) -> tuple[bytes, bytes]:
    """Return data and label of a file, all of it verified. DamagedBlobError."""
    shape = read_tail(blob, file[-TAIL:], len(file))
    label = file[shape.label_at : shape.label_at + shape.label]
    verify_label(blob, label, shape)
    verify_blocks(blob, 0, memoryview(file)[: shape.data], file[shape.data : shape.label_at])
    return file[: shape.data], label


data_and_label = st.tuples(st.sampled_from([0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7]), st.binary(max_size=50))


def data_of(length: int) -> bytes:
    """Return bytes that repeat nowhere at a block's distance."""
    return (b"".join(number.to_bytes(3) for number in range(length // 3 + 1)))[:length]


@given(data_and_label)
def test_what_goes_in_comes_out(made: tuple[int, bytes]) -> None:
    data, label = data_of(made[0]), made[1]
    file = file_of(data, label)
    assert opened(file) == (data, label)
    assert file.startswith(data)  # as it is, for `head -c`
    assert len(file) == len(data) + CHECK * -(-len(data) // BLOCK) + len(label) + TAIL


@given(st.lists(st.integers(0, 2 * BLOCK), max_size=6))
def test_it_does_not_matter_in_which_pieces_data_comes(sizes: list[int]) -> None:
    data, checks, at = data_of(sum(sizes)), Checks(BLOB), 0
    for size in sizes:
        checks.add(data[at : at + size])
        at += size
    assert data + checks.end(b"label") == file_of(data, b"label")
    assert checks.length == len(data)


def test_a_second_reader_finds_what_the_page_says() -> None:
    """The format, put together from its description alone."""
    data, label = data_of(BLOCK + 10), b"label"
    name = bytes.fromhex(BLOB)
    places = [(0, data[:BLOCK]), (1, data[BLOCK:])]
    checks = b"".join(compute("CRC64NVME", name + struct.pack(">Q", place) + block) for place, block in places)
    label_check = compute("CRC64NVME", name + b"\xff" * 8 + label)
    stated = struct.pack(">8sHHIQQ8s", b"CYB3BLOB", 1, 0, 65536, len(data), len(label), label_check)
    tail = stated + compute("CRC64NVME", name + b"\xff" * 7 + b"\xfe" + stated)
    assert file_of(data, label) == data + checks + label + tail


def test_every_flipped_bit_of_a_small_file_is_found() -> None:
    file = file_of(b"data", b"label")
    for bit in range(8 * len(file)):
        changed = bytearray(file)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DamagedBlobError):
            opened(bytes(changed))


@given(data_and_label, st.data())
def test_any_flipped_bit_is_found(made: tuple[int, bytes], drawn: st.DataObject) -> None:
    file = bytearray(file_of(data_of(made[0]), made[1]))
    bit = drawn.draw(st.integers(0, 8 * len(file) - 1))
    file[bit // 8] ^= 1 << bit % 8
    with pytest.raises(DamagedBlobError):
        opened(bytes(file))


def test_every_cut_and_every_addition_to_a_small_file_is_found() -> None:
    file = file_of(b"data", b"label")
    for length in range(len(file)):
        with pytest.raises(DamagedBlobError):
            opened(file[:length])
        with pytest.raises(DamagedBlobError):
            opened(file[length + 1 :])
        with pytest.raises(DamagedBlobError):
            opened(file + file[: length + 1])


@given(data_and_label, st.data())
def test_any_cut_is_found(made: tuple[int, bytes], drawn: st.DataObject) -> None:
    file = file_of(data_of(made[0]), made[1])
    length = drawn.draw(st.integers(0, len(file) - 1))
    with pytest.raises(DamagedBlobError):
        opened(file[:length])
    with pytest.raises(DamagedBlobError):
        opened(file[:length] + bytes(len(file) - length))  # the new length over bytes of zero


@given(st.integers(0, 3), st.integers(0, 3), st.booleans())
def test_swapped_blocks_are_found_although_their_checks_go_with_them(one: int, two: int, checks_too: bool) -> None:
    data = data_of(4 * BLOCK)
    file = bytearray(file_of(data, b"label"))
    places = [(at * BLOCK, BLOCK) for at in (one, two)]
    _swap(file, *places)
    if checks_too:
        _swap(file, *((len(data) + at * CHECK, CHECK) for at in (one, two)))
    if one == two:
        assert opened(bytes(file)) == (data, b"label")
        return
    with pytest.raises(DamagedBlobError, match="block"):
        opened(bytes(file))


def _swap(file: bytearray, one: tuple[int, int], two: tuple[int, int]) -> None:
    (at, size), (other, _) = one, two
    file[at : at + size], file[other : other + size] = file[other : other + size], file[at : at + size]


@given(data_and_label)
@settings(max_examples=20)
def test_another_blobs_file_is_found_whole_or_in_part(made: tuple[int, bytes]) -> None:
    data, label = data_of(made[0]), made[1]
    mine, other = file_of(data, label), file_of(data, label, OTHER)
    with pytest.raises(DamagedBlobError, match="the tail differs"):
        opened(other)
    spliced = data + other[len(data) : -TAIL] + mine[-TAIL:]
    if spliced != mine:
        with pytest.raises(DamagedBlobError):
            opened(spliced)


def test_a_label_cannot_stand_for_a_block_nor_the_other_way() -> None:
    """What is checked has its place in the check, so equal bytes at different places have different checks."""
    checks = {
        check
        for label in (b"", b"x")
        for check in (file_of(b"x", label)[1:9], file_of(b"x", label)[-16:-8], file_of(b"x", label)[-8:])
    }
    assert len(checks) == 5  # the block's is the same both times


def test_what_this_version_does_not_know_is_not_guessed() -> None:
    known = file_of(b"")
    shape = read_tail(BLOB, known, len(known))
    assert shape == Shape(0, 0, shape.label_check)
    for place, value in ((9, 2), (11, 1), (13, 2)):  # version, zero, block size
        tail = bytearray(known)
        tail[place] = value
        tail[-CHECK:] = compute("CRC64NVME", bytes.fromhex(BLOB) + b"\xff" * 7 + b"\xfe" + tail[:-CHECK])
        with pytest.raises(DamagedBlobError, match="not known here"):
            opened(bytes(tail))


def test_a_label_has_a_limit() -> None:
    assert len(Checks(BLOB).end(bytes(LABEL_BYTES_MAX))) == LABEL_BYTES_MAX + TAIL
    with pytest.raises(ValueError, match="label"):
        Checks(BLOB).end(bytes(LABEL_BYTES_MAX + 1))


def test_the_tail_begins_with_the_magic() -> None:
    assert file_of(b"data")[-TAIL:].startswith(MAGIC)
    assert TAIL == 48

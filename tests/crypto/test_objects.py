"""Whole objects: round trips, ranges, parts, resumption; and that no change of a stored byte goes unnoticed."""

import os
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cybous3.crypto.errors import CannotOpen, CryptoError, Damaged, Malformed, Misuse, Truncated, UnsupportedFormat
from cybous3.crypto.layout import FOOTER_LEN, PartGeometry
from cybous3.crypto.metadata import ObjectMetadata
from cybous3.crypto.objects import (
    Footer,
    Immutable,
    ObjectKeys,
    ObjectReader,
    ObjectWriter,
    open_object,
    prologue_len,
    seal_object,
)
from tests.support.vectors import Tape

VAULT, DEK = bytes(range(16)), bytes(range(32))
META = ObjectMetadata("a/b", 7, content_type="text/plain")
P16 = 2**16 - 32
SIZES = (0, 1, P16 - 1, P16, P16 + 1, 2 * P16, 3 * P16 + 5)


def sealed(plaintext: bytes, *, aligned: bool = False, label: str = "object", dek: bytes = DEK) -> bytes:
    return seal_object(
        plaintext, vault_id=VAULT, dek=dek, metadata=META, entropy=Tape(label), seg_log2=16, aligned=aligned
    )


def text(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("aligned", [False, True])
def test_an_object_comes_back(size: int, aligned: bool) -> None:
    stored = sealed(text(size), aligned=aligned)
    assert open_object(stored, vault_id=VAULT, dek=DEK) == (META, text(size))
    reader = ObjectReader.open(stored, vault_id=VAULT, dek=DEK)
    assert prologue_len(stored[:44]) == reader.layout.prologue_len
    assert len(stored) == reader.layout.object_len(size)


@pytest.mark.parametrize("aligned", [False, True])
def test_the_default_segment_is_one_mebibyte(aligned: bool) -> None:
    size = 2**20 - 32 + 1
    stored = seal_object(text(size), vault_id=VAULT, dek=DEK, metadata=META, entropy=os.urandom, aligned=aligned)
    assert stored[8] == 20
    assert open_object(stored, vault_id=VAULT, dek=DEK)[1] == text(size)


STORED = sealed(text(2 * P16 + 10))
HEADER_LEN = Immutable.parse(STORED).header_len
BODY = HEADER_LEN + 74


@settings(max_examples=60)
@given(start=st.integers(0, 2 * P16 + 9), size=st.integers(1, P16 + 5))
def test_a_range_gives_the_bytes_of_the_range(start: int, size: int) -> None:
    """[F-24] One request for the range, with the length from the footer."""
    opened = ObjectReader.open(STORED, vault_id=VAULT, dek=DEK).open_footer(STORED[-FOOTER_LEN:], len(STORED))
    stop = min(start + size, opened.plaintext_len)
    plan = opened.plan_range(start, stop)
    assert opened.decrypt_range(plan, STORED[plan.stored_start : plan.stored_stop]) == text(2 * P16 + 10)[start:stop]


def test_a_range_must_be_whole() -> None:
    opened = ObjectReader.open(STORED, vault_id=VAULT, dek=DEK).open_footer(STORED[-FOOTER_LEN:])
    plan = opened.plan_range(0, 10)
    with pytest.raises(Truncated):
        opened.decrypt_range(plan, STORED[plan.stored_start : plan.stored_stop - 1])
    with pytest.raises(Misuse):
        opened.plan_range(0, 2 * P16 + 11)


def test_segments_go_into_the_callers_buffer() -> None:
    opened = ObjectReader.open(STORED, vault_id=VAULT, dek=DEK).open_footer(STORED[-FOOTER_LEN:])
    out, view = bytearray(P16 * opened.segments), memoryview(STORED)
    for index in reversed(range(opened.segments)):
        start = opened.layout.segment_offset(index)
        segment = view[start : start + opened.segment_stored_len(index)]
        opened.decrypt_segment_into(index, segment, memoryview(out)[index * P16 :])
    assert out[: opened.plaintext_len] == text(2 * P16 + 10)


def streamed(stored: bytes, step: int) -> tuple[bytes, Footer]:
    reader = ObjectReader.open(stored, vault_id=VAULT, dek=DEK)
    stream, out = reader.stream(), bytearray()
    for at in range(reader.layout.prologue_len, len(stored), step):
        stream.feed(stored[at : at + step], out.extend)
    return bytes(out), stream.finish(out.extend)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("step", [1000, P16 + 32, 10**6])
def test_an_object_streams(size: int, step: int) -> None:
    """[F-19] [F-25] Front to back, without knowing the length, with the digest compared at the end."""
    stored, out = sealed(text(size)), bytearray()
    reader = ObjectReader.open(stored, vault_id=VAULT, dek=DEK)
    stream = reader.stream()
    for at in range(reader.layout.prologue_len, len(stored), step):
        stream.feed(stored[at : at + step], out.extend)
    footer = stream.finish(out.extend)
    assert out == text(size)
    assert footer.plaintext_len == size


def test_a_stream_says_at_the_end_that_it_was_all() -> None:
    """[F-31] Authenticated segments are released as they come; only `finish` vouches for the whole."""
    reader = ObjectReader.open(STORED, vault_id=VAULT, dek=DEK)
    stream, out = reader.stream(), bytearray()
    stream.feed(STORED[BODY : BODY + 2**16 * 2], out.extend)
    assert out == text(P16)
    with pytest.raises(Truncated):
        stream.finish(out.extend)
    assert out == text(P16)


@settings(max_examples=300)
@given(at=st.integers(0, len(STORED) - 1), bit=st.integers(0, 7))
def test_no_changed_bit_goes_unnoticed(at: int, bit: int) -> None:
    """[F-20] [F-21] Opened whole or streamed, with the right key."""
    bad = bytearray(STORED)
    bad[at] ^= 1 << bit
    with pytest.raises(CryptoError):
        open_object(bytes(bad), vault_id=VAULT, dek=DEK)
    with pytest.raises(CryptoError):
        streamed(bytes(bad), 50_000)


@settings(max_examples=150)
@given(size=st.integers(0, len(STORED) - 1))
def test_no_cut_goes_unnoticed(size: int) -> None:
    """[F-23]."""
    with pytest.raises((Truncated, Damaged)):
        open_object(STORED[:size], vault_id=VAULT, dek=DEK)
    with pytest.raises((Truncated, Damaged)):
        streamed(STORED[:size], 50_000)


@given(extra=st.binary(min_size=1, max_size=200))
def test_no_added_byte_goes_unnoticed(extra: bytes) -> None:
    """[F-20] [F-23]."""
    with pytest.raises((Truncated, Damaged)):
        open_object(STORED + extra, vault_id=VAULT, dek=DEK)
    with pytest.raises((Truncated, Damaged)):
        streamed(STORED + extra, 50_000)


def test_a_false_size_is_found_by_the_footer() -> None:
    """[F-23] What the server claims is compared, never used."""
    reader = ObjectReader.open(STORED, vault_id=VAULT, dek=DEK)
    with pytest.raises(Truncated):
        reader.open_footer(STORED[-FOOTER_LEN:], len(STORED) - 1)
    with pytest.raises(Damaged):
        reader.open_footer(STORED[-FOOTER_LEN:], len(STORED) + 1)


@pytest.mark.parametrize("field", range(4))
def test_a_footer_that_contradicts_itself_or_the_header_is_refused(field: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """[F-21] [F-22] Even when it authenticates: only the key's holder could have made it, by a defect."""
    from cybous3.crypto import objects  # noqa: PLC0415 - to swap the footer's encoder

    class Off:
        size = 64

        @staticmethod
        def pack(*values: int | bytes) -> bytes:
            return objects_footer.pack(
                *(v + 1 if i == field and isinstance(v, int) else v for i, v in enumerate(values))
            )

        unpack = objects._FOOTER.unpack

    objects_footer = objects._FOOTER
    monkeypatch.setattr(objects, "_FOOTER", Off)
    stored = sealed(text(P16))
    monkeypatch.undo()
    with pytest.raises(Damaged):
        open_object(stored, vault_id=VAULT, dek=DEK)


def test_a_wrong_digest_is_refused() -> None:
    """[F-25] The writer's reader and the body came from different contents."""
    writer = ObjectWriter.create(vault_id=VAULT, dek=DEK, metadata=META, entropy=Tape(), seg_log2=16)
    segment = writer.encrypt_segment(0, b"one", final=True)
    stored = writer.prologue + segment + writer.footer(plaintext_len=3, digest=bytes(32))
    with pytest.raises(Damaged, match="digest"):
        open_object(stored, vault_id=VAULT, dek=DEK)
    with pytest.raises(Damaged, match="digest"):
        streamed(stored, 100)


def test_a_stream_compares_the_length_with_the_footer() -> None:
    """A body that was swapped for a longer one under the same keys ends in the footer's length."""
    writer = ObjectWriter.create(vault_id=VAULT, dek=DEK, metadata=META, entropy=Tape(), seg_log2=16)
    hasher = writer.hasher()
    hasher.update(b"one!")
    stored = writer.prologue + writer.encrypt_segment(0, b"one!", final=True)
    stored += writer.footer(plaintext_len=3, digest=hasher.digest())
    with pytest.raises(Damaged, match="number of bytes"):
        streamed(stored, 100)


def test_another_key_or_vault_does_not_open() -> None:
    """[F-11] The tag commits to the data key; the vault id is compared first."""
    with pytest.raises(Damaged):
        ObjectReader.open(STORED, vault_id=VAULT, dek=bytes(32))
    with pytest.raises(CannotOpen):
        ObjectReader.open(STORED, vault_id=bytes(16), dek=DEK)


@pytest.mark.parametrize(("dek", "vault"), [(31, 16), (33, 16), (32, 15)])
def test_keys_of_another_size_are_refused(dek: int, vault: int) -> None:
    """[F-4]."""
    with pytest.raises(Misuse):
        ObjectKeys.derive(bytes(dek), bytes(vault), bytes(16))


def test_every_object_has_its_own_id_and_keys() -> None:
    """[F-4] The id is drawn afresh; the five keys differ from each other and between objects."""
    entropy = Tape()
    writers = [ObjectWriter.create(vault_id=VAULT, dek=DEK, metadata=META, entropy=entropy) for _ in range(2)]
    keys = [ObjectKeys.derive(DEK, VAULT, writer.object_id) for writer in writers]
    every = {key for each in keys for key in (each.header, each.metadata, each.data, each.footer, each.hash)}
    assert len(every) == 10
    assert repr(keys[0]) == "ObjectKeys()"


@pytest.mark.parametrize(
    ("at", "value", "error"),
    [
        (0, 0, Malformed),  # [F-5]
        (6, 0, UnsupportedFormat),  # [F-6]
        (6, 2, UnsupportedFormat),
        (7, 2, UnsupportedFormat),
        (8, 15, Malformed),  # [F-8]
        (8, 25, Malformed),
        (9, 1, UnsupportedFormat),  # [F-7]
        (9, 2, UnsupportedFormat),
        (9, 8, UnsupportedFormat),
        (9, 128, UnsupportedFormat),
        (11, 0, Malformed),
        (11, 104, Malformed),
        (11, 167, Malformed),
    ],
)
def test_the_immutable_header_is_checked_before_any_key(at: int, value: int, error: type[CryptoError]) -> None:
    """[F-5] [F-6] [F-7] [F-8]."""
    bad = bytearray(STORED[:44])
    bad[10] = 0
    bad[at] = value
    with pytest.raises(error):
        Immutable.parse(bytes(bad))


def test_an_aligned_header_must_leave_room_for_the_body_header() -> None:
    """[F-8]."""
    with pytest.raises(Malformed):
        Immutable.parse(Immutable(16, 4, 65_512, VAULT, bytes(16)).encode())


def test_checks_come_in_the_order_of_the_specification() -> None:
    """[F-30] With everything wrong at once, each check speaks up in its turn as those before it are put right."""
    bad = bytearray(sealed(text(P16 + 1), aligned=True))
    gap, start = HEADER_LEN + 50, 2**16
    for at in (6, 50, gap, start - 1, start + 20, len(bad) - 1):
        bad[at] ^= 1
    vaults = {"other": bytes(16)}

    def word() -> str:
        try:
            open_object(bytes(bad), vault_id=vaults.get("other", VAULT), dek=DEK)
        except CryptoError as error:
            return f"{error.failure}: {error}"
        return "opened"

    seen = [word()]
    bad[6] ^= 1
    seen.append(word())
    vaults.clear()
    seen.append(word())
    for at in (50, gap, start - 1, len(bad) - 1, start + 20):
        bad[at] ^= 1
        seen.append(word())
    expected = [
        "unsupported",
        "cannot open",
        "header does",
        "not zero",
        "body's header",
        "end of",
        "segment 0",
        "opened",
    ]
    assert all(part in told for part, told in zip(expected, seen, strict=True)), seen


def test_the_gap_of_an_aligned_object_is_zero() -> None:
    """[F-29]."""
    stored = bytearray(sealed(b"x", aligned=True))
    assert not any(stored[HEADER_LEN : 2**16 - 74])
    stored[HEADER_LEN + 1] = 1
    with pytest.raises(Damaged, match="zero"):
        ObjectReader.open(bytes(stored), vault_id=VAULT, dek=DEK)


def test_metadata_that_do_not_fit_are_refused() -> None:
    with pytest.raises(Malformed, match="too large"):
        ObjectWriter.create(
            vault_id=VAULT, dek=DEK, metadata=ObjectMetadata("x" * 66_000, 0), entropy=Tape(), seg_log2=20
        )


def test_metadata_are_checked_on_their_own_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """[F-9] Should the tag ever be made over metadata that do not authenticate, they are still refused."""
    from cybous3.crypto import objects  # noqa: PLC0415 - to break the sealing

    monkeypatch.setattr(objects, "gcm_seal", lambda *_: bytes(12 + 128 + 16))
    writer = ObjectWriter.create(vault_id=VAULT, dek=DEK, metadata=META, entropy=Tape(), seg_log2=16)
    monkeypatch.undo()
    with pytest.raises(Damaged, match="metadata"):
        ObjectReader.open(writer.prologue, vault_id=VAULT, dek=DEK)


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("size", [0, 1, 3 * P16, 7 * P16 + 1, 8 * P16 - 40, 8 * P16])
def test_an_object_made_of_parts_is_the_same_object(size: int, aligned: bool) -> None:
    """Parts may be made in any order; put together they are one object."""
    writer = ObjectWriter.create(vault_id=VAULT, dek=DEK, metadata=META, entropy=Tape(), seg_log2=16, aligned=aligned)
    geometry, plaintext = PartGeometry(writer.layout, 3), text(size)
    parts = [geometry.part(number, size) for number in range(1, geometry.count(size) + 1)]
    bodies = {
        part.number: body(writer, plaintext, range(part.first_segment, part.stop_segment)) for part in parts[::-1]
    }
    hasher = writer.hasher()
    hasher.update(plaintext)
    footer = writer.footer(plaintext_len=size, digest=hasher.digest())
    stored = b""
    for part in parts:
        piece = (writer.prologue if part.has_prologue else b"") + bodies[part.number]
        piece += footer[part.footer_start : part.footer_stop]
        assert len(piece) == part.stored_len
        stored += piece
    assert open_object(stored, vault_id=VAULT, dek=DEK) == (META, plaintext)


def body(writer: ObjectWriter, plaintext: bytes, segments: Iterable[int]) -> bytes:
    """Encrypt some segments, as an upload does with a part."""
    last = writer.layout.segments(len(plaintext)) - 1
    capacity = writer.layout.capacity
    return b"".join(
        writer.encrypt_segment(i, plaintext[i * capacity : (i + 1) * capacity], final=i == last) for i in segments
    )


@pytest.mark.parametrize("delivered", [range(2), range(2, 5), range(0), range(5)])
def test_an_upload_resumes_under_the_same_keys(delivered: range) -> None:
    """[F-16] The prologue and the data key are all a new process needs; what was delivered cannot be made twice."""
    plaintext = text(4 * P16 + 9)
    first = ObjectWriter.create(vault_id=VAULT, dek=DEK, metadata=META, entropy=Tape("first"), seg_log2=16)
    done = body(first, plaintext, delivered)
    second = ObjectWriter.resume(
        first.prologue, vault_id=VAULT, dek=DEK, entropy=Tape("second"), done=[delivered], total=5
    )
    assert (second.prologue, second.object_id, second.immutable) == (first.prologue, first.object_id, first.immutable)
    for index in delivered:
        with pytest.raises(Misuse):
            second.encrypt_segment(index, bytes(P16), final=False)
    before, after = range(delivered.start), range(delivered.stop, 5)
    stored = first.prologue + body(second, plaintext, before) + done + body(second, plaintext, after)
    hasher = second.hasher()
    hasher.update(plaintext)
    stored += second.footer(plaintext_len=len(plaintext), digest=hasher.digest())
    assert open_object(stored, vault_id=VAULT, dek=DEK) == (META, plaintext)


def test_only_an_empty_object_has_an_empty_segment() -> None:
    """[F-15]."""
    writer = ObjectWriter.create(vault_id=VAULT, dek=DEK, metadata=META, entropy=Tape(), seg_log2=16)
    with pytest.raises(Misuse, match="empty"):
        writer.encrypt_segment(1, b"", final=True)


@pytest.mark.parametrize(("size", "digest"), [(P16 + 1, 32), (1, 31)])
def test_a_footer_must_fit_what_was_encrypted(size: int, digest: int) -> None:
    writer = ObjectWriter.create(vault_id=VAULT, dek=DEK, metadata=META, entropy=Tape(), seg_log2=16)
    with pytest.raises(Misuse):
        writer.footer(plaintext_len=1, digest=bytes(32))
    writer.encrypt_segment(0, b"x", final=True)
    with pytest.raises(Misuse, match="footer"):
        writer.footer(plaintext_len=size, digest=bytes(digest))


def test_a_short_front_is_truncated_a_foreign_one_is_not_ours() -> None:
    """[F-5]."""
    for size in range(44):
        with pytest.raises(Truncated):
            Immutable.parse(STORED[:size])
    with pytest.raises(Malformed):
        Immutable.parse(b"PK\x03\x04")
    with pytest.raises(Truncated):
        ObjectReader.open(STORED[: BODY - 1], vault_id=VAULT, dek=DEK)


def test_the_length_follows_from_the_stored_size() -> None:
    reader = ObjectReader.open(STORED[:BODY], vault_id=VAULT, dek=DEK)
    assert reader.layout.plaintext_len(len(STORED)) == 2 * P16 + 10

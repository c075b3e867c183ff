"""FLOE-256: the known answers forward and backward, and every way to break a message."""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybous3.crypto import floe
from cybous3.crypto.errors import CryptoError, Damaged, Misuse, Truncated
from cybous3.crypto.floe import FloeKeys, FloeReader, FloeStream, FloeWriter, decrypt_message, encrypt_message
from tests.support.vectors import VECTORS, Tape

KEY, AAD = bytes(32), b"This is AAD"
ANSWERS = sorted(path.name.removesuffix("_ct.txt") for path in (VECTORS / "floe").glob("*_ct.txt"))
ROTATING = [name for name in ANSWERS if name.endswith("rotation")]


def answer(name: str) -> tuple[bytes, bytes, int, int]:
    """Return ciphertext, plaintext, segment length and rotation shift of a known answer."""
    texts = [(VECTORS / "floe" / f"{name}_{kind}.txt").read_text("ascii").strip() for kind in ("ct", "pt")]
    size = 4096 if name.endswith("4K") else 64 if name.endswith("_64") else 40
    return bytes.fromhex(texts[0]), bytes.fromhex(texts[1]), size, 2 if name in ROTATING else 20


def pieces(message: bytes, size: int) -> list[bytes]:
    body = message[floe.FLOE_HEADER_LEN :]
    return [body[at : at + size] for at in range(0, len(body), size)]


class Replay:
    """Gives out the nonces of a known message."""

    def __init__(self, values: Iterable[bytes]) -> None:
        self._values = list(values)

    def __call__(self, size: int) -> bytes:
        value = self._values.pop(0)
        assert len(value) == size
        return value


def test_there_are_seventeen_known_answers() -> None:
    assert len(ANSWERS) == 17
    assert len(ROTATING) == 5


@pytest.mark.parametrize("name", ANSWERS)
def test_known_answers_decrypt(name: str) -> None:
    """[F-13] [F-17]."""
    message, plaintext, size, shift = answer(name)
    assert decrypt_message(message, KEY, AAD, size, shift) == plaintext


@pytest.mark.parametrize("name", ANSWERS)
def test_known_answers_encrypt_to_the_same_bytes(name: str) -> None:
    """With the IV and the nonces of the answer, every byte is the same; the empty final segment is FLOE's, not ours."""
    message, plaintext, size, shift = answer(name)
    segments = pieces(message, size)
    keys = FloeKeys(KEY, message[10:42], AAD, size, shift)
    writer = FloeWriter(keys, Replay(segment[4:16] for segment in segments))
    capacity, last = keys.capacity, len(segments) - 1
    made = [
        writer.encrypt_segment(i, plaintext[i * capacity : (i + 1) * capacity], final=i == last)
        for i in range(last + 1)
    ]
    assert keys.header + b"".join(made) == message
    assert writer.finish() == len(segments)


@pytest.mark.parametrize("name", ROTATING)
def test_rotation_files_fail_with_the_real_rotation(name: str) -> None:
    """The test-only shift matters: with 20 the second key group cannot open."""
    message, _, size, _ = answer(name)
    with pytest.raises(Damaged):
        decrypt_message(message, KEY, AAD, size, 20)


@pytest.mark.parametrize("name", ANSWERS)
def test_every_one_bit_change_fails(name: str) -> None:
    """Each bit of the header against the header check, each bit of a segment against that segment."""
    message, plaintext, size, shift = answer(name)
    for bad in one_bit_changes(message[:74]):
        with pytest.raises(Damaged):
            FloeKeys.from_header(bad, KEY, AAD, size, shift)
    keys = FloeKeys.from_header(message[:74], KEY, AAD, size, shift)
    segments = pieces(message, size)
    reader = FloeReader(keys, len(plaintext), len(segments))
    out = bytearray(size)
    for index, segment in enumerate(segments):
        reader.decrypt_segment_into(index, segment, out)
        for bad in one_bit_changes(segment):
            with pytest.raises(Damaged):
                reader.decrypt_segment_into(index, bad, out)


def one_bit_changes(data: bytes) -> Iterator[bytes]:
    """Change every bit; in the ciphertext of a 4 KiB segment one bit of every byte, which GCM cannot tell apart."""
    bad = bytearray(data)
    for at in range(len(data)):
        ciphertext = len(data) > 1000 and 16 <= at < len(data) - 16
        for bit in [at % 8] if ciphertext else range(8):
            bad[at] ^= 1 << bit
            yield bytes(bad)
            bad[at] ^= 1 << bit


@pytest.mark.parametrize("name", [name for name in ANSWERS if not name.endswith("4K")])
def test_a_changed_byte_anywhere_fails_the_whole_message(name: str) -> None:
    message, _, size, shift = answer(name)
    for at in range(len(message)):
        bad = message[:at] + bytes([message[at] ^ 1 << at % 8]) + message[at + 1 :]
        with pytest.raises(CryptoError):
            decrypt_message(bad, KEY, AAD, size, shift)


@pytest.mark.parametrize("name", ANSWERS)
def test_another_key_aad_or_segment_length_fails_at_the_header(name: str) -> None:
    """[F-13] The header tag commits to key and aad, the parameters are compared byte by byte."""
    message, _, size, _ = answer(name)
    for key, aad, length in (
        (b"\1" + KEY[1:], AAD, size),
        (KEY, AAD + b"!", size),
        (KEY, b"", size),
        (KEY, AAD, size * 2),
    ):
        with pytest.raises(Damaged, match="header"):
            FloeKeys.from_header(message[:74], key, aad, length)


@pytest.mark.parametrize("size", [0, 16, 31, 33, 64])
def test_a_key_has_thirty_two_bytes(size: int) -> None:
    """[F-12] HMAC would pad a short key with zeros, so 31 bytes and a zero would open the same message."""
    with pytest.raises(Misuse):
        FloeKeys(bytes(size), bytes(32), AAD, 64)


@pytest.mark.parametrize(("iv", "segment"), [(31, 64), (32, 32)])
def test_impossible_parameters_are_refused(iv: int, segment: int) -> None:
    with pytest.raises(Misuse):
        FloeKeys(KEY, bytes(iv), AAD, segment)


# What can be done to a message of four segments: 64-byte segments, 32 bytes of plaintext each, the last one 5.
SIZE = 64
PLAIN = bytes(range(101))


def message(label: str = "a", size: int = len(PLAIN)) -> bytes:
    keys = FloeKeys(KEY, Tape("iv" + label)(32), AAD, SIZE)
    return encrypt_message(keys, PLAIN[:size], Tape("nonces" + label))


def rebuilt(change: Callable[[list[bytes]], object]) -> bytes:
    segments = pieces(message(), SIZE)
    change(segments)
    return message()[:74] + b"".join(segments)


OTHER = pieces(message("b"), SIZE)
FULL = pieces(message("c", 64), SIZE)

BREAKAGES: dict[str, bytes] = {
    "empty input": b"",
    **{f"header cut to {size}": message()[:size] for size in (1, 2, 6, 10, 41, 42, 73)},
    "header alone": message()[:74],
    "swapped": rebuilt(lambda s: s.insert(0, s.pop(1))),
    "duplicated": rebuilt(lambda s: s.insert(0, s[0])),
    "first dropped": rebuilt(lambda s: s.pop(0)),
    "middle dropped": rebuilt(lambda s: s.pop(1)),
    "final dropped": rebuilt(lambda s: s.pop()),
    "final duplicated": rebuilt(lambda s: s.append(s[-1])),
    "spliced": rebuilt(lambda s: s.__setitem__(0, OTHER[0])),
    "another final": rebuilt(lambda s: s.__setitem__(-1, OTHER[-1])),
    "another header": message("b")[:74] + message()[74:],
    "cut in the final": message()[:-1],
    "final cut to its overhead": message()[:-5],
    "final made early": rebuilt(lambda s: s.__setitem__(slice(1, None), [SIZE.to_bytes(4, "big") + s[1][4:]])),
    "final denied": rebuilt(lambda s: s.__setitem__(-1, b"\xff" * 4 + s[-1][4:])),
    "length field one less": rebuilt(lambda s: s.__setitem__(-1, (36).to_bytes(4, "big") + s[-1][4:])),
    "length field one more": rebuilt(lambda s: s.__setitem__(-1, (38).to_bytes(4, "big") + s[-1][4:])),
    **{f"{count} trailing bytes": message() + bytes(count) for count in range(1, 41)},
    "extra segment": message() + OTHER[-1],
    "full final denied": message("c", 64)[:74] + FULL[0] + b"\xff" * 4 + FULL[1][4:],
    "full segment called final": message("c", 64)[:74] + SIZE.to_bytes(4, "big") + FULL[0][4:],
}


@pytest.mark.parametrize("name", BREAKAGES)
def test_a_broken_message_does_not_open(name: str) -> None:
    """[F-17] [F-18] Reorder, drop, double, splice, cut, extend, and false ends."""
    with pytest.raises((Damaged, Truncated)):
        decrypt_message(BREAKAGES[name], KEY, AAD, SIZE)


@pytest.mark.parametrize("name", [name for name in BREAKAGES if len(BREAKAGES[name]) >= 74 and "header" not in name])
@pytest.mark.parametrize("step", [1, 50, 10_000])
def test_a_broken_message_does_not_stream(name: str, step: int) -> None:
    """[F-19] Front to back the same holds: what is wrong is found at the latest by the end."""
    with pytest.raises((Damaged, Truncated)):
        streamed(BREAKAGES[name], step)


def streamed(data: bytes, step: int, tail: int = 0) -> tuple[bytes, bytes]:
    keys = FloeKeys.from_header(data[:74], KEY, AAD, SIZE)
    stream, out = FloeStream(keys, tail), bytearray()
    for at in range(74, len(data), step):
        stream.feed(data[at : at + step], out.extend)
    rest = stream.finish(out.extend)
    return bytes(out), rest


@given(size=st.integers(0, 101), step=st.integers(1, 200), tail=st.integers(0, 100))
def test_a_stream_gives_the_plaintext_and_the_tail(size: int, step: int, tail: int) -> None:
    """[F-19]."""
    behind = bytes([7]) * tail
    assert streamed(message("s", size) + behind, step, tail) == (PLAIN[:size], behind)


@given(data=st.binary(max_size=300), label=st.text(max_size=3))
def test_what_is_encrypted_decrypts(data: bytes, label: str) -> None:
    keys = FloeKeys(KEY, Tape(label)(32), AAD, SIZE)
    made = encrypt_message(keys, data, Tape(label + "n"))
    assert len(made) == 74 + len(data) + 32 * max(1, -(-len(data) // 32))
    assert decrypt_message(made, KEY, AAD, SIZE) == data


@pytest.mark.parametrize(("size", "count"), [(0, 1), (1, 1), (32, 1), (33, 2), (64, 2)])
def test_our_writer_makes_no_empty_final_segment(size: int, count: int) -> None:
    """[F-15] k = max(1, ceil(n / P))."""
    assert len(pieces(message("k", size), SIZE)) == count


def writer(done: Iterable[range] = (), total: int | None = None) -> FloeWriter:
    return FloeWriter(FloeKeys(KEY, bytes(32), AAD, SIZE), Tape(), done, total)


def test_each_index_is_encrypted_once() -> None:
    """[F-16] Also when it is far ahead of the others."""
    made = writer()
    made.encrypt_segment(5, bytes(32), final=False)
    made.encrypt_segment(0, bytes(32), final=False)
    for index in (0, 5):
        with pytest.raises(Misuse, match="already"):
            made.encrypt_segment(index, bytes(32), final=False)


def test_nothing_follows_the_final_segment() -> None:
    """[F-16]."""
    made = writer()
    made.encrypt_segment(2, b"", final=True)
    with pytest.raises(Misuse, match="after the final"):
        made.encrypt_segment(3, bytes(32), final=False)
    with pytest.raises(Misuse, match="after the final"):
        made.encrypt_segment(1, b"", final=True)
    made.encrypt_segment(1, bytes(32), final=False)


def test_the_final_segment_is_the_last() -> None:
    made = writer()
    made.encrypt_segment(3, bytes(32), final=False)
    with pytest.raises(Misuse, match="cannot be the final"):
        made.encrypt_segment(2, b"", final=True)


@pytest.mark.parametrize("index", [-1, 2**40, 2**64])
def test_an_index_is_below_two_to_the_forty(index: int) -> None:
    """[F-16]."""
    with pytest.raises(Misuse, match="range"):
        writer().encrypt_segment(index, bytes(32), final=False)


@pytest.mark.parametrize(("size", "final"), [(31, False), (33, False), (33, True), (0, False)])
def test_a_segment_that_is_not_final_is_full(size: int, final: bool) -> None:
    with pytest.raises(Misuse, match="cannot hold"):
        writer().encrypt_segment(0, bytes(size), final=final)


def test_an_unfinished_message_is_not_finished() -> None:
    made = writer()
    with pytest.raises(Misuse):
        made.finish()
    made.encrypt_segment(1, b"x", final=True)
    with pytest.raises(Misuse):
        made.finish()
    made.encrypt_segment(0, bytes(32), final=False)
    assert made.finish() == 2


def test_a_resumed_writer_knows_what_was_delivered() -> None:
    """[F-16] The rest, and only the rest, can be encrypted."""
    made = writer([range(4, 6), range(2)], total=6)
    with pytest.raises(Misuse):
        made.encrypt_segment(4, bytes(32), final=False)
    for index in (2, 3):
        made.encrypt_segment(index, bytes(32), final=False)
    assert made.finish() == 6
    with pytest.raises(Misuse):
        writer([range(7)], total=6)


def test_every_call_draws_a_fresh_nonce() -> None:
    """[F-14]."""
    segments = pieces(message(), SIZE)
    assert len({segment[4:16] for segment in segments}) == len(segments)
    drawn: list[int] = []

    def entropy(size: int) -> bytes:
        drawn.append(size)
        return Tape(str(len(drawn)))(size)

    made = FloeWriter(FloeKeys(KEY, bytes(32), AAD, SIZE), entropy)
    made.encrypt_segment(0, bytes(32), final=False)
    made.encrypt_segment(1, bytes(32), final=True)
    assert drawn == [12, 12]


def test_a_reader_takes_position_and_end_from_the_length_it_was_given() -> None:
    """[F-18] There is no way to ask for another position or flag."""
    data = message()
    reader = FloeReader(FloeKeys.from_header(data[:74], KEY, AAD, SIZE), len(PLAIN))
    segments = pieces(data, SIZE)
    assert [reader.decrypt_segment(i, segment) for i, segment in reversed(list(enumerate(segments)))][::-1] == [
        PLAIN[i * 32 : (i + 1) * 32] for i in range(4)
    ]
    with pytest.raises(Misuse):
        reader.decrypt_segment(4, segments[0])
    with pytest.raises(Misuse):
        reader.decrypt_segment(-1, segments[0])
    with pytest.raises(Damaged):
        reader.decrypt_segment(1, segments[0])
    with pytest.raises(Truncated):
        reader.decrypt_segment(0, segments[0][:-1])
    with pytest.raises(Damaged):
        reader.decrypt_segment(3, segments[3] + b"\0")


def test_a_buffer_keeps_no_unauthenticated_byte() -> None:
    data = bytearray(message())
    data[74 + 20] ^= 1
    reader = FloeReader(FloeKeys.from_header(bytes(data[:74]), KEY, AAD, SIZE), len(PLAIN))
    out = bytearray(b"\xaa" * 40)
    with pytest.raises(Damaged):
        reader.decrypt_segment_into(0, memoryview(data)[74 : 74 + SIZE], out)
    assert out == bytes(32) + b"\xaa" * 8


def test_segments_of_one_message_from_many_threads() -> None:
    """Threads share only key state: in any order, every segment comes out right, and the count is complete."""
    size, count = 256, 200
    keys = FloeKeys(KEY, Tape("threads")(32), AAD, size, rotation_shift=2)
    lock, tape = threading.Lock(), Tape("threads nonces")

    def entropy(length: int) -> bytes:
        with lock:
            return tape(length)

    made = FloeWriter(keys, entropy)
    plain = [bytes([i % 256]) * keys.capacity for i in range(count)]
    with ThreadPoolExecutor(8) as pool:
        order = [(i * 7) % count for i in range(count)]  # 7 and 200 have no common divisor
        sealed = dict(
            zip(order, pool.map(lambda i: made.encrypt_segment(i, plain[i], final=i == count - 1), order), strict=True)
        )
        assert made.finish() == count
        reader = FloeReader(keys, count * keys.capacity)
        assert list(pool.map(lambda i: reader.decrypt_segment(i, sealed[i]), range(count))) == plain


def test_every_file_of_the_folder_is_a_known_answer() -> None:
    """A new file would otherwise be skipped in silence."""
    names = {path.name for path in Path(VECTORS / "floe").iterdir()} - {"README.md"}
    assert names == {f"{name}_{kind}.txt" for name in ANSWERS for kind in ("ct", "pt")}

"""The chunked transfer coding: whatever way it is cut, the body comes out; whatever is odd is refused."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybous3.server.edge.chunked import ChunkDecoder
from cybous3.server.edge.refusal import Refusal


def encode(chunks: list[bytes], trailer: bytes = b"") -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n" + trailer + b"\r\n"


def decode(pieces: list[bytes], bound: int = 1 << 20) -> tuple[bytes, ChunkDecoder]:
    decoder = ChunkDecoder(bound)
    body = b""
    left = list(pieces)
    while left and not decoder.ended:
        body += b"".join(decoder.feed(left.pop(0)))
    return body, decoder


def cut(raw: bytes, at: list[int]) -> list[bytes]:
    marks = [0, *sorted(mark % (len(raw) + 1) for mark in at), len(raw)]
    return [raw[a:b] for a, b in itertools.pairwise(marks) if b > a]


@given(
    st.lists(st.binary(min_size=1, max_size=50), max_size=6),
    st.lists(st.integers(0, 10_000), max_size=8),
    st.sampled_from([b"", b"X-A: b\r\n", b"a:\r\nb: c d\r\n"]),
)
def test_any_cut_gives_the_same_body(chunks: list[bytes], at: list[int], trailer: bytes) -> None:
    body, decoder = decode(cut(encode(chunks, trailer), at))
    assert body == b"".join(chunks)
    assert decoder.ended
    assert decoder.rest == b""


def test_what_follows_is_left_alone() -> None:
    body, decoder = decode([encode([b"abc"]) + b"GET / HTTP/1.1\r\n"])
    assert (body, decoder.rest) == (b"abc", b"GET / HTTP/1.1\r\n")


REFUSED = {
    "an extension": b"3;a=b\r\nabc\r\n0\r\n\r\n",
    "an extension without a value": b"3;\r\nabc\r\n0\r\n\r\n",
    "a blank behind the size": b"3 \r\nabc\r\n0\r\n\r\n",
    "a blank before the size": b" 3\r\nabc\r\n0\r\n\r\n",
    "a sign": b"+3\r\nabc\r\n0\r\n\r\n",
    "0x": b"0x3\r\nabc\r\n0\r\n\r\n",
    "an underscore": b"0_3\r\nabc\r\n0\r\n\r\n",
    "no size": b"\r\nabc\r\n0\r\n\r\n",
    "a size beyond 60 bits": b"ffffffffffffffff\r\nabc",
    "bare LF behind the size": b"3\nabc\r\n0\r\n\r\n",
    "bare LF behind the data": b"3\r\nabc\n0\r\n\r\n",
    "LF alone": b"\n",
    "more data than announced": b"3\r\nabcd\r\n0\r\n\r\n",
    "an endless line": b"0" * 5000,
    "a trailer that is no field": b"0\r\nfoo\r\n\r\n",
    "a folded trailer": b"0\r\nA: b\r\n c\r\n\r\n",
    "NUL in a trailer": b"0\r\nA: \0\r\n\r\n",
    "a long trailer section": b"0\r\n" + b"A: b\r\n" * 5000 + b"\r\n",
    "a body beyond the limit": b"101\r\n",
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_what_is_odd_is_refused(name: str, step: int) -> None:
    raw = REFUSED[name]
    with pytest.raises(Refusal) as refused:
        decode([raw[i : i + step] for i in range(0, len(raw), step)], bound=256)
    assert refused.value.status == 400


def test_the_limit_counts_all_chunks() -> None:
    assert decode([encode([b"a" * 100, b"b" * 156])], bound=256)[1].ended
    with pytest.raises(Refusal, match="maximum allowed size"):
        decode([encode([b"a" * 100, b"b" * 157])], bound=256)

from hypothesis import given
from hypothesis import strategies as st

from cybous3.lab.bench.generator.contents import PERIOD, Contents

CONTENTS = Contents(7)


@given(st.integers(0, PERIOD - 1), st.integers(0, 3 * PERIOD), st.integers(1, 5000))
def test_what_is_sent_is_what_is_expected(start: int, offset: int, length: int) -> None:
    piece = CONTENTS.piece(start, offset, length)
    assert len(piece) == length
    assert CONTENTS.holds(start, offset, bytes(piece))
    assert not CONTENTS.holds(start, offset, bytes(piece[:-1]) + bytes([piece[-1] ^ 1]))
    assert not CONTENTS.holds(start, offset + 1, bytes(CONTENTS.piece(start, offset, 64)))


def test_a_large_object_in_pieces_is_the_same_object() -> None:
    size = 2 * PERIOD + 17
    whole = b"".join(CONTENTS.pieces(5, 0, size))
    assert len(whole) == size
    assert b"".join(CONTENTS.pieces(5, 1000, 300_000, step=4096)) == whole[1000:301_000]
    assert CONTENTS.pieces(5, 0, 0) == []
    assert CONTENTS.holds(5, 0, b"")


def test_contents_follow_from_seed_key_and_size() -> None:
    start = CONTENTS.start("a", 10)
    assert start == Contents(7).start("a", 10)
    assert len({start, CONTENTS.start("b", 10), CONTENTS.start("a", 11), Contents(8).start("a", 10)}) == 4


def test_mebibytes_that_changed_places_are_noticed() -> None:
    """The period is no divisor of any usual size, so two pieces of one object always differ."""
    step = 1024 * 1024
    assert not CONTENTS.holds(0, 0, bytes(CONTENTS.piece(0, step, step)))

"""Arithmetic: sizes, ranges and parts agree with each other and with a plain count."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybous3.crypto.errors import Malformed, Misuse
from cybous3.crypto.layout import FOOTER_LEN, PARTS_MAX, Layout, PartGeometry

LAYOUTS = st.builds(Layout, st.integers(16, 24), st.integers(2, 20).map(lambda k: 104 + 64 * k), aligned=st.booleans())
LENGTHS = st.integers(0, 2**42)


@given(layout=LAYOUTS, n=LENGTHS)
def test_sizes_add_up(layout: Layout, n: int) -> None:
    k = layout.segments(n)
    assert k == max(1, -(-n // layout.capacity))
    last = n - (k - 1) * layout.capacity + 32
    assert 32 <= last <= layout.segment_len
    assert layout.segment_offset(k - 1) + last == layout.footer_offset(n)
    assert layout.object_len(n) == layout.footer_offset(n) + FOOTER_LEN
    assert layout.plaintext_len(layout.object_len(n)) == n


@given(layout=LAYOUTS, size=st.integers(0, 2**25))
def test_an_impossible_size_is_refused(layout: Layout, size: int) -> None:
    """Every size either belongs to one length, or is refused."""
    try:
        n = layout.plaintext_len(size)
    except Malformed:
        return
    assert n >= 0
    assert layout.object_len(n) == size


@given(layout=LAYOUTS, n=st.integers(1, 2**42), data=st.data())
def test_a_range_is_covered_and_no_segment_more(layout: Layout, n: int, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, n - 1))
    stop = data.draw(st.integers(start + 1, n))
    plan = layout.plan_range(n, start, stop)
    assert plan.first_segment * layout.capacity + plan.skip == start
    assert plan.skip < layout.capacity
    assert plan.length == stop - start
    assert (plan.stop_segment - 1) * layout.capacity < stop <= plan.stop_segment * layout.capacity
    assert plan.stored_start == layout.segment_offset(plan.first_segment)
    assert plan.stored_stop == min(layout.segment_offset(plan.stop_segment), layout.footer_offset(n))


@pytest.mark.parametrize(("start", "stop"), [(-1, 1), (0, 0), (5, 5), (3, 11), (11, 12)])
def test_a_range_past_the_end_is_the_callers_mistake(start: int, stop: int) -> None:
    """[F-24] Not damage: the object is as long as its footer says."""
    with pytest.raises(Misuse):
        Layout(20, 168).plan_range(10, start, stop)


@given(layout=LAYOUTS, extra=st.integers(0, 6), data=st.data())
def test_parts_follow_each_other_without_gap(layout: Layout, extra: int, data: st.DataObject) -> None:
    """Segments, plaintext, footer and stored bytes are each cut into adjoining pieces."""
    segments = (1 << extra) + layout.aligned
    n = data.draw(st.integers(0, layout.capacity * segments * 6))
    geometry = PartGeometry(layout, segments)
    parts = [geometry.part(number, n) for number in range(1, geometry.count(n) + 1)]
    chain(0, [(part.first_segment, part.stop_segment) for part in parts], layout.segments(n))
    chain(0, [(part.plain_start, part.plain_start + part.plain_len) for part in parts], n)
    chain(0, [(part.stored_start, part.stored_start + part.stored_len) for part in parts], layout.object_len(n))
    chain(0, [(part.footer_start, part.footer_stop) for part in parts], FOOTER_LEN)
    for part in parts:
        bodies = part.plain_len + 32 * (part.stop_segment - part.first_segment)
        prologue = layout.prologue_len if part.has_prologue else 0
        assert part.stored_len == prologue + bodies + part.footer_stop - part.footer_start
        assert part.plain_start == min(geometry.plain_start(part.number), n)
    assert [part.has_prologue for part in parts] == [True] + [False] * (len(parts) - 1)
    assert geometry.plain_start(2) == geometry.part_plain - layout.aligned * layout.capacity
    if layout.aligned:
        assert all(part.stored_len == geometry.part_bytes for part in parts[:-1])
        assert 0 < parts[-1].stored_len <= geometry.part_bytes


def chain(start: int, spans: list[tuple[int, int]], end: int) -> None:
    for low, high in spans:
        assert start == low <= high
        start = high
    assert start == end


@given(n=st.integers(0, 39 * 2**40), seg_log2=st.integers(16, 24), aligned=st.booleans())
def test_chosen_parts_are_enough_and_not_too_small(n: int, seg_log2: int, aligned: bool) -> None:
    geometry = PartGeometry.choose(Layout(seg_log2, 168, aligned=aligned), n)
    assert geometry.count(n) <= PARTS_MAX
    assert geometry.part_bytes >= 2**23
    smaller = PartGeometry(geometry.layout, max(1 + aligned, geometry.part_segments // 2))
    assert geometry.part_bytes == 2**23 or smaller.count(n) > PARTS_MAX or geometry.part_segments == 1 + aligned


def test_the_usual_part_is_eight_mebibytes() -> None:
    assert PartGeometry.choose(Layout(20, 168), 2**30).part_bytes == 2**23
    assert PartGeometry.choose(Layout(20, 168), 2**30, part_bytes_min=2**25).part_bytes == 2**25


def test_what_no_parts_can_hold_is_refused() -> None:
    with pytest.raises(Misuse, match="do not fit"):
        PartGeometry.choose(Layout(20, 168), 2**60)


def test_impossible_geometry_is_refused() -> None:
    """[F-8]."""
    for log2 in (15, 25):
        with pytest.raises(Malformed):
            Layout(log2, 168)
    with pytest.raises(Malformed):
        Layout(16, 65_512, aligned=True)
    with pytest.raises(Misuse):
        PartGeometry(Layout(20, 168, aligned=True), 1)
    geometry = PartGeometry(Layout(20, 168), 8)
    for number in (0, 2):
        with pytest.raises(Misuse):
            geometry.part(number, 5)

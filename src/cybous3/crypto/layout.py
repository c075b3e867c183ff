"""Where everything lies: sizes, offsets, ranges and parts of a stored object (format-v1 §8). Arithmetic only.

n is always the plaintext length in bytes, S the segment length, P = S - 32 the plaintext a full segment holds, k the
number of segments. Stored: prologue (HEADER, zeros if aligned, FLOE header), k segments, footer of 92 bytes.
"""

from typing import NamedTuple

from cybous3.crypto.errors import Malformed, Misuse
from cybous3.crypto.floe import FLOE_HEADER_LEN, OVERHEAD, segment_count

IMMUTABLE_LEN = 44
HEADER_TAG_LEN = 32
FOOTER_LEN = 92
SEG_LOG2_DEFAULT, SEG_LOG2_MIN, SEG_LOG2_MAX = 20, 16, 24
PART_BASE_LOG2 = 23
"""The smallest part holds 8 MiB of segments: above S3's minimum of 5 MiB, and 8 segments of 1 MiB."""
PARTS_MAX = 10_000
PART_BYTES_MAX = 5 * 2**30
HEADER_FETCH_LEN = 4096
"""How much of the front to fetch to see the prologue of an ordinary object in one request."""


class Layout:
    """The geometry that the authenticated header fixes. Nothing changes it once it is made.

    `segment_len` is S, `capacity` P, the plaintext bytes of a full segment; `prologue_len` the offset of segment 0.
    """

    __slots__ = ("aligned", "capacity", "header_len", "prologue_len", "seg_log2", "segment_len")

    def __init__(self, seg_log2: int, header_len: int, *, aligned: bool = False) -> None:
        if not SEG_LOG2_MIN <= seg_log2 <= SEG_LOG2_MAX:
            raise Malformed(f"segments of 2**{seg_log2} bytes are outside the format")
        self.seg_log2 = seg_log2
        self.header_len = header_len
        self.aligned = aligned
        self.segment_len = 1 << seg_log2
        self.capacity = self.segment_len - OVERHEAD
        self.prologue_len = self.segment_len if aligned else header_len + FLOE_HEADER_LEN
        if aligned and header_len + FLOE_HEADER_LEN > self.segment_len:
            raise Malformed("the header does not fit into one segment")

    def segments(self, n: int) -> int:
        """Return the number of segments, k."""
        return segment_count(n, self.segment_len)

    def segment_offset(self, index: int) -> int:
        """Where segment `index` begins in the stored object."""
        return self.prologue_len + index * self.segment_len

    def footer_offset(self, n: int) -> int:
        """Where the footer begins: right behind the final segment."""
        return self.prologue_len + n + OVERHEAD * self.segments(n)

    def object_len(self, n: int) -> int:
        """Return the size of the stored object."""
        return self.footer_offset(n) + FOOTER_LEN

    def plaintext_len(self, object_len: int) -> int:
        """n, as the size of the stored object tells it; for listings and progress, never for opening segments.

        `Malformed` if no plaintext gives that size.
        """
        body = object_len - self.prologue_len - FOOTER_LEN
        k = -(-body // self.segment_len)
        n = body - OVERHEAD * k
        if body < OVERHEAD or self.object_len(n) != object_len:
            raise Malformed(f"no object of this layout has {object_len} bytes")
        return n

    def plan_range(self, n: int, start: int, stop: int) -> "RangePlan":
        """Tell what to fetch for the plaintext bytes [start, stop), which must lie within [0, n] and not be empty."""
        if not 0 <= start < stop <= n:
            raise Misuse(f"the range [{start}, {stop}) is not within the {n} bytes of the object")
        first, last = start // self.capacity, (stop - 1) // self.capacity
        end = self.footer_offset(n) if last == self.segments(n) - 1 else self.segment_offset(last + 1)
        return RangePlan(first, last + 1, self.segment_offset(first), end, start - first * self.capacity, stop - start)


class RangePlan(NamedTuple):
    """A ranged read: fetch stored bytes [stored_start, stored_stop), open segments [first, stop), skip, take length."""

    first_segment: int
    stop_segment: int
    stored_start: int
    stored_stop: int
    skip: int
    length: int


class PartPlan(NamedTuple):
    """One part of a multipart upload: [prologue] ‖ segments [first, stop) ‖ footer[footer_start:footer_stop].

    `plain_start`, `plain_len`: the plaintext those segments hold. The footer slice is empty on all parts but the last
    (an aligned object may split it over the last two, so that all parts but the last are equal).
    """

    number: int
    has_prologue: bool
    first_segment: int
    stop_segment: int
    plain_start: int
    plain_len: int
    footer_start: int
    footer_stop: int
    stored_start: int
    stored_len: int


class PartGeometry:
    """How an object is cut into parts: `part_segments` segments each, so every part begins at a segment boundary.

    In an aligned object the prologue takes the place of one segment of part 1, and all parts but the last are equal.
    """

    __slots__ = ("layout", "part_segments")

    def __init__(self, layout: Layout, part_segments: int) -> None:
        if part_segments < 1 + layout.aligned:
            raise Misuse(f"parts of {part_segments} segments are too small")
        self.layout = layout
        self.part_segments = part_segments

    @staticmethod
    def choose(layout: Layout, n: int, *, part_bytes_min: int = 1 << PART_BASE_LOG2) -> "PartGeometry":
        """Return the smallest parts of 8 MiB * 2**j, at least `part_bytes_min`, of which 10,000 hold n plain bytes.

        For a stream of unknown length, n is the most it may hold.
        """
        log2 = max(PART_BASE_LOG2, layout.seg_log2 + layout.aligned)
        while True:
            geometry = PartGeometry(layout, 1 << (log2 - layout.seg_log2))
            if geometry.part_bytes >= part_bytes_min and geometry.count(n) <= PARTS_MAX:
                return geometry
            if geometry.part_bytes * 2 > PART_BYTES_MAX:
                raise Misuse(f"{n} bytes do not fit into {PARTS_MAX} parts")
            log2 += 1

    @property
    def part_bytes(self) -> int:
        """Stored bytes of a full part, the prologue of part 1 apart."""
        return self.part_segments * self.layout.segment_len

    @property
    def part_plain(self) -> int:
        """Plaintext bytes of a full part (one segment less in part 1 of an aligned object)."""
        return self.part_segments * self.layout.capacity

    def first_segment(self, number: int) -> int:
        """Return the first segment of part `number` (parts count from 1)."""
        return 0 if number == 1 else (number - 1) * self.part_segments - self.layout.aligned

    def plain_start(self, number: int) -> int:
        """Return the plaintext offset at which part `number` begins."""
        return self.first_segment(number) * self.layout.capacity

    def count(self, n: int) -> int:
        """How many parts an object of n plaintext bytes has."""
        if self.layout.aligned:
            return -(-self.layout.object_len(n) // self.part_bytes)
        return -(-self.layout.segments(n) // self.part_segments)

    def part(self, number: int, n: int) -> PartPlan:
        """Part `number` of an object of n plaintext bytes."""
        layout, count = self.layout, self.count(n)
        if not 1 <= number <= count:
            raise Misuse(f"part {number} is not one of {count}")
        segments, end = layout.segments(n), layout.footer_offset(n)
        first = min(self.first_segment(number), segments)
        stop = min(self.first_segment(number + 1), segments)
        plain_start, plain_stop = min(first * layout.capacity, n), min(stop * layout.capacity, n)
        stored_start = self._boundary(number, n)
        stored_stop = self._boundary(number + 1, n)
        return PartPlan(
            number=number,
            has_prologue=number == 1,
            first_segment=first,
            stop_segment=stop,
            plain_start=plain_start,
            plain_len=plain_stop - plain_start,
            footer_start=max(0, stored_start - end),
            footer_stop=max(0, stored_stop - end),
            stored_start=stored_start,
            stored_len=stored_stop - stored_start,
        )

    def _boundary(self, number: int, n: int) -> int:
        """Return the stored offset at which part `number` begins; one past the last part, the object's end."""
        if number == 1:
            return 0
        if number > self.count(n):
            return self.layout.object_len(n)
        return self.layout.segment_offset(self.first_segment(number))

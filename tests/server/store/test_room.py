"""Room: refused before the disk is full, believed for a moment, and given again when there is some."""

import pytest

from cybous3.server.meta.space import MIB, RESERVE_MAX, RESERVE_MIN, Space
from cybous3.server.store.room import FRESH_BYTES, FRESH_S, SPARE_MIN, Room
from cybous3.server.wire.errors import S3Error


class Disk:
    """A disk whose size is said, and a clock that stands still."""

    def __init__(self, free: int) -> None:
        self.space: Space | None = Space(20 * MIB, free)
        self.spare = 0
        self.now = 0.0
        self.looks = 0

    def measure(self) -> Space | None:
        self.looks += 1
        return self.space

    def room(self) -> Room:
        return Room(self.measure, lambda: self.spare, lambda: self.now)


def refused(room: Room, count: int, *, indexed: bool = False) -> bool:
    try:
        room.take(count, indexed=indexed)
    except S3Error as error:
        return error.code == "InsufficientStorage"
    return False


@pytest.mark.parametrize(("total", "reserve"), [(MIB, RESERVE_MIN), (200 * MIB, 10 * MIB), (10**13, RESERVE_MAX)])
def test_the_reserve_is_a_share_within_bounds(total: int, reserve: int) -> None:
    assert Space(total, 0).reserve == reserve


def test_a_write_may_go_down_to_the_reserve_and_not_below() -> None:
    room = Disk(RESERVE_MIN + 100).room()
    assert not refused(room, 60)
    assert not refused(room, 40)
    assert not refused(room, 0)


def test_a_refusal_looks_again_first() -> None:
    disk = Disk(RESERVE_MIN)
    room = disk.room()
    assert refused(room, 1)
    disk.space = Space(20 * MIB, RESERVE_MIN + 1)
    assert not refused(room, 1)


def test_the_disk_is_looked_at_now_and_then() -> None:
    disk = Disk(20 * MIB)
    room = disk.room()
    for _ in range(100):
        room.take(1)
    assert disk.looks == 1
    disk.now = FRESH_S
    room.take(FRESH_BYTES)
    assert disk.looks == 2
    room.take(1)
    assert disk.looks == 3


def test_free_pages_of_the_index_are_room_for_the_index_alone() -> None:
    disk = Disk(0)
    disk.spare = SPARE_MIN + 50
    room = disk.room()
    assert not refused(room, 50, indexed=True)
    assert refused(room, 1)


def test_a_disk_that_cannot_be_measured_refuses_nothing() -> None:
    disk = Disk(0)
    disk.space = None
    assert not refused(disk.room(), 10**12)

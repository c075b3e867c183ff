"""The buffers that bodies are received into: large while there are few, and bounded together."""

from cybous3.server.edge.body import BufferPool
from cybous3.server.edge.limits import KIB, MIB


def test_buffers_are_bounded_together() -> None:
    pool = BufferPool(MIB)
    buffers = [pool.take(8 * MIB) for _ in range(1000)]
    assert len(buffers[0]) == MIB
    assert len(buffers[-1]) < 64 * KIB
    assert sum(map(len, buffers)) < 70 * MIB
    for buffer in buffers:
        pool.give(buffer)
    assert len(pool.take(8 * MIB)) == MIB


def test_a_buffer_is_never_longer_than_its_body() -> None:
    pool = BufferPool(MIB)
    assert len(pool.take(10)) == 10
    full = [pool.take(8 * MIB) for _ in range(1000)]
    assert full
    assert len(pool.take(10)) == 10

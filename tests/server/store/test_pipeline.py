"""Chains at different speeds, and what happens when one breaks."""

import asyncio
from collections.abc import Sequence

import pytest

from cybous3.server.store.pipeline import Consume, Pipeline

pytestmark = pytest.mark.anyio


async def test_every_chain_takes_everything_in_order() -> None:
    taken: list[list[bytes]] = [[], []]

    def chain(number: int, naps: int) -> Consume:
        async def consume(pieces: Sequence[bytes]) -> None:
            for _ in range(naps):
                await asyncio.sleep(0)
            taken[number].extend(pieces)

        return consume

    pipeline = Pipeline([chain(0, 0), chain(1, 5)], held_max=10)
    fed = [b"%04d" % number for number in range(100)]
    for piece in fed:
        await pipeline.feed(piece)
    await pipeline.finish()
    await pipeline.cancel()
    assert taken == [fed, fed]


async def test_a_broken_chain_stops_the_feeding() -> None:
    async def broken(_: Sequence[bytes]) -> None:
        raise OSError("broken")

    async def fine(_: Sequence[bytes]) -> None:
        await asyncio.sleep(0)

    pipeline = Pipeline([fine, broken], held_max=1)

    async def feed_on() -> None:
        for _ in range(10):
            await pipeline.feed(b"piece")

    with pytest.raises(OSError, match="broken"):
        await feed_on()
    await pipeline.cancel()
    await pipeline.cancel()


async def test_a_chain_that_breaks_at_the_end_is_noticed() -> None:
    async def broken(_: Sequence[bytes]) -> None:
        await asyncio.sleep(0.001)
        raise OSError("broken")

    pipeline = Pipeline([broken])
    await pipeline.feed(b"piece")
    with pytest.raises(OSError, match="broken"):
        await pipeline.finish()
    await pipeline.cancel()

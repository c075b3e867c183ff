"""Chains at different speeds, and what happens when one breaks."""

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from cybous3.server.store import pipeline as pipelines
from cybous3.server.store.pipeline import AwaitedChain, Chain, Compute, Pipeline, ThreadChain

pytestmark = pytest.mark.anyio

FED = [b"%04d" % number for number in range(100)]


@pytest.fixture(name="threads")
def _threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads


async def _nothing(_: Sequence[bytes]) -> None:
    await asyncio.sleep(0)


async def _feed_on(pipeline: Pipeline) -> None:
    for _ in range(1000):
        await pipeline.feed(b"piece")
        await asyncio.sleep(0)


def _waiting_for(event: threading.Event) -> Compute:
    def compute(_: bytes) -> None:
        event.wait()

    return compute


async def test_every_chain_takes_everything_in_order(threads: ThreadPoolExecutor) -> None:
    taken: list[list[bytes]] = [[], [], [], []]

    def awaited(number: int, naps: int) -> AwaitedChain:
        async def consume(pieces: Sequence[bytes]) -> None:
            for _ in range(naps):
                await asyncio.sleep(0)
            taken[number].extend(pieces)

        return AwaitedChain(consume)

    def slowly(piece: bytes) -> None:
        time.sleep(0.0001)
        taken[3].append(piece)

    chains: list[Chain] = [
        awaited(0, 0),
        awaited(1, 5),
        ThreadChain(taken[2].append, threads),
        ThreadChain(slowly, threads),
    ]
    pipeline = Pipeline(chains, held_max=10)
    for piece in FED:
        await pipeline.feed(piece)
    await pipeline.finish()
    await pipeline.cancel()
    assert taken == [FED, FED, FED, FED]


async def test_a_thread_takes_turns_and_loses_nothing(
    threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One body does not keep a thread from the others; nor do two threads ever compute for the same."""
    monkeypatch.setattr(pipelines, "TURN_MAX", 8)
    taken: list[bytes] = []
    inside = threading.Semaphore(1)

    def compute(piece: bytes) -> None:
        assert inside.acquire(blocking=False)
        taken.append(piece)
        inside.release()

    pipeline = Pipeline([ThreadChain(compute, threads)])
    for piece in FED:
        await pipeline.feed(piece)
    await pipeline.finish()
    await pipeline.cancel()
    assert taken == FED


async def test_feeding_waits_for_the_slowest(threads: ThreadPoolExecutor) -> None:
    """So a body costs `held_max`, whatever its length."""
    go_on = threading.Event()
    pipeline = Pipeline([ThreadChain(_waiting_for(go_on), threads)], held_max=10)
    await pipeline.feed(b"0123456789")
    late = asyncio.create_task(pipeline.feed(b"x"))
    await asyncio.sleep(0.01)
    assert not late.done()
    go_on.set()
    await late
    await pipeline.finish()


async def test_a_broken_chain_stops_the_feeding() -> None:
    async def broken(_: Sequence[bytes]) -> None:
        raise OSError("broken")

    pipeline = Pipeline([AwaitedChain(_nothing), AwaitedChain(broken)], held_max=1)
    with pytest.raises(OSError, match="broken"):
        await _feed_on(pipeline)
    await pipeline.cancel()
    await pipeline.cancel()


async def test_a_broken_computation_stops_the_feeding(threads: ThreadPoolExecutor) -> None:
    def broken(_: bytes) -> None:
        raise ValueError("broken")

    pipeline = Pipeline([ThreadChain(broken, threads), AwaitedChain(_nothing)])
    with pytest.raises(ValueError, match="broken"):
        await _feed_on(pipeline)
    await pipeline.cancel()
    await pipeline.cancel()


async def test_a_chain_that_breaks_at_the_end_is_noticed() -> None:
    async def broken(_: Sequence[bytes]) -> None:
        await asyncio.sleep(0.001)
        raise OSError("broken")

    pipeline = Pipeline([AwaitedChain(broken)])
    await pipeline.feed(b"piece")
    with pytest.raises(OSError, match="broken"):
        await pipeline.finish()
    await pipeline.cancel()


async def test_threads_that_were_closed_keep_nobody_waiting(
    threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipelines, "TURN_MAX", 1)
    go_on = threading.Event()
    pipeline = Pipeline([ThreadChain(_waiting_for(go_on), threads)])
    await pipeline.feed(b"one")
    await pipeline.feed(b"two")
    threads.shutdown(wait=False)
    go_on.set()
    with pytest.raises(RuntimeError, match="shutdown"):
        await pipeline.finish()
    await pipeline.cancel()


async def test_cancelling_waits_for_the_piece_under_way_and_drops_the_rest(threads: ThreadPoolExecutor) -> None:
    begun, go_on = threading.Event(), threading.Event()
    taken: list[bytes] = []

    def compute(piece: bytes) -> None:
        begun.set()
        go_on.wait()
        taken.append(piece)

    pipeline = Pipeline([ThreadChain(compute, threads), AwaitedChain(_nothing)])
    await pipeline.feed(b"one")
    await asyncio.to_thread(begun.wait)
    await pipeline.feed(b"two")
    ending = asyncio.create_task(pipeline.cancel())
    await asyncio.sleep(0.01)
    assert not ending.done()
    go_on.set()
    await ending
    assert taken == [b"one"]

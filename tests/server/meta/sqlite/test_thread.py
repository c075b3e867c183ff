"""One thread: in order, off the loop, and every failure to the one who asked."""

import asyncio
import threading
from functools import partial

import pytest

from cybous3.server.meta.sqlite.thread import OneThread

pytestmark = pytest.mark.anyio


async def test_work_is_done_in_order_in_one_other_thread() -> None:
    thread, seen = OneThread("work"), []

    def note(number: int) -> None:
        seen.append((number, threading.current_thread().name))

    await asyncio.gather(*(thread.run(partial(note, number)) for number in range(5)))
    assert seen == [(number, "work") for number in range(5)]
    thread.close()


async def test_a_failure_reaches_who_asked_and_nobody_else() -> None:
    thread = OneThread("work")

    def fail() -> None:
        raise OSError(5, "no")

    with pytest.raises(OSError, match="no"):
        await thread.run(fail)
    await thread.run(lambda: None)
    thread.close()
    thread.close()


async def test_who_is_cancelled_stops_nothing() -> None:
    thread, go, done = OneThread("work"), threading.Event(), []

    def work() -> None:
        assert go.wait(10)
        done.append(1)

    waiting = asyncio.ensure_future(thread.run(work))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    go.set()
    await thread.run(lambda: None)
    assert done == [1]
    thread.close()


async def test_a_closed_one_can_be_used_again() -> None:
    thread = OneThread("work")
    thread.close()
    await thread.run(lambda: None)
    thread.close()
    await thread.run(lambda: None)
    thread.close()


def test_a_loop_that_is_gone_harms_nobody() -> None:
    thread, go = OneThread("work"), threading.Event()

    async def ask() -> None:
        asking = asyncio.ensure_future(thread.run(lambda: go.wait(10)))
        await asyncio.sleep(0)
        asking.cancel()

    asyncio.run(ask())
    go.set()
    thread.close()

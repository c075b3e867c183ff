"""The turnstile between the processes."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cybous3.server.meta.sqlite.lock import POLL_S, WriterLock, wait_by_polling


@pytest.fixture
def locks(tmp_path: Path) -> Iterator[tuple[WriterLock, WriterLock]]:
    pair = WriterLock(tmp_path / "index.db"), WriterLock(tmp_path / "index.db")
    yield pair
    for lock in pair:
        lock.close()


def test_one_at_a_time(locks: tuple[WriterLock, WriterLock]) -> None:
    first, second = locks
    assert first.try_acquire()
    assert not second.try_acquire()
    first.release()
    assert second.try_acquire()


def test_who_waits_is_not_overtaken(locks: tuple[WriterLock, WriterLock]) -> None:
    """The one who comes back finds the turnstile held by the one who waits."""
    first, second = locks
    first.acquire()
    waiting = threading.Thread(target=second.acquire)
    waiting.start()
    deadline = time.monotonic() + 10
    while first.try_acquire():  # a lock of one's own is no obstacle; the turnstile, once the other holds it, is
        assert time.monotonic() < deadline
        time.sleep(0.001)
    first.release()
    assert not first.try_acquire()
    waiting.join(10)
    assert not waiting.is_alive()
    second.release()
    assert first.try_acquire()


def test_a_lock_dies_with_its_holder(tmp_path: Path) -> None:
    dead, heir = WriterLock(tmp_path / "index.db"), WriterLock(tmp_path / "index.db")
    dead.acquire()
    dead.close()
    assert heir.try_acquire()
    heir.close()


def test_polling_tries_until_it_succeeds() -> None:
    answers, naps = iter([False, False, True]), list[float]()
    wait_by_polling(lambda: next(answers), naps.append)
    assert naps == [POLL_S, POLL_S]

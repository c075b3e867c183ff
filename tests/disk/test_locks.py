"""Waiting for a lock."""

from pathlib import Path
from threading import Thread

import pytest

from cybous3.disk.files import SYSTEM
from cybous3.disk.locks import locked


def test_who_waits_long_enough_gets_it(tmp_path: Path) -> None:
    order: list[str] = []
    with locked(SYSTEM, tmp_path / "lock", 0):

        def other() -> None:
            with locked(SYSTEM, tmp_path / "lock", 10):
                order.append("second")

        thread = Thread(target=other)
        thread.start()
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_who_does_not_is_told(tmp_path: Path) -> None:
    now = [0.0]
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    with (
        locked(SYSTEM, tmp_path / "lock", 0),
        pytest.raises(TimeoutError, match="held"),
        locked(SYSTEM, tmp_path / "lock", 1.0, monotonic=lambda: now[0], sleep=sleep),
    ):
        pytest.fail("the lock was free")
    assert (pauses[0], max(pauses)) == (0.001, 0.05)


def test_it_is_given_back_whatever_happens(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="work"), locked(SYSTEM, tmp_path / "lock", 0):
            raise ValueError("work")

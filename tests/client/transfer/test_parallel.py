from collections.abc import Iterator
from contextlib import closing
from threading import Event, Lock
from time import sleep

import pytest

from cybous3.client.transfer.errors import Busy
from cybous3.client.transfer.parallel import all_of, each, in_order


def test_a_tree_goes_on_past_what_failed() -> None:
    def work(item: int) -> int:
        if item == 3:
            raise Busy("three")
        return item * 2

    outcomes = {outcome.item: outcome for outcome in each(range(6), work, workers=2)}
    assert {item: o.value for item, o in outcomes.items() if o.error is None} == {0: 0, 1: 2, 2: 4, 4: 8, 5: 10}
    assert isinstance(outcomes[3].error, Busy)


def test_a_defect_is_no_outcome() -> None:
    def work(_item: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(each(range(2), work, workers=2))


def test_when_one_part_fails_nobody_works_any_more() -> None:
    """What workers write to is closed next: a late worker would write into somebody else's file."""
    running, lock, begun = [0], Lock(), Event()

    def work(item: int) -> None:
        with lock:
            running[0] += 1
        try:
            if item == 0:
                begun.wait(5)
                raise Busy("first")
            begun.set()
            sleep(0.1)
        finally:
            with lock:
                running[0] -= 1

    with pytest.raises(Busy):
        all_of(range(20), work, workers=3)
    assert running[0] == 0


def test_items_are_taken_only_when_a_worker_is_near() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(100):
            taken.append(item)
            yield item

    with closing(in_order(items(), lambda item: item, workers=2)) as results:
        assert [next(results), next(results)] == [0, 1]
    assert len(taken) <= 4

"""Costs that are known are found, in movers that sleep; the verdict follows the interval."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import log
from pathlib import Path

import pytest

from cybous3.lab.bench.overhead import Cost, Effort, Found, Modes, Mover, Spent, Word, WrongBytes, judge, measure
from cybous3.lab.bench.plots import cost as pages
from cybous3.lab.bench.verdict.bootstrap import Interval
from cybous3.lab.bench.workload import MIB


class Sleeper:
    """Moves files in memory, and takes so long."""

    def __init__(self, seconds: float, *, damage: bool = False, interrupt_at: int = 0) -> None:
        self._seconds, self._damage, self._interrupt_at = seconds, damage, interrupt_at
        self.held: dict[str, bytes] = {}
        self.calls = 0

    def put(self, local: Path, name: str) -> None:
        self.calls += 1
        if self.calls == self._interrupt_at:
            raise KeyboardInterrupt
        time.sleep(self._seconds)
        self.held[name] = local.read_bytes()

    def get(self, name: str, local: Path) -> None:
        time.sleep(self._seconds)
        local.write_bytes(self.held[name][: -1 if self._damage else None])

    def remove(self, name: str) -> None:
        del self.held[name]


def table(**movers: Mover) -> Modes:
    @contextmanager
    def opened(mover: Mover) -> Iterator[Mover]:
        yield mover

    return {name: lambda mover=mover: opened(mover) for name, mover in movers.items()}  # type: ignore[misc]  # binds it


def quiet(text: str) -> None:
    del text


EFFORT = Effort((1000,), pairs=5, block_bytes=2000)


def test_a_slower_mode_costs_what_it_takes_longer(tmp_path: Path) -> None:
    plain, slow = Sleeper(0.004), Sleeper(0.012)
    found = measure(table(plain=plain, client=slow), EFFORT, tmp_path, quiet)
    put, get = found.costs(5.0)
    assert (put.direction, get.direction, put.size, len(put.pairs)) == ("put", "get", 1000, 5)
    assert put.wall is not None
    assert log(2) < put.wall.estimate < log(4)
    assert put.word is Word.MISSED
    assert not plain.held
    assert plain.calls == slow.calls == 2 * (5 + 1)  # two files a block; the first pass is not counted


def test_damage_is_an_error_and_no_figure(tmp_path: Path) -> None:
    with pytest.raises(WrongBytes, match="came back different"):
        measure(table(plain=Sleeper(0), client=Sleeper(0, damage=True)), EFFORT, tmp_path, quiet)


def test_an_interrupt_keeps_the_whole_pairs(tmp_path: Path) -> None:
    found = measure(table(plain=Sleeper(0), client=Sleeper(0, interrupt_at=7)), EFFORT, tmp_path, quiet)
    assert found.interrupted
    (put, _) = found.costs(5.0)
    assert len(put.pairs) == 2
    assert put.wall is None
    assert "too few" in put.sentence()


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (1, 4.9, Word.MET),
        (-3, 4.9, Word.MET),
        (1, 6, Word.INCONCLUSIVE),
        (5, 9, Word.MISSED),
        (4.9, 9, Word.INCONCLUSIVE),
    ],
)
def test_the_whole_interval_decides(low: float, high: float, word: Word) -> None:
    ends = [log(1 + percent / 100 + 1e-12) for percent in (low, high)]
    assert judge(Interval(sum(ends) / 2, *ends), 5.0) is word


def pairs(percent: float) -> tuple[tuple[Spent, Spent], ...]:
    chance = random.Random(3)  # noqa: S311  # noise
    return tuple((Spent(1.0, 0.5), Spent((1 + percent / 100) * chance.gauss(1, 0.003), 0.5 * 1.2)) for _ in range(20))


def test_the_sentence_is_the_one_that_was_promised() -> None:
    cost = Cost("client", "put", 64 * MIB, pairs(2.0))
    assert cost.sentence().startswith("encryption costs 2.")
    assert cost.sentence().endswith("target < 5 %: met")
    assert "(95 % interval 1." in cost.sentence()
    assert Cost("client", "put", MIB, pairs(9.0)).sentence().endswith(": missed")


def test_the_page_has_a_row_for_each_cost() -> None:
    costs = [Cost("client", "put", 64 * MIB, pairs(2.0)), Cost("server", "get", 4096, pairs(2.0)[:2])]
    page = pages.page(costs, [("endpoint", "here")], interrupted=True)
    assert page.verdict == "INTERRUPTED; put 64 MiB: met; get 4 KiB, server: inconclusive"
    rows = page.charts[0].table.rows
    assert rows[0][0] == "put 64 MiB"
    assert rows[0][4] == "+20.0 %"
    assert rows[1][2] == "too few pairs"


def test_blocks_hold_so_many_files() -> None:
    assert Effort(block_bytes=64 * MIB).files(MIB) == 64
    assert Effort(block_bytes=MIB).files(64 * MIB) == 1
    assert Effort().files(1) == 256


def test_nothing_found_has_no_costs() -> None:
    assert Found().costs(5.0) == ()


@pytest.mark.parametrize("damage", [False, True])
def test_a_file_of_several_pieces_is_filled_and_compared_to_its_last_byte(tmp_path: Path, *, damage: bool) -> None:
    effort = Effort((4 * MIB + 3,), 1)
    plain, other = Sleeper(0), Sleeper(0, damage=damage)
    if damage:
        with pytest.raises(WrongBytes):
            measure(table(plain=plain, client=other), effort, tmp_path, quiet)
        return
    found = measure(table(plain=plain, client=other), effort, tmp_path, quiet)
    assert {at[2] for at in found.pairs} == {4 * MIB + 3}

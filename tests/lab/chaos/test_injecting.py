"""Faults begin at their places and last as long as they are to, whatever the speed of the load."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cybous3.lab.chaos.description import Description
from cybous3.lab.chaos.errors import CannotInject
from cybous3.lab.chaos.faults.port import Fault
from cybous3.lab.chaos.gate import Gate
from cybous3.lab.chaos.injecting import Injector
from cybous3.lab.chaos.plan import Placed
from cybous3.lab.chaos.scenario import Injection
from cybous3.lab.chaos.site import Site
from cybous3.lab.chaos.units import Moment

NAME = "a.fault"


class Scene:
    """A load as fast as it can go, and faults that note how many operations had begun when they came and went."""

    def __init__(self, folder: Path) -> None:
        self.gate = Gate()
        self.came: list[int] = []
        self.went: list[int] = []
        self._begun = time.monotonic()
        faults = {NAME: Fault(Description(NAME, "Be there.", ("wire",)), self._inject)}
        site = Site(folder, "http://127.0.0.1:9")
        self.injector = Injector(site, self.gate, faults, lambda: time.monotonic() - self._begun)

    @contextmanager
    def _inject(self, _site: Site, injection: Injection, _chance: random.Random) -> Iterator[str]:
        if injection.settings.get("impossible"):
            raise CannotInject("this cannot be")
        time.sleep(0.02)  # it takes its time to happen, and the load waits
        self.came.append(self.gate.begun)
        yield "there"
        self.went.append(self.gate.begun)

    def run(self, operations: int, *faults: Injection, threads: int = 3) -> list[str]:
        """Run them beside a load of so many operations; return why each fault ended."""
        self.injector.start([Placed(number, one, one.at, "s") for number, one in enumerate(faults)])
        load = [threading.Thread(target=self._load, args=(operations // threads,)) for _ in range(threads)]
        for thread in load:
            thread.start()
        for thread in load:
            thread.join(20)
        self.injector.finish()
        return [one.ended_why for one in self.injector.happened]

    def _load(self, operations: int) -> None:
        for _ in range(operations):
            self.gate.enter()


def fault(at: Moment, lasts: Moment | None = None, **settings: object) -> Injection:
    return Injection(NAME, "wire", at, lasts, 1, None, settings)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def operations(count: int) -> Moment:
    return Moment(operations=count)


@pytest.mark.parametrize("turn", range(5))
def test_a_fault_of_so_many_operations_is_there_for_all_of_them(scene: Scene, turn: int) -> None:
    """Also when the load is over a moment later, as with the last turn."""
    at = 10 + 12 * turn
    assert scene.run(66, fault(operations(at), operations(8))) == ["its time was over"]
    assert scene.came == [at]
    assert at + 8 <= scene.went[0] <= 66
    assert scene.injector.happened[0].at_operation == at


def test_an_end_at_the_very_last_operation_is_an_end(scene: Scene) -> None:
    assert scene.run(30, fault(operations(20), operations(10))) == ["its time was over"]


def test_an_end_that_never_comes_is_the_end_of_the_load(scene: Scene) -> None:
    assert scene.run(30, fault(operations(20), operations(11))) == ["the load was over"]


def test_faults_that_meet_at_one_place_all_happen_there(scene: Scene) -> None:
    three = [fault(operations(12), operations(6)), fault(operations(18), operations(3)), fault(operations(18))]
    assert scene.run(30, *three) == ["its time was over", "its time was over", "at once"]
    assert [one.at_operation for one in scene.injector.happened] == [12, 18, 18]


def test_a_fault_placed_by_the_clock_lasts_for_its_operations(scene: Scene) -> None:
    scene.gate.rate = 300
    assert scene.run(60, fault(Moment(seconds=0.05), operations(5))) == ["its time was over"]
    assert scene.injector.not_injected() == []


def test_a_fault_that_cannot_be_holds_nobody_up(scene: Scene) -> None:
    scene.run(30, fault(operations(10), operations(5), impossible=True), fault(operations(10)))
    assert scene.injector.not_injected() == ["a.fault at 10 operations: this cannot be"]
    assert [one.at_operation for one in scene.injector.happened] == [None, 10]
    assert scene.gate.begun == 30


def test_a_defect_of_a_fault_is_not_taken_for_an_answer(scene: Scene) -> None:
    scene.injector.faults = {}
    scene.run(6, fault(operations(2)))
    assert [type(one) for one in scene.injector.problems] == [KeyError]
    assert scene.gate.begun == 6

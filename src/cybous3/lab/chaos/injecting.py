"""Faults at their moments: each in a thread of its own, ended on time, taken back whatever happens.

A fault ends at its own end, when the load is over, when the blast radius is reached, or when the run is called off,
whichever comes first. `finish` returns when everything has been taken back.
"""

import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from cybous3.core.errors import CybousError
from cybous3.lab.chaos.errors import CannotInject
from cybous3.lab.chaos.faults.port import Fault
from cybous3.lab.chaos.gate import Gate
from cybous3.lab.chaos.plan import Placed
from cybous3.lab.chaos.site import Site
from cybous3.lab.chaos.units import Moment

_LOOK_S: Final = 0.05
_TAKE_BACK_S_MAX: Final = 120.0


@dataclass
class Happened:
    """One fault as it went. Times in seconds since the run began; None: it never came to that."""

    placed: Placed
    did: str = ""
    problem: str = ""
    began_s: float | None = None
    ended_s: float | None = None
    at_operation: int | None = None
    ended_why: str = ""


@dataclass
class Injector:
    """All faults of one run."""

    site: Site
    gate: Gate
    faults: Mapping[str, Fault]
    clock: Callable[[], float]
    happened: list[Happened] = field(default_factory=list)
    problems: list[BaseException] = field(default_factory=list)
    out_of_bounds: list[str] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def start(self, placed: Sequence[Placed]) -> None:
        """Take every fault's place; those placed by operations hold the load there until they have happened."""
        for one in placed:
            self.happened.append(Happened(one))
            if one.at.operations is not None:
                self.gate.place(one.at.operations)
        for happened in self.happened:
            thread = threading.Thread(target=self._one, args=(happened,), daemon=True, name="fault")
            self._threads.append(thread)
            thread.start()

    def finish(self) -> None:
        """Call off what has not begun, take back what has, and wait until that is done."""
        self._over.set()
        for thread in self._threads:
            thread.join(_TAKE_BACK_S_MAX)

    def not_injected(self) -> list[str]:
        """Return what did not happen, and why."""
        return [
            f"{one.placed.injection.fault} at {one.placed.at}: {one.problem or 'the load was over before'}"
            for one in self.happened
            if one.began_s is None or one.problem
        ]

    def _one(self, happened: Happened) -> None:
        placed = happened.placed
        mark = placed.at.operations
        try:
            if self._reached(placed.at):
                self._inject(happened, mark)
        except CybousError as error:
            happened.problem = error.message
        except BaseException as error:  # noqa: BLE001  # a defect here must end the run, not a thread of it
            happened.problem = f"{type(error).__name__}: {error}"
            self.problems.append(error)
        finally:
            if mark is not None:
                self._lift(happened, mark)

    def _inject(self, happened: Happened, mark: int | None) -> None:
        placed = happened.placed
        fault = self.faults[placed.injection.fault]
        happened.began_s, happened.at_operation = self.clock(), self.gate.begun
        try:
            with fault.inject(self.site, placed.injection, placed.chance()) as did:
                happened.did = did
                if mark is not None:
                    self._lift(happened, mark)
                happened.ended_why = self._until_end(placed.injection.lasts, self.gate.begun)
        except CannotInject:
            if not happened.did:
                happened.began_s = None
            raise
        finally:
            happened.ended_s = self.clock()

    def _lift(self, happened: Happened, mark: int) -> None:
        """Let the load go on, once every fault at this very place has happened."""
        happened.at_operation = mark if happened.began_s is not None else None
        same = [one for one in self.happened if one.placed.at.operations == mark]
        if all(one is happened or one.did or one.problem for one in same):
            self.gate.lift(mark)

    def _reached(self, at: Moment) -> bool:
        """Wait for a moment of the run; tell whether it came before the load was over."""
        while not self._over.is_set():
            if at.operations is not None:
                if self.gate.wait_for(at.operations, _LOOK_S):
                    return True
            elif self.clock() >= (at.seconds or 0.0):
                return True
            else:
                self._over.wait(min(_LOOK_S, max(0.0, (at.seconds or 0.0) - self.clock())))
        # Of two faults at one moment the first may end the load; the other was due all the same.
        return at.seconds is not None and self.clock() >= at.seconds

    def _until_end(self, lasts: Moment | None, begun: int) -> str:
        """Wait for the end of a fault and return why it ended."""
        if lasts is None:
            return "at once"
        blast = self.site.blast
        since = time.monotonic()
        while not self._over.is_set():
            seconds, operations = time.monotonic() - since, self.gate.begun - begun
            if (lasts.seconds is not None and seconds >= lasts.seconds) or (
                lasts.operations is not None and operations >= lasts.operations
            ):
                return "its time was over"
            if seconds >= blast.longest_s:
                return "the longest time of the blast radius"
            if operations >= blast.operations:
                return "the most operations of the blast radius"
            if not self._room():
                return "the free disk of the blast radius"
            self._over.wait(_LOOK_S)
        return "the load was over"

    def _room(self) -> bool:
        free = shutil.disk_usage(self.site.scratch).free
        if free < self.site.blast.free_disk:
            self.out_of_bounds.append(f"{free} bytes were free, less than {self.site.blast.free_disk}")
            self.gate.stop()
            return False
        return True

"""Faults at their moments: each in a thread of its own, ended on time, taken back whatever happens.

A fault ends at its own end, when the load is over, when the blast radius is reached, or when the run is called off,
whichever comes first. An end that is counted in operations holds the load there until it was noticed; the load goes on
while the fault is taken back. `finish` returns when everything has been taken back.
"""

import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
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
        at = happened.placed.at
        with ExitStack() as held:
            if at.operations is not None:
                held.callback(self.gate.lift, at.operations)
            try:
                if self._reached(at):
                    self._inject(happened, held)
            except CybousError as error:
                happened.problem = error.message
            except BaseException as error:  # noqa: BLE001  # a defect here must end the run, not a thread of it
                happened.problem = f"{type(error).__name__}: {error}"
                self.problems.append(error)

    def _inject(self, happened: Happened, held: ExitStack) -> None:
        """Let the fault last as long as it is to. `held`: what keeps the load where it is until it has happened."""
        placed = happened.placed
        fault = self.faults[placed.injection.fault]
        happened.began_s, happened.at_operation = self.clock(), self.gate.begun
        try:
            with fault.inject(self.site, placed.injection, placed.chance()) as did:
                happened.did = did
                happened.ended_why = self._last(placed.injection.lasts, held)
        except CannotInject:
            if not happened.did:
                happened.began_s = happened.at_operation = None
            raise
        finally:
            happened.ended_s = self.clock()

    def _last(self, lasts: Moment | None, held: ExitStack) -> str:
        """Let the load go on, wait for the end of the fault, and return why it ended."""
        if lasts is None:
            held.close()
            return "at once"
        begun = self.gate.begun
        with ExitStack() as end:
            if lasts.operations is not None:
                begun = self.gate.place_ahead(lasts.operations) - lasts.operations
                end.callback(self.gate.lift, begun + lasts.operations)
            held.close()
            return self._until_end(lasts, begun)

    def _reached(self, at: Moment) -> bool:
        """Wait for a moment of the run; tell whether it came before the load was over."""
        while not self._over.is_set():
            if at.operations is not None:
                self.gate.wait_for(at.operations, _LOOK_S)
            else:
                self._over.wait(min(_LOOK_S, max(0.0, (at.seconds or 0.0) - self.clock())))
            if self._due(at):
                return True
        # Of two faults at one moment the first may end the load; the other was due all the same.
        return self._due(at)

    def _due(self, at: Moment) -> bool:
        if at.operations is not None:
            return self.gate.begun >= at.operations
        return self.clock() >= (at.seconds or 0.0)

    def _until_end(self, lasts: Moment, begun: int) -> str:
        """Wait for the end of a fault that began before operation `begun`, and return why it ended."""
        since = time.monotonic()
        while True:
            over = self._over.is_set()  # asked first: a load that ends with the fault does not end it
            why = self._ended(lasts, time.monotonic() - since, self.gate.begun - begun)
            if why or over:
                return why or "the load was over"
            if lasts.operations is not None and not self.gate.stopped:
                self.gate.wait_for(begun + lasts.operations, _LOOK_S)
            else:
                self._over.wait(_LOOK_S)

    def _ended(self, lasts: Moment, seconds: float, operations: int) -> str:
        """Return why a fault ends that has lasted so long; "" while it does not."""
        blast = self.site.blast
        if (lasts.seconds is not None and seconds >= lasts.seconds) or (
            lasts.operations is not None and operations >= lasts.operations
        ):
            return "its time was over"
        if seconds >= blast.longest_s:
            return "the longest time of the blast radius"
        if operations >= blast.operations:
            return "the most operations of the blast radius"
        return "" if self._room() else "the free disk of the blast radius"

    def _room(self) -> bool:
        free = shutil.disk_usage(self.site.scratch).free
        if free < self.site.blast.free_disk:
            self.out_of_bounds.append(f"{free} bytes were free, less than {self.site.blast.free_disk}")
            self.gate.stop()
            return False
        return True

"""Many small files at once, by several processes: one interpreter runs on one core, and its threads fight for it.

What this keeps true:
- the helpers (`helper`) only move files; the process that started them decides, counts, and alone writes the memory;
- when the work ends early (an error, Ctrl-C) nobody begins another file, those under way are finished, and what is
  known of them is remembered;
- a helper that dies fails the files it had in hand, in one sentence each; nobody waits for it.
"""

import os
import sys
from collections.abc import Generator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from itertools import islice
from queue import SimpleQueue
from threading import Thread
from typing import NamedTuple

from cybous3.client.stores.connect import Access
from cybous3.client.sync.helper import Batch, Kit, Order, Result, receive, send
from cybous3.client.sync.moving import Done, Job
from cybous3.client.sync.plan import Step
from cybous3.client.sync.process import Process, start
from cybous3.client.transfer.parallel import Outcome
from cybous3.client.transfer.port import Memory, Progress
from cybous3.core.errors import CybousError

FILES_MIN = 400
"""Fewer small files than this are done before helpers would have started."""
PROCESSES_MAX = 4
AT_ONCE = 16
"""Files under way, over all processes: as many as threads of one process would have."""
_BATCH = 16


class HelperLost(CybousError):
    """A helper process ended before it had done what it was given."""


class Crew(NamedTuple):
    """How many helpers, with how many threads each."""

    processes: int
    threads: int


def fitting_crew(files: int, at_once: int | None, cores: int) -> Crew | None:
    """Return the crew for so many small files; None when helpers would not pay.

    `at_once`: how many files a person wants under way.
    """
    processes = min(PROCESSES_MAX, cores, at_once or PROCESSES_MAX)
    if files < FILES_MIN or processes < 2:  # noqa: PLR2004  # one helper has no advantage over this process
        return None
    return Crew(processes, max(1, (at_once or AT_ONCE) // processes))


def usable_cores() -> int:
    """Return on how many cores helpers may run; 1 where this program cannot start itself again."""
    if getattr(sys, "frozen", False) or not sys.executable:
        return 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def each(  # the four ends of a run
    crew: Crew, kit: Kit, job: Job, steps: Sequence[Step], memory: Memory, progress: Progress
) -> Generator[Outcome[Step, Done], None, None]:
    """Yield an outcome for every step, as they finish. Close it when leaving early."""
    with closing(_Helpers(crew, kit, job, memory)) as helpers:
        batches = iter(_cut(steps, crew))
        for number in range(crew.processes):
            for batch in islice(batches, crew.threads + 1):
                helpers.give(number, batch)
        while helpers.busy:
            number, outcomes = helpers.take()
            following = next(batches, None)
            if following is not None:
                helpers.give(number, following)
            for outcome in outcomes:
                if outcome.value is not None and outcome.value.moved:
                    progress(outcome.value.size)
                yield outcome


def _cut(steps: Sequence[Step], crew: Crew) -> list[Batch]:
    size = max(1, min(_BATCH, len(steps) // (4 * crew.processes * crew.threads)))
    return [Batch(start, list(steps[start : start + size])) for start in range(0, len(steps), size)]


class _Helpers:
    """Started helpers, and the batches each of them has in hand."""

    def __init__(self, crew: Crew, kit: Kit, job: Job, memory: Memory) -> None:
        self._memory = memory
        self._vault_id = kit.vault_id
        self._heard: SimpleQueue[tuple[int, Result | None]] = SimpleQueue()
        self._in_hand: list[dict[int, Batch]] = [{} for _ in range(crew.processes)]
        self._dead: set[int] = set()
        self._processes: list[Process] = []
        self._listeners: list[Thread] = []
        try:
            for _ in range(crew.processes):
                self._processes.append(start(self._processes))
            for number in range(crew.processes):  # only now: a process with threads must not fork
                self._listeners.append(Thread(target=self._listen, args=(number,), name=f"cybs3-helper-{number}"))
                self._listeners[-1].start()
            for number in range(crew.processes):
                self._say(number, Order(kit._replace(access=_share(kit.access, crew.processes)), job, crew.threads))
        except BaseException:
            self.close()
            raise

    @property
    def busy(self) -> bool:
        """Whether any batch is in anybody's hand."""
        return any(self._in_hand)

    def give(self, number: int, batch: Batch) -> None:
        """Hand a batch to a helper; to another when that one is known to be dead. With nobody left, the batch fails."""
        if number in self._dead:
            number = next((other for other in range(len(self._in_hand)) if other not in self._dead), number)
        if number in self._dead:
            self._heard.put((number, None))
        self._in_hand[number][batch.number] = batch
        self._say(number, batch)

    def take(self) -> tuple[int, list[Outcome[Step, Done]]]:
        """Wait for a helper; return its number and what became of its batch, or of all it had in hand when it died."""
        number, result = self._heard.get()
        if result is None:
            return number, self._lost(number)
        batch = self._in_hand[number].pop(result.number)
        self._remember(result)
        pairs = zip(batch.steps, result.outcomes, strict=False)  # a helper that stopped did fewer
        return number, [Outcome(step, done, error) for step, (done, error) in pairs]

    def close(self) -> None:
        """Let helpers finish the files under way, remember these, and wait for the end of the processes."""
        for process in self._processes:
            with suppress(OSError):
                process.orders.close()
        for thread in self._listeners:
            thread.join()
        while not self._heard.empty():
            _, result = self._heard.get()
            if result is not None:
                self._remember(result)
        for process in self._processes:
            process.wait()
            process.results.close()
        self._processes.clear()

    def _listen(self, number: int) -> None:
        source = self._processes[number].results
        try:
            while (result := receive(source)) is not None:
                self._heard.put((number, result))
        finally:
            self._heard.put((number, None))

    def _say(self, number: int, message: Batch | Order) -> None:
        with suppress(BrokenPipeError):
            send(self._processes[number].orders, message)

    def _lost(self, number: int) -> list[Outcome[Step, Done]]:
        code = self._processes[number].wait()
        batches, self._in_hand[number] = self._in_hand[number].values(), {}
        error = HelperLost(f"a helper process ended with code {code} before this file was done")
        self._dead.add(number)
        return [Outcome(step, None, error) for batch in batches for step in batch.steps]

    def _remember(self, result: Result) -> None:
        if result.seen:
            self._memory.note_objects(self._vault_id, result.seen)


def _share(access: Access, processes: int) -> Access:
    """Return a helper's share of the patience: together they ask a server in trouble no more than one process would."""
    budget = max(1.0, access.policy.budget / processes)
    return replace(access, policy=access.policy._replace(budget=budget))

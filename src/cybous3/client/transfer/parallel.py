"""Do many things at once, a bounded number ahead, and stop cleanly.

Two ways to fail: a tree goes on past a file that failed (`each`), the parts of one object do not (`all_of`).

Threads and two queues, not an executor: waiting for the first of many futures enlists with every one of them and leaves
again, for each result anew. That cost a tenth of a small file, and its import a tenth of a command's start.
"""

from collections.abc import Callable, Generator, Iterable
from contextlib import closing, suppress
from queue import Empty, SimpleQueue
from threading import Thread, local
from typing import Generic, NamedTuple, TypeVar

from cybous3.core.errors import CybousError

T = TypeVar("T")
R = TypeVar("R")


class Outcome(NamedTuple, Generic[T, R]):
    """What became of one item: a value, or the error that a person can understand."""

    item: T
    value: R | None
    error: CybousError | OSError | None = None


def each(items: Iterable[T], work: Callable[[T], R], *, workers: int) -> Generator[Outcome[T, R], None, None]:
    """Yield an outcome for every item, as they finish; close it when leaving early.

    Errors of the known families become outcomes; others are raised.
    Items are taken from the iterable only shortly before there is a worker for them.
    """

    def attempt(item: T) -> Outcome[T, R]:
        try:
            return Outcome(item, work(item))
        except (CybousError, OSError) as error:
            return Outcome(item, None, error)

    with closing(_finished(items, attempt, workers)) as finished:
        yield from finished


def all_of(items: Iterable[T], work: Callable[[T], R], *, workers: int) -> list[R]:
    """Return the results in order of finishing; the first error stops the rest and is raised.

    No worker runs any more when this returns or raises, so that what they write to may be closed.
    """
    with closing(_finished(items, work, workers)) as finished:
        return list(finished)


def in_order(items: Iterable[T], work: Callable[[T], R], *, workers: int) -> Generator[R, None, None]:
    """Yield the results in the order of the items, working at most `workers` ahead. Close it when leaving early."""
    crew = _Crew(work, workers)
    arrived: dict[int, R] = {}
    given = wanted = 0

    def next_one() -> R:
        while wanted not in arrived:
            place, result = crew.take()
            arrived[place] = result
        return arrived.pop(wanted)

    try:
        for item in items:
            crew.give(given, item)
            given += 1
            if given - wanted >= workers:
                yield next_one()
                wanted += 1
        while wanted < given:
            yield next_one()
            wanted += 1
    finally:
        crew.close()


def _finished(items: Iterable[T], work: Callable[[T], R], workers: int) -> Generator[R, None, None]:
    crew = _Crew(work, workers)
    under_way = 0
    try:
        for number, item in enumerate(items):
            crew.give(number, item)
            under_way += 1
            if under_way >= 2 * workers:
                under_way -= 1
                yield crew.take()[1]
        for _ in range(under_way):
            yield crew.take()[1]
    finally:
        crew.close()


class Buffers:
    """Buffers that a thread uses again: fresh memory is zeroed and mapped page by page, which costs as much as hashing.

    What `take` returns holds what was there before, is at least as long as asked, and is this thread's until it takes
    one of the same name again.
    """

    def __init__(self) -> None:
        self._held = local()

    def take(self, name: str, length: int) -> bytearray:
        """Return the thread's buffer of this name."""
        held: bytearray | None = getattr(self._held, name, None)
        if held is None or len(held) < length:
            held = bytearray(length)
            setattr(self._held, name, held)
        return held


class _Done(NamedTuple, Generic[R]):
    place: int
    result: R | None
    error: BaseException | None


class _Crew(Generic[T, R]):
    """Threads that do one kind of work. They start with the first items that need them."""

    def __init__(self, work: Callable[[T], R], workers: int) -> None:
        self._work = work
        self._workers = workers
        self._threads: list[Thread] = []
        self._todo: SimpleQueue[tuple[int, T] | None] = SimpleQueue()
        self._done: SimpleQueue[_Done[R]] = SimpleQueue()

    def give(self, place: int, item: T) -> None:
        """Hand out one item; `take` tells its place with its result."""
        self._todo.put((place, item))
        if len(self._threads) < self._workers:
            thread = Thread(target=self._run, name=f"cybs3-{len(self._threads)}")
            self._threads.append(thread)
            thread.start()

    def take(self) -> tuple[int, R]:
        """Wait for a result. Raises what the work raised."""
        done = self._done.get()
        if done.error is not None:
            raise done.error
        return done.place, done.result  # type: ignore[return-value]  # without an error there is a result

    def close(self) -> None:
        """Forget what nobody has begun and wait for what is under way."""
        with suppress(Empty):
            while True:
                self._todo.get_nowait()
        for _ in self._threads:
            self._todo.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while (item := self._todo.get()) is not None:
            place, given = item
            try:
                done = _Done(place, self._work(given), None)
            except BaseException as error:  # noqa: BLE001  # raised again where the result is taken
                done = _Done(place, None, error)
            self._done.put(done)
            del item, given, done  # a waiting thread holds no buffers of what it did last

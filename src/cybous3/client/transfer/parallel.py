"""Do many things at once, a bounded number ahead, and stop cleanly.

Two ways to fail: a tree goes on past a file that failed (`each`), the parts of one object do not (`all_of`).
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from typing import Generic, TypeVar

from cybous3.core.errors import CybousError

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T, R]):
    """What became of one item: a value, or the error that a person can understand."""

    item: T
    value: R | None
    error: CybousError | OSError | None = None


def each(items: Iterable[T], work: Callable[[T], R], *, workers: int) -> Iterator[Outcome[T, R]]:
    """Yield an outcome for every item, as they finish. Errors of the known families become outcomes; others are raised.

    Items are taken from the iterable only shortly before there is a worker for them.
    """

    def attempt(item: T) -> Outcome[T, R]:
        try:
            return Outcome(item, work(item))
        except (CybousError, OSError) as error:
            return Outcome(item, None, error)

    with closing(_finished(items, attempt, workers)) as finished:
        for future in finished:
            yield future.result()


def all_of(items: Iterable[T], work: Callable[[T], R], *, workers: int) -> list[R]:
    """Return the results in order of finishing; the first error stops the rest and is raised.

    No worker runs any more when this returns or raises, so that what they write to may be closed.
    """
    with closing(_finished(items, work, workers)) as finished:
        return [future.result() for future in finished]


def in_order(items: Iterable[T], work: Callable[[T], R], *, workers: int) -> Generator[R, None, None]:
    """Yield the results in the order of the items, working at most `workers` ahead. Close it when leaving early."""
    pool = ThreadPoolExecutor(workers, thread_name_prefix="cybs3")
    ahead: list[Future[R]] = []
    try:
        for item in items:
            ahead.append(pool.submit(work, item))
            if len(ahead) >= workers:
                yield ahead.pop(0).result()
        while ahead:
            yield ahead.pop(0).result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _finished(items: Iterable[T], work: Callable[[T], R], workers: int) -> Generator["Future[R]", None, None]:
    pool = ThreadPoolExecutor(workers, thread_name_prefix="cybs3")
    running: set[Future[R]] = set()
    try:
        for item in items:
            running.add(pool.submit(work, item))
            if len(running) >= 2 * workers:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from done
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            yield from done
    finally:
        pool.shutdown(wait=True, cancel_futures=True)

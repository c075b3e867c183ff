"""Run the checks one after the other and tell what became of each. A check fails by raising; nothing is retried."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from cybous3.core.errors import CybousError
from cybous3.lab.integration.bench import Bench

Check = Callable[[Bench], str]
"""Does something real and returns one line about it; raises `Broken`, or whatever the thing under test raised."""


class Broken(CybousError):
    """A promise was not kept."""

    exit_code = 1


class ChecksFailed(CybousError):
    """At least one check failed."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Result:
    """One check's outcome."""

    name: str
    passed: bool
    seconds: float
    detail: str


def run(checks: Sequence[tuple[str, Check]], bench: Bench) -> Iterator[Result]:
    """Yield a result for each check, in order. A defect in a check counts as its failure and is named."""
    for name, check in checks:
        begun = time.perf_counter()
        try:
            detail, passed = check(bench), True
        except Exception as error:  # noqa: BLE001  # whatever goes wrong is this check's result
            detail, passed = f"{type(error).__name__}: {error}", False
        yield Result(name, passed, time.perf_counter() - begun, detail)


def expect(condition: object, message: str) -> None:
    """Raise Broken unless the condition holds."""
    if not condition:
        raise Broken(message)


def must_raise(kind: type[BaseException] | tuple[type[BaseException], ...], call: Callable[[], object]) -> str:
    """Call and return the error's text; Broken if nothing, or something else, is raised."""
    try:
        call()
    except kind as error:
        return str(error)
    raise Broken(f"expected {getattr(kind, '__name__', kind)}, and nothing was raised")

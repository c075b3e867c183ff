"""Many writers, one condition, one winner: rounds of a compare-and-set on one key, counted.

In every round all writers have seen the same ETag and put at the same moment with If-Match on it. Exactly one may be
told 200, and its bytes are what is read afterwards. Rounds in turn use If-None-Match: * on a key that was deleted.
"""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from cybous3.lab.chaos.caller import Answer, Caller, Site
from cybous3.lab.chaos.linear.record import CannotRecord

_LOST: Final = frozenset({404, 409, 412})


@dataclass(frozen=True, slots=True)
class Race:
    """What the rounds gave. `odd` are the rounds, in words, that had not exactly one winner or another's bytes."""

    writers: int
    rounds: int
    seconds: float
    odd: tuple[str, ...]


def race(site: Site, target: str, *, writers: int = 64, rounds: int = 200) -> Race:
    """Run the rounds on the object `bucket/key` that nobody else writes. CannotRecord, or what the wire raises."""
    callers = [Caller(site) for _ in range(writers)]
    odd: list[str] = []
    begun = time.monotonic()
    with ThreadPoolExecutor(writers) as pool, Caller(site) as judge:
        try:
            for number in range(rounds):
                odd += _round(pool, callers, judge, target, number)
        finally:
            for caller in callers:
                caller.close()
    return Race(writers, rounds, time.monotonic() - begun, tuple(odd))


def _round(pool: ThreadPoolExecutor, callers: list[Caller], judge: Caller, target: str, number: int) -> list[str]:
    condition = _prepare(judge, target, number)
    start = threading.Barrier(len(callers))

    def attempt(writer: int) -> Answer:
        start.wait()
        return callers[writer].call("PUT", target, (), [condition], f"{number}.{writer}".encode())

    answers = list(pool.map(attempt, range(len(callers))))
    strange = [str(answer) for answer in answers if not answer.ok and answer.status not in _LOST]
    winners = [writer for writer, answer in enumerate(answers) if answer.ok]
    if strange:
        raise CannotRecord(f"a conditional PUT is answered {strange[0]}")
    if len(winners) != 1:
        return [f"round {number}: {len(winners)} winners of {len(callers)} with {condition[0]}"]
    found = judge.call("GET", target)
    if found.body != f"{number}.{winners[0]}".encode():
        return [f"round {number}: writer {winners[0]} won, and the object holds {found.body[:20]!r}"]
    return []


def _prepare(judge: Caller, target: str, number: int) -> tuple[str, str]:
    """Bring the object into the state that the round starts from, and return its condition."""
    if number % 2:
        judge.call("DELETE", target)
        return "if-none-match", "*"
    made = judge.call("PUT", target, (), (), f"{number}".encode())
    if not made.ok:
        raise CannotRecord(f"a plain PUT is answered {made}")
    return "if-match", f'"{made.etag}"'

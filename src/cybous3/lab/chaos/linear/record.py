"""Concurrent requests to a real endpoint, written down as they happen: the history that is judged afterwards.

Every client has a connection and a seed of its own. Answers that leave open whether a request took effect (the
connection was lost, 5xx) are recorded as unknown; a request that cannot be sent at all is not recorded. Nothing is ever
repeated. Values are never written twice, so that a read tells which write it saw.
"""

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from cybous3.client.stores.errors import ConnectionLost, ServerFailed, Unreachable
from cybous3.core.errors import CybousError
from cybous3.lab.chaos.caller import Answer, Caller, Site
from cybous3.lab.chaos.linear.bodies import body_of, etag_of, value_of
from cybous3.lab.chaos.linear.history import NEVER, Operation
from cybous3.lab.chaos.linear.objects import Call, Outcome

_UNREACHABLE_PAUSE_S: Final = 0.02
_UNREACHABLE_S_MAX: Final = 30.0
_UNKNOWN: Final = 500
_REFUSED: Final = frozenset({400, 401, 403, 405, 501})

# What a client does, by weight. Conditions on what it has last seen make most of the races.
_ACTIONS: Final[dict[str, int]] = {
    "get": 5,
    "head": 2,
    "put": 3,
    "put match": 5,
    "put absent": 3,
    "delete": 1,
    "delete match": 1,
}


class CannotRecord(CybousError):
    """The endpoint refuses requests that every S3 endpoint takes, or cannot be reached: there is no history."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked: `clients` at once, `operations` each, over `keys` keys below `prefix` of a bucket.

    `actions` names the kinds of request that the endpoint is asked for; an endpoint without conditional deletes can
    be judged on the others.
    """

    bucket: str
    prefix: str = ""
    clients: int = 8
    operations: int = 40
    keys: int = 3
    seed: int = 1
    actions: Sequence[str] = tuple(_ACTIONS)


class Asked(NamedTuple):
    """A call as it was sent: a condition speaks of an ETag."""

    call: Call
    etag: str | None


@dataclass(slots=True)
class Notebook:
    """What all clients write down. Appending to a list is one step, also between threads."""

    operations: list[Operation[Asked, tuple[int, str]]] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)  # of ETags
    problems: list[str] = field(default_factory=list)

    def learn(self, etag: str, value: str) -> None:
        """Note which value an ETag names. An ETag of two values is a fault of the server of its own."""
        known = self.values.setdefault(etag, value)
        if known != value:
            self.problems.append(f"the ETag {etag!r} names {known} and {value}")


@dataclass(frozen=True, slots=True)
class Recorded:
    """A history, and what was wrong without any comparison."""

    operations: tuple[Operation[Call, Outcome], ...]
    problems: tuple[str, ...]

    @property
    def unknown(self) -> int:
        """How many operations have no outcome."""
        return sum(operation.outcome is None for operation in self.operations)


class Client:
    """One client: asks, and writes down."""

    def __init__(self, site: Site, plan: Plan, number: int, notebook: Notebook) -> None:
        self._plan, self._number, self._notebook = plan, number, notebook
        self._caller = Caller(site)
        self._random = random.Random(plan.seed * 10_007 + number)  # noqa: S311  # a repeatable load, no secret
        self._seen: dict[str, str] = {}

    def run(self, start: threading.Barrier) -> None:
        """Wait for the others, then do all the operations."""
        start.wait()
        with self._caller:
            for number in range(self._plan.operations):
                self._one(f"{self._number}.{number}")

    def _one(self, value: str) -> None:
        weights = [_ACTIONS[action] for action in self._plan.actions]
        action = self._random.choices(self._plan.actions, weights)[0]
        key = f"{self._plan.prefix}k{self._random.randrange(self._plan.keys)}"
        verb, _, condition = action.partition(" ")
        etag = self._seen.get(key) if condition == "match" else None
        call = Call(verb, value if verb == "put" else None, absent=condition == "absent")  # type: ignore[arg-type]  # the table's first words are verbs
        self.ask(key, Asked(call, etag))

    def ask(self, key: str, asked: Asked) -> Answer | None:
        """Send one request until it can be sent, write down what became of it, and return the answer."""
        deadline = time.monotonic() + _UNREACHABLE_S_MAX
        while True:
            begun = time.monotonic_ns()
            try:
                answer = self._send(key, asked)
            except Unreachable as error:
                if time.monotonic() > deadline:
                    raise CannotRecord(f"cannot be reached any more: {error}") from error
                time.sleep(_UNREACHABLE_PAUSE_S)
                continue
            except (ConnectionLost, ServerFailed):
                answer = None
            self._note(key, asked, answer, begun, time.monotonic_ns())
            return answer

    def _send(self, key: str, asked: Asked) -> Answer:
        headers = [] if asked.etag is None else [("if-match", f'"{asked.etag}"')]
        if asked.call.absent:
            headers.append(("if-none-match", "*"))
        body = b"" if asked.call.value is None else body_of(asked.call.value)
        return self._caller.call(asked.call.verb.upper(), f"{self._plan.bucket}/{key}", (), headers, body)

    def _note(self, key: str, asked: Asked, answer: Answer | None, begun: int, ended: int) -> None:
        operation: Operation[Asked, tuple[int, str]] = Operation(key, self._number, asked, None, begun)
        if answer is not None and answer.status in _REFUSED:
            raise CannotRecord(f"{asked.call.verb.upper()} is answered {answer}")
        if answer is not None and answer.status < _UNKNOWN:
            operation = replace(operation, outcome=(answer.status, self._look(key, asked, answer)), ended=ended)
        self._notebook.operations.append(operation)

    def _look(self, key: str, asked: Asked, answer: Answer) -> str:
        """Return what the answer found: a GET's value, else its ETag. Remember both for later conditions."""
        if not answer.ok or asked.call.verb == "delete":
            return ""
        self._seen[key] = answer.etag
        if asked.call.verb == "head":
            return answer.etag
        value = asked.call.value if asked.call.value is not None else value_of(answer.body)
        self._notebook.learn(answer.etag, value)
        return value


def record(site: Site, plan: Plan, meanwhile: Callable[[], None] | None = None) -> Recorded:
    """Run the plan and return its history. `meanwhile` runs beside the clients: it may kill and restart the server.

    Raises CannotRecord.
    """
    notebook = Notebook()
    clients = [Client(site, plan, number, notebook) for number in range(plan.clients)]
    start = threading.Barrier(plan.clients)
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(plan.clients))
        running = [pool.submit(client.run, start) for client in clients]
        if meanwhile is not None:
            meanwhile()
        for one in running:
            one.result()
    return translated(notebook)


def translated(notebook: Notebook) -> Recorded:
    """Return the history with values in the place of ETags.

    An ETag that no PUT or GET told (a PUT whose answer was lost, then a HEAD) is looked for among the MD5 sums of all
    that was put; one that is not found is a value of its own that nobody wrote.
    """
    put = [o.call.call.value for o in notebook.operations if o.call.call.value is not None]
    values = {etag_of(value): value for value in put} | notebook.values
    return Recorded(tuple(_translate(o, values) for o in notebook.operations), tuple(notebook.problems))


def _translate(o: Operation[Asked, tuple[int, str]], values: dict[str, str]) -> Operation[Call, Outcome]:
    asked = o.call
    match = None if asked.etag is None else values.get(asked.etag, f"<ETag {asked.etag}>")
    call = asked.call._replace(match=match)
    if o.outcome is None:
        return Operation(o.key, o.client, call, None, o.begun, NEVER)
    status, found = o.outcome
    value = values.get(found, f"<ETag {found}>") if call.verb == "head" and found else found
    reads = call.verb in {"get", "head"} and bool(value)
    return Operation(o.key, o.client, call, Outcome(status, value if reads else None), o.begun, o.ended)

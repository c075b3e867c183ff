"""The load: clients as threads, each with connections, keys and a plan of its own, all told what to do by the plan.

Every write goes through the oracle before and after, every read is judged as it ends. A key on which an operation may
still arrive late is left, and its number goes on under a new name, so that what the oracle expects is always exact.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from cybous3.client.stores.connect import Access
from cybous3.client.stores.errors import NotFound, PreconditionFailed, StoreError
from cybous3.client.stores.s3.connection import Timeouts
from cybous3.client.stores.s3.store import S3Store
from cybous3.lab.chaos import plan
from cybous3.lab.chaos.client import Attempted, attempt, fetch, listing, open_once, put_parts
from cybous3.lab.chaos.gate import Gate
from cybous3.lab.chaos.oracle import Claims, Oracle, Outcome, Violation
from cybous3.lab.chaos.scenario import Load, Scenario, Step

_FIRST_WAIT_S: Final = 0.05
_WAIT_S_MAX: Final = 1.0
# A client that was refused a connection does not spend the rest of its plan on a server that is away.
_AFTER_ERROR_S: Final = 0.05
_PAUSE_S_MAX: Final = 1.0


@dataclass(frozen=True, slots=True)
class Record:
    """One operation as it went. Times in seconds since the run began; `error` is "" for one that succeeded."""

    number: int
    client: int
    kind: str
    begun_s: float
    seconds: float
    error: str
    tries: int


@dataclass
class Ledger:
    """What the load knows: expectations, races, records, violations. Shared by all clients."""

    seed: int
    prefix: str
    clock: Callable[[], float]
    oracle: Oracle = field(init=False)
    claims: Claims = field(init=False)
    records: list[Record] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.oracle, self.claims = Oracle(self.seed), Claims(self.seed)


@dataclass
class Client:
    """One thread's worth of load."""

    number: int
    store: S3Store
    load: Load
    ledger: Ledger
    generations: dict[int, int] = field(default_factory=dict)

    def key(self, number: int) -> str:
        """Return the name of one of this client's keys; a new one once the old may see an operation arrive late."""
        while True:
            generation = self.generations.get(number, 0)
            suffix = f".{generation}" if generation else ""
            name = f"{self.ledger.prefix}c{self.number}/k{number:05}{suffix}"
            if not self.ledger.oracle.retired(name):
                return name
            self.generations[number] = generation + 1

    def do(self, step: Step) -> Attempted:
        """Do one step, and tell the ledger."""
        return _DO[step.kind](self, step)

    def _try(self, call: Callable[[], object]) -> tuple[object, Attempted]:
        return attempt(call, self.load.tries, lambda tries: time.sleep(min(_WAIT_S_MAX, _FIRST_WAIT_S * 2**tries)))

    def _write(self, key: str, size: int | None, send: Callable[[bytes], object]) -> Attempted:
        write, body = self.ledger.oracle.begin_write(key, size)
        outcome: Outcome = "late"  # whatever else is raised: nobody knows
        try:
            _, ended = self._try(lambda: send(body))
            outcome = ended.outcome
        finally:
            self.ledger.oracle.settle(write, outcome)
        if ended.lost and ended.error is None:
            self.ledger.oracle.retire(key)
        return ended

    def put(self, step: Step) -> Attempted:
        """Write one object in one request."""
        key = self.key(step.key)
        return self._write(key, step.size, lambda body: self.store.put(key, body))

    def multipart(self, step: Step) -> Attempted:
        """Write one object in parts."""
        key = self.key(step.key)
        return self._write(key, step.size, lambda body: put_parts(self.store, key, body))

    def delete(self, step: Step) -> Attempted:
        """Delete one object, there or not."""
        key = self.key(step.key)
        return self._write(key, None, lambda _: self.store.delete(key))

    def get(self, step: Step) -> Attempted:
        """Read one object whole and judge it."""
        return read_and_judge(self.ledger, self.store, self.key(step.key), self._try)

    def list(self, step: Step) -> Attempted:
        """List this client's own keys, on which nothing else happens meanwhile, and judge the listing."""
        del step  # it lists them all
        prefix = f"{self.ledger.prefix}c{self.number}/"
        found, ended = self._try(lambda: listing(self.store, prefix))
        if isinstance(found, list):
            self.ledger.violations += self.ledger.oracle.listed(found, prefix)
        return ended

    def claim(self, step: Step) -> Attempted:
        """Create an object that all clients want, if nobody has yet. To come too late is no error."""
        key = f"{self.ledger.prefix}claim/{step.key:05}"
        body = self.ledger.claims.body(key, self.number, step.size)
        _, ended = self._try(lambda: self.store.put(key, body, absent=True))
        self.ledger.claims.settle(key, self.number, ended.outcome)
        if isinstance(ended.error, PreconditionFailed):
            ended.error = None
        return ended


_DO: Final[Mapping[str, Callable[[Client, Step], Attempted]]] = {
    "put": Client.put,
    "overwrite": Client.put,
    "multipart": Client.multipart,
    "delete": Client.delete,
    "get": Client.get,
    "list": Client.list,
    "claim": Client.claim,
}

Try = Callable[[Callable[[], object]], tuple[object, Attempted]]


def read_and_judge(ledger: Ledger, store: S3Store, key: str, trying: Try) -> Attempted:
    """Read one object and note a violation if it is not what it may be. "Not found" is an answer, not an error."""
    read = ledger.oracle.begin_read(key)
    try:
        body, ended = trying(lambda: _fetch_or_none(store, key))
    except BaseException:
        ledger.oracle.drop_read(read)
        raise
    if ended.error is not None:
        ledger.oracle.drop_read(read)
        return ended
    violation = ledger.oracle.end_read(read, body if isinstance(body, bytes) else None)
    if violation is not None:
        ledger.violations.append(violation)
    return ended


def _fetch_or_none(store: S3Store, key: str) -> bytes | None:
    try:
        return fetch(store, key)
    except NotFound as error:
        if type(error) is not NotFound:  # no such bucket is another matter
            raise
        return None


class Crew:
    """All clients of a run at work."""

    def __init__(self, scenario: Scenario, access: Access, bucket: str, ledger: Ledger, gate: Gate) -> None:
        self._load, self._seed, self._ledger, self._gate = scenario.load, scenario.seed, ledger, gate
        timeouts = Timeouts(scenario.load.timeout_s, scenario.load.timeout_s)
        patient = Access(access.endpoint, access.credentials, access.region, timeouts=timeouts)
        self._clients = [
            Client(number, open_once(patient, bucket), scenario.load, ledger) for number in range(scenario.load.clients)
        ]
        self._threads: list[threading.Thread] = []
        self._defects: list[BaseException] = []

    def start(self) -> None:
        """Let every client begin."""
        for client, steps in zip(self._clients, self._plans(), strict=True):
            thread = threading.Thread(target=self._run, args=(client, steps), daemon=True, name=f"load-{client.number}")
            self._threads.append(thread)
            thread.start()

    @property
    def busy(self) -> bool:
        """Whether any client still works."""
        return any(thread.is_alive() for thread in self._threads)

    def join(self, within_s: float) -> bool:
        """Wait for all clients to end; tell whether they did. Raises what a client met that is no answer."""
        deadline = time.monotonic() + within_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if self._defects:
            raise self._defects[0]
        return not self.busy

    def close(self) -> None:
        """Close the connections."""
        for client in self._clients:
            client.store.close()

    def _plans(self) -> Sequence[Iterator[Step]]:
        if self._load.seconds is not None and not self._load.steps:
            return [plan.client_steps(self._load, self._seed, client.number) for client in self._clients]
        every = plan.steps(self._load, self._seed)
        return [iter([step for step in every if step.client == client.number]) for client in self._clients]

    def _run(self, client: Client, steps: Iterator[Step]) -> None:
        errors = 0  # in a row
        try:
            for step in steps:
                number = self._gate.enter()
                if number is None:
                    return
                errors = errors + 1 if self._one(client, step, number) else 0
                if errors:
                    self._gate.pause(min(_PAUSE_S_MAX, _AFTER_ERROR_S * 2.0 ** (errors - 1)))
        except BaseException as error:  # noqa: BLE001  # a defect of the load must end the run, not a thread of it
            self._defects.append(error)
            self._gate.stop()

    def _one(self, client: Client, step: Step, number: int) -> str:
        begun = self._ledger.clock()
        ended = client.do(step)
        seconds = self._ledger.clock() - begun
        error = named(ended.error)
        self._ledger.records.append(Record(number, client.number, step.kind, begun, seconds, error, ended.tries))
        return error


def named(error: StoreError | None) -> str:
    """Return a short name of an error: its kind, and the server's own word for it."""
    if error is None:
        return ""
    return f"{type(error).__name__} {error.code or error.status or ''}".strip()

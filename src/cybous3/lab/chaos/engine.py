"""One run of one scenario: steady before, loaded and broken, mended, steady again, everything compared.

The order of things, and what each step may conclude:

1. The server is started on its own disk, and asked a few things. If that does not go well, there is no verdict.
2. Load and faults, side by side. Reads are judged as they end.
3. Every fault is taken back: at its end, at Ctrl-C, when the run itself fails. The wait for recovery is bounded.
4. Every key ever touched is read back and compared byte by byte, the listing with the model; races are judged.
5. If leaks are looked for, everything is deleted and the files that remain are counted.
6. The server is told to end, and must end in order.
"""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cybous3.client.stores.connect import Access, open_buckets, open_store
from cybous3.client.stores.errors import NotFound, StoreError
from cybous3.client.stores.port import Buckets, each_entry
from cybous3.client.stores.retry import Policy
from cybous3.client.stores.s3.connection import Timeouts
from cybous3.client.stores.s3.store import S3Store
from cybous3.core.sigv4.credentials import Credentials
from cybous3.lab.chaos import plan
from cybous3.lab.chaos.checks import READY_S, Figures, judge, phase_checks
from cybous3.lab.chaos.client import Attempted, attempt, fetch, listing, open_once
from cybous3.lab.chaos.errors import CouldNotBegin
from cybous3.lab.chaos.faults import clock as clocks
from cybous3.lab.chaos.faults.registry import FAULTS, check_possible, preloads
from cybous3.lab.chaos.faults.wire import wire_of
from cybous3.lab.chaos.folder import FolderLoad
from cybous3.lab.chaos.gate import Gate
from cybous3.lab.chaos.injecting import Injector
from cybous3.lab.chaos.load import Client, Crew, Ledger, Record, named, read_and_judge
from cybous3.lab.chaos.scenario import Load, Scenario, Step, check_owned
from cybous3.lab.chaos.serving import SERVE, OwnServer
from cybous3.lab.chaos.site import Site, check_floor, data_disk
from cybous3.lab.chaos.verdict import Phase, Verdict

PROBES: Final = 12
_PROBER: Final = 9999  # the client number of the run's own questions
_POLL_S: Final = 0.05
_READ_TRIES: Final = 6
_STAYED_MAX: Final = 3
_JOIN_S_MAX: Final = 600.0
_REAP_S_MAX: Final = 30.0
_BATCH: Final = 1000


def _quiet(_: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class Around:
    """What a run is given beside its scenario. `command` and `environment` are the server's; keys are an endpoint's."""

    scratch: Path
    command: Sequence[str] = SERVE
    environment: Mapping[str, str] = field(default_factory=dict)
    credentials: Credentials | None = None
    i_own_this: bool = False
    say: Callable[[str], None] = _quiet
    watch: Callable[[Site, Gate], None] | None = None


def check_scenario(scenario: Scenario, *, i_own_this: bool) -> None:
    """Raise BadScenario or CannotInject for what must not, or cannot, be run here. Starts nothing."""
    check_owned(scenario, i_own_this=i_own_this)
    check_possible(scenario)


def run(scenario: Scenario, around: Around) -> Verdict:
    """Run a scenario to its verdict. Raises BadScenario, CannotInject and CouldNotBegin when there is none."""
    check_scenario(scenario, i_own_this=around.i_own_this)
    around.scratch.mkdir(parents=True, exist_ok=True)
    check_floor(around.scratch, scenario.blast)
    with ExitStack() as stack:
        site = _site(scenario, around, stack)
        return _Run(scenario, around, site, stack).go()


def _site(scenario: Scenario, around: Around, stack: ExitStack) -> Site:
    """Make the surroundings, the server started; all of it is undone by `stack`."""
    site = Site(around.scratch, scenario.target.endpoint, blast=scenario.blast)
    if scenario.target.own:
        _serve(scenario, around, site, stack)
    if "wire" in preloads(scenario) or scenario.load.kind == "folder":
        site.wire = stack.enter_context(wire_of(scenario, site.endpoint))
        site.endpoint = site.wire.endpoint
    return site


def _serve(scenario: Scenario, around: Around, site: Site, stack: ExitStack) -> None:
    """Start the server of the run, on its own disk and by its own clock where the scenario has them."""
    folder = stack.enter_context(data_disk(scenario.target.disk, around.scratch))
    environment = dict(around.environment)
    if "clock" in preloads(scenario):
        site.clock = around.scratch / "clock"
        environment |= clocks.surroundings(site.clock)
    if scenario.target.disk.bounded:
        site.disk = folder
    server = OwnServer(
        around.scratch,
        folder / "data",
        scenario.target.workers,
        scenario.target.durability,
        around.command,
        environment,
    )
    site.server, site.endpoint = server, server.endpoint
    stack.callback(server.kill)
    server.start()


class _Run:
    """The state of one run."""

    def __init__(self, scenario: Scenario, around: Around, site: Site, stack: ExitStack) -> None:
        self.scenario, self.around, self.site = scenario, around, site
        self._zero = time.monotonic()
        self.began = time.time()
        keys = site.server.root if site.server is not None else around.credentials
        self.access = Access(
            self._direct, keys, scenario.target.region, timeouts=Timeouts(5.0, 15.0), policy=Policy(attempts_max=3)
        )
        self.bucket = stack.enter_context(_bucket(self.access, keep=site.server is not None))
        self.ledger = Ledger(scenario.seed, scenario.blast.prefix, self.clock)
        self.prober = open_once(self.access, self.bucket)
        stack.callback(self.prober.close)
        self.figures = Figures(own=site.server is not None)
        self.phases: list[Phase] = []
        self.folder: FolderLoad | None = None
        if site.wire is not None and scenario.load.kind == "folder":
            bucket = stack.enter_context(_bucket(self.access, keep=site.server is not None))
            mine = Access(site.endpoint, keys, scenario.target.region)
            self.folder = FolderLoad(scenario, around.scratch, mine, bucket, site.clients, site.wire)
        self._stayed = 0  # errors that stayed, however patiently one asked

    @property
    def _direct(self) -> str:
        """Where the run's own questions go: past any proxy."""
        return self.site.server.endpoint if self.site.server is not None else self.scenario.target.endpoint

    def clock(self) -> float:
        """Return the seconds since the run began."""
        return time.monotonic() - self._zero

    def go(self) -> Verdict:
        """Do it all."""
        with self._phase("before"):
            self._before()
        with self._phase("during"):
            injector = self._during()
        with self._phase("recovery"):
            self._recover()
        with self._phase("after"):
            self._after()
        self._end()
        self.figures.violations = list(self.ledger.violations)
        return Verdict(
            self.scenario,
            plan.fingerprint(self.scenario),
            self.began,
            self.clock(),
            tuple(judge(self.scenario, self.figures)),
            tuple(self.phases),
            tuple(injector.happened),
            tuple(self.ledger.records),
            {**self.ledger.oracle.counts(), "races": len(self.ledger.claims.keys())},
            server_log="" if self.site.server is None else self.site.server.log.read_text("utf-8", "replace"),
        )

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        self.around.say(name)
        begun = self.clock()
        yield
        self.phases.append(Phase(name, begun, self.clock()))

    def _before(self) -> None:
        records = self.probe(PROBES)
        self.figures.before = records
        wrong = [check for check in phase_checks("before", self.scenario.steady, records) if not check.passed]
        failed = [record.error for record in records if record.error]
        if wrong or failed or self.ledger.violations:
            said = [f"{check.name} {check.found}" for check in wrong] + failed[:1]
            said += [one.detail for one in self.ledger.violations[:1]]
            raise CouldNotBegin(f"the steady state does not hold before the first fault: {', '.join(said)}")

        if self.folder is not None:
            self.folder.prepare()

    def _loaded(self, gate: Gate) -> Crew | FolderLoad:
        """Begin the load and return it."""
        if self.folder is not None:
            self.folder.begin(gate, self.ledger.records, self.clock)
            return self.folder
        access = Access(self.site.endpoint, self.access.credentials, self.access.region)
        crew = Crew(self.scenario, access, self.bucket, self.ledger, gate)
        crew.start()
        return crew

    def _during(self) -> Injector:
        gate = Gate(rate=self.scenario.load.rate)
        start = self.clock()
        injector = Injector(self.site, gate, FAULTS, lambda: self.clock() - start)
        with ExitStack() as load:
            load.callback(gate.stop)  # whatever comes in between, no client goes on for ever
            load.callback(injector.finish)
            injector.start(plan.faults(self.scenario))
            crew = self._loaded(gate)
            load.callback(crew.close)
            load.callback(crew.join, _JOIN_S_MAX)
            load.callback(gate.stop)
            load.callback(injector.finish)
            self._until_over(crew, gate, start)
        if injector.problems:
            raise injector.problems[0]
        for one in injector.happened:  # told on the run's clock from here on
            one.began_s = None if one.began_s is None else one.began_s + start
            one.ended_s = None if one.ended_s is None else one.ended_s + start
        self.figures.during = _met_by_faults(self.ledger.records, injector)
        self.figures.not_injected, self.figures.out_of_bounds = injector.not_injected(), injector.out_of_bounds
        return injector

    def _until_over(self, crew: Crew | FolderLoad, gate: Gate, start: float) -> None:
        """Wait for the end of the load: by its count, or by its time."""
        seconds = self.scenario.load.seconds
        while crew.busy and not gate.stopped:
            if seconds is not None and self.clock() - start >= seconds:
                return
            if self.around.watch is not None:
                self.around.watch(self.site, gate)
            time.sleep(_POLL_S)

    def _recover(self) -> None:
        """Ask until everything is answered as before the faults, within the bound of the scenario."""
        limit = READY_S if self.scenario.after.ready_s is None else self.scenario.after.ready_s
        begun = time.monotonic()
        while time.monotonic() - begun <= limit:
            if self.site.server is None or self.site.server.ready():
                records = self.probe(PROBES)
                seconds = time.monotonic() - begun
                steady = all(check.passed for check in phase_checks("after", self.scenario.after, records))
                if steady and not any(record.error for record in records):
                    self.figures.recovered_s, self.figures.after = seconds, records
                    return
                self.figures.after = records
            time.sleep(_POLL_S)

    def _after(self) -> None:
        oracle, damaged = self.ledger.oracle, []
        keys = oracle.keys()
        for key in keys:
            ended = read_and_judge(self.ledger, self.prober, key, self._patiently)
            if ended.error is not None:
                damaged.append(f"{key}: {named(ended.error)}")
        self.figures.read_back = len(keys)
        self.figures.uncertain = sum(not oracle.acknowledged(key) for key in keys)
        self.figures.damaged = damaged
        self.figures.races = self._races()
        self.figures.races_held = len(self.ledger.claims.keys())
        self._listing()
        if self.folder is not None:
            self.figures.tree = self.folder.finish()
        if self.scenario.after.leaked is not None and self.site.server is not None:
            try:
                self.figures.leaked = self._leaked(self.site.server)
            except StoreError as error:
                self.figures.leaked = [f"not to be told: {named(error)}"]

    def _races(self) -> list[str]:
        """Judge every race; one whose object cannot be read counts among the unreadable."""
        unreadable: list[str] = []

        def read(key: str) -> bytes | None:
            body, ended = self._patiently(lambda: _there(self.prober, key))
            if ended.error is not None:
                unreadable.append(f"{key}: {named(ended.error)}")
            return body if isinstance(body, bytes) else None

        said = self.ledger.claims.judge(read)
        self.figures.damaged = [*self.figures.damaged, *unreadable]
        return [line for line in said if not any(line.startswith(key.partition(":")[0]) for key in unreadable)]

    def _listing(self) -> None:
        """Compare the listing of every client's keys with the model."""
        found, ended = self._patiently(lambda: listing(self.prober, f"{self.ledger.prefix}c"))
        if isinstance(found, list):
            wanted = f"{self.ledger.prefix}c"
            mine = [key for key in found if not key.startswith(f"{self.ledger.prefix}claim/")]
            keys = [key for key in mine if key.startswith(wanted)]
            self.ledger.violations += self.ledger.oracle.listed(keys, wanted)
        else:
            self.figures.damaged = [*self.figures.damaged, f"the listing: {named(ended.error)}"]

    def _leaked(self, server: OwnServer) -> list[str]:
        """Delete everything, end every upload, and return the files that are still there when the reaper is done.

        What a failing disk kept of a write that failed may be there until the next start asks the index about it, by
        design (docs/design/write-path.md): after a fault of the disk, and only then, the server is started anew first.
        """
        for upload in list(self.prober.list_uploads()):
            self.prober.abort_upload(upload.key, upload.upload_id)
        keys = listing(self.prober, "")
        for at in range(0, len(keys), _BATCH):
            self.prober.delete_many(keys[at : at + _BATCH])
        if any(one.fault.startswith("disk.") for one in self.scenario.faults):
            server.terminate()
            server.start()
        return [str(path.relative_to(server.data)) for path in _reaped(server)]

    def _end(self) -> None:
        if self.site.server is not None:
            self.figures.exit_code = self.site.server.terminate()

    def probe(self, count: int) -> list[Record]:
        """Write, read, list and delete a few objects as a client of its own, and return how each went."""
        client = Client(_PROBER, self.prober, Load(), self.ledger)
        kinds = ("put", "get", "list", "put", "get", "delete")
        records = []
        for number in range(count):
            step = Step(_PROBER, kinds[number % len(kinds)], number // len(kinds), 2000 + 20_000 * (number % 3))
            begun = self.clock()
            ended = client.do(step)
            records.append(Record(-1, _PROBER, step.kind, begun, self.clock() - begun, named(ended.error), ended.tries))
        return records

    def _patiently(self, call: Callable[[], object]) -> tuple[object, Attempted]:
        """Read, again if need be: only an error that stays is a finding. After a few of those, patience is over."""
        tries = _READ_TRIES if self._stayed < _STAYED_MAX else 1
        result, ended = attempt(call, tries, lambda count: time.sleep(_POLL_S * 2**count))
        self._stayed += ended.error is not None
        return result, ended


def _reaped(server: OwnServer) -> list[Path]:
    """Return the files that are left once the reaper had its time."""
    deadline = time.monotonic() + _REAP_S_MAX
    while (left := server.blobs()) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    return left


def _there(store: S3Store, key: str) -> bytes | None:
    try:
        return fetch(store, key)
    except NotFound:
        return None


def _met_by_faults(records: Sequence[Record], injector: Injector) -> list[Record]:
    """Return the operations that ran while a fault did, or after one: the steady bounds are not for them."""
    began = [one.began_s for one in injector.happened if one.began_s is not None]
    first = min(began, default=float("inf"))
    return [record for record in records if record.begun_s + record.seconds >= first]


@contextmanager
def _bucket(access: Access, *, keep: bool) -> Iterator[str]:
    """Make a bucket for the run. `keep`: it goes with the server; otherwise it is emptied and removed."""
    buckets = open_buckets(access)
    name = f"chaos-{secrets.token_hex(6)}"
    try:
        try:
            buckets.create_bucket(name)
        except StoreError as error:
            raise CouldNotBegin(f"no bucket could be made at {access.endpoint}: {error.message}") from error
        try:
            yield name
        finally:
            if not keep:
                _remove(access, buckets, name)
    finally:
        buckets.close()


def _remove(access: Access, buckets: Buckets, name: str) -> None:
    store = open_store(access, name)
    try:
        for upload in list(store.list_uploads()):
            store.abort_upload(upload.key, upload.upload_id)
        keys = [entry.key for entry in each_entry(store)]
        for at in range(0, len(keys), _BATCH):
            store.delete_many(keys[at : at + _BATCH])
        buckets.delete_bucket(name)
    finally:
        store.close()

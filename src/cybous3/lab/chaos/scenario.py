"""A scenario: what is loaded, what must hold, what is broken and how far that may reach. A value, read from TOML.

Pure: text or a parsed document in, a frozen value out. Every key, name and unit is checked here, against the tables
below and the catalogue of faults, so that the engine never meets a scenario that cannot be meant. What is refused is
refused in one sentence that names the place: `faults[0].for: ...`.

The document itself is kept beside the value: a shrunken scenario is a changed document that is read again.
"""

import ipaddress
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from cybous3.core.errors import CybousError
from cybous3.lab.bench.workload import Sizes, parse_sizes
from cybous3.lab.chaos import units
from cybous3.lab.chaos.description import Catalogue, Description
from cybous3.lab.chaos.errors import BadScenario
from cybous3.lab.chaos.units import Moment

OPERATIONS: Final = ("put", "overwrite", "get", "delete", "list", "multipart", "claim")
"""What a mixed load does. `claim` is a put that all clients race for, of which one may win."""

DURABILITIES: Final = ("strict", "relaxed", "none")
SEED_MAX: Final = 2**63 - 1
_STEP: Final = re.compile(r"([0-9]{1,4}) ([a-z]+) ([0-9]{1,9}) ([0-9]{1,10})")

Table = dict[str, Callable[[object], Any]]


@dataclass(frozen=True, slots=True)
class Disk:
    """Where the server keeps its data: a folder, or a file system in memory of so many bytes."""

    tmpfs_bytes: int = 0

    @property
    def bounded(self) -> bool:
        """Whether it is a small file system of its own, which may be filled."""
        return self.tmpfs_bytes > 0


@dataclass(frozen=True, slots=True)
class Target:
    """What is broken: a server of our own (`endpoint` empty), or an endpoint that runs already."""

    workers: int = 1
    durability: str = "strict"
    disk: Disk = Disk()
    endpoint: str = ""
    region: str = "us-east-1"

    @property
    def own(self) -> bool:
        """Whether the run starts the server itself."""
        return not self.endpoint


@dataclass(frozen=True, slots=True)
class Step:
    """One operation: which client does what to its key of this number, with how many bytes."""

    client: int
    kind: str
    key: int
    size: int

    def __str__(self) -> str:
        return f"{self.client} {self.kind} {self.key} {self.size}"


DEFAULT_MIX: Final[Mapping[str, int]] = {"put": 30, "overwrite": 15, "get": 35, "delete": 10, "list": 5, "claim": 5}


@dataclass(frozen=True, slots=True)
class Load:
    """What clients do meanwhile. `steps`, when there are any, are done as they stand and nothing is drawn."""

    kind: str = "mixed"
    clients: int = 4
    keys: int = 20
    operations: int = 400
    seconds: float | None = None
    rate: float | None = None
    sizes: Sizes = field(default_factory=lambda: parse_sizes("1KiB:60,40KiB:30,300KiB:10"))
    mix: Mapping[str, int] = field(default_factory=lambda: dict(DEFAULT_MIX))
    timeout_s: float = 5.0
    tries: int = 1
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Bounds:
    """What must hold in one phase. None: not looked at. `damaged` counts objects that may answer an error for good."""

    error_rate: float | None = None
    p99_s: float | None = None
    ready_s: float | None = None
    damaged: int = 0
    leaked: int | None = None


@dataclass(frozen=True, slots=True)
class Injection:
    """One fault of the scenario, with its parameters in the program's own units."""

    fault: str
    on: str
    at: Moment
    lasts: Moment | None
    times: int
    every: Moment | None
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Blast:
    """How far the damage may reach. What would reach further is refused; what does so while it runs is ended."""

    processes: tuple[str, ...] = ("worker", "server", "supervisor", "client", "disk", "store", "clock", "wire")
    prefix: str = "chaos/"
    longest_s: float = 30.0
    operations: int = 5000
    free_disk: int = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Scenario:
    """All of it. `document` is what it was read from."""

    title: str
    target: Target
    load: Load
    steady: Bounds
    during: Bounds
    after: Bounds
    faults: tuple[Injection, ...]
    blast: Blast
    seed: int
    document: Mapping[str, Any]


def read(text: str, catalogue: Catalogue, *, seed: int | None = None) -> Scenario:
    """Read a scenario from TOML; `seed` replaces the one it names. Raises BadScenario."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadScenario(f"not TOML: {error}") from error
    return from_document(document, catalogue, seed=seed)


def from_document(document: Mapping[str, Any], catalogue: Catalogue, *, seed: int | None = None) -> Scenario:
    """Read a scenario from a parsed document. Raises BadScenario."""
    said = _section("scenario", document, _TOP)
    target, load = _target(said.get("target", {})), _load(said.get("load", {}))
    blast = Blast(**_section("blast", said.get("blast", {}), _BLAST))
    faults = tuple(_injection(i, item, catalogue, blast, target) for i, item in enumerate(said.get("faults", [])))
    steady = _bounds("steady", said.get("steady", {}), _STEADY)
    after = _bounds("after", {**said.get("steady", {}), **said.get("after", {})}, _AFTER)
    during = _bounds("during", said.get("during", {}), _PHASE)
    chosen = said.get("seed", 1) if seed is None else seed
    _fitting(load, faults)
    return Scenario(said.get("title", "untitled"), target, load, steady, during, after, faults, blast, chosen, document)


def is_loopback(endpoint: str) -> bool:
    """Tell whether an endpoint is on this very machine, by its address; a name other than localhost is not."""
    host = urlsplit(endpoint).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_owned(scenario: Scenario, *, i_own_this: bool) -> None:
    """Raise BadScenario for an endpoint that may be somebody else's, unless the person vouches for it."""
    endpoint = scenario.target.endpoint
    if endpoint and not is_loopback(endpoint) and not i_own_this:
        raise BadScenario(
            f"{endpoint} is not on this machine, and faults are only for what is yours to break",
            hint="if it is yours, say so with --i-own-this",
        )


# --- one section


def _section(place: str, said: object, table: Table) -> dict[str, Any]:
    """Read every key of one section by its parser. Raises BadScenario, naming the place."""
    if not isinstance(said, Mapping):
        raise BadScenario(f"{place} is not a table")
    unknown = sorted(said.keys() - table.keys())
    if unknown:
        raise BadScenario(f"{place} knows no {unknown[0]!r}", hint=f"it knows {', '.join(sorted(table))}")
    return {name: _parsed(f"{place}.{name}", table[name], value) for name, value in said.items()}


def _parsed(place: str, parse: Callable[[object], Any], value: object) -> Any:  # noqa: ANN401  # as the parser has it
    try:
        return parse(value)
    except CybousError as error:
        raise BadScenario(f"{place}: {error.message}", hint=error.hint) from error


def _as_is(value: object) -> object:
    return value


def _list(value: object) -> object:
    if not isinstance(value, list):
        raise BadScenario("not a list of [[faults]]")
    return value


def _disk(value: object) -> Disk:
    kind, _, amount = units.text(value).partition(" ")
    if kind == "folder" and not amount:
        return Disk()
    if kind == "tmpfs" and amount:
        return Disk(units.size(amount))
    raise BadScenario(f'neither "folder" nor "tmpfs SIZE": {value!r}')


def _url(value: object) -> str:
    endpoint = units.text(value)
    parts = urlsplit(endpoint)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise BadScenario(f"not the URL of an endpoint: {endpoint!r}", hint="such as http://127.0.0.1:9000")
    return endpoint


def _mix(value: object) -> Mapping[str, int]:
    table: Table = dict.fromkeys(OPERATIONS, units.whole(0, 1000))
    mix: dict[str, int] = _section("mix", value, table)
    if sum(mix.values()) < 1:
        raise BadScenario("a mix of nothing")
    return mix


def _steps(value: object) -> tuple[Step, ...]:
    return tuple(_step(line) for line in units.words(value))


def _step(line: str) -> Step:
    match = _STEP.fullmatch(line)
    if match is None or match[2] not in OPERATIONS:
        raise BadScenario(
            f"not a step: {line!r}", hint='a step is "CLIENT OPERATION KEY BYTES", such as "0 put 3 4096"'
        )
    return Step(int(match[1]), match[2], int(match[3]), int(match[4]))


_MANY: Final = 10_000_000
_COUNT: Final = units.whole(0, _MANY)
_TOP: Final[Table] = {
    "title": units.text,
    "seed": units.whole(0, SEED_MAX),
    **dict.fromkeys(("target", "load", "steady", "during", "after", "blast"), _as_is),
    "faults": _list,
}
_TARGET: Final[Table] = {
    "workers": units.whole(1, 64),
    "durability": units.word(*DURABILITIES),
    "disk": _disk,
    "endpoint": _url,
    "region": units.text,
}
_LOAD: Final[Table] = {
    "kind": units.word("mixed", "folder"),
    "clients": units.whole(1, 256),
    "keys": units.whole(1, 100_000),
    "operations": units.whole(1, _MANY),
    "for": units.span,
    "rate": units.rate,
    "sizes": units.sizes,
    "mix": _mix,
    "timeout": units.span,
    "tries": units.whole(1, 20),
    "steps": _steps,
}
_PHASE: Final[Table] = {"error_rate": units.share, "p99": units.span}
_STEADY: Final[Table] = {**_PHASE, "ready": units.span, "leaked": _COUNT}
_AFTER: Final[Table] = {**_STEADY, "damaged": _COUNT}
_BLAST: Final[Table] = {
    "processes": units.words,
    "prefix": units.text,
    "longest_s": units.span,
    "operations": _COUNT,
    "free_disk": units.size,
}
_PLACED: Final[Table] = {
    "name": units.text,
    "on": units.text,
    "at": units.moment,
    "for": units.moment,
    "times": units.whole(1, 10_000),
    "every": units.moment,
}


def _target(said: object) -> Target:
    fields = _section("target", said, _TARGET)
    ours = sorted(fields.keys() & {"workers", "durability", "disk"})
    if "endpoint" in fields and ours:
        raise BadScenario(f"target.{ours[0]} is for a server of our own, and target.endpoint names another")
    return Target(**fields)


def _load(said: object) -> Load:
    fields = _section("load", said, _LOAD)
    renamed = {"for": "seconds", "timeout": "timeout_s"}
    return Load(**{renamed.get(name, name): value for name, value in fields.items()})


def _bounds(place: str, said: object, table: Table) -> Bounds:
    fields = _section(place, said, table)
    renamed = {"p99": "p99_s", "ready": "ready_s"}
    return Bounds(**{renamed.get(name, name): value for name, value in fields.items()})


def _injection(number: int, said: object, catalogue: Catalogue, blast: Blast, target: Target) -> Injection:
    place = f"faults[{number}]"
    kind = _kind(place, said, catalogue)
    table: Table = {**_PLACED, **{name: one.parse for name, one in kind.parameters.items()}}
    fields = _section(place, said, table)
    settings = {name: _setting(place, name, fields, kind) for name in kind.parameters}
    on = fields.get("on", kind.on[0])
    injection = Injection(
        kind.name,
        on,
        fields.get("at", Moment(seconds=0.0)),
        fields.get("for"),
        fields.get("times", 1),
        fields.get("every"),
        settings,
    )
    _reach(place, injection, kind, blast, target)
    return injection


def _kind(place: str, said: object, catalogue: Catalogue) -> Description:
    name = said.get("name") if isinstance(said, Mapping) else None
    if not isinstance(name, str) or name not in catalogue:
        raise BadScenario(f"{place}: there is no fault {name!r}", hint="cybs3 chaos faults lists what there is")
    return catalogue[name]


def _setting(place: str, name: str, fields: Mapping[str, Any], kind: Description) -> Any:  # noqa: ANN401  # as its parser has it
    one = kind.parameters[name]
    if name in fields:
        return fields[name]
    if one.default is None:
        raise BadScenario(f"{place}: {kind.name} needs {name!r}", hint=one.summary)
    return one.parse(one.default)


def _reach(place: str, injection: Injection, kind: Description, blast: Blast, target: Target) -> None:
    """Raise BadScenario for a fault that reaches where it may not."""
    if injection.on not in kind.on:
        raise BadScenario(f"{place}: {kind.name} is not for {injection.on!r}", hint=f"it is for {', '.join(kind.on)}")
    if injection.on.partition(":")[0] not in blast.processes:
        raise BadScenario(f"{place}: {injection.on!r} is outside the blast radius", hint="see blast.processes")
    if kind.own and not target.own:
        raise BadScenario(f"{place}: {kind.name} needs a server of our own", hint="leave target.endpoint out")
    lasts = injection.lasts
    if kind.lasts and lasts is None:
        raise BadScenario(f"{place}: {kind.name} needs an end", hint='such as for = "2s" or for = "100 operations"')
    if lasts is not None and lasts.seconds is not None and lasts.seconds > blast.longest_s:
        raise BadScenario(f"{place}: lasts {lasts}, and blast.longest_s allows {blast.longest_s:g}s")
    if (injection.times > 1) != (injection.every is not None):
        raise BadScenario(f"{place}: times and every belong together")
    if kind.name.startswith("disk.full") and not target.disk.bounded:
        raise BadScenario(
            f"{place}: a disk that others use is not filled",
            hint='give the server its own: target.disk = "tmpfs 64MiB"',
        )


def _length(load: Load) -> int | None:
    """Return how many operations a load has at least, None for one that ends by the clock."""
    if load.kind == "folder":
        return load.keys  # each file is at least one
    return load.operations if load.seconds is None else None


def _fitting(load: Load, faults: tuple[Injection, ...]) -> None:
    """Raise BadScenario for a fault that comes after the load, or a client that is not there."""
    last = len(load.steps) or _length(load)
    for number, one in enumerate(faults):
        if last is not None and one.at.operations is not None and one.at.operations > last:
            raise BadScenario(f"faults[{number}].at: {one.at} is after the load, which is {last} operations long")
        if one.on == "client" and load.kind != "folder":
            raise BadScenario(f'faults[{number}]: a client is a process of its own only where load.kind is "folder"')
    for step in load.steps:
        if step.client >= load.clients:
            raise BadScenario(f"load.steps: there is no client {step.client}; clients is {load.clients}")

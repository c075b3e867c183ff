"""What scenarios may do to the wire: a table from a name to its parameters and to the harm it means.

    fault = FAULTS["network.latency"].on(wire, {"latency": 0.2, "jitter": 0.05, ...}, name="slow")
    fault.start(); ...; fault.stop()

Settings come parsed: `description.parameters` says how each is read, and what it is when nobody says. `stop` undoes
what `start` did, however often it is called and whether or not it was started.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cybous3.lab.chaos import units
from cybous3.lab.chaos.description import Description, Parameter
from cybous3.lab.chaos.proxy import lies, rules, toxics
from cybous3.lab.chaos.proxy.messages import OPERATIONS
from cybous3.lab.chaos.proxy.wire import Harm, Wire

Settings = Mapping[str, Any]
_ON: Final = ("wire",)
_WHOLE: Final = 1 << 40

_BYTES: Final = units.whole(0, _WHOLE)
_LATER: Final = Parameter(units.span, "0s", "how long after the first byte")
_TOXIC: Final = {
    "direction": Parameter(units.word(*toxics.DIRECTIONS), "down", "up: to the server; down: from it"),
    "toxicity": Parameter(units.share, "100%", "the share of the connections it is for"),
}
_RULE: Final = {
    "operation": Parameter(units.word("any", *OPERATIONS), "any", "the S3 operation it is for"),
    "key": Parameter(units.text, "*", "the keys it is for, a pattern with * and ?"),
    "share": Parameter(units.share, "100%", "the share of these requests"),
    "nth": Parameter(units.whole(0, _WHOLE), 0, "only this one of these requests, from 1; 0: any"),
    "times": Parameter(units.whole(0, _WHOLE), 0, "at most so often; 0: no limit"),
}
_LIE: Final = {"key": Parameter(units.text, "*", "the keys it is about, a pattern with * and ?")}


@dataclass(frozen=True, slots=True)
class WireFault:
    """A description, and what harm it means: `make(name, settings)`; None: the proxy goes down."""

    description: Description
    make: Callable[[str, Settings], Harm] | None

    def on(self, wire: Wire, settings: Settings, *, name: str = "") -> "Harming":
        """Return the fault with these settings on this wire, not yet begun. What is not set is as described."""
        described = self.description.parameters
        whole = {key: one.parse(one.default) for key, one in described.items() if key not in settings}
        return Harming(wire, self, {**whole, **settings}, name or self.description.name)


class Harming:
    """One fault on one wire."""

    def __init__(self, wire: Wire, fault: WireFault, settings: Settings, name: str) -> None:
        self._wire, self._fault = wire, fault
        self._settings, self._name = settings, name
        self._begun = False

    def start(self) -> None:
        """Do it from now on. ValueError: one of this name is active already."""
        if self._fault.make is None:
            self._wire.down(self._name)
        else:
            self._wire.add(self._fault.make(self._name, self._settings))
        self._begun = True

    def stop(self) -> None:
        """Undo it."""
        if not self._begun:
            return
        self._begun = False
        if self._fault.make is None:
            self._wire.up_again()
        else:
            self._wire.remove(self._name)

    def describe(self) -> str:
        """Say it in one line."""
        said = ", ".join(f"{name} {value}" for name, value in sorted(self._settings.items()))
        return f"{self._fault.description.name} ({said})" if said else self._fault.description.name


def _toxic(
    name: str, summary: str, make: Callable[..., Harm], parameters: Mapping[str, Parameter], **renamed: str
) -> WireFault:
    """Return the row of a toxic; `renamed` maps its fields to the parameters' names."""

    def build(called: str, said: Settings) -> Harm:
        own = {field: said[parameter] for field, parameter in renamed.items()}
        return make(name=called, direction=said["direction"], toxicity=said["toxicity"], **own)

    return WireFault(_described(name, summary, {**parameters, **_TOXIC}), build)


def _rule(
    name: str, summary: str, act: Callable[[Settings], rules.Act], parameters: Mapping[str, Parameter] | None = None
) -> WireFault:
    """Return the row of a rule."""

    def build(called: str, said: Settings) -> Harm:
        operations = rules.ANY if said["operation"] == "any" else frozenset({said["operation"]})
        nth = frozenset({said["nth"]}) if said["nth"] else frozenset[int]()
        when = rules.When(nth, said["share"], said["times"] or None)
        return rules.Rule(called, act(said), rules.Match(operations=operations, key=said["key"]), when)

    return WireFault(_described(name, summary, {**(parameters or {}), **_RULE}), build)


def _lie(
    name: str, summary: str, make: Callable[..., Harm], parameters: Mapping[str, Parameter] | None = None
) -> WireFault:
    """Return the row of a lie; its parameters are its fields."""
    own = {**_LIE, **(parameters or {})}

    def build(called: str, said: Settings) -> Harm:
        return make(called, **{field: said[field] for field in own})

    return WireFault(_described(name, summary, own), build)


def _described(name: str, summary: str, parameters: Mapping[str, Parameter]) -> Description:
    return Description(name, summary, _ON, own=False, preloads="wire", parameters=parameters)


def _refuse(said: Settings) -> rules.Act:
    status = said["status"]
    return rules.Refuse(status, _CODES[status], said["done"] == "yes", said["retry_after"] or None)


_CODES: Final = {
    404: "NoSuchKey",
    409: "ConditionalRequestConflict",
    412: "PreconditionFailed",
    429: "TooManyRequests",
    500: "InternalError",
    503: "SlowDown",
}


def _status(value: object) -> int:
    status = units.whole(400, 599)(value)
    return status if status in _CODES else units.whole(503, 503)(value)


_AT: Final = {"at": Parameter(_BYTES, 0, "after how many bytes of the body")}

_ROWS: Final = (
    _toxic(
        "network.latency",
        "Bytes arrive later.",
        toxics.Latency,
        {
            "latency": Parameter(units.span, "100ms", "how much later"),
            "jitter": Parameter(units.span, "0ms", "give or take"),
        },
        latency_s="latency",
        jitter_s="jitter",
    ),
    _toxic(
        "network.bandwidth",
        "So many bytes a second and no more.",
        toxics.Bandwidth,
        {"rate": Parameter(units.whole(1, _WHOLE), 100_000, "bytes a second")},
        bytes_per_s="rate",
    ),
    _toxic(
        "network.slicer",
        "Bytes arrive in small pieces.",
        toxics.Slicer,
        {
            "average": Parameter(units.whole(1, 1 << 20), 64, "bytes of a piece"),
            "variation": Parameter(units.whole(0, 1 << 20), 16, "give or take"),
            "delay": Parameter(units.span, "0ms", "between two pieces"),
        },
        average="average",
        variation="variation",
        delay_s="delay",
    ),
    _toxic(
        "network.slow_close",
        "The end of a connection arrives later.",
        toxics.SlowClose,
        {"delay": Parameter(units.span, "1s", "how much later")},
        delay_s="delay",
    ),
    _toxic(
        "network.timeout",
        "Nothing arrives any more, then both ends are closed.",
        toxics.Timeout,
        {"after": Parameter(units.span, "1s", "when they are closed; 0s: never")},
        after_s="after",
    ),
    _toxic("network.reset", "Both ends are reset.", toxics.ResetPeer, {"after": _LATER}, after_s="after"),
    _toxic("network.half_open", "The peer is gone and nobody says so.", toxics.HalfOpen, {}),
    _toxic(
        "network.truncate",
        "Both ends are closed after so many bytes of a connection.",
        toxics.LimitData,
        {"bytes": Parameter(_BYTES, None, "how many")},
        bytes_max="bytes",
    ),
    WireFault(_described("network.down", "Nothing listens any more.", {}), None),
    _rule(
        "http.error",
        "Answer with an error.",
        _refuse,
        {
            "status": Parameter(_status, 503, "404, 409, 412, 429, 500 or 503"),
            "done": Parameter(units.word("yes", "no"), "no", "whether the server does it all the same"),
            "retry_after": Parameter(units.whole(0, 60), 0, "seconds of Retry-After; 0: none"),
        },
    ),
    _rule("http.duplicate", "Deliver a request twice.", lambda _: rules.Duplicate()),
    _rule("http.drop_answer", "The server does it, and the answer is lost.", lambda _: rules.DropAnswer()),
    _rule("http.drop_request", "The connection ends; the server never hears of it.", lambda _: rules.DropRequest()),
    _rule("http.wrong_etag", "The answer has another ETag.", lambda _: rules.WrongEtag()),
    _rule(
        "http.delay",
        "The answer is held back.",
        lambda said: rules.Delay(said["delay"]),
        {"delay": Parameter(units.span, "1s", "for how long")},
    ),
    _rule("http.cut_answer", "The body of the answer ends early.", lambda said: rules.CutAnswer(said["at"]), _AT),
    _rule("http.cut_request", "The body of the request ends early.", lambda said: rules.CutRequest(said["at"]), _AT),
    _lie("liar.rollback", "Objects are shown as they were before their last change.", lies.Rollback),
    _lie("liar.swap", "Two objects are shown in each other's place.", lies.Swap),
    _lie("liar.metadata", "An object is shown with another's metadata.", lies.Metadata),
    _lie(
        "liar.truncate",
        "Objects end early and are said to be whole.",
        lies.Truncate,
        {"at": Parameter(units.whole(-_WHOLE, _WHOLE), -1, "at which byte; negative: so many before the end")},
    ),
    _lie("liar.hide", "Objects are not there, and not in listings.", lies.Hide),
    _lie(
        "liar.shorten",
        "Listings end early and are said to be whole.",
        lies.Shorten,
        {"keep": Parameter(units.whole(0, _WHOLE), 0, "how many of a page are shown")},
    ),
    _lie(
        "liar.reorder",
        "Listings in another order.",
        lies.Reorder,
        {"seed": Parameter(units.whole(0, _WHOLE), 0, "which order")},
    ),
    _lie("liar.drop_put", "A PUT is acknowledged and not done.", lies.DropPut),
)
FAULTS: Final[Mapping[str, WireFault]] = {fault.description.name: fault for fault in _ROWS}

"""Every fault of the table can be begun and undone, and says what it is; undone, nothing of it is left."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from cybous3.lab.chaos.errors import BadScenario
from cybous3.lab.chaos.proxy.faults import FAULTS
from cybous3.lab.chaos.proxy.rules import ANY, CutAnswer, Refuse, Rule
from cybous3.lab.chaos.proxy.toxics import Latency
from cybous3.lab.chaos.proxy.wire import Wire
from tests.lab.chaos.proxy.conftest import Far

NEEDED: dict[str, dict[str, Any]] = {"network.truncate": {"bytes": 10}}


@pytest.fixture
def wire(far: Far) -> Iterator[Wire]:
    with Wire(("127.0.0.1", far.port), seed=1) as opened:
        yield opened


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_each_begins_and_is_undone(wire: Wire, name: str) -> None:
    fault = FAULTS[name].on(wire, NEEDED.get(name, {}))
    assert fault.describe().startswith(name)
    fault.stop()
    for _ in range(2):
        fault.start()
        assert (name in wire.active) is True
        fault.stop()
        fault.stop()
        assert wire.active == ()
    host, port = wire.endpoint.removeprefix("http://").split(":")
    socket.create_connection((host, int(port)), timeout=5).close()


def test_settings_become_the_harm_they_mean() -> None:
    make = FAULTS["network.latency"].make
    assert make is not None
    said = {"latency": 0.2, "jitter": 0.1, "direction": "up", "toxicity": 0.5}
    assert make("slow", said) == Latency(name="slow", direction="up", toxicity=0.5, latency_s=0.2, jitter_s=0.1)
    make = FAULTS["http.error"].make
    assert make is not None
    said = {"status": 503, "done": "yes", "retry_after": 0, "operation": "any", "key": "*"}
    rule = make("busy", {**said, "share": 0.5, "nth": 2, "times": 3})
    assert isinstance(rule, Rule)
    assert rule.act == Refuse(503, "SlowDown", forward=True)
    assert (rule.match.operations, rule.when.nth, rule.when.times_max) == (ANY, frozenset({2}), 3)
    make = FAULTS["http.cut_answer"].make
    assert make is not None
    cut = make("cut", {"at": 5, "operation": "GetObject", "key": "a*", "share": 1.0, "nth": 0, "times": 0})
    assert isinstance(cut, Rule)
    assert (cut.act, cut.match.operations, cut.when.times_max) == (CutAnswer(5), frozenset({"GetObject"}), None)


@pytest.mark.parametrize("status", [200, 418, 504, "503"])
def test_a_status_that_is_not_offered_is_refused(status: object) -> None:
    parse = FAULTS["http.error"].description.parameters["status"].parse
    assert parse(429) == 429
    with pytest.raises(BadScenario):
        parse(status)

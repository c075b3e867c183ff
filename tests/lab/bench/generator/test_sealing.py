import threading
from collections.abc import Iterator

import pytest

from cybous3.client.stores.errors import ServerFailed
from cybous3.lab.bench.generator import Load
from cybous3.lab.bench.generator.sealing import Sealing
from cybous3.lab.bench.recorder import block_of
from cybous3.lab.bench.workload import Workload, parse_sizes

WORKLOAD = Workload("encrypt", parse_sizes("1KiB:1,64KiB:1"))


@pytest.fixture
def sealing() -> Iterator[Sealing]:
    made = Sealing(WORKLOAD, Load(2))
    assert made.setup() == []
    yield made
    made.close()


def test_a_block_of_so_many_operations_and_one_of_so_long(sealing: Sealing) -> None:
    exact, timed = block_of(sealing.run(None, 25)), block_of(sealing.run(0.2, None))
    assert (exact.count, exact.errors, timed.errors) == (25, {}, {})
    assert 0.15 < timed.seconds < 1
    assert timed.warmup_s > 0
    assert timed.generator_cpu_s > 0


def test_the_open_loop_keeps_its_schedule() -> None:
    made = Sealing(WORKLOAD, Load(2, rate=100, arrivals="constant"))
    block = block_of(made.run(0.5, None))
    made.close()
    assert 35 < block.count < 65
    assert block.errors == {}


def test_an_interruption_keeps_what_there_is(sealing: Sealing) -> None:
    threading.Timer(0.2, sealing.stop).start()
    block = block_of(sealing.run(60, None))
    assert block.interrupted
    assert block.count > 0


def test_what_does_not_come_back_is_told(sealing: Sealing, monkeypatch: pytest.MonkeyPatch) -> None:
    """After each block the last objects are opened again and compared with what they should be."""
    sealing.run(None, 20)
    original = type(sealing._contents).piece
    monkeypatch.setattr(type(sealing._contents), "piece", lambda self, start, at, n: original(self, start + 1, at, n))
    recording = sealing.run(None, 0)[0]
    assert set(recording.failures.values()) == {"wrong bytes"}


def test_what_fails_is_counted_by_its_name(sealing: Sealing, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_more: object) -> None:
        raise ServerFailed("no")

    monkeypatch.setattr(sealing._vault.store, "put", refuse)
    assert block_of(sealing.run(None, 5)).errors == {"ServerFailed": 5}

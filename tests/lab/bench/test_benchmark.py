from collections.abc import Mapping
from dataclasses import replace

import pytest

from cybous3.core.sigv4.credentials import Credentials
from cybous3.lab.bench.benchmark import Length, Subject, exit_code, run_of, warnings
from cybous3.lab.bench.fingerprint import take
from cybous3.lab.bench.generator import Load
from cybous3.lab.bench.report import circumstances, milliseconds, rows, used
from cybous3.lab.bench.result import Block, Latency, OpStats, Run
from cybous3.lab.bench.target import Target
from cybous3.lab.bench.workload import Kind, Workload, parse_sizes

TARGET = Target("x", "http://h", Credentials("A", "b"), durability="strict")
MACHINE = take()


def block(errors: Mapping[str, int] | None = None, count: int = 10, **more: float) -> Block:
    latency = Latency.of([1500.0] * count)
    return Block(0.0, 2.0, (OpStats("get", count, dict(errors or {}), 2**21, latency, latency),), **more)  # type: ignore[arg-type]  # figures


def run(*blocks: Block, wanted: int | None = None, kind: Kind = "get") -> Run:
    subject = Subject(TARGET, Workload(kind, parse_sizes("1MiB")), Load(), MACHINE)
    return run_of(subject, blocks, Length(blocks=len(blocks) if wanted is None else wanted))


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ({}, 0),
        ({"SlowDown": 1}, 5),
        ({"connection": 1}, 5),
        ({"connection": 10}, 20),
        ({"connection": 9, "timeout": 1}, 5),
        ({"SlowDown": 3, "InsufficientStorage": 1}, 30),
        ({"status 507": 10}, 30),
    ],
)
def test_what_failed_decides_how_the_command_ends(errors: dict[str, int], code: int) -> None:
    assert exit_code([run(block(errors))]) == code
    assert exit_code([run(block()), run(block(errors))]) == code  # the gravest counts
    assert exit_code([]) == 0


def test_a_run_that_is_not_whole_says_so() -> None:
    cut = run(block(), replace(block(), interrupted=True), wanted=5)
    assert (cut.completed, cut.note, exit_code([cut])) == (False, "interrupted in block 2 of 5", 130)
    assert "INCOMPLETE: interrupted in block 2 of 5" in circumstances(cut)
    assert run(block(), block()).completed


def test_sealing_is_no_figure_of_the_server() -> None:
    sealed = run(block(), kind="encrypt")
    assert (sealed.durability, sealed.endpoint) == ("memory", "a store in this process's memory")


def test_what_a_reader_must_know_is_said() -> None:
    said = warnings(run(block({"SlowDown": 1}), block({"SlowDown": 2}, generator_cpu_s=1.9, late=7)), processes=1)
    assert said == [
        "SlowDown: 3 operations failed",
        "the generator used 95% of a core: the figures are its own; try --processes",
        "7 operations found every connection in use and began late; their wait is in their times",
    ]
    assert warnings(run(block(generator_cpu_s=1.9)), processes=2) == []
    assert warnings(run(Block(0, 1, ())), 1) == ["no operation ended behind the warm-up: measure longer"]


def test_a_table_row_is_in_milliseconds_and_mebibytes() -> None:
    (row,) = rows(run(block({"SlowDown": 1})))
    assert row[:5] == ("get", "4.5", "1.0", "1.50 ms", "1.50 ms")
    assert row[-2:] == ("10", "SlowDown: 1")
    assert [milliseconds(us) for us in (412, 4120, 41200, 412000)] == ["0.412 ms", "4.12 ms", "41.2 ms", "412 ms"]


def test_processor_time_is_told_for_both_sides() -> None:
    told = used(run(block(generator_cpu_s=0.5, server_cpu_s=1.0), block(generator_cpu_s=0.5, server_cpu_s=1.0)))
    assert str(told) == "the generator used 25% of a core, the server 50%"
    assert str(used(run(block(server_cpu_s=1.0), block()))) == "the generator used 0% of a core"
    assert str(used(run())) == "the generator used 0% of a core"

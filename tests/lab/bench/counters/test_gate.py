"""The build's gate on work: every operation costs exactly what is stored; one sync, statement or request more is seen.

If `test_every_operation_costs_what_is_stored` fails, its message is a table of what changed. A change that was meant is
stored by `make bench UPDATE=1`, and reviewed with the change that caused it.
"""

import sys
from pathlib import Path

import pytest

from cybous3.core.sigv4.credentials import Credentials
from cybous3.lab.bench.counters import gate
from cybous3.lab.bench.counters.compare import RENEW, Stored, report
from cybous3.lab.bench.counters.gate import Counted, count, renewed, stored_counters, tells_what_is_cached
from cybous3.lab.bench.counters.measure import Cost, condense, filled, measure_client, measure_server
from cybous3.lab.bench.counters.scenarios import CLIENT, SERVER
from cybous3.lab.bench.counters.times import table, take

pytestmark = [
    pytest.mark.slow,
    pytest.mark.e2e,
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform != "linux", reason="rest is found in /proc"),
]

PUT = [one for one in SERVER if one.name == "PUT 64 KiB"]
GET = [one for one in CLIENT if one.name == "files get 4 KiB"]


def test_every_operation_costs_what_is_stored(tmp_path: Path) -> None:
    """The gate. What cannot be counted on this machine is said in the warning's place: on standard output."""
    counted = count(tmp_path, print)
    for what, why in counted.skipped.items():
        print(f"not counted: {what}: {why}")  # noqa: T201  # shown with a failure, and by -s
    found = counted.against(stored_counters())
    assert not found, f"\n{report(found)}\nif this is what the change was meant to do: {RENEW}"
    assert len(counted.sections["work"]) + len(counted.skipped) >= len(SERVER) + len(CLIENT)


@pytest.fixture
def site(tmp_path: Path) -> tuple[Path, Credentials]:
    """Return a server's folder, and its root key."""
    return tmp_path / "server", filled(tmp_path / "server", keys=1)


PLANT = """
from cybous3.lab.bench.counters import counted, taps
install = taps.install

def planted(*arguments, **named):
    install(*arguments, **named)  # first: what is imported now must find the taps
{fault}

taps.install = planted
raise SystemExit(counted.main())
"""

EXTRA_SYNC = """
    import os
    from cybous3.disk.files import SystemFiles
    sync = SystemFiles.sync
    SystemFiles.sync = lambda self, fd: (sync(self, fd), os.fsync(fd))[0]
"""
EXTRA_STATEMENT = """
    from cybous3.server.meta.sqlite.committer import Committer
    run = Committer.run
    def twice(self, mutation, *arguments, **named):
        def mutate(connection):
            connection.execute("SELECT 1")
            return mutation(connection)
        return run(self, mutate, *arguments, **named)
    Committer.run = twice
"""
EXTRA_ROUND_TRIP = """
    from cybous3.client.stores.s3.client import S3Client
    send = S3Client.send
    def twice(self, call):
        if "GET" in call:
            send(self, call).close()
        return send(self, call)
    S3Client.send = twice
"""


def launcher(folder: Path, fault: str) -> tuple[str]:
    """Return what starts the counted program with a fault in it."""
    script = folder / "planted.py"
    script.write_text(PLANT.format(fault=fault), encoding="utf-8")
    return (str(script),)


def changed(costs: dict[str, Cost]) -> dict[str, int]:
    """Return by how much the counters differ from what is stored, the calls of functions apart."""
    found = Counted({"work": costs}).against(stored_counters())
    return {one.counter: one.counted - one.stored for one in found if not one.counter.startswith("calls.")}


def test_a_sync_more_and_a_statement_more_of_the_server_are_caught(
    site: tuple[Path, Credentials], tmp_path: Path
) -> None:
    costs = measure_server(*site, PUT, launcher=launcher(tmp_path, EXTRA_SYNC + EXTRA_STATEMENT))
    assert changed(costs) == {"files.fsync": 1, "sql.select": 1}


def test_a_round_trip_more_of_the_client_is_caught(site: tuple[Path, Credentials], tmp_path: Path) -> None:
    server, root = site
    costs = measure_client(server, tmp_path / "home", root, GET, launcher=launcher(tmp_path, EXTRA_ROUND_TRIP))
    found = changed(costs)
    requests = {name: value for name, value in found.items() if name.startswith("http.") and "bytes" not in name}
    assert sum(requests.values()) >= 1, found


def test_times_are_taken_and_told_with_their_noise(site: tuple[Path, Credentials]) -> None:
    """They gate nothing: that they are there, positive and printed is all that is promised."""
    timings = take(*site, ["GET 4 KiB again", "HEAD"], block_s=0.01)
    assert all(one.median_us > 0 and one.operations >= 10 for one in timings)
    assert [line.split("  ")[0] for line in table(timings).splitlines()] == ["operation", "GET 4 KiB again", "HEAD"]


def test_samples_condense_to_what_they_agree_on() -> None:
    """A timer's work in one of three is outvoted; of calls the least counts."""
    cost = condense([{"a": 1, "calls.ours": 7}, {"a": 1, "b": 4, "calls.ours": 5}, {"a": 1, "calls.ours": 9}])
    assert cost.counts == {"a": 1, "calls.ours": 5}
    assert cost.seen == {"b": (0, 4, 0), "calls.ours": (7, 5, 9)}


def test_renewing_keeps_what_could_not_be_counted_here() -> None:
    before = Stored("3.11", {"work": {"PUT": {"a": 1}, "GET": {"a": 1}}, "kernel": {"PUT": {"kernel.fsync": 2}}})
    now = Counted({"work": {"PUT": Cost({"a": 2, "files.write": 9}, ("files.write",))}})
    assert renewed(before, now) == Stored(
        gate.PYTHON, {"work": {"PUT": {"a": 2}, "GET": {"a": 1}}, "kernel": {"PUT": {"kernel.fsync": 2}}}
    )


def test_calls_gate_under_the_python_they_were_counted_under() -> None:
    counted = Counted({"work": {"PUT": Cost({"a": 1, "calls.ours": 99})}})
    stored = {"work": {"PUT": {"a": 1, "calls.ours": 50}}}
    assert len(counted.against(Stored(gate.PYTHON, stored))) == 1
    assert counted.against(Stored("2.7", stored)) == []


def test_a_file_system_either_tells_what_is_cached_or_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it does not, what depends on it is left out, with the reason."""
    assert tells_what_is_cached(tmp_path) in {True, False}
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(gate, "tells_what_is_cached", lambda _: False)
    skipped: dict[str, str] = {}
    assert {one.name for one in gate.possible(tmp_path, skipped)} | skipped.keys() == {one.name for one in SERVER}
    assert skipped

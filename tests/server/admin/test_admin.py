"""The admin port over a real socket: alive, ready or why not, counted, and drained only by who may."""

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from cybous3.server.admin.health import Health
from cybous3.server.admin.metrics import Metrics, StoredMetrics, process_metrics
from cybous3.server.admin.serving import AdminServer
from cybous3.server.admin.web import admin_app


async def fine() -> None:
    """Do nothing, well."""


async def broken() -> None:
    raise OSError(28, "no space left on device")


async def stuck() -> None:
    await asyncio.sleep(60)


class Admin:
    """A running admin port in a thread."""

    def __init__(self, health: Health, metrics: Metrics) -> None:
        self.health, self.metrics = health, metrics
        self.stored = StoredMetrics()
        self.drained = threading.Event()
        self._sock = socket.socket()
        self._sock.bind(("127.0.0.1", 0))
        self._port = self._sock.getsockname()[1]
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        assert self._started.wait(10)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = AdminServer(admin_app(self.health, self.exposition, self.drained.set, "token"), self._sock)
        await server.start()
        self._started.set()
        await self._stop.wait()
        await server.aclose()
        await server.aclose()

    async def exposition(self) -> bytes:
        """Return what the server's own does: what is counted and what is stored."""
        return self.metrics.render() + self.stored.render({"damaged_objects": 2})

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def ask(self, path: str, method: str = "GET", token: str = "") -> tuple[int, bytes]:
        client = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        client.request(method, path, headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = client.getresponse()
        body = answer.read()
        client.close()
        return answer.status, body


@pytest.fixture
def admin() -> Iterator[Admin]:
    running = Admin(Health({"index": fine, "blobs": fine}, patience_s=0.2), Metrics("1.2.3"))
    yield running
    running.close()


def test_alive_is_alive(admin: Admin) -> None:
    assert admin.ask("/-/live") == (200, b"alive\n")
    assert admin.ask("/")[0] == 404


def test_ready_does_the_work_and_says_why_not(admin: Admin) -> None:
    status, body = admin.ask("/-/ready")
    assert (status, json.loads(body)) == (
        200,
        {"ready": True, "checks": {"index": "ok", "blobs": "ok"}, "reasons": []},
    )
    admin.health.checks = {"index": broken, "blobs": stuck, "workers": fine}
    status, body = admin.ask("/-/ready")
    found = json.loads(body)
    assert status == 503
    assert found["checks"] == {"index": "failed", "blobs": "failed", "workers": "ok"}
    assert "no space left" in found["reasons"][0]
    assert "no answer within 0.2 s" in found["reasons"][1]


def test_a_server_that_ends_is_not_ready(admin: Admin) -> None:
    admin.health.draining = True
    status, body = admin.ask("/-/ready")
    assert (status, json.loads(body)["reasons"]) == (503, ["draining"])


def test_many_who_ask_cost_one_probe() -> None:
    runs = []

    async def slow() -> None:
        runs.append(1)
        await asyncio.sleep(0.05)

    async def main() -> None:
        health = Health({"a": slow})
        verdicts = await asyncio.gather(*(health.probe() for _ in range(20)))
        assert all(verdict.ready for verdict in verdicts)
        await health.probe()

    asyncio.run(main())
    assert len(runs) == 2


@pytest.mark.parametrize("token", ["", "wrong", "tokem"])
def test_only_who_holds_the_token_may_end_it(admin: Admin, token: str) -> None:
    assert admin.ask("/-/drain", "POST", token)[0] == 403
    assert not admin.drained.is_set()


def test_who_holds_the_token_may_end_it(admin: Admin) -> None:
    assert admin.ask("/-/drain", "GET", "token")[0] == 405
    assert not admin.drained.is_set()
    assert admin.ask("/-/drain", "POST", "token")[0] == 202
    assert admin.drained.wait(5)


def test_metrics_are_base_units_and_bounded(admin: Admin) -> None:
    process_metrics(admin.metrics.registry)
    for i in range(1000):
        admin.metrics.observe("GetObject", 200 if i % 2 else 404, "" if i % 2 else "NoSuchKey", 0.001 * (i % 7))
    counts = {"connections": 3, "in_flight": 1, "accepted": 9, "turned_away": 0, "requests": 1000}
    admin.metrics.publish({**counts, "refused": 0, "crashed": 0, "aborted": 0, "bytes_in": 5, "bytes_out": 7})
    admin.metrics.publish({**counts, "refused": 0, "crashed": 0, "aborted": 0, "bytes_in": 6, "bytes_out": 7})
    status, body = admin.ask("/-/metrics")
    assert status == 200
    found = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }
    requests = "swifts3_http_requests_total"
    assert found[(requests, ("operation", "GetObject"), ("status_class", "2xx"))] == 500
    assert found[(requests, ("operation", "GetObject"), ("status_class", "4xx"))] == 500
    assert found[("swifts3_http_errors_total", ("code", "NoSuchKey"), ("operation", "GetObject"))] == 500
    assert found[("swifts3_http_request_duration_seconds_count", ("operation", "GetObject"))] == 1000
    assert found[("swifts3_connections",)] == 3
    assert found[("swifts3_received_bytes_total",)] == 6
    assert found[("swifts3_build_info", ("version", "1.2.3"))] == 1
    assert ("process_cpu_seconds_total",) in found
    assert len(found) < 130  # bounded: two operations' worth of timers more, for commits and syncs of each mode


async def nothing_counted() -> bytes:
    return b""


def test_a_port_that_cannot_serve_says_so(tmp_path: Path) -> None:
    async def main() -> None:
        sock = socket.socket()
        sock.close()
        with pytest.raises(OSError):  # noqa: PT011 - what a closed socket says depends on the system
            await AdminServer(admin_app(Health({}), nothing_counted, lambda: None, "t"), sock).start()

    del tmp_path
    asyncio.run(main())


def test_commits_and_syncs_are_timed_by_mode() -> None:
    metrics = Metrics("1.2.3")
    metrics.committed(synced=True, seconds=0.002)
    metrics.committed(synced=False, seconds=0.0001)
    metrics.synced("strict", 0.02)
    metrics.synced("relaxed", 0.2)
    text = metrics.render().decode()
    for line in (
        'swifts3_index_commit_duration_seconds_count{synced="yes"} 1.0',
        'swifts3_index_commit_duration_seconds_bucket{le="0.001",synced="no"} 1.0',
        'swifts3_blob_sync_duration_seconds_sum{durability="strict"} 0.02',
        'swifts3_blob_sync_duration_seconds_count{durability="relaxed"} 1.0',
    ):
        assert line in text

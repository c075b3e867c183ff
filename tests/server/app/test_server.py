"""Whole servers, as processes: they start once, end in order, survive what kills them, and cost nothing while idle."""

import asyncio
import http.client
import json
import re
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import ClassVar

import psutil
import pytest

from cybous3.server.app import discovery
from cybous3.server.app.problems import StartError
from cybous3.server.app.server import Alone, _begun
from cybous3.server.config.settings import ServerConfig
from tests.server.app.conftest import ask, begin_put, wait_until
from tests.support.server import Server, swifts3

pytestmark = pytest.mark.e2e
ANYWHERE = ("--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")


def admin(server: Server, path: str) -> tuple[int, bytes]:
    client = http.client.HTTPConnection("127.0.0.1", server.admin_port, timeout=10)
    client.request("GET", path)
    answer = client.getresponse()
    body = answer.read()
    client.close()
    return answer.status, body


def metric(server: Server, name: str) -> float:
    found = re.findall(rf"^{re.escape(name)} ([0-9.e+]+)$", admin(server, "/-/metrics")[1].decode(), re.MULTILINE)
    return float(found[0]) if found else 0.0


def process_of(server: Server) -> psutil.Process:
    found = json.loads((server.data / "server.json").read_text())
    return psutil.Process(found["pid"])


def serve_briefly(folder: Path, *options: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a server that is expected to refuse to start."""
    server = Server(folder)
    return subprocess.run(
        swifts3(
            "serve", "--data", str(server.data), "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", *options
        ),
        env={**server.environment, **(env or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_it_serves_is_found_and_ends_in_order(own_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWIFTS3_STATE_DIR", own_server.environment["SWIFTS3_STATE_DIR"])
    own_server.start()
    assert ask(own_server, "PUT", "/bucket")[0] == 200
    assert ask(own_server, "PUT", "/bucket/k", b"hello")[0] == 200
    assert ask(own_server, "GET", "/bucket/k") == (200, b"hello")
    [found] = discovery.running()
    assert (found.listen[1], found.admin[1]) == (own_server.port, own_server.admin_port)
    assert found == discovery.find(own_server.data)
    wait_until(lambda: metric(own_server, 'swifts3_http_requests_total{operation="GetObject",status_class="2xx"}') == 1)
    wait_until(lambda: metric(own_server, "swifts3_connections") == 0)
    own_server.stop()
    assert discovery.running() == []
    assert not (own_server.data / "server.json").exists()
    assert own_server.root.secret_key not in own_server.log.read_text()
    own_server.start()
    assert ask(own_server, "GET", "/bucket/k") == (200, b"hello")


def test_the_generated_root_key_is_shown_once(tmp_path: Path) -> None:
    server = Server(tmp_path)
    env = {name: value for name, value in server.environment.items() if "ROOT" not in name}
    seen = []
    for _ in range(2):
        with subprocess.Popen(
            swifts3("serve", "--data", str(server.data), *ANYWHERE),
            env=env,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stderr is not None
            lines: list[str] = []
            while "ready" not in (lines[-1:] or [""])[0]:
                lines.append(process.stderr.readline())
            process.terminate()
            assert process.wait(20) == 0
            process.stderr.read()
        seen.append("".join(lines))
    assert re.search(r"access key  [A-Z0-9]{20}\n  secret key  [A-Za-z0-9]{40}\n", seen[0])
    assert "secret key" not in seen[1]


def test_a_second_server_on_the_same_data_is_refused(own_server: Server) -> None:
    own_server.start()
    done = serve_briefly(own_server.folder)
    assert done.returncode == 31
    assert "another server works on the data directory" in done.stderr
    assert "Traceback" not in done.stderr
    assert admin(own_server, "/-/live")[0] == 200


@pytest.mark.parametrize("option", ["--listen", "--admin-listen"])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_in_use_is_one_clear_sentence(tmp_path: Path, option: str, workers: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = serve_briefly(tmp_path, option, address, "--workers", workers)
    assert done.returncode == 1
    assert f"cannot listen on {address} ({option}): the address is in use" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_certificate_that_does_not_fit_is_told(tmp_path: Path) -> None:
    for name in ("cert", "key"):
        (tmp_path / name).write_text("not PEM")
    done = serve_briefly(tmp_path, "--tls-cert", str(tmp_path / "cert"), "--tls-key", str(tmp_path / "key"))
    assert done.returncode == 1
    assert "cannot use the certificate" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_index_from_the_future_is_told(own_server: Server) -> None:
    own_server.start()
    own_server.stop()
    with sqlite3.connect(own_server.data / "index.sqlite") as index:
        index.execute("PRAGMA user_version = 9999")
    index.close()
    done = serve_briefly(own_server.folder)
    assert done.returncode != 0
    assert "9999" in done.stderr
    assert "Traceback" not in done.stderr


def test_tls_is_spoken(own_server: Server, certificate: tuple[Path, Path]) -> None:
    own_server._options |= {"--tls-cert": str(certificate[0]), "--tls-key": str(certificate[1])}
    own_server.start()
    trusting = ssl.create_default_context(cafile=str(certificate[0]))
    client = http.client.HTTPSConnection("localhost", own_server.port, context=trusting, timeout=10)
    client.request("GET", "/")
    assert client.getresponse().status == 403
    client.close()


@POSIX
@pytest.mark.parametrize("workers", [1, 2])
def test_a_drain_finishes_the_upload_under_way(tmp_path: Path, workers: int) -> None:
    server = Server(tmp_path, workers=workers)
    server.start()
    assert ask(server, "PUT", "/bucket")[0] == 200
    sock = begin_put(server, "/bucket/large", 3_000_000, 1_000_000)
    time.sleep(0.3)
    process = server._running()
    process.terminate()
    wait_until(lambda: admin(server, "/-/ready")[0] == 503)
    sock.sendall(b"x" * 2_000_000)
    answer = http.client.HTTPResponse(sock)
    answer.begin()
    assert (answer.status, answer.getheader("connection")) == (200, "close")
    sock.close()
    assert process.wait(20) == 0
    server.start()
    assert ask(server, "HEAD", "/bucket/large")[0] == 200
    server.stop()


@POSIX
@pytest.mark.parametrize("workers", [1, 2])
def test_a_drain_has_a_deadline(tmp_path: Path, workers: int) -> None:
    server = Server(tmp_path, workers=workers, options={"--drain-timeout-s": "0.3"})
    server.start()
    assert ask(server, "PUT", "/bucket")[0] == 200
    with begin_put(server, "/bucket/never", 3_000_000, 1_000_000):
        time.sleep(0.3)
        server.stop()
    assert "cut" in server.log.read_text()


@POSIX
def test_the_second_signal_does_not_wait(own_server: Server) -> None:
    own_server.start()
    assert ask(own_server, "PUT", "/bucket")[0] == 200
    with begin_put(own_server, "/bucket/never", 3_000_000, 1_000_000):
        time.sleep(0.3)
        process = own_server._running()
        process.send_signal(signal.SIGINT)
        wait_until(lambda: admin(own_server, "/-/ready")[0] == 503)
        process.send_signal(signal.SIGINT)
        assert process.wait(5) == 130


def test_a_kill_in_the_middle_loses_nothing_and_leaves_nothing(own_server: Server) -> None:
    own_server.start()
    assert ask(own_server, "PUT", "/bucket")[0] == 200
    assert ask(own_server, "PUT", "/bucket/kept", b"k" * 100_000)[0] == 200
    with begin_put(own_server, "/bucket/lost", 3_000_000, 2_000_000):
        wait_until(lambda: metric(own_server, "swifts3_received_bytes_total") > 2_000_000)
        own_server.kill()
    own_server.start()
    assert "unfinished_removed=1" in own_server.tail()
    assert ask(own_server, "GET", "/bucket/kept") == (200, b"k" * 100_000)
    assert ask(own_server, "HEAD", "/bucket/lost")[0] == 404


@POSIX
def test_a_worker_that_dies_is_replaced_and_still_counted(tmp_path: Path) -> None:
    server = Server(tmp_path, workers=2)
    server.start()
    assert ask(server, "PUT", "/bucket")[0] == 200
    for i in range(20):
        assert ask(server, "PUT", f"/bucket/{i}", b"x" * 30_000)[0] == 200
    put = 'swifts3_http_requests_total{operation="PutObject",status_class="2xx"}'
    wait_until(lambda: metric(server, put) == 20)
    children = process_of(server).children()
    assert len(children) == 2
    children[0].kill()
    wait_until(lambda: len([c for c in process_of(server).children() if c.pid != children[0].pid]) == 2)
    wait_until(server.is_ready)
    for i in range(20):
        assert ask(server, "GET", f"/bucket/{i}")[0] == 200
    assert metric(server, put) == 20
    assert "worker died" in server.log.read_text()
    server.stop()


@POSIX
def test_a_supervisor_that_is_killed_takes_its_workers_along(tmp_path: Path) -> None:
    server = Server(tmp_path, workers=2)
    server.start()
    children = process_of(server).children()
    server.kill()
    gone, alive = psutil.wait_procs(children, timeout=10)
    assert (len(gone), alive) == (2, [])
    server.start()
    server.stop()


@POSIX
@pytest.mark.parametrize("workers", [1, 2])
def test_an_idle_server_uses_no_processor(tmp_path: Path, workers: int) -> None:
    server = Server(tmp_path, workers=workers)
    server.start()
    with socket.create_connection(("127.0.0.1", server.port)):
        time.sleep(1.0)
    family = [process_of(server), *process_of(server).children()]
    before = sum(sum(one.cpu_times()[:2]) for one in family)
    time.sleep(2.0)
    assert sum(sum(one.cpu_times()[:2]) for one in family) - before <= 0.03
    server.stop()


@POSIX
def test_logs_of_all_processes_go_into_one_file(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "s.log"
    server = Server(tmp_path, workers=2, options={"--log-file": str(log), "--log-format": "json"})
    server.start()
    server.stop()
    events = [json.loads(line)["event"] for line in log.read_text().splitlines()]
    assert events.count("worker ready") == 2
    assert events[-1] == "stopped"


def test_what_was_begun_ends_when_the_start_fails() -> None:
    """Workers that wait for their orders must not outlive a server that could not open its index."""

    class Waiting(Alone):
        calls: ClassVar[list[str]] = []

        def begin(self) -> None:
            self.calls.append("begin")

        async def drain(self, deadline_s: float) -> bool:
            self.calls.append(f"drain {deadline_s}")
            return True

    async def start() -> None:
        async with _begun(Waiting(ServerConfig(Path()), [])):
            raise StartError("no index")

    with pytest.raises(StartError):
        asyncio.run(start())
    assert Waiting.calls == ["begin", "drain 0"]


def test_the_server_knows_nothing_of_the_client() -> None:
    """Zero knowledge at run time: what the server imports can open nothing that the client sealed."""
    code = (
        "import sys, cybous3.server.app.server, cybous3.server.app.worker;"
        "print([m for m in sys.modules if m.startswith(('cybous3.client', 'cybous3.crypto', 'cybous3.cli'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

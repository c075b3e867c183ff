"""What every test stands on: no network but loopback, a scratch home, and a real server for those who ask."""

import ipaddress
import os
import socket
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.support.server import Server

# `make test` uses ci; HYPOTHESIS_PROFILE=night looks longer. No deadlines: two cores are shared with real servers.
settings.register_profile("ci", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("night", deadline=None, max_examples=5_000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def _is_local(address: object) -> bool:
    if not isinstance(address, tuple):
        return True  # a UNIX socket's path
    host = str(address[0])
    if host in {"localhost", ""}:
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _guarded(connect: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(connect)
    def guard(self: socket.socket, address: object) -> Any:  # what the wrapped one returns
        if not _is_local(address):
            raise AssertionError(f"a test reached for the network: {address!r}; only loopback is open")
        return connect(self, address)

    return guard


for _name in ("connect", "connect_ex"):
    setattr(socket.socket, _name, _guarded(getattr(socket.socket, _name)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, so that no test process is left alone with one at the end."""

    def rank(item: pytest.Item) -> int:
        if item.path.name in {"test_main_job.py", "test_demo.py", "test_readme.py"}:
            return 0
        return 1 if item.get_closest_marker("e2e") else 2

    items.sort(key=rank)


@pytest.fixture(scope="session", autouse=True)
def _scratch_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep a developer's own vaults, servers and AWS settings out of the tests, and the tests out of them."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in [*os.environ]:
            if name.startswith(("CYBS3_", "SWIFTS3_", "AWS_", "RCLONE_", "S3_")):
                patch.delenv(name)
        patch.setenv("CYBS3_HOME", str(home / "cybs3"))
        patch.setenv("SWIFTS3_STATE_DIR", str(home / "swifts3"))
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the whole session (of this xdist worker); it must also end well."""
    running = Server(tmp_path_factory.mktemp("server"), workers=1)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """Give one test a server of its own, not yet started: the test may kill it, fill its disk, or start it twice."""
    lone = Server(tmp_path / "own-server")
    yield lone
    if lone.is_running():
        lone.kill()


@pytest.fixture(autouse=True)
def _own_logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test inherits another's logging: a server that begins in this process would set it up for good."""
    configure = structlog.configure
    monkeypatch.setattr(
        structlog, "configure", lambda **settings: configure(**{**settings, "cache_logger_on_first_use": False})
    )
    yield
    structlog.reset_defaults()

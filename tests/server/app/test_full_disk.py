"""A disk that fills up: writes end early, and what makes room again goes on, also after a restart."""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.app.conftest import ask
from tests.support.server import Server

_SMALL = b"x" * 15_000
_LARGE = b"x" * 300_000
_REAPED_S = 20.0


class Readable(Server):
    """A server that counts as started when its port answers: one that cannot write never says that it is ready."""

    def is_ready(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 5).close()
        except OSError:
            return False
        return True


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Server]:
    """Yield a server whose data lies on a real file system of 20 MiB."""
    data = tmp_path / "house" / "data"
    data.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=20m,mode=0700", "tmpfs", str(data)]
    if os.name != "posix" or os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a small file system can be mounted by root on Linux only")
    server = Readable(tmp_path / "house")
    try:
        yield server
    finally:
        if server.is_running():
            server.kill()
        subprocess.run(["umount", str(data)], check=True)


def fill(server: Server, prefix: str, body: bytes) -> int:
    """Put objects until the server has no room, and return how many."""
    count = 0
    while (status := ask(server, "PUT", f"/bucket/{prefix}{count}", body)[0]) == 200:
        count += 1
    assert status == 507
    return count


def test_a_full_disk_is_left_by_deleting(small_disk: Server) -> None:
    server = small_disk
    server.start()
    assert ask(server, "PUT", "/bucket")[0] == 200
    large = fill(server, "large", _LARGE)
    small = fill(server, "small", _SMALL)
    assert large * len(_LARGE) > 5_000_000
    for number in range(small):  # what the index holds is freed and used again, at once
        assert ask(server, "DELETE", f"/bucket/small{number}")[0] == 204
    again = fill(server, "small", _SMALL)
    for restart in (server.stop, server.kill):
        restart()
        server.start()
        assert ask(server, "GET", "/bucket/large0") == (200, _LARGE)
        assert ask(server, "PUT", "/bucket/more", _LARGE)[0] == 507
    for number in range(large):
        assert ask(server, "DELETE", f"/bucket/large{number}")[0] == 204
    for number in range(again):
        assert ask(server, "DELETE", f"/bucket/small{number}")[0] == 204
    deadline = time.monotonic() + _REAPED_S
    while (status := ask(server, "PUT", "/bucket/more", _LARGE)[0]) == 507 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert status == 200
    assert "Traceback" not in server.tail(10_000)


def test_inline_objects_alone_fill_the_disk_and_can_be_deleted(small_disk: Server) -> None:
    server = small_disk
    server.start()
    assert ask(server, "PUT", "/bucket")[0] == 200
    count = fill(server, "small", _SMALL)
    assert count * len(_SMALL) > 5_000_000
    server.kill()
    server.start()
    for number in range(count):
        assert ask(server, "DELETE", f"/bucket/small{number}")[0] == 204
    assert ask(server, "PUT", "/bucket/more", _SMALL)[0] == 200
    assert "Traceback" not in server.tail(10_000)


def test_a_disk_that_others_filled_to_the_last_byte_is_still_read_from(small_disk: Server) -> None:
    server = small_disk
    server.start()
    assert ask(server, "PUT", "/bucket")[0] == 200
    assert ask(server, "PUT", "/bucket/one", _SMALL)[0] == 200
    server.kill()
    with (server.data / "foreign").open("wb", buffering=0) as foreign, contextlib.suppress(OSError):
        while foreign.write(bytes(4096)):
            pass
    server.start()
    assert ask(server, "GET", "/bucket/one") == (200, _SMALL)
    assert ask(server, "PUT", "/bucket/two", _SMALL)[0] == 507
    assert ask(server, "DELETE", "/bucket/one")[0] == 204
    assert "Traceback" not in server.tail(10_000)

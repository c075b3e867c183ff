"""A proxy before a listener that does what a test tells it, and both ends to look from."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from cybous3.lab.chaos.proxy.running import Loop
from cybous3.lab.chaos.proxy.tcp import LOOPBACK, TcpProxy


@dataclass
class Far:
    """The server's side: accepted connections, what they received, and how they ended."""

    listener: socket.socket
    accepted: list[socket.socket] = field(default_factory=list)
    answer: Callable[[bytes], bytes] | None = None

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    def accept(self) -> socket.socket:
        sock, _ = self.listener.accept()
        sock.settimeout(5)
        self.accepted.append(sock)
        return sock

    def drop_waiting(self) -> None:
        """Forget the connections that nobody accepted."""
        self.listener.settimeout(0)
        with suppress(BlockingIOError):
            while True:
                self.listener.accept()[0].close()
        self.listener.settimeout(5)


@dataclass
class Near:
    """The client's side."""

    loop: Loop
    proxy: TcpProxy
    far: Far
    opened: list[socket.socket] = field(default_factory=list)

    def connect(self) -> tuple[socket.socket, socket.socket]:
        """Return both ends of a connection through the proxy."""
        near = socket.create_connection((LOOPBACK, self.proxy.port), timeout=5)
        self.opened.append(near)
        return near, self.far.accept()

    def add(self, toxic: object) -> None:
        self.loop.call(self.proxy.add, toxic)

    def remove(self, name: str) -> None:
        self.loop.call(self.proxy.remove, name)


@pytest.fixture
def far() -> Iterator[Far]:
    listener = socket.create_server((LOOPBACK, 0))
    listener.settimeout(5)
    made = Far(listener)
    yield made
    for sock in (*made.accepted, listener):
        with suppress(OSError):
            sock.close()


@pytest.fixture
def wire(far: Far) -> Iterator[Near]:
    with Loop() as loop:
        proxy = TcpProxy((LOOPBACK, far.port), seed=7)
        loop.run(proxy.start())
        made = Near(loop, proxy, far)
        yield made
        loop.run(proxy.stop())
        for sock in made.opened:
            sock.close()


def read(sock: socket.socket, count: int) -> bytes:
    """Read so many bytes, or up to the end."""
    data = b""
    while len(data) < count and (more := sock.recv(count - len(data))):
        data += more
    return data


def silent(sock: socket.socket, seconds: float = 0.3) -> bool:
    """Whether nothing arrives, not even an end."""
    before = sock.gettimeout()
    sock.settimeout(seconds)
    try:
        sock.recv(1)
    except TimeoutError:
        return True
    except OSError:
        return False
    finally:
        sock.settimeout(before)
    return False


def timed(work: Callable[[], object]) -> float:
    """Return how long it took, in seconds."""
    began = time.monotonic()
    work()
    return time.monotonic() - began


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread

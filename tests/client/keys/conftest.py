"""A machine of its own for every test: a home, no system keyring, and a kernel keyring made of a dictionary."""

import ctypes
import errno
import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cybous3.client.keys.device import Places
from cybous3.client.keys.home import Home
from cybous3.client.keys.kernel import KernelError, KernelSession


@dataclass
class FakeKernel:
    """Answers like the kernel's keyring; `broken` makes every call fail as in a container that forbids them."""

    keys: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)
    timeouts: dict[int, int] = field(default_factory=dict)
    broken: set[int] = field(default_factory=set)
    operations: list[int] = field(default_factory=list)

    def add_key(self, description: bytes, payload: bytes, ring: int) -> int:
        self._check(0)
        assert ring == -5
        serial = next((s for s, (name, _) in self.keys.items() if name == description), len(self.keys) + 100)
        self.keys[serial] = (description, payload)
        return serial

    def keyctl(self, operation: int, *arguments: int | bytes | ctypes.Array[ctypes.c_char]) -> int:
        self.operations.append(operation)
        self._check(operation)
        first = arguments[0]
        if operation == 10:
            found = next((s for s, (name, _) in self.keys.items() if name == arguments[2]), None)
            if found is None:
                raise KernelError(errno.ENOKEY, "ENOKEY")
            return found
        assert isinstance(first, int)
        if first not in self.keys:
            raise KernelError(errno.ENOKEY, "ENOKEY")
        if operation == 11:
            buffer = arguments[1]
            assert isinstance(buffer, ctypes.Array)
            payload = self.keys[first][1]
            buffer[: len(payload)] = payload  # type: ignore[call-overload]  # a char array takes bytes
            return len(payload)
        if operation == 3:
            del self.keys[first]
        if operation == 15:
            assert isinstance(arguments[1], int)
            self.timeouts[first] = arguments[1]
        return 0

    def _check(self, operation: int) -> None:
        if operation in self.broken:
            raise KernelError(errno.EPERM, "EPERM")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def kernel() -> FakeKernel:
    return FakeKernel()


@pytest.fixture
def places(home: Home, kernel: FakeKernel) -> Places:
    return Places(home, KernelSession(home.label, kernel), os.urandom, keyring_allowed=False)

"""The Linux kernel's keyring as a place for the unlocked device key until logout, restart or a day of rest.

What lies there is not written to disk, belongs to this user id alone, and vanishes by itself. It is reached by two
system calls through ctypes, since libkeyutils is rarely installed; where they are missing (another system, another
processor, a container that forbids them) the session simply is not there, and commands ask for the passphrase each
time.
"""

import ctypes
import errno
import platform
import sys
from typing import NamedTuple, Protocol

TIMEOUT_S = 24 * 3600

_USER_SESSION_KEYRING = -5
_REVOKE, _SETPERM, _SEARCH, _READ, _SET_TIMEOUT = 3, 5, 10, 11, 15
# Everything for the possessor; view, read, write, search, link and setattr for the same user. A later login may
# have another session keyring that does not link to this one, and would otherwise not be allowed to read.
_PERMISSIONS = 0x3F3F0000
# Numbers of add_key and keyctl: the kernel's syscall tables, by the machine's name.
_SYSCALLS = {
    "x86_64": (248, 250),
    "aarch64": (217, 219),
    "riscv64": (217, 219),
    "loongarch64": (217, 219),
    "ppc64le": (269, 271),
    "s390x": (278, 280),
}
# What the kernel says when there is no such key (any more), and when there is no keyring for us at all.
_NO_KEY = {errno.ENOKEY, errno.EKEYEXPIRED, errno.EKEYREVOKED} if sys.platform == "linux" else set()


class KernelError(OSError):
    """A keyring call failed."""


class Calls(Protocol):
    """The two system calls, each returning what the kernel returns or raising KernelError."""

    def add_key(self, description: bytes, payload: bytes, ring: int) -> int:
        """Add or update a key of type "user"; return its serial number."""
        ...

    def keyctl(self, operation: int, *arguments: int | bytes | ctypes.Array[ctypes.c_char]) -> int:
        """Do one keyring operation."""
        ...


class Syscalls:
    """The real calls of this kernel."""

    def __init__(self, add_key: int, keyctl: int) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.syscall.restype = ctypes.c_long
        self._add_key, self._keyctl = add_key, keyctl

    def add_key(self, description: bytes, payload: bytes, ring: int) -> int:
        """Add or update a key of type "user"; return its serial number."""
        return self._call(self._add_key, b"user", description, payload, len(payload), ring)

    def keyctl(self, operation: int, *arguments: int | bytes | ctypes.Array[ctypes.c_char]) -> int:
        """Do one keyring operation."""
        return self._call(self._keyctl, operation, *arguments)

    def _call(self, number: int, *arguments: int | bytes | ctypes.Array[ctypes.c_char]) -> int:
        # Integers go as C longs: ctypes would otherwise pass 32 bits where the kernel reads 64.
        values = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
        ctypes.set_errno(0)
        result = int(self._libc.syscall(ctypes.c_long(number), *values))
        if result < 0:
            code = ctypes.get_errno()
            raise KernelError(code, f"kernel keyring: {errno.errorcode.get(code, code)}")
        return result


def system_calls() -> Calls | None:
    """Return the calls of this machine, None where there are none that we know."""
    numbers = _SYSCALLS.get(platform.machine()) if sys.platform == "linux" else None
    return Syscalls(*numbers) if numbers else None


class KernelSession(NamedTuple):
    """One named secret in the user's session keyring. Every failure to reach the keyring reads as absence."""

    label: str
    calls: Calls | None

    @property
    def _description(self) -> bytes:
        return f"cybs3:{self.label}".encode()

    def load(self) -> bytes | None:
        """Return the secret, None when there is none (any more)."""
        serial = self._find()
        if serial is None or self.calls is None:
            return None
        buffer = ctypes.create_string_buffer(256)
        try:
            length = self.calls.keyctl(_READ, serial, buffer, len(buffer))
        except KernelError:
            return None
        return buffer.raw[:length] if length <= len(buffer) else None

    def save(self, secret: bytes, timeout_s: int = TIMEOUT_S) -> bool:
        """Keep the secret for `timeout_s`; tell whether that worked."""
        if self.calls is None:
            return False
        try:
            serial = self.calls.add_key(self._description, secret, _USER_SESSION_KEYRING)
            self.calls.keyctl(_SETPERM, serial, _PERMISSIONS)
            self.calls.keyctl(_SET_TIMEOUT, serial, timeout_s)
        except KernelError:
            self.forget()
            return False
        return self.load() == secret

    def forget(self) -> None:
        """Revoke the secret: nobody can read it after this. Raises KernelError when it stays readable."""
        serial = self._find()
        if serial is not None and self.calls is not None:
            try:
                self.calls.keyctl(_REVOKE, serial)
            except KernelError as error:
                if error.errno not in _NO_KEY:
                    raise

    def _find(self) -> int | None:
        if self.calls is None:
            return None
        try:
            return self.calls.keyctl(_SEARCH, _USER_SESSION_KEYRING, b"user", self._description, 0)
        except KernelError:
            return None

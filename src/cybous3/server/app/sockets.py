"""Listening sockets: bound once, by the first process, so that an address in use is one clear sentence.

Several workers get a socket each on the same port where the kernel spreads connections over such sockets (Linux);
elsewhere they share one. Either way the first process keeps them open, so that no connection is lost while a worker
restarts.
"""

import errno
import socket
import sys
from typing import Final

from cybous3.server.app.problems import AddressInUseError, StartError

SPREADS: Final = sys.platform == "linux"
_BACKLOG: Final = 1024


def listen(address: tuple[str, int], option: str, *, shared: bool = False) -> socket.socket:
    """Return a socket that listens on the address. AddressInUseError, StartError; they name the option."""
    host, port = address
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _cannot_listen(address, option, error) from error
    try:
        _set_options(sock, shared=shared)
        sock.bind(where)
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        raise _cannot_listen(address, option, error) from error
    return sock


def listen_many(address: tuple[str, int], option: str, count: int, *, spreads: bool = SPREADS) -> list[socket.socket]:
    """Return the sockets for `count` workers: that many, or one for all to share."""
    first = listen(address, option)
    if count == 1 or not spreads:
        return [first]
    # The first was exclusive, and so has found out whether anybody else is there; now we share among ourselves.
    bound = address_of(first)
    first.close()
    return [listen(bound, option, shared=True) for _ in range(count)]


def address_of(sock: socket.socket) -> tuple[str, int]:
    """Return host and port as actually bound."""
    host, port = sock.getsockname()[:2]
    return str(host), int(port)


def _set_options(sock: socket.socket, *, shared: bool) -> None:
    if sys.platform == "win32":  # there SO_REUSEADDR would let a second server take the port over
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
    else:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)


def _cannot_listen(address: tuple[str, int], option: str, error: OSError) -> StartError:
    shown = f"{address[0]}:{address[1]}"
    if error.errno == errno.EADDRINUSE:
        return AddressInUseError(
            f"cannot listen on {shown} ({option}): the address is in use",
            hint=f"stop the program that listens there, or choose another port with {option} (0 takes a free one)",
        )
    return StartError(f"cannot listen on {shown} ({option}): {(error.strerror or str(error)).lower()}")

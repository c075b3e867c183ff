"""Keep-alive connections shared by threads: the last one returned is the first one used, and idle ones expire."""

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from cybous3.client.stores.errors import UntrustedServer
from cybous3.client.stores.s3.connection import Connection, Timeouts, connect
from cybous3.client.stores.s3.endpoint import Endpoint

if TYPE_CHECKING:
    import ssl

IDLE_MAX = 64
# Common servers close idle connections after 60 s or more, ours after its own limit; AWS after about 20.
IDLE_SECONDS_MAX = 15.0
# A connection given back so lately is taken as it is: a server that closes it between two requests of a run says so in
# its answer. Looking costs a poll for each request; should it be closed after all, a call that may be repeated is.
_SURELY_OPEN_SECONDS = 0.2


class Pool:
    """The connections to one host of one endpoint. How many are in use at once is the callers' choice."""

    def __init__(self, endpoint: Endpoint, host: str, context: "ssl.SSLContext | None", timeouts: Timeouts) -> None:
        self._endpoint, self._host = endpoint, host
        self._context, self._timeouts = context, timeouts
        self._idle: list[Connection] = []
        self._lock = threading.Lock()

    def take(self, *, carefully: bool = True) -> tuple[Connection, bool]:
        """Return a connection and whether it was used before; a used one may turn out to be closed.

        `carefully`: look at it first, however lately it was used; for calls that cannot be repeated.
        """
        now_s = time.monotonic()
        oldest_s, sure_s = now_s - IDLE_SECONDS_MAX, now_s - _SURELY_OPEN_SECONDS
        while True:
            with self._lock:
                if not self._idle:
                    break
                connection = self._idle.pop()
            used_s = connection.last_used_s
            if (used_s > sure_s and not carefully) or (used_s > oldest_s and connection.seems_alive()):
                return connection, True
            connection.close()
        return self.fresh(), False

    def fresh(self) -> Connection:
        """Open a new connection."""
        return connect(self._endpoint, self._host, self._context, self._timeouts)

    def give_back(self, connection: Connection) -> None:
        """Keep the connection for the next request, or close it if it cannot serve one."""
        if connection.reusable:
            connection.last_used_s = time.monotonic()
            with self._lock:
                if len(self._idle) < IDLE_MAX:
                    self._idle.append(connection)
                    return
        connection.close()

    def close(self) -> None:
        """Close what is idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()


def tls_context(endpoint: Endpoint, ca_file: Path | None) -> "ssl.SSLContext | None":
    """Return what proves the server's identity: the system's authorities, or only those in `ca_file`.

    None for an endpoint without TLS. There is no way to switch the proof off.
    """
    if not endpoint.secure:
        return None
    import ssl  # noqa: PLC0415  # 5 ms that an endpoint without TLS does not need

    try:
        context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except (OSError, ssl.SSLError) as error:
        raise UntrustedServer(f"{ca_file}: no certificates can be read from it: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context

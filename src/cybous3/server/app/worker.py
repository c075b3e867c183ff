"""One worker process, `python -m cybous3.server.app.worker_process`: started by the supervisor and told what to do.

Ends with 0 after a drain, with 1 when it cannot start, and at once when the supervisor is gone.
"""

import asyncio
import json
import os
import socket
import sys
from importlib.metadata import version
from typing import Any

import structlog

from cybous3.core.errors import CybousError
from cybous3.server.admin.metrics import Metrics
from cybous3.server.app.front import Counting, open_port
from cybous3.server.app.lean import warm
from cybous3.server.app.logs import configure
from cybous3.server.app.loop import Stop, run
from cybous3.server.app.node import open_node
from cybous3.server.app.supervisor import READY
from cybous3.server.config.load import undump
from cybous3.server.config.settings import ServerConfig

_log = structlog.get_logger("cybous3.app")


async def work(config: ServerConfig, slot: str, sock: socket.socket) -> None:
    """Serve until told to drain."""
    stop = Stop()
    stop.on_signals()
    await _watch_supervisor()
    counting = Counting(Metrics(version("cybous3")))
    async with open_node(config, slot, counting.observe) as node:
        edge = await open_port(config, [sock], node.service)
        counting.watch(edge, node.store.commits, node.index)
        os.write(sys.stdout.fileno(), READY)
        await asyncio.to_thread(warm)
        await stop.wished()
        await edge.drain(config.drain_timeout_s)
        counting.publish()


async def _watch_supervisor() -> None:
    """End at once, as in a crash, when the supervisor's end of our input closes."""

    class Lifeline(asyncio.Protocol):
        def connection_lost(self, exc: Exception | None) -> None:
            del exc
            os._exit(1)

    await asyncio.get_running_loop().connect_read_pipe(Lifeline, sys.stdin)


def main() -> int:
    """Read the order and work."""
    line = sys.stdin.buffer.readline()
    if not line:  # the supervisor ended before there was anything to do
        return 0
    order: dict[str, Any] = json.loads(line)
    config = undump(order["config"])
    configure(config.log_level, config.log_format)
    try:
        with socket.socket(fileno=order["socket"]) as sock:
            run(work(config, order["slot"], sock))
    except CybousError as error:
        _log.error("worker cannot start", slot=order["slot"], reason=error.message)
        return error.exit_code
    return 0

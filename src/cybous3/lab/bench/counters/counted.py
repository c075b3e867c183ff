"""Runs `swifts3` or `cybs3` in a process that counts its own work.

Usage: `python -m cybous3.lab.bench.counters.counted DESCRIPTOR SCRATCH PROGRAM ARGUMENT...`

The descriptor is a socket: each byte that comes in is answered by one line of JSON, the counters so far; the last line
is written when the program ends. What the telling does is not counted.
"""

import json
import runpy
import socket
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cybous3.lab.bench.counters import taps
from cybous3.lab.bench.counters.tally import Tally

PROGRAMS: Final[Mapping[str, str]] = {"swifts3": "cybous3.cli.swifts3", "cybs3": "cybous3.cli.cybs3"}
"""The modules that are run, as `python -m` runs them, after the taps are set."""


def _tell(link: socket.socket, tally: Tally) -> None:
    while link.recv(1):
        _say(link, tally)


def _say(link: socket.socket, tally: Tally) -> None:
    link.sendall(json.dumps(tally.snapshot()).encode() + b"\n")


def main() -> int:
    """Count, run, tell."""
    descriptor, scratch, program, *arguments = sys.argv[1:]
    link, tally = socket.socket(fileno=int(descriptor)), Tally()
    threading.Thread(target=_tell, args=(link, tally), daemon=True).start()
    taps.install(tally, Path(scratch), calls=program == "swifts3")
    sys.argv[1:] = arguments
    try:
        runpy.run_module(PROGRAMS[program], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    finally:
        sys.setprofile(None)
        if program == "cybs3":
            _say(link, tally)
    return 0


if __name__ == "__main__":
    sys.exit(main())

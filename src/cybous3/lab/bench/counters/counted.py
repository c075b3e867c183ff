"""Runs `swifts3` or `cybs3` in a process that counts its own work.

Usage: `python -m cybous3.lab.bench.counters.counted DESCRIPTOR SCRATCH PROGRAM ARGUMENT...`

The descriptor is a socket: each byte that comes in is answered by one line of JSON, the counters so far; the last line
is written when the program ends. What the telling does is not counted.
"""

import json
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from cybous3.lab.bench.counters import taps
from cybous3.lab.bench.counters.tally import Tally


def _swifts3(arguments: list[str]) -> int:
    from cybous3.cli.shell import run  # noqa: PLC0415  # the program is imported after the taps are set
    from cybous3.cli.swifts3_commands import swifts3  # noqa: PLC0415  # likewise

    return run("swifts3", arguments, swifts3)


def _cybs3(arguments: list[str]) -> int:
    sys.setswitchinterval(0.0005)  # as its own entry point does
    from cybous3.cli.shell import run  # noqa: PLC0415  # likewise

    return run("cybs3", arguments)


PROGRAMS: Final[Mapping[str, Callable[[list[str]], int]]] = {"swifts3": _swifts3, "cybs3": _cybs3}


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
    code = PROGRAMS[program](arguments)
    sys.setprofile(None)
    if program == "cybs3":
        _say(link, tally)
    return code


if __name__ == "__main__":
    sys.exit(main())

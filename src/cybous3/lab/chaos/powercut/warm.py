"""A Python program that is run hundreds of times: its modules are imported once, and every run is a fork of that.

Each run is a process of its own with its own arguments, environment and end, as if it had been started; only the half
second that imports take is paid once.
"""

import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

RUN_S_MAX: Final = 60
"""A run that takes longer is ended; its code is then that of the signal, below zero."""

_SAID_CHARACTERS: Final = 300


class Warm:
    """A module that can be run, and the modules that its runs need. Used as a context manager."""

    def __init__(
        self, module: str, preload: Sequence[str], environment: Mapping[str, str], run_s_max: int = RUN_S_MAX
    ) -> None:
        code = f"import {', '.join((__name__, *preload))}; {__name__}.serve({module!r}, {run_s_max})"
        self._process = subprocess.Popen(  # noqa: S603  # our own interpreter, names of our own modules
            [sys.executable, "-c", code],
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def run(self, words: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str]:
        """Run the module with these arguments; return its exit code and its last words. OSError when it is gone."""
        with tempfile.NamedTemporaryFile() as said:
            assert self._process.stdin is not None  # noqa: S101  # asked for above
            assert self._process.stdout is not None  # noqa: S101  # likewise
            order = {"words": list(words), "environment": dict(environment), "said": said.name}
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
            if not answer:
                raise BrokenPipeError("the process that runs commands has ended")
            return int(answer), said.read().decode("utf-8", "replace").strip()[-_SAID_CHARACTERS:]


def serve(module: str, run_s_max: int) -> None:
    """Read runs from standard input, one a line, until it ends; answer each with its exit code."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            signal.alarm(run_s_max)
            _become(module, json.loads(line))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        sys.stdout.write(f"{code}\n")
        sys.stdout.flush()


def _become(module: str, order: dict[str, Any]) -> None:
    code = 1
    try:
        code = _run(module, order)
    finally:  # whatever it is, this process ends here and never returns to the loop above
        os._exit(code)


def _run(module: str, order: dict[str, Any]) -> int:
    said = os.open(order["said"], os.O_WRONLY)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for old, new in ((nothing, 0), (said, 1), (said, 2)):
        os.dup2(old, new)
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.argv = [module, *order["words"]]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0

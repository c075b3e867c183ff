"""Small requests by `wrk`, where it is there: a load generator in C that costs less than any server it is pointed at.

The requests are signed beforehand (presigned URLs), so that a loop over finished bytes is all that is timed. wrk counts
from the real start, in a closed loop, and does not look at bodies; that bodies are right is seen before, by reading
each object once, and after, by the bytes that came. It cannot do HEAD (it waits for a body) and takes whole seconds.
"""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cybous3.core.errors import CybousError

_GRACE_S: Final = 60.0
_TAG: Final = "CYBS3-WRK "
# One thread: with one connection it is all there is, and with 16 it is far from busy. Errors by kind, as wrk has them.
_SCRIPT: Final = """
local ready, at = {}, 0
function init(args)
  local body = nil
  if args[3] then local file = io.open(args[3], "rb"); body = file:read("*a"); file:close() end
  for path in io.lines(args[2]) do ready[#ready + 1] = wrk.format(args[1], path, nil, body) end
end
function request() at = at % #ready + 1; return ready[at] end
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '%s{"requests":%d,"seconds":%f,"bytes":%d,"p50":%d,"p99":%d,"connect":%d,"read":%d,"write":%d,' ..
    '"status":%d,"timeout":%d}', "TAG", summary.requests, summary.duration / 1e6, summary.bytes,
    latency:percentile(50), latency:percentile(99), e.connect, e.read, e.write, e.status, e.timeout))
end
"""


class WrkFailed(CybousError):
    """wrk ended without figures."""

    exit_code = 5


@dataclass(frozen=True, slots=True)
class Sample:
    """What one short stretch of load gave. `errors` by kind, none left out; rate and bytes count what succeeded."""

    rate: float
    bytes_per_s: float
    p50_us: float
    p99_us: float
    count: int
    errors: Mapping[str, int] = field(default_factory=dict)


def available() -> str | None:
    """Return where wrk is, None if it is not there."""
    return shutil.which("wrk")


def run(
    base: str, method: str, paths: Sequence[str], folder: Path, *, clients: int, seconds: int, body: bytes | None = None
) -> Sample:
    """Send the requests round and round for whole `seconds` over `clients` connections; `folder` is for its scripts.

    `paths` are raw, with their query. Raises WrkFailed.
    """
    script, listing = folder / "load.lua", folder / "paths.txt"
    script.write_text(_SCRIPT.replace("TAG", _TAG), encoding="utf-8")
    listing.write_text("".join(f"{path}\n" for path in paths), encoding="utf-8")
    arguments = [method, str(listing)]
    if body is not None:
        (folder / "body.bin").write_bytes(body)
        arguments.append(str(folder / "body.bin"))
    command = [available() or "wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "-s", str(script), base, "--", *arguments]
    try:
        done = subprocess.run(  # noqa: S603  # a program of the system, our own arguments
            command, capture_output=True, text=True, timeout=seconds + _GRACE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WrkFailed(f"wrk did not run: {error}") from error
    return parse(done.stdout, done.stderr)


def parse(output: str, problems: str = "") -> Sample:
    """Return the figures in what wrk wrote. Raises WrkFailed where there are none."""
    _, tag, rest = output.partition(_TAG)
    if not tag:
        last = (problems or output).strip().splitlines() or ["nothing was said"]
        raise WrkFailed(f"wrk ended without figures: {last[-1][:200]}")
    told = json.loads(rest.splitlines()[0])
    errors = {kind: told[kind] for kind in ("connect", "read", "write", "status", "timeout") if told[kind]}
    good = max(0, told["requests"] - told["status"])
    seconds = told["seconds"] or 1.0
    share = good / told["requests"] if told["requests"] else 0.0
    return Sample(good / seconds, told["bytes"] * share / seconds, told["p50"], told["p99"], told["requests"], errors)

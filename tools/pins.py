"""Renew the pins: resolve pyproject.toml and requirements/*.in into requirements/*.txt, with hashes.

One resolution serves every platform and Python from 3.11 on (environment markers stand in the files), and dev.txt
agrees with run.txt. The files name packages, versions and hashes; they never name an index or an address, so that each
machine installs from wherever its own pip is configured to look.

Usage: tools/pins.py [--upgrade] [--upgrade-package NAME]...    Without options, existing pins stay where they can.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# output, and what it is resolved from; run.txt comes first because dev.txt must agree with it
PINS = (
    ("requirements/run.txt", ["pyproject.toml"]),
    ("requirements/build.txt", ["requirements/build.in"]),
    (
        "requirements/dev.txt",
        [
            *("pyproject.toml", "--extra", "bench", "requirements/build.in", "requirements/dev.in"),
            *("--constraint", "requirements/run.txt", "--constraint", "requirements/build.txt"),
        ],
    ),
)
OPTIONS = ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-header", "--quiet"]


def main(extra: list[str]) -> int:
    """Resolve each file in turn; the first failure ends it with the resolver's own code."""
    # An index or a folder of wheels named by the environment must not leave a trace in the files.
    clean = {name: value for name, value in os.environ.items() if name not in {"UV_FIND_LINKS", "PIP_FIND_LINKS"}}
    for output, sources in PINS:
        command = [sys.executable, "-m", "uv", "pip", "compile", *OPTIONS, *extra, *sources, "-o", output]
        done = subprocess.run(command, cwd=ROOT, env=clean, check=False)
        if done.returncode:
            return done.returncode
        print(f"{output}: {sum('==' in line for line in (ROOT / output).read_text().splitlines())} pins")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

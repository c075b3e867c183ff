"""Run every scenario that comes with the program against our own server, then a soak. Behind `make chaos`.

Usage: tools/chaos.py [--soak MINUTES]   (0: none)
A scenario for which this machine lacks something is named with the reason. Exit 1: something failed.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from cybous3.lab.chaos import shipped
from cybous3.lab.chaos.errors import CannotInject
from cybous3.lab.chaos.faults.registry import CATALOGUE, check_possible

ROOT = Path(__file__).resolve().parent.parent
CHAOS = (sys.executable, "-m", "cybous3.cli.cybs3", "chaos")
RESULTS = ("--quiet", "--results", str(ROOT / ".tools" / "chaos"))


def lacking(name: str) -> str:
    """Return what this machine lacks for a scenario, "" if nothing."""
    try:
        check_possible(shipped.load(name, CATALOGUE))
    except CannotInject as error:
        return error.message
    return ""


def main() -> int:
    """Run all and return the exit code."""
    parser = argparse.ArgumentParser(description="every shipped chaos scenario, and a soak")
    parser.add_argument("--soak", type=float, default=10.0, metavar="MINUTES", help="0: none (default: 10)")
    minutes = parser.parse_args().soak
    failed = []
    for name in shipped.names():
        reason = lacking(name)
        if reason:
            print(f"chaos: {name} left out: {reason}")
        elif subprocess.run([*CHAOS, "run", name, *RESULTS], check=False).returncode:
            failed.append(name)
    if minutes and subprocess.run([*CHAOS, "soak", "--minutes", f"{minutes:g}", *RESULTS], check=False).returncode:
        failed.append("soak")
    print(f"chaos: failed: {', '.join(failed)}" if failed else "chaos: ok")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

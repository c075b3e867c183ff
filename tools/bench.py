"""Counts what every operation costs and compares with the stored counters: `make bench` runs it.

    tools/bench.py               count, compare, time; exit code 1 when a counter is not what is stored
    tools/bench.py --update      the same, and store what was counted
    tools/bench.py --show        print the whole table of counters
    tools/bench.py --repeat 3    count three times over: the gated counters must not differ between them

The counters are exact and gate; times are printed with their noise and never do. A difference is either a defect or an
improvement: read the table, and if it is what you meant, store it with --update and commit stored.json with the change.
"""

import argparse
import sys

from cybous3.lab.bench.counters import times
from cybous3.lab.bench.counters.compare import Difference, aligned, report
from cybous3.lab.bench.counters.gate import STORED, Counted, count, renewed, stored_counters
from cybous3.lab.bench.counters.measure import filled, scratch

HINT = "if this is what the change was meant to do: make bench UPDATE=1, and commit stored.json with it"


def say(text: str) -> None:
    """Tell what is being done."""
    print(f"  counting: {text}", file=sys.stderr)


def show(counted: Counted) -> str:
    """Return every counter that was seen; those that depend on timing are marked."""
    rows = [("scenario", "counter", "each time", "")]
    for costs in counted.sections.values():
        for name, cost in costs.items():
            for counter, value in sorted(cost.counts.items()):
                free = counter.startswith(cost.loose or (" ",))
                rows.append((name, counter, f"{value:,}", "not gated" if free else ""))
    return aligned(rows)


def judge(found: list[Difference], *, update: bool) -> int:
    """Print what differs, and return the exit code."""
    if not found:
        print("counters: every operation costs what is stored")
        return 0
    print(report(found))
    print(f"counters: {len(found)} of them are not what is stored" + ("; stored anew" if update else f"\n{HINT}"))
    return 0 if update else 1


def time_it() -> None:
    """Print the quick set of times."""
    with scratch() as folder:
        timings = times.take(folder, filled(folder))
    print("times, for orientation (one connection, one request at a time; strict durability: every PUT synced):")
    print(times.table(timings))


def main() -> int:
    """Count, compare, time."""
    parser = argparse.ArgumentParser(description="Count what operations cost, and compare with what is stored.")
    parser.add_argument("--update", action="store_true", help="store what was counted")
    parser.add_argument("--show", action="store_true", help="print every counter")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="count N times over")
    parser.add_argument("--no-kernel", action="store_true", help="leave the system calls out")
    parser.add_argument("--no-times", action="store_true", help="leave the clock out")
    options = parser.parse_args()
    code = 0
    for number in range(options.repeat):
        with scratch() as folder:
            counted = count(folder, say, with_kernel=not options.no_kernel)
        if options.show:
            print(show(counted))
        for what, why in counted.skipped.items():
            print(f"not counted: {what}: {why}")
        update, stored = options.update and number == 0, stored_counters()
        found = counted.against(stored)
        if update:
            STORED.write_text(renewed(stored, counted).dump(), encoding="utf-8")
        code = max(code, judge(found, update=update))
    if not options.no_times:
        time_it()
    return code


if __name__ == "__main__":
    sys.exit(main())

"""Write vectors/linearizability/etcd.txt from the etcd histories that Porcupine publishes.

    go mod download -json github.com/anishathalye/porcupine@v1.3.1   # names the folder in "Dir"
    .venv/bin/python tools/linearizability_vectors.py FOLDER

Only data is taken: who did what when, and which verdict stands in porcupine_test.go.
"""

import re
import sys
from pathlib import Path

TARGET = Path(__file__).resolve().parents[1] / "vectors" / "linearizability" / "etcd.txt"
EVENT = re.compile(r"INFO\s+jepsen\.util - (\d+)\s+:(invoke|ok|fail|info)\s+:(read|write|cas)\s+(.*)")
VERDICT = re.compile(r"checkJepsen\(t, (\d+), (true|false)\)")
VERDICTS = {"true": "linearizable", "false": "not-linearizable"}


def call(verb: str, argument: str) -> str:
    """Return a call in our letters."""
    if verb == "read":
        return "r"
    if verb == "write":
        return f"w{argument}"
    expected, value = argument.strip("[]").split()
    return f"s{expected}>{value}"


def outcome(verb: str, kind: str, argument: str) -> str:
    """Return an answer in our letters; "?" for one that never came or does not tell."""
    if verb == "read" and kind == "ok":
        return "nil" if argument == "nil" else f"={argument}"
    if kind == "ok":
        return "ok"
    return "no" if verb == "cas" and kind == "fail" and argument.startswith("[") else "?"


def history(log: str) -> list[str]:
    """Return one line for each operation, in the order in which they began."""
    rows: list[list[str]] = []
    open_calls: dict[str, list[str]] = {}
    events = [match.groups() for line in log.splitlines() if (match := EVENT.match(line))]
    for moment, (client, kind, verb, argument) in enumerate(events):
        if kind == "invoke":
            open_calls[client] = [str(moment), "-", client, call(verb, argument), "?"]
            rows.append(open_calls[client])
            continue
        said = outcome(verb, kind, argument)
        if said != "?":
            open_calls[client][1], open_calls[client][4] = str(moment), said
    return [" ".join(row) for row in rows]


def main() -> None:
    """Read the module's folder named on the command line, write the bundle."""
    folder = Path(sys.argv[1])
    verdicts = dict(VERDICT.findall((folder / "porcupine_test.go").read_text("utf-8")))
    lines = ["# Histories of etcd, see README.md. Written by tools/linearizability_vectors.py."]
    for path in sorted((folder / "test_data" / "jepsen").glob("etcd_*.log")):
        verdict = VERDICTS.get(verdicts.get(str(int(path.stem[-3:])), ""), "no-verdict")
        lines += [f"== {path.stem} {verdict}", *history(path.read_text("utf-8"))]
    TARGET.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{sum(line.startswith('==') for line in lines)} histories, {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()

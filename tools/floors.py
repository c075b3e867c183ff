"""Prove the import contracts: the tree keeps them, and each one really bites.

A contract with a misspelt module name passes in silence. So after linting the tree itself, one forbidden import per
contract is planted in a copy of the tree, and exactly that contract must break. Every contract in pyproject.toml needs
its fault in FAULTS below; a contract without one fails this check, so a new contract brings its proof with it.

Usage: tools/floors.py
"""

import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Fault:
    """A file of one or more import lines which the named contract must refuse."""

    contract: str
    module: str
    lines: str


# The module is written into the copy; where a module of that name exists, the lines are added at its end.
FAULTS = (
    Fault("House: core at the bottom, tools on top", "core/planted.py", "import cybous3.crypto"),
    Fault(
        "Zero knowledge: the server side cannot open what the client sealed",
        "server/wire/planted.py",
        "import cybous3.crypto",
    ),
    Fault("The client stands on core and crypto alone", "client/keys/planted.py", "import cybous3.server"),
    Fault("The server enters the key service by its client", "server/store/planted.py", "import cybous3.kms"),
    Fault("Pure: bytes and values in, bytes and values out", "crypto/planted.py", "import os"),
    Fault("Server floors", "server/model/planted.py", "import cybous3.server.service"),
    Fault("SQL is spoken in meta only", "server/store/planted.py", "import sqlite3"),
    Fault(
        "Inside the server, only app names an adapter", "server/store/planted.py", "import cybous3.server.meta.sqlite"
    ),
    Fault("Client floors", "client/keys/planted.py", "import cybous3.client.sync"),
    Fault("No cycles", "lab/planted.py", "import cybous3.cli.planted_too"),
)
# The other half of the cycle: cli may import lab and lab may import cli, but not both at once.
ACCOMPLICES = {"No cycles": Fault("No cycles", "cli/planted_too.py", "import cybous3.lab.planted")}


def contracts() -> list[str]:
    """Return the names of all contracts, as pyproject.toml has them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return [contract["name"] for contract in settings["tool"]["importlinter"]["contracts"]]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on the tree under `folder`, whose own src comes first on the path."""
    code = "import sys; sys.path.insert(0, 'src'); from importlinter.cli import lint_imports; sys.exit(lint_imports())"
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True, encoding="utf-8")


@contextmanager
def planted(fault: Fault) -> Iterator[Path]:
    """Yield a copy of the tree that holds the fault, and remove it afterwards."""
    with tempfile.TemporaryDirectory(prefix="floors-") as name:
        copy = Path(name)
        shutil.copytree(ROOT / "src", copy / "src", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        for part in (fault, ACCOMPLICES.get(fault.contract)):
            if part is not None:
                with (copy / "src" / "cybous3" / part.module).open("a", encoding="utf-8") as file:
                    file.write(f"\n{part.lines}\n")
        yield copy


def outcome(report: str, contract: str) -> str:
    """Return what the report says of one contract: KEPT, BROKEN, or that it is not there."""
    match = re.search(rf"^{re.escape(contract)} (KEPT|BROKEN)", report, re.MULTILINE)
    return match[1] if match else "not in the report"


def bites(fault: Fault) -> str | None:
    """Return None when the planted fault breaks its contract, else what is wrong."""
    with planted(fault) as copy:
        done = lint(copy)
    verdict = outcome(done.stdout, fault.contract)
    if verdict == "BROKEN" and done.returncode:
        return None
    return (
        f"{fault.contract!r} does not bite: {fault.lines!r} in {fault.module} -> {verdict}\n{done.stdout}{done.stderr}"
    )


def main() -> int:
    """Lint the tree, then the planted faults; print what holds and return 1 when something does not."""
    clean = lint(ROOT)
    if clean.returncode:
        print(clean.stdout, clean.stderr, sep="")
        return 1
    names = contracts()
    faulty = [fault.contract for fault in FAULTS]
    if sorted(names) != sorted(faulty):
        print(f"contracts and planted faults differ: {sorted(set(names) ^ set(faulty))}; see FAULTS in tools/floors.py")
        return 1
    with ThreadPoolExecutor(max_workers=2) as pool:
        complaints = [complaint for complaint in pool.map(bites, FAULTS) if complaint]
    print("\n".join(complaints) or f"floors: ok, {len(names)} contracts kept, {len(FAULTS)} planted faults found")
    return 1 if complaints else 0


if __name__ == "__main__":
    raise SystemExit(main())

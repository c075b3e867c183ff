"""Rebuild what is generated and checked in, or (--check) say whether it is up to date.

GENERATORS is the whole list: the tool, and the files or folders it writes. `--check` works on a copy, so it never
touches the tree, whoever else is working in it; a difference fails, and `make generate` is the cure.

Usage: tools/generate.py [--check]
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("src", "tools", "tests", "docs", "vectors", "pyproject.toml")

GENERATORS = (
    ("tools/generate_operations.py", ("src/cybous3/server/wire/generated", "docs/reference/operations.md")),
    ("tools/generate_cli_reference.py", ("docs/reference/cli.md",)),
    ("tools/make_vectors.py", ("vectors/format-v1", "docs/spec/worked-example.md")),
    ("tools/generate_reference.py", ("docs/reference/config.md", "docs/reference/errors.md")),
)


def snapshot(root: Path, outputs: tuple[str, ...]) -> dict[str, bytes]:
    """Return every file under the outputs, by its name below `root`, with its bytes."""
    found: dict[str, bytes] = {}
    for name in outputs:
        path = root / name
        files = [path] if path.is_file() else [item for item in path.rglob("*") if item.is_file()]
        kept = (item for item in files if "__pycache__" not in item.parts)
        found |= {item.relative_to(root).as_posix(): item.read_bytes() for item in kept}
    return found


def run(root: Path, tool: str) -> None:
    """Run one generator on the tree at `root`; what it says in anger is shown, and ends the run."""
    environment = {**os.environ, "PYTHONPATH": str(root / "src")}
    command = [sys.executable, str(root / tool)]
    done = subprocess.run(command, cwd=root, env=environment, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{tool} failed:\n{done.stdout}{done.stderr}")


def changed(root: Path) -> list[str]:
    """Run every tool on the tree at `root` and return the outputs that it changed."""
    found: set[str] = set()
    for tool, outputs in GENERATORS:
        before = snapshot(root, outputs)
        run(root, tool)
        after = snapshot(root, outputs)
        found |= {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    return sorted(found)


def changed_in_a_copy() -> list[str]:
    """Return what the tools would change, and change nothing."""
    with tempfile.TemporaryDirectory(prefix="generated-") as folder:
        copy = Path(folder)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            elif source.exists():
                shutil.copy(source, copy / name)
        return changed(copy)


def main(arguments: list[str]) -> int:
    """Run every generator; with --check nothing is changed and a difference is a failure."""
    check = arguments == ["--check"]
    if arguments and not check:
        sys.exit(__doc__)
    names = changed_in_a_copy() if check else changed(ROOT)
    for name in names:
        print(f"{'not up to date' if check else 'rebuilt'}: {name}")
    if check and names:
        print("run `make generate` and commit what it writes")
        return 1
    print("generated: ok")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

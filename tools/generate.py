"""Rebuild what is generated and checked in, or (--check) say whether it is up to date.

GENERATORS is the whole list: the tool, and the files or folders it writes. `--check` runs every tool, compares what it
wrote with what stood there before, puts the old files back and fails on a difference; `make generate` then is the cure.

Usage: tools/generate.py [--check]
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

GENERATORS = (
    ("tools/generate_operations.py", ("src/cybous3/server/wire/generated", "docs/reference/operations.md")),
    ("tools/generate_cli_reference.py", ("docs/reference/cli.md",)),
    ("tools/make_vectors.py", ("vectors/format-v1", "docs/spec/worked-example.md")),
    ("tools/generate_reference.py", ("docs/reference/config.md", "docs/reference/errors.md")),
)


def snapshot(outputs: tuple[str, ...]) -> dict[Path, bytes]:
    """Return every file under the outputs with its bytes."""
    found: dict[Path, bytes] = {}
    for name in outputs:
        path = ROOT / name
        files = [path] if path.is_file() else [item for item in path.rglob("*") if item.is_file()]
        found |= {item: item.read_bytes() for item in files if "__pycache__" not in item.parts}
    return found


def restore(outputs: tuple[str, ...], before: dict[Path, bytes]) -> None:
    """Put the outputs back as they were."""
    for path in snapshot(outputs).keys() - before.keys():
        path.unlink()
    for path, content in before.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def run(tool: str) -> None:
    """Run one generator; what it says in anger is shown, and ends the run."""
    done = subprocess.run([sys.executable, tool], cwd=ROOT, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{tool} failed:\n{done.stdout}{done.stderr}")


def stale(tool: str, outputs: tuple[str, ...], *, keep: bool) -> list[str]:
    """Run the tool and return the outputs that changed; `keep` leaves the new ones in place."""
    before = snapshot(outputs)
    try:
        run(tool)
        after = snapshot(outputs)
    finally:
        if not keep:
            restore(outputs, before)
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    return sorted(str(path.relative_to(ROOT)) for path in changed)


def main(arguments: list[str]) -> int:
    """Run every generator; with --check nothing is left changed and a difference is a failure."""
    check = arguments == ["--check"]
    if arguments and not check:
        sys.exit(__doc__)
    changed = [name for tool, outputs in GENERATORS for name in stale(tool, outputs, keep=not check)]
    for name in changed:
        print(f"{'not up to date' if check else 'rebuilt'}: {name}")
    if check and changed:
        print("run `make generate` and commit what it writes")
        return 1
    print("generated: ok")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

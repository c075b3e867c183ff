"""Makes the vectors of our own format, vectors/format-v1/, and the worked example of the specification.

    python tools/make_vectors.py            writes them
    python tools/make_vectors.py --check    says what differs and fails, writes nothing

All randomness comes from a tape that a label seeds, so the same files come out everywhere. A vector is a JSON file, one
case each; long bodies lie beside it as .bin; failures are a good case with changes. vectors/format-v1/README.md says
how to apply them.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that it runs as a script; its parts are a package

from tools.format_vectors import authenticated  # noqa: E402 - behind the path
from tools.format_vectors.common import Bench  # noqa: E402 - behind the path
from tools.format_vectors.names import names  # noqa: E402 - behind the path
from tools.format_vectors.objects import objects  # noqa: E402 - behind the path
from tools.format_vectors.spelling import spelling  # noqa: E402 - behind the path
from tools.format_vectors.vaults import make_vault, vaults  # noqa: E402 - behind the path
from tools.format_vectors.worked_example import worked_example  # noqa: E402 - behind the path
from tools.format_vectors.wraps import wraps  # noqa: E402 - behind the path

FOLDER = ROOT / "vectors" / "format-v1"
EXAMPLE = ROOT / "docs" / "spec" / "worked-example.md"


def build() -> dict[Path, bytes]:
    """Return every file this tool owns, apart from the README."""
    bench, bodies = Bench(), dict[str, bytes]()
    sections = {
        "spelling": spelling(),
        "objects": chain(objects(bench, bodies), authenticated.objects(bench, bodies)),
        "wraps": wraps(bench),
        "names": chain(names(bench), authenticated.names(bench)),
        "vaults": chain(vaults(), authenticated.vaults(make_vault())),
    }
    files = {
        FOLDER / section / f"{name}.json": (json.dumps(each, indent=2, ensure_ascii=True) + "\n").encode()
        for section, cases in sections.items()
        for name, each in cases
    }
    files |= {FOLDER / "objects" / name: body for name, body in bodies.items()}
    files[EXAMPLE] = worked_example().encode()
    return files


def differences(files: Mapping[Path, bytes]) -> list[str]:
    """Say which files are missing, different or not ours any more."""
    found = {path for path in FOLDER.rglob("*") if path.is_file() and path.name != "README.md"}
    stale = [f"not made by this tool: {path.relative_to(ROOT)}" for path in sorted(found - set(files))]
    changed = [path for path, data in files.items() if not path.exists() or path.read_bytes() != data]
    return stale + [f"missing or different: {path.relative_to(ROOT)}" for path in changed]


def main() -> int:
    """Write or check; 1 when checking found a difference."""
    parser = argparse.ArgumentParser(description="make or check the vectors of the object format")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file differs")
    files = build()
    if parser.parse_args().check:
        found = differences(files)
        print("\n".join(found) or f"{len(files)} files are as they should be")
        return 1 if found else 0
    for path, data in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    print(f"{len(files)} files written")
    return 0


if __name__ == "__main__":
    sys.exit(main())

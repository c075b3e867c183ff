"""Programs of the system that inject or watch: on the path, or unpacked below `.tools/` by tools/debian.sh.

What was unpacked there was installed nowhere: it needs the library path that comes with it, and a script of it that
names files by absolute paths may still miss them.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_PROGRAM_FOLDERS: Final = ("usr/bin", "bin", "usr/sbin", "sbin")
_LIBRARY_FOLDERS: Final = ("usr/lib", "lib", "usr/lib/*-linux-gnu*", "lib/*-linux-gnu*")
_PACKAGES: Final = {"strace": "strace", "fusermount3": "fuse3", "fiu-run": "fiu-utils", "faketime": "faketime"}


@dataclass(frozen=True, slots=True)
class FoundProgram:
    """A program that is there, and what to add to the environment of whoever runs it."""

    path: str
    environment: Mapping[str, str] = field(default_factory=dict)


def find_program(name: str, tools: Path | None = None) -> FoundProgram | None:
    """Return the program, of the system if it has it. `tools`: where to look else (default: `tools_folder()`)."""
    found = shutil.which(name)
    if found:
        return FoundProgram(found)
    root = (tools or tools_folder()) / "root"
    for folder in _PROGRAM_FOLDERS:
        path = root / folder / name
        if path.is_file() and os.access(path, os.X_OK):
            libraries = ":".join(str(found) for found in _library_folders(root))
            return FoundProgram(str(path), {"LD_LIBRARY_PATH": libraries} if libraries else {})
    return None


def find_library(name: str, tools: Path | None = None) -> str | None:
    """Return the path of a shared object, as `faketime/libfaketime.so.1`; of the system if it has it."""
    roots = (Path("/"), (tools or tools_folder()) / "root")
    return next(
        (str(path) for root in roots for folder in _library_folders(root) if (path := folder / name).is_file()), None
    )


def how_to_get(name: str) -> str:
    """Return what to do when a program is missing."""
    package = _PACKAGES.get(name, name)
    return f"on Debian: apt install {package}, or without root: tools/debian.sh {package}"


def tools_folder() -> Path:
    """Return `.tools` of the working tree that this code lies in; of the current folder for an installed package."""
    above = Path(__file__).resolve().parents[5]
    return above / ".tools" if (above / "tools" / "debian.sh").is_file() else Path(".tools").absolute()


def _library_folders(root: Path) -> list[Path]:
    return sorted({found for pattern in _LIBRARY_FOLDERS for found in root.glob(pattern) if found.is_dir()})

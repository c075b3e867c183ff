"""On what machine a figure was taken, and whether two figures may be compared at all.

Two runs that differ in one of DECISIVE were taken on different ground: comparing them says nothing about the code.
"""

import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

DECISIVE: Final = ("cpu", "cores", "governor", "memory_mib", "kernel", "filesystem", "python", "system")
PACKAGES: Final = ("cybous3", "awscrt", "cryptography", "httptools", "uvloop")

_CPUINFO: Final = Path("/proc/cpuinfo")
_MOUNTS: Final = Path("/proc/self/mountinfo")
_GOVERNOR: Final = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
_UNKNOWN: Final = "unknown"


@dataclass(frozen=True)
class Fingerprint:
    """The machine and the software. `load` is the load average of one minute at the start, which decides nothing."""

    cpu: str
    cores: int
    governor: str
    memory_mib: int
    kernel: str
    filesystem: str
    python: str
    system: str
    commit: str
    packages: Mapping[str, str] = field(default_factory=dict)
    load: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads back."""
        return asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "Fingerprint":
        """Read a fingerprint back; TypeError for a document of another shape."""
        return Fingerprint(**data)


def unlike(first: Fingerprint, second: Fingerprint) -> tuple[str, ...]:
    """Return the names of the fields that forbid a comparison; empty: compare."""
    return tuple(name for name in DECISIVE if getattr(first, name) != getattr(second, name))


def take(folder: Path | None = None) -> Fingerprint:
    """Return this machine's fingerprint; `folder` is where the data lies (default: the working directory)."""
    import psutil  # noqa: PLC0415  # only benchmarks ask

    return Fingerprint(
        cpu=cpu_model(_text(_CPUINFO)),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        governor=_text(_GOVERNOR).strip() or "none",
        memory_mib=round(psutil.virtual_memory().total / 2**20),
        kernel=platform.release(),
        filesystem=filesystem_of(_text(_MOUNTS), (folder or Path.cwd()).resolve()),
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        commit=commit_of(Path(__file__).resolve().parent),
        packages={name: _installed(name) for name in PACKAGES},
        load=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else 0.0,
    )


def cpu_model(cpuinfo: str) -> str:
    """Return the processor's name from the text of /proc/cpuinfo, else what the platform calls it."""
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in {"model name", "Processor", "cpu model"}:
            return value.strip()
    return platform.processor() or platform.machine() or _UNKNOWN


def filesystem_of(mountinfo: str, folder: Path) -> str:
    """Return the type of the file system that holds `folder`: the deepest mount above it in the text of mountinfo."""
    best, found = -1, _UNKNOWN
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        point = left.split()[4].replace("\\040", " ")
        if folder.is_relative_to(point) and len(point) > best:
            best, found = len(point), right.split()[0]
    return found


def commit_of(folder: Path) -> str:
    """Return the commit the code was run from, with `+` behind it where files differ; "" for an installed package."""
    described = _git(folder, "rev-parse", "--short=12", "HEAD")
    if not described:
        return ""
    return described + ("+" if _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ".") else "")


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603  # fixed arguments
            ["git", *arguments],  # noqa: S607  # whichever git the person has
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""  # no git: the package's version has to do
    return done.stdout.strip() if done.returncode == 0 else ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""  # not on this system


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""

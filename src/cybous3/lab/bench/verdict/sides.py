"""What a person names as A and B, and what it is: an endpoint, a build of ours, or stored figures.

    http://host:port      an S3 endpoint that is there already
    own                   the server of this very installation
    FOLDER                a source tree: the folder with `src/cybous3` in it
    PYTHON                a Python executable with cybous3 installed beside it
    REVISION              a git revision of the repository one stands in; its files are taken out into a scratch folder
    FILE.jsonl            results that were stored earlier

Nothing is started here.
"""

import io
import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cybous3.core.errors import CybousError

OWN: Final = "own"
_GIT_S_MAX: Final = 60


class UnknownSide(CybousError):
    """A word names nothing that can be compared."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server that runs already."""

    url: str


@dataclass(frozen=True, slots=True)
class Build:
    """A `swifts3` that can be started: a Python, and the folder its code is imported from (None: what it has)."""

    python: Path
    source: Path | None = None


@dataclass(frozen=True, slots=True)
class Revision:
    """A git revision (the full name of a commit) that becomes a Build once its files are taken out."""

    commit: str

    def take_out(self, folder: Path) -> Build:
        """Write the commit's `src` below `folder`. The repository is only read: no worktree to forget in it."""
        packed = _git("archive", "--format=tar", self.commit, "src")
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            if hasattr(tarfile, "data_filter"):
                archive.extractall(folder, filter="data")
            else:  # Python 3.11.0 to 3.11.3; git packs plain files below `src`, and they are our own
                archive.extractall(folder)  # noqa: S202  # see above
        return Build(Path(sys.executable), folder / "src")


@dataclass(frozen=True, slots=True)
class Saved:
    """A file of stored results."""

    path: Path


Side = Endpoint | Build | Revision | Saved


def side_of(word: str) -> Side:
    """Return what a word names. Raises UnknownSide."""
    if word == OWN:
        return Build(Path(sys.executable))
    if word.startswith(("http://", "https://")):
        return Endpoint(word)
    path = Path(word)
    if path.is_dir():
        return _tree(path)
    if path.is_file():
        return _file(path)
    try:
        commit = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{word}^{{commit}}").decode().strip()
    except UnknownSide as error:
        raise UnknownSide(f"neither an endpoint, a folder, a file nor a git revision: {word!r}") from error
    return Revision(commit)


def _tree(folder: Path) -> Build:
    for source in (folder / "src", folder):
        if (source / "cybous3" / "cli" / "swifts3.py").is_file():
            return Build(Path(sys.executable), source.resolve())
    raise UnknownSide(f"no source tree of cybous3: {str(folder)!r}", hint="name the folder that has src/cybous3 in it")


def _file(path: Path) -> Side:
    if path.suffix == ".jsonl":
        return Saved(path)
    if os.access(path, os.X_OK):
        # Not resolved: a virtual environment is known by the link through which its Python is called.
        return Build(path.absolute())
    raise UnknownSide(f"neither stored results nor a Python: {str(path)!r}", hint="results end in .jsonl")


def _git(*arguments: str) -> bytes:
    command = ["git", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=_GIT_S_MAX)  # noqa: S603  # no shell
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnknownSide(f"git does not answer: {error}") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise UnknownSide(f"git {arguments[0]} failed: {said or 'no such revision'}")
    return done.stdout

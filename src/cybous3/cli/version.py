"""The version, read without importing anything heavy.

`importlib.metadata` would find it too, after importing the mail and archive packages: 25 ms for one word.
"""

import os
import sys

_NAME = "cybous3-"
_END = ".dist-info"


def version() -> str:
    """Return the version of the installed distribution, "unknown" where none is installed (a bare source tree)."""
    for folder in sys.path:
        found = _in_folder(folder)
        if found is not None:
            return found
    return "unknown"


def _in_folder(folder: str) -> str | None:
    """Return what the name of our metadata's folder in `folder` says, as installers must write it (PEP 427)."""
    try:
        names = os.listdir(folder or ".")  # noqa: PTH208  # pathlib costs more than all the rest
    except OSError:  # sys.path names archives and what does not exist
        return None
    for name in names:
        if name.startswith(_NAME) and name.endswith(_END):
            return name[len(_NAME) : -len(_END)]
    return None


def version_line(program: str) -> str:
    """Return what `program --version` prints."""
    return f"{program} {version()}"

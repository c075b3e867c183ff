"""The one place where a name that came from a server becomes a path on this machine.

A stored path is written by whoever holds the vault's keys, but it is also the one input of a restore that could
reach outside the folder a person named (rclone, huggingface_hub and b2 each had to learn it). So every restored path
passes here, and what would leave the destination, or name something that is no ordinary file there, is refused whole:
never repaired,
because a repaired name can collide with a real one.
"""

import os
import re
from pathlib import Path, PurePosixPath

from cybous3.client.transfer.temporary import sweep
from cybous3.core.errors import CybousError

# https://learn.microsoft.com/windows/win32/fileio/naming-a-file
_WINDOWS_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(\..*)?", re.IGNORECASE)
_WINDOWS_FORBIDDEN = re.compile(r'[<>:"|?*\\\x00-\x1f]')


class UnsafePath(CybousError):
    """A stored path cannot become a local one."""

    exit_code = 30


class BadPath(CybousError):
    """What a person wrote is no path that a vault can hold."""

    exit_code = 2


def local_path(root: Path, stored: str, *, windows: bool = os.name == "nt") -> Path:
    """Return the path below `root` for the stored path `stored`; raise `UnsafePath` unless it stays strictly inside.

    The check is of the text alone. Symbolic links that already lie inside `root` are the business of `inside`.
    """
    components = stored.split("/")
    for component in components:
        reason = _refusal(component, windows=windows)
        if reason:
            raise UnsafePath(
                f"the stored path {stored!r} cannot be written here: {reason}",
                hint="fetch it under another name: cybs3 files get STORED LOCAL",
            )
    return root.joinpath(*components)


def _refusal(component: str, *, windows: bool) -> str | None:
    """Return why `component` cannot be one ordinary name of this system, or None."""
    if component in ("", ".", ".."):
        return f"{component!r} is not a name"
    if "\0" in component or "/" in component:
        return "it holds a character no file name can"
    if len(component.encode("utf-8", "surrogatepass")) > 255:  # noqa: PLR2004  # NAME_MAX everywhere that counts
        return "a name is longer than 255 bytes"
    if windows:
        return _windows_refusal(component)
    return None


def _windows_refusal(component: str) -> str | None:
    if _WINDOWS_FORBIDDEN.search(component):
        return "it holds a character that Windows reserves"
    if component[-1] in ". ":
        return "Windows drops a dot or blank at the end of a name"
    if _WINDOWS_DEVICES.fullmatch(component):
        return "it is a device name on Windows"
    return None


def inside(root: Path, path: Path) -> Path:
    """Return `path` if its folder, symbolic links followed, is still below `root`; raise `UnsafePath` otherwise.

    Call it on the folder that exists just before writing: a link planted in the destination must not carry a restore
    elsewhere.
    """
    real_root = root.resolve()
    real = path.parent.resolve()
    if real != real_root and real_root not in real.parents:
        raise UnsafePath(
            f"{str(path)!r} leads outside the destination through a symbolic link",
            hint="remove the link, or restore into an empty folder",
        )
    return path


class Ground:
    """A destination that a tree is restored into: every file's folder is made and found to be inside, once a folder.

    A folder that was found inside is known again by what it is, not by its name: if another one stands there, or a
    link leads to another, it is examined anew, and rid of what killed runs left there. Safe from many threads.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[str, tuple[int, int]] = {}

    def ready(self, stored: str) -> Path:
        """Return the path below the destination for the stored path, its folder being there. UnsafePath, OSError."""
        target = local_path(self._root, stored)
        folder = os.path.dirname(target)  # noqa: PTH120  # for speed
        known = self._known.get(folder)
        if known is None or known != _identity(folder):
            target.parent.mkdir(parents=True, exist_ok=True)
            before = _identity(folder)
            inside(self._root, target)
            if before is not None and before == _identity(folder):
                sweep(folder)
                self._known[folder] = before
        return target


def _identity(folder: str) -> tuple[int, int] | None:
    try:
        status = os.stat(folder)  # noqa: PTH116  # for speed
    except OSError:
        return None
    return status.st_dev, status.st_ino


def stored_path(relative: PurePosixPath | str) -> str:
    """Return the stored form of a relative local path: components joined by "/", no empty, "." or ".." among them."""
    text = relative.as_posix() if isinstance(relative, PurePosixPath) else relative
    text = text.strip("/")
    if not text or any(part in ("", ".", "..") for part in text.split("/")):
        raise BadPath(
            f"{str(relative)!r} is not a usable stored path", hint="a path needs plain names, such as photos/2026/a.jpg"
        )
    return text

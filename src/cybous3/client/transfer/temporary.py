"""The name a small file has while it is being fetched, and what becomes of it when its process was killed.

Keeps true: such a file is locked for as long as it has this name and its writer lives, so one that can be locked is
nobody's any more, and is removed by the next run that comes to its folder. Only names of this very form are touched.
The temporary files of large downloads have another (`download._beside`): they are what the next run goes on with, and
are left alone. Where the system has no such locks (Windows, some network disks), nothing is locked and nothing removed.
"""

import os
import re
from contextlib import suppress

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # asked before use

MARK_BYTES = 8
_OURS = re.compile(r"\..{1,100}\.[0-9a-f]{16}\.part", re.DOTALL)


def hold(descriptor: int) -> bool:
    """Lock the open file until it is closed; False when it was swept away just before: take another name."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a disk without locks: nobody sweeps there either
    return os.fstat(descriptor).st_nlink > 0


def sweep(folder: str) -> None:
    """Remove what killed runs left in `folder`. What cannot be looked at, locked or removed stays."""
    if fcntl is None:
        return
    with suppress(OSError), os.scandir(folder) as entries:
        for name in [entry.name for entry in entries if _OURS.fullmatch(entry.name)]:
            _remove(os.path.join(folder, name))  # noqa: PTH118  # a name of text


def _remove(path: str) -> None:
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_nlink:  # or another one swept it, and the name is a living file's again
                os.unlink(path)  # noqa: PTH108  # a name of text
        finally:
            os.close(descriptor)

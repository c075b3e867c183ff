"""Where faults happen: the server, disk, clock and wire of one run, all of them made for it and removed after it."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cybous3.lab.chaos.errors import CannotInject
from cybous3.lab.chaos.proxy.wire import Wire
from cybous3.lab.chaos.scenario import Blast, Disk
from cybous3.lab.chaos.serving import OwnServer


@dataclass
class Site:
    """One run's surroundings. `server` is None where an endpoint was given that runs already.

    `endpoint` is where the load goes: the server itself, or a proxy before it.
    """

    scratch: Path
    endpoint: str
    server: OwnServer | None = None
    disk: Path | None = None  # of the server's data, where it is a small file system of its own
    clock: Path | None = None  # what the server's clock is read from
    wire: Wire | None = None  # the proxy between the load and the server
    clients: "list[subprocess.Popen[bytes]]" = field(default_factory=list)
    blast: Blast = field(default_factory=Blast)

    @property
    def own(self) -> OwnServer:
        """The server of this run; a fault that needs one is refused before the run when there is none."""
        if self.server is None:
            raise CannotInject("this fault needs a server of our own")
        return self.server


def may_mount() -> bool:
    """Tell whether this process may mount a file system, by trying the permission alone."""
    return hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("mount") is not None


def check_floor(folder: Path, blast: Blast) -> None:
    """Raise CannotInject when the disk a run works on is closer to full than its blast radius allows."""
    free = shutil.disk_usage(folder).free
    if free < blast.free_disk:
        raise CannotInject(f"only {free} bytes are free at {folder}, and blast.free_disk asks for {blast.free_disk}")


@contextmanager
def data_disk(disk: Disk, scratch: Path) -> Iterator[Path]:
    """Yield a folder for the server's data, on a disk as the scenario wants it; gone afterwards. CannotInject."""
    folder = scratch / "disk"
    folder.mkdir(parents=True)
    if not disk.bounded:
        yield folder
        return
    _mounted(["mount", "-t", "tmpfs", "-o", f"size={disk.tmpfs_bytes},mode=0700", "cybs3-chaos", str(folder)])
    try:
        yield folder
    finally:
        # Lazily: a process that was killed a moment ago may still hold a file.
        _mounted(["umount", "--lazy", str(folder)])


def _mounted(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # fixed words
    except OSError as error:
        raise CannotInject(f"no small file system can be made here: {error}") from error
    if done.returncode:
        raise CannotInject(f"no small file system can be made here: {done.stderr.strip()}")

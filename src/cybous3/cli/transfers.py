"""What the file and folder commands share: the movers of an opened vault, progress, and how runs are told."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import click

from cybous3.cli.opening import Opened, open_vault
from cybous3.cli.options import Session
from cybous3.cli.output import Out
from cybous3.client.stores.port import Store
from cybous3.client.transfer.errors import Unusable
from cybous3.client.transfer.files import Files
from cybous3.client.transfer.journal import Journals
from cybous3.client.transfer.localpath import stored_path
from cybous3.client.transfer.port import Progress, Surroundings, no_progress

if TYPE_CHECKING:
    from cybous3.client.transfer.copying import Copier
    from cybous3.client.transfer.download import Downloader
    from cybous3.client.transfer.upload import Uploader


_PLAINTEXT_VARIABLE = "CYBS3_BENCHMARK_PLAINTEXT"
plaintext_option = click.option(
    "--no-encryption",
    "plaintext",
    is_flag=True,
    hidden=True,
    help="Benchmark only: send the content in clear. Needs CYBS3_BENCHMARK_PLAINTEXT=1; nothing else reads the result.",
)


class Movers(NamedTuple):
    """Everything that moves files of one opened vault. What a command does not use is not imported for it."""

    store: Store
    around: Surroundings
    journals: Journals
    memory: Path  # what trees remember of earlier runs

    @property
    def files(self) -> Files:
        """List, look, delete, copy."""
        return Files(self.store, self.around)

    @property
    def copier(self) -> "Copier":
        """Copy."""
        from cybous3.client.transfer.copying import Copier  # noqa: PLC0415  # see the class

        return Copier(self.store, self.around, self.journals)

    @property
    def up(self) -> "Uploader":
        """Store."""
        from cybous3.client.transfer.upload import Uploader  # noqa: PLC0415  # see the class

        return Uploader(self.store, self.around, self.journals)

    @property
    def down(self) -> "Downloader":
        """Fetch."""
        from cybous3.client.transfer.download import Downloader  # noqa: PLC0415  # see the class

        return Downloader(self.store, self.around, self.journals)


@contextmanager
def movers(session: Session, *, accept_rollback: bool = False, plaintext: bool = False) -> Iterator[Movers]:
    """Open the vault the command names, for the length of the context. `plaintext`: see `plaintext_option`."""
    if plaintext and os.environ.get(_PLAINTEXT_VARIABLE) != "1":
        raise Unusable(
            "--no-encryption is for benchmarks alone: what it sends can be read by anybody who holds the bucket",
            hint=f"a benchmark sets {_PLAINTEXT_VARIABLE}=1 as well",
        )
    with open_vault(session, accept_rollback=accept_rollback) as opened:
        moving = movers_of(opened, accept_rollback=accept_rollback)
        yield _in_clear(session, moving) if plaintext else moving


def _in_clear(session: Session, moving: Movers) -> Movers:
    from cybous3.client.transfer.passthrough import without_encryption  # noqa: PLC0415  # only benchmarks

    session.out.warn("no encryption: for benchmarks alone")
    return moving._replace(around=without_encryption(moving.around))


def movers_of(opened: Opened, *, accept_rollback: bool = False) -> Movers:
    """Return the movers of an opened vault."""
    around = Surroundings(
        vault=opened.keys,
        memory=opened.state,
        entropy=os.urandom,
        now_ms=lambda: time.time_ns() // 1_000_000,
        accept_rollback=accept_rollback,
    )
    home = opened.unlocked.places.home
    return Movers(opened.store, around, Journals(home.journal), home.root / "trees.sqlite")


def folder_path(text: str) -> str:
    """Return a folder of the vault as stored: "" for the whole vault, which is written "" or "/"."""
    return "" if text.strip("/") == "" else stored_path(text)


@contextmanager
def progress_bar(out: Out, label: str, total: int | None) -> Iterator[Progress]:
    """Show how far a transfer is, on a terminal only. `total` None: unknown."""
    if not out.interactive:
        yield no_progress
        return
    from rich.console import Console  # noqa: PLC0415  # 60 ms that only a person at a terminal pays
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn  # noqa: PLC0415
    from rich.progress import Progress as Bars  # noqa: PLC0415

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(label, total=total)
        yield lambda count: bars.advance(task, count)


def stdin_bytes() -> BinaryIO:
    """Return standard input as bytes."""
    return sys.stdin.buffer


def stdout_bytes() -> BinaryIO:
    """Return standard output as bytes."""
    return sys.stdout.buffer

"""The reading half alone: it makes nothing, and whatever stands in a blob's place is damage and never a wait."""

import asyncio
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cybous3.core.ids import blob_id
from cybous3.server.blobs.local.published import PublishedBlobs
from cybous3.server.blobs.local.store import LocalBlobs
from cybous3.server.blobs.port import DamagedBlobError, Labelled

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "win32", reason="other kinds of files stand there"),
]


async def stored(root: Path, data: bytes) -> str:
    blobs = LocalBlobs(root, "w0", os.urandom)
    try:
        writer = await blobs.create()
        await writer.write(data)
        await writer.publish(b"label")
        await blobs.settle([writer.id])
        return writer.id
    finally:
        await blobs.aclose()


def names(root: Path) -> list[Path]:
    return sorted(root.rglob("*"))


async def test_it_reads_and_makes_nothing(tmp_path: Path) -> None:
    blob = await stored(tmp_path, b"data")
    before = names(tmp_path)
    blobs = PublishedBlobs(tmp_path)
    try:
        assert await blobs.check(blob) == await blobs.label(blob) == Labelled(4, b"label")
        assert [one async for one in blobs.walk()] == [blob]
        assert blobs.path(blob).exists()
        with pytest.raises(FileNotFoundError):
            await blobs.open(blob_id(os.urandom))
    finally:
        await blobs.aclose()
        await blobs.aclose()
    assert names(tmp_path) == before
    await PublishedBlobs(tmp_path / "nothing").aclose()
    assert not (tmp_path / "nothing").exists()


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        here = Path.cwd()
        os.chdir(path.parent)  # the name of a socket has room for a hundred bytes
        try:
            sock.bind(path.name)
        finally:
            os.chdir(here)


def _link(path: Path) -> None:
    path.symlink_to(path.parent)


@pytest.mark.parametrize("make", [os.mkfifo, _socket, _link, Path.mkdir, Path.touch])
async def test_what_is_no_file_of_ours_is_damage(tmp_path: Path, make: Callable[[Path], None]) -> None:
    blob = await stored(tmp_path, b"data")
    blobs = PublishedBlobs(tmp_path)
    try:
        blobs.path(blob).unlink()
        make(blobs.path(blob))
        async with asyncio.timeout(10):
            for look in (blobs.open, blobs.label, blobs.check):
                with pytest.raises(DamagedBlobError):
                    await look(blob)
    finally:
        await blobs.aclose()

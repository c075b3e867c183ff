"""One process's parts: what cannot be opened is told, a slot has one writer, and garbage is somebody's job."""

import asyncio
import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from cybous3.core.errors import CybousError
from cybous3.server.app import node
from cybous3.server.app.node import open_node
from cybous3.server.app.problems import LocalError, StartError
from cybous3.server.config.settings import ServerConfig
from cybous3.server.workers.reaper import Reaper


def opened(config: ServerConfig, slot: str = "w0") -> None:
    async def main() -> None:
        async with open_node(config, slot):
            pass

    asyncio.run(main())


@pytest.mark.parametrize(("name", "what"), [("index.sqlite", "the index"), ("blobs", "the blobs")])
def test_what_cannot_be_opened_is_told(tmp_path: Path, name: str, what: str) -> None:
    if name == "blobs":
        (tmp_path / name).write_text("x")
    else:
        (tmp_path / name).mkdir()
    with pytest.raises(LocalError, match=f"cannot open {what}"):
        opened(ServerConfig(tmp_path))


def test_a_slot_has_one_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node, "_SLOT_PATIENCE_S", 0.1)

    async def main() -> None:
        async with open_node(ServerConfig(tmp_path), "w0"):
            async with open_node(ServerConfig(tmp_path), "w1"):
                pass
            with pytest.raises(StartError, match="slot 'w0'"):
                async with open_node(ServerConfig(tmp_path), "w0"):
                    pass

    asyncio.run(main())
    opened(ServerConfig(tmp_path))


def test_a_reaper_that_fails_is_told_and_tries_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []

    async def failing(*_: object) -> None:
        tries.append(1)
        raise OSError(5, "input/output error")

    monkeypatch.setattr(node, "_BACKGROUND_RETRY_S", 0.01)
    monkeypatch.setattr(Reaper, "run", failing)

    async def main() -> None:
        async with open_node(ServerConfig(tmp_path), "w0"):
            await asyncio.sleep(0.2)

    with capture_logs() as logs:
        asyncio.run(main())
    assert len(tries) > 2
    assert {line["event"] for line in logs} == {"reaping failed"}


def test_a_damaged_index_is_told_with_what_to_do(tmp_path: Path) -> None:
    opened(ServerConfig(tmp_path))
    with (tmp_path / "index.sqlite").open("r+b") as file:
        file.write(bytes(100))
    with pytest.raises(CybousError, match="index is damaged") as raised:
        opened(ServerConfig(tmp_path))
    assert raised.value.exit_code == 11
    assert "backup" in (raised.value.hint or "")


@pytest.mark.skipif(os.name != "posix", reason="links need a privilege elsewhere")
@pytest.mark.parametrize("name", ["blobs/incoming", "blobs/incoming/w0", "blobs/blobs"])
def test_a_link_in_place_of_a_directory_is_refused(tmp_path: Path, name: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    data = tmp_path / "data"
    data.mkdir()
    opened(ServerConfig(data))
    (data / name).rename(elsewhere)
    (data / name).symlink_to(elsewhere)
    with pytest.raises(LocalError, match="is a link"):
        opened(ServerConfig(data))

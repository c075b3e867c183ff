"""Workers that cannot start, or die young: told, and not tried in a tight circle."""

import asyncio
import io
import socket
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from cybous3.server.app import supervisor, worker
from cybous3.server.app.problems import StartError
from cybous3.server.app.sockets import listen_many
from cybous3.server.app.supervisor import Supervisor
from cybous3.server.config.settings import ServerConfig

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="one worker there")


def sockets() -> list[socket.socket]:
    return listen_many(("127.0.0.1", 0), "--listen", 2)


def config(tmp_path: Path) -> ServerConfig:
    return ServerConfig(tmp_path / "data", workers=2)


def test_a_worker_that_cannot_start_ends_the_start(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a directory")
    lines: list[str] = []

    async def main() -> None:
        group = Supervisor(config(tmp_path), sockets(), tmp_path, lines.append)
        with pytest.raises(StartError, match="a worker ended while it was starting"):
            await group.start()
        with pytest.raises(RuntimeError, match="2 of 2 workers are not running"):
            await group.check()
        assert await group.drain(1.0)

    asyncio.run(main())
    assert any("worker cannot start" in line for line in lines)
    assert not any("Traceback" in line for line in lines)


async def _running(group: Supervisor) -> None:
    """Wait until both processes are there."""
    async with asyncio.timeout(20):
        while len(group.pids()) < 2:  # noqa: ASYNC110  # processes, which set no event
            await asyncio.sleep(0.01)


def test_workers_load_while_there_is_nothing_to_do_yet(tmp_path: Path) -> None:
    """The processes are there before they are told what to do; who is told becomes ready."""

    async def main() -> None:
        group = Supervisor(config(tmp_path), sockets(), tmp_path)
        group.begin()
        await _running(group)
        pids = group.pids()
        (tmp_path / "data").mkdir()
        await group.start()
        assert group.pids() == pids
        await group.check()
        assert await group.drain(10.0)

    asyncio.run(main())


def test_workers_that_were_never_told_anything_end(tmp_path: Path) -> None:
    async def main() -> None:
        group = Supervisor(config(tmp_path), sockets(), tmp_path)
        group.begin()
        await _running(group)
        assert await group.drain(10.0)
        assert group.pids() == []

    asyncio.run(main())
    assert not (tmp_path / "data").exists()


def test_a_worker_without_an_order_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    assert worker.main() == 0


def _mortal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lives: int) -> Path:
    """Let each worker be killed in its first `lives` lives, as soon as it begins; return where they are counted."""
    counted = tmp_path / "lives"
    counted.mkdir()
    script = tmp_path / "python"
    script.write_text(
        f"#!/bin/sh\necho $$ > {counted}/$$\n"
        f'if [ "$(ls {counted} | wc -l)" -le {lives} ]; then kill -KILL $$; fi\n'
        f"exec '{sys.executable}' \"$@\"\n"
    )
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    monkeypatch.setattr(supervisor, "_PAUSE_S_MAX", 0.05)
    return counted


def test_a_worker_that_is_killed_before_it_is_ready_is_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = _mortal(tmp_path, monkeypatch, 2)

    async def main() -> None:
        group = Supervisor(
            ServerConfig(tmp_path / "data", workers=1), listen_many(("127.0.0.1", 0), "--listen", 1), tmp_path
        )
        (tmp_path / "data").mkdir()
        await group.start()
        await group.check()
        assert await group.drain(10.0)

    with capture_logs() as logs:
        asyncio.run(main())
    assert [line["code"] for line in logs if line["event"] == "worker died"] == [-9, -9]
    assert len(list(counted.iterdir())) == 3


def test_workers_that_are_killed_each_time_end_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = _mortal(tmp_path, monkeypatch, 1000)

    async def main() -> None:
        group = Supervisor(
            ServerConfig(tmp_path / "data", workers=1), listen_many(("127.0.0.1", 0), "--listen", 1), tmp_path
        )
        with pytest.raises(StartError, match="was killed by signal 9 while it was starting, 3 times"):
            await group.start()
        await group.drain(0.1)

    asyncio.run(main())
    assert len(list(counted.iterdir())) >= 3


@pytest.mark.parametrize(
    ("code", "lives", "hopeless"),
    [
        (1, 1, "a worker ended while it was starting"),
        (0, 1, "a worker ended while it was starting"),
        (-9, 1, ""),
        (-9, 2, ""),
        (-11, 3, "a worker was killed by signal 11 while it was starting, 3 times"),
        ("could not be started: no memory", 2, ""),
        (
            "could not be started: no memory",
            3,
            "a worker could not be started: no memory while it was starting, 3 times",
        ),
    ],
)
def test_what_ends_by_itself_knows_why(code: int | str, lives: int, hopeless: str) -> None:
    assert supervisor._hopeless(code, lives) == hopeless


def test_workers_that_are_never_ready_are_told_and_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sleeper = tmp_path / "python"
    sleeper.write_text("#!/bin/sh\ntrap '' TERM\nwhile true; do sleep 0.1; done\n")
    sleeper.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(sleeper))
    monkeypatch.setattr(supervisor, "_START_PATIENCE_S", 0.5)
    monkeypatch.setattr(supervisor, "_KILL_PATIENCE_S", 0.5)

    async def main() -> None:
        group = Supervisor(config(tmp_path), sockets(), tmp_path)
        with pytest.raises(StartError, match="were not ready within"):
            await group.start()
        pids = group.pids()
        assert len(pids) == 2
        assert await group.drain(0.1) is False
        assert group.pids() == []

    asyncio.run(main())


def test_who_dies_young_waits_before_the_next_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    monkeypatch.setattr(supervisor, "_START_PATIENCE_S", 0.5)

    async def main() -> None:
        group = Supervisor(config(tmp_path), sockets(), tmp_path)
        with pytest.raises(StartError):
            await group.start()
        await asyncio.sleep(1.6)
        assert await group.drain(0.1)

    with capture_logs() as logs:
        asyncio.run(main())
    pauses = [line["restart_in_s"] for line in logs if line["event"] == "worker died" and line["slot"] == "w0"]
    assert pauses[:2] == [0.5, 1.0]
    assert len(pauses) <= 3


def test_a_worker_that_cannot_be_spawned_now_is_spawned_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spawn, refused = Supervisor._spawn, [True, True]

    async def scarce(group: Supervisor, one: supervisor._Worker) -> asyncio.subprocess.Process:
        if refused:
            refused.pop()
            raise OSError(12, "Cannot allocate memory")
        return await spawn(group, one)

    async def main() -> None:
        group = Supervisor(config(tmp_path), sockets(), tmp_path)
        monkeypatch.setattr(Supervisor, "_spawn", scarce)
        with capture_logs() as logs:
            group.begin()
            await _running(group)
        assert [line["code"] for line in logs if line["event"] == "worker died"] == [
            "could not be started: [Errno 12] Cannot allocate memory"
        ] * 2
        assert await group.drain(5.0)

    asyncio.run(main())

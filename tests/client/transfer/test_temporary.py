"""What a killed download left is removed by the next run, and nothing else is."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cybous3.client.transfer import temporary
from cybous3.client.transfer.localpath import Ground
from cybous3.client.transfer.port import Restore
from cybous3.client.transfer.temporary import hold, sweep
from tests.client.transfer.conftest import Bench

fcntl = pytest.importorskip("fcntl", reason="Windows has no such locks")
DEAD = ".report.txt.0123456789abcdef.part"


def test_a_tree_sweeps_each_folder_it_comes_to_and_touches_only_names_of_its_own(tmp_path: Path) -> None:
    others = (".report.txt.0123456789ab.part", "report.0123456789abcdef.part", ".x.0123456789abcdeg.part", "f.part")
    for name in (DEAD, *others):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / ".link.0123456789abcdef.part").symlink_to("report")
    Ground(tmp_path).ready("report.txt")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*others, ".link.0123456789abcdef.part"])


def test_what_somebody_writes_stays_until_he_is_gone(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / DEAD, os.O_RDWR | os.O_CREAT)
    assert hold(descriptor)
    sweep(str(tmp_path))
    assert (tmp_path / DEAD).exists()
    os.close(descriptor)
    sweep(str(tmp_path))
    assert not (tmp_path / DEAD).exists()


def test_who_was_swept_away_before_he_could_lock_is_told(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / DEAD, os.O_RDWR | os.O_CREAT)
    other = os.open(tmp_path / DEAD, os.O_RDONLY)
    assert hold(other)
    assert not hold(descriptor), "somebody is just sweeping it"
    os.close(other)
    sweep(str(tmp_path))
    assert not hold(descriptor)
    os.close(descriptor)


def test_where_there_are_no_locks_nothing_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_descriptor: int, _how: int) -> None:
        raise OSError(95, "not supported")

    (tmp_path / DEAD).write_bytes(b"x")
    monkeypatch.setattr(fcntl, "flock", none)
    with (tmp_path / DEAD).open("rb") as file:
        assert hold(file.fileno())
    sweep(str(tmp_path))
    monkeypatch.setattr(temporary, "fcntl", None)
    sweep(str(tmp_path))
    sweep(str(tmp_path / "missing"))
    assert (tmp_path / DEAD).exists()
    with (tmp_path / DEAD).open("rb") as file:
        assert hold(file.fileno())


def after_every(monkeypatch: pytest.MonkeyPatch, module: str, calls: tuple[str, ...], what: Callable[[], None]) -> None:
    """Do something after each of these calls of `os` that the module makes."""

    class Watched:
        def __getattr__(self, name: str) -> object:
            real = getattr(os, name)
            if name not in calls:
                return real

            def call(*arguments: object, **named: object) -> object:
                result = real(*arguments, **named)
                what()
                return result

            return call

    monkeypatch.setattr(sys.modules[module], "os", Watched())


@pytest.mark.parametrize("sync", [True, False])
def test_another_who_sweeps_at_any_moment_takes_nothing_from_one_who_fetches(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, sync: bool
) -> None:
    """Several threads and processes restore one tree, and each of them sweeps the folders it comes to."""
    (tmp_path / "f").write_bytes(os.urandom(3000))
    bench.up.put_file(tmp_path / "f", "f")
    back, swept = tmp_path / "back", []
    back.mkdir()

    def another() -> None:
        swept.append(list(back.iterdir()))
        sweep(str(back))

    calls = ("truncate", "pwrite", "fchmod", "utime", "replace", "close")
    after_every(monkeypatch, "cybous3.client.transfer.download", calls, another)
    bench.down.get_file("f", back / "f", Restore(sync=sync))
    assert (back / "f").read_bytes() == (tmp_path / "f").read_bytes()
    assert len(swept) >= 4
    assert any(path.name.endswith(".part") for path in swept[0])


def test_of_two_who_sweep_the_second_leaves_what_took_the_name_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both opened a dead file; the first has removed it, and the name is a living one's when the second goes on."""
    path = tmp_path / DEAD
    path.write_bytes(b"dead")
    real = fcntl.flock

    def late(descriptor: int, how: int) -> None:
        path.unlink()
        path.write_bytes(b"living")
        real(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", late)
    sweep(str(tmp_path))
    assert path.read_bytes() == b"living"

"""Large downloads: how much is held, and when the disk is asked to begin."""

import os
import sys
from pathlib import Path

import pytest

from cybous3.client.transfer.parallel import Buffers
from cybous3.client.transfer.port import Restore
from tests.client.transfer.conftest import Bench

MIB = 2**20


def test_segments_are_opened_as_they_come_so_that_a_window_is_never_held(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "f").write_bytes(os.urandom(48 * MIB))
    bench.up.put_file(tmp_path / "f", "f")
    real, taken = Buffers.take, set()

    def take(buffers: Buffers, name: str, length: int) -> bytearray:
        taken.add((name, length))
        return real(buffers, name, length)

    monkeypatch.setattr(Buffers, "take", take)
    bench.down.get_file("f", tmp_path / "g")
    assert (tmp_path / "g").read_bytes() == (tmp_path / "f").read_bytes()
    assert {name for name, _ in taken} == {"stored", "plain"}
    assert max(length for _, length in taken) == MIB


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such advice")
@pytest.mark.parametrize("sync", [True, False])
def test_the_disk_begins_with_each_window_where_a_sync_will_follow(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, sync: bool
) -> None:
    (tmp_path / "f").write_bytes(os.urandom(20 * MIB + 5))
    bench.up.put_file(tmp_path / "f", "f")
    real, told = os.posix_fadvise, []

    def advise(descriptor: int, offset: int, length: int, advice: int) -> None:
        told.append((offset, length))
        real(descriptor, offset, length, advice)

    monkeypatch.setattr(os, "posix_fadvise", advise)
    bench.down.get_file("f", tmp_path / "g", Restore(sync=sync))
    assert (tmp_path / "g").read_bytes() == (tmp_path / "f").read_bytes()
    assert sum(length for _, length in told) == (20 * MIB + 5 if sync else 0)
    assert all(offset + length <= 20 * MIB + 5 for offset, length in told)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such advice")
def test_a_file_system_that_takes_no_advice_gets_the_file_all_the_same(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: int) -> None:
        raise OSError(95, "not supported")

    (tmp_path / "f").write_bytes(os.urandom(20 * MIB))
    bench.up.put_file(tmp_path / "f", "f")
    monkeypatch.setattr(os, "posix_fadvise", refuse)
    bench.down.get_file("f", tmp_path / "g")
    assert (tmp_path / "g").read_bytes() == (tmp_path / "f").read_bytes()

"""The data directory and its lock."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cybous3.server.app.places import DataDirectory
from cybous3.server.app.problems import DataInUseError, IndexLostError, LocalError


def test_the_directory_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    place = DataDirectory.at(tmp_path / "a" / "b")
    place.prepare()
    place.prepare()
    assert place.root.is_dir()
    if os.name == "posix":
        assert place.root.stat().st_mode & 0o077 == 0


def test_a_file_in_its_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    with pytest.raises(LocalError, match="cannot use the data directory") as refused:
        DataDirectory(tmp_path / "f").prepare()
    assert refused.value.exit_code == 30


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    place = DataDirectory(tmp_path)
    assert not place.locked()
    held = place.lock()
    assert place.locked()
    with pytest.raises(DataInUseError, match="another server works on") as refused:
        place.lock()
    assert refused.value.exit_code == 31
    held.release()
    assert not place.locked()
    place.lock().release()


def test_the_lock_of_a_process_that_was_killed_is_free(tmp_path: Path) -> None:
    code = (
        "import sys,time;from pathlib import Path;from cybous3.server.app.places import DataDirectory;"
        "held=DataDirectory(Path(sys.argv[1])).lock();print('held',flush=True);time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == b"held"
        assert DataDirectory(tmp_path).locked()
        holder.kill()
    assert not DataDirectory(tmp_path).locked()


def test_who_only_looks_does_not_stop_who_starts(tmp_path: Path) -> None:
    """A look holds the lock for a moment; a start waits longer than that."""
    place = DataDirectory(tmp_path)
    code = (
        "import sys;from pathlib import Path;from cybous3.server.app.places import DataDirectory;"
        "print('looking',flush=True);[DataDirectory(Path(sys.argv[1])).locked() for _ in range(2000)]"
    )
    (tmp_path / "lock").touch()
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as looker:
        assert looker.stdout is not None
        looker.stdout.readline()
        for _ in range(20):
            place.lock().release()
        looker.kill()


def begun(root: Path) -> DataDirectory:
    """Return a directory as an interrupted first start may leave it: an empty index, a log of zeros, no blob."""
    place = DataDirectory(root)
    (place.blobs / "blobs" / "00").mkdir(parents=True)
    place.index.touch()
    (root / "index.sqlite-wal").write_bytes(bytes(4096))
    return place


def test_an_interrupted_first_start_is_gone_on_with(tmp_path: Path) -> None:
    begun(tmp_path).ensure_finished()
    DataDirectory(tmp_path / "nothing there").ensure_finished()


@pytest.mark.parametrize("index", ["absent", "empty"])
@pytest.mark.parametrize("left", ["blob", "log", "note"])
def test_no_new_index_takes_the_place_of_one_that_is_gone(tmp_path: Path, index: str, left: str) -> None:
    place = begun(tmp_path)
    if index == "absent":
        place.index.unlink()
    if left == "blob":
        (place.blobs / "blobs" / "00" / ("0" * 32)).write_bytes(b"bytes of somebody")
    elif left == "note":
        (tmp_path / "index.opened").write_bytes(b"")
    else:
        (tmp_path / "index.sqlite-wal").write_bytes(bytes.fromhex("377f0682") + bytes(4092))
    with pytest.raises(IndexLostError, match="is gone, and what it described is still there") as refused:
        place.ensure_finished()
    assert refused.value.exit_code == 11
    assert "fsck --rebuild" in (refused.value.hint or "")

"""What goes in comes out, by every way in and out."""

import io
import os
from pathlib import Path

import pytest

from cybous3.client.transfer.errors import NotFoundHere, TooLarge, Unusable
from cybous3.client.transfer.files import Listed
from cybous3.client.transfer.port import About, Restore
from tests.client.transfer.conftest import Bench

P = 2**20 - 32
MIB = 2**20
SIZES = [0, 1, P - 1, P, P + 1, 3 * MIB, 8 * MIB, 8 * P, 8 * P + 1, 20 * MIB + 7, 24 * P]


def write(path: Path, size: int) -> bytes:
    data = os.urandom(size)
    path.write_bytes(data)
    os.utime(path, ns=(1, 1_600_000_000_123_456_789))
    return data


@pytest.mark.parametrize("size", SIZES)
def test_a_file_comes_back_whole_with_its_time_and_mode(bench: Bench, tmp_path: Path, size: int) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    data = write(source, size)
    source.chmod(0o640)
    moved: list[int] = []
    stored = bench.up.put_file(source, "a/b.bin", progress=moved.append)
    assert stored.size == size == sum(moved)
    got = bench.down.get_file("a/b.bin", target)
    assert target.read_bytes() == data
    assert target.stat().st_mtime_ns == 1_600_000_000_123_456_789
    if os.name == "posix":
        assert target.stat().st_mode & 0o777 == 0o640
    assert (got.size, got.object_id, got.digest) == (size, stored.object_id, stored.digest)
    assert [p.name for p in tmp_path.iterdir() if p.name.endswith(".part")] == []
    assert list(bench.store.list_uploads()) == []


@pytest.mark.parametrize("size", SIZES)
def test_a_stream_of_unknown_length_is_the_same_as_a_file(bench: Bench, size: int) -> None:
    data = os.urandom(size)
    stored = bench.up.put_stream(io.BytesIO(data), "s")
    assert stored.size == size
    out = io.BytesIO()
    bench.down.stream("s", out)
    assert out.getvalue() == data


@pytest.mark.parametrize(
    ("start", "length"), [(0, 1), (P - 1, 2), (5, None), (8 * P - 3, 7), (20 * MIB, 0), (0, 10**9)]
)
def test_any_range_can_be_read(bench: Bench, start: int, length: int | None) -> None:
    data = os.urandom(20 * MIB + 7)
    bench.up.put_stream(io.BytesIO(data), "s")
    out = io.BytesIO()
    bench.down.stream("s", out, start=start, length=length)
    assert out.getvalue() == data[start:][:length]


def test_a_range_beyond_the_end_is_refused(bench: Bench) -> None:
    bench.up.put_stream(io.BytesIO(b"abc"), "s")
    with pytest.raises(Unusable, match="3 bytes"):
        bench.down.stream("s", io.BytesIO(), start=3)


def test_an_empty_folder_is_a_folder_again(bench: Bench, tmp_path: Path) -> None:
    bench.up.put_folder("empty", mtime_ns=5, mode=0o755)
    stored = bench.down.get_file("empty", tmp_path / "back")
    assert stored.folder
    assert (tmp_path / "back").is_dir()


def test_what_a_person_attaches_is_sealed_and_comes_back(bench: Bench, tmp_path: Path) -> None:
    write(tmp_path / "f", 10)
    bench.up.put_file(tmp_path / "f", "f", About(content_type="text/plain", user={"colour": "grün"}))
    stored = bench.files.stat("f")
    assert (stored.content_type, dict(stored.user)) == ("text/plain", {"colour": "grün"})
    (entry,) = bench.store.list("").entries
    seen = bench.store.head(entry.key)
    assert b"text/plain" not in repr(seen).encode()
    assert "gr" not in "".join(seen.metadata.values()) or "grün" not in repr(seen)


def test_names_of_any_length_are_listed_in_full(bench: Bench) -> None:
    long = "x" * 200
    for path in ("a.txt", f"{long}/inner/{long}.bin", "d/e/f"):
        bench.up.put_stream(io.BytesIO(b"1"), path)
    flat = {item.path for item in bench.files.list(recursive=True) if isinstance(item, Listed)}
    assert flat == {"a.txt", f"{long}/inner/{long}.bin", "d/e/f"}
    top = {item.path: item.folder for item in bench.files.list() if isinstance(item, Listed)}
    assert top == {"a.txt": False, f"{long}/": True, "d/": True}
    below = [item.path for item in bench.files.list(f"{long}/inner") if isinstance(item, Listed)]
    assert below == [f"{long}/inner/{long}.bin"]


def test_a_copy_needs_no_bytes_and_opens_under_its_own_name(bench: Bench, tmp_path: Path) -> None:
    data = write(tmp_path / "f", 100)
    bench.up.put_file(tmp_path / "f", "one")
    copied = bench.files.copy("one", "two/three")
    assert copied.path == "two/three"
    bench.down.get_file("two/three", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == data


def test_deleting_says_when_there_is_nothing(bench: Bench, tmp_path: Path) -> None:
    write(tmp_path / "f", 1)
    bench.up.put_file(tmp_path / "f", "f")
    bench.files.delete("f")
    with pytest.raises(NotFoundHere):
        bench.files.delete("f")
    with pytest.raises(NotFoundHere):
        bench.down.get_file("f", tmp_path / "g")


def test_the_local_side_is_not_overwritten_against_the_will(bench: Bench, tmp_path: Path) -> None:
    write(tmp_path / "f", 1)
    bench.up.put_file(tmp_path / "f", "f")
    (tmp_path / "g").write_bytes(b"mine")
    with pytest.raises(Unusable, match="exists already"):
        bench.down.get_file("f", tmp_path / "g", Restore(overwrite=False))
    assert (tmp_path / "g").read_bytes() == b"mine"
    (tmp_path / "dir").mkdir()
    with pytest.raises(Unusable, match="is a folder"):
        bench.down.get_file("f", tmp_path / "dir")
    with pytest.raises(Unusable, match="not a regular file"):
        bench.up.put_file(tmp_path / "dir", "d")


def test_a_stream_that_outgrows_its_parts_is_refused_and_leaves_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:

    monkeypatch.setattr(bench.store, "_capabilities", bench.store.capabilities._replace(parts_max=1))
    with pytest.raises(TooLarge):
        bench.up.put_stream(io.BytesIO(bytes(40 * MIB)), "s")
    assert list(bench.store.list_uploads()) == []
    assert list(bench.store.list("").entries) == []

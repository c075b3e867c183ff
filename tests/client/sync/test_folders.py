"""Trees end to end over a store in memory."""

import io
import os
from pathlib import Path
from typing import Any

import pytest

from cybous3.client.stores.errors import Unreachable
from cybous3.client.sync.filters import Filter
from cybous3.client.sync.folders import Folders, How, fitting_workers
from cybous3.client.sync.plan import RemoteFile, Step
from cybous3.client.transfer.errors import Unusable
from cybous3.client.transfer.sealing import VaultKeys
from cybous3.crypto.keyset import Keyset
from cybous3.crypto.names import NameCodec, NamesMode
from tests.client.transfer.conftest import Bench, machine

ALL = How(Filter())


def folders(bench: Bench, tmp_path: Path) -> Folders:
    return Folders(bench.store, bench.around, bench.journals, tmp_path / "home" / "sync.sqlite")


def plant(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    root.mkdir(exist_ok=True)
    return root


def tree(root: Path) -> dict[str, bytes | None]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(root.rglob("*"))
        if path.is_file() or not any(path.iterdir())
    }


FILES = {"a.txt": b"1", "d/b.bin": os.urandom(5000), "d/e/ü.txt": b"", "d/big": os.urandom(9_000_000)}


def test_a_tree_comes_back_as_it_was(bench: Bench, tmp_path: Path) -> None:
    root = plant(tmp_path / "root", FILES)
    (root / "empty").mkdir()
    trees = folders(bench, tmp_path)
    moved: list[int] = []
    report = trees.push(root, "backup/2026", ALL, moved.append)
    assert sorted(report.uploaded) == sorted([*FILES, "empty"])
    assert sum(moved) == report.moved_bytes == sum(map(len, FILES.values()))
    back = tmp_path / "back"
    fetched = trees.pull(back, "backup/2026", ALL)
    assert sorted(fetched.downloaded) == sorted([*FILES, "empty"])
    assert tree(back) == tree(root)
    assert (back / "a.txt").stat().st_mtime_ns == (root / "a.txt").stat().st_mtime_ns
    assert trees.verify(back, "backup/2026", ALL, read=True).failed == []


def test_a_second_run_moves_nothing_and_asks_for_nothing(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = plant(tmp_path / "root", FILES)
    trees = folders(bench, tmp_path)
    trees.push(root, "", ALL)
    calls: list[str] = []
    for name in ("get", "head", "put"):
        monkeypatch.setattr(type(bench.store), name, lambda *_a, _n=name, **_k: calls.append(_n))
    report = trees.push(root, "", ALL)
    assert (report.uploaded, report.same, calls) == ([], len(FILES), [])


def test_a_new_machine_compares_contents_instead_of_moving_them(bench: Bench, other: Bench, tmp_path: Path) -> None:
    root = plant(tmp_path / "root", FILES)
    folders(bench, tmp_path).push(root, "t", ALL)
    (root / "a.txt").write_bytes(b"2")  # same size, other content
    steps: list[Step] = []
    report = Folders(other.store, other.around, other.journals, tmp_path / "o.sqlite").push(
        root, "t", ALL, watch=steps.append
    )
    assert report.uploaded == ["a.txt"]
    assert report.same == len(FILES) - 1
    assert {step.path: step.verb for step in steps}["a.txt"] == "upload"


def test_changes_and_deletions_travel_one_way(bench: Bench, tmp_path: Path) -> None:
    root = plant(tmp_path / "root", {**FILES, "gone": b"x", "keep.log": b"l"})
    trees = folders(bench, tmp_path)
    trees.push(root, "t", ALL)
    (root / "gone").unlink()
    (root / "keep.log").unlink()
    (root / "a.txt").write_bytes(b"22")
    how = How(Filter(exclude=["*.log"]), delete=True)
    plan, _ = trees.plan_push(root, "t", how)
    assert {s.path: s.verb for s in plan.steps if s.verb != "same"} == {"a.txt": "upload", "gone": "delete"}
    report = trees.push(root, "t", how)
    assert (report.uploaded, report.deleted) == (["a.txt"], ["gone"])
    back = plant(tmp_path / "back", {"extra": b"e"})
    (back / "hollow").mkdir()
    pulled = trees.pull(back, "t", How(Filter(), delete=True))
    assert pulled.deleted == ["extra", "hollow"]
    assert tree(back) == {**tree(root), "keep.log": b"l"}
    plan, _ = trees.plan_pull(back, "t", ALL)
    assert {s.verb for s in plan.steps} == {"same"}


def test_pulling_compares_what_it_has_not_seen(bench: Bench, tmp_path: Path) -> None:
    root = plant(tmp_path / "root", {"same": b"1", "differs": b"1"})
    trees = folders(bench, tmp_path)
    trees.push(root, "t", ALL)
    back = plant(tmp_path / "back", {"same": b"1", "differs": b"2"})
    report = trees.pull(back, "t", ALL)
    assert (report.downloaded, report.same) == (["differs"], 1)


def test_verify_names_what_differs(bench: Bench, tmp_path: Path) -> None:
    root = plant(tmp_path / "root", {"same": b"1", "differs": b"1", "there": b"1"})
    (root / "hollow").mkdir()
    trees = folders(bench, tmp_path)
    trees.push(root, "t", ALL)
    (root / "there").unlink()
    plant(root, {"here": b"1", "differs": b"2", "hollow/file": b""})
    (root / "hollow" / "file").unlink()
    report = trees.verify(root, "t", ALL)
    assert {item.path: item.reason for item in report.failed} == {
        "differs": "the content differs",
        "here": "only here",
        "there": "only in the vault",
    }
    assert report.same == 2


def test_one_bad_file_does_not_stop_the_others_and_stops_deletions(bench: Bench, tmp_path: Path) -> None:
    root = plant(tmp_path / "root", {"good": b"1", "old": b"1"})
    trees = folders(bench, tmp_path)
    trees.push(root, "t", ALL)
    (root / "old").unlink()
    (root / "bad").write_bytes(b"1")
    real = bench.around.vault.entries

    def refuse(path: str, *rest: bytes) -> dict[str, str]:
        if path == "t/bad":
            raise OSError(5, "Input/output error")
        return real(path, *rest)

    bench.around.vault.entries = refuse  # type: ignore[method-assign, assignment]
    try:
        report = trees.push(root, "t", How(Filter(), delete=True))
    finally:
        del bench.around.vault.entries
    assert [(item.path, item.reason) for item in report.failed] == [("bad", "Input/output error")]
    assert report.deleted == []
    assert trees.push(root, "t", How(Filter(), delete=True)).deleted == ["old"]


def test_a_store_that_is_gone_ends_the_run_at_once(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = plant(tmp_path / "root", {f"f{i}": b"1" for i in range(200)})
    calls: list[int] = []

    def gone(*_args: Any, **_how: Any) -> None:
        calls.append(1)
        raise Unreachable("nobody there")

    monkeypatch.setattr(type(bench.store), "put", gone)
    with pytest.raises(Unreachable):
        folders(bench, tmp_path).push(root, "t", ALL)
    assert len(calls) < 100


def test_a_stored_name_cannot_leave_the_destination(bench: Bench, tmp_path: Path) -> None:
    root = plant(tmp_path / "root", {"sub/f": b"1"})
    trees = folders(bench, tmp_path)
    trees.push(root, "t", ALL)
    back, outside = tmp_path / "back", tmp_path / "outside"
    back.mkdir()
    outside.mkdir()
    (back / "sub").symlink_to(outside)
    report = trees.pull(back, "t", ALL)
    assert [item.path for item in report.failed] == ["sub/f"]
    assert list(outside.iterdir()) == []


def test_what_is_not_ours_below_the_folder_is_told(bench: Bench, tmp_path: Path) -> None:
    root = plant(tmp_path / "root", {"f": b"1"})
    trees = folders(bench, tmp_path)
    bench.store.put("vault/notours", b"x")
    assert [item.path for item in trees.push(root, "", ALL).skipped] == ["vault/notours"]
    assert [item.path for item in trees.pull(tmp_path / "back", "", ALL).skipped] == ["vault/notours"]
    assert [item.path for item in trees.verify(root, "", ALL).failed] == ["vault/notours"]


def test_a_file_is_no_folder(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    with pytest.raises(Unusable, match="not a folder"):
        folders(bench, tmp_path).push(tmp_path / "f", "t", ALL)


def test_a_local_folder_in_the_way_of_a_deletion_is_told(bench: Bench, tmp_path: Path) -> None:
    trees = folders(bench, tmp_path)
    bench.up.put_stream(io.BytesIO(b"k"), "t/keep")
    back = plant(tmp_path / "back", {"d/f": b"1"})
    (back / "d").chmod(0o500)
    report = trees.pull(back, "t", How(Filter(), delete=True))
    (back / "d").chmod(0o700)
    assert len(report.deleted) + len(report.failed) == 1  # root may delete it all the same


def test_a_plain_vault_deletes_only_what_is_its_own(bench: Bench, tmp_path: Path) -> None:
    """Plain names prove nothing: other objects below the prefix, another vault's too, are left alone."""
    keyset = Keyset.create(os.urandom, 0)
    keys = VaultKeys(bytes(16), keyset, NameCodec(keyset.names_key, bytes(16), NamesMode.PLAIN, "plain"))
    plain = machine(tmp_path / "plain-home", bench.store, keys)
    trees = Folders(plain.store, plain.around, plain.journals, tmp_path / "plain.sqlite")
    root = plant(tmp_path / "root", {"mine": b"1", "gone": b"1"})
    trees.push(root, "", ALL)
    bench.store.put("plain/theirs", b"not sealed")
    bench.store.put("plain/inner/.cybs3/vault/0000000000000001", b"a vault below")
    (root / "gone").unlink()
    report = trees.push(root, "", How(Filter(), delete=True))
    plain.state.close()
    assert report.deleted == ["gone"]
    assert [(item.path, item.reason) for item in report.failed] == [
        ("theirs", "not written by this vault, and left alone")
    ]
    left = [entry.key for entry in bench.store.list("plain/").entries]
    assert left == ["plain/inner/.cybs3/vault/0000000000000001", "plain/mine", "plain/theirs"]


def test_more_small_files_are_moved_at_once_than_large_ones() -> None:
    small, large = Step("upload", "a", "new", 4096), Step("upload", "b", "new", 2**21)
    assert fitting_workers([small]) == 16
    assert fitting_workers([small, large]) == 8
    assert fitting_workers([Step("download", "c", "new", 0, None, RemoteFile("c", "k", "e", 2**21))]) == 8
    assert fitting_workers([]) == 16

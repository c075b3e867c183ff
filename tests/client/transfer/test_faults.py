"""Kills, conflicts, and a server that lies: each ends in one error, and nothing wrong reaches a final name."""

import io
import os
from pathlib import Path
from typing import Any

import pytest

from cybous3.client.keys.errors import Rollback
from cybous3.client.stores.errors import ConnectionLost, StoreError
from cybous3.client.stores.port import Part
from cybous3.client.transfer.errors import Busy, Conflict, Foreign, SourceChanged
from cybous3.client.transfer.files import Unreadable
from cybous3.client.transfer.port import About
from cybous3.core.errors import CybousError
from cybous3.crypto.errors import CannotOpen, CryptoError, Damaged, Truncated
from tests.client.transfer.conftest import Bench

MIB = 2**20


def write(path: Path, size: int) -> bytes:
    data = os.urandom(size)
    path.write_bytes(data)
    return data


def only_key(bench: Bench) -> str:
    (entry,) = bench.store.list("").entries
    return entry.key


def lie(bench: Bench, key: str, data: bytes, metadata: dict[str, str] | None = None) -> None:
    """Let the server replace an object's bytes and keep its metadata."""
    bench.store.put(key, data, metadata=metadata or bench.store.head(key).metadata)


def content(bench: Bench, key: str) -> bytes:
    with bench.store.get(key) as download:
        return download.read()


def parts_sent(bench: Bench, monkeypatch: pytest.MonkeyPatch, fail_at: int | None = None) -> list[int]:
    """Record the parts that go out; let the connection break at the `fail_at`-th."""
    sent: list[int] = []
    real = type(bench.store).upload_part

    def upload_part(store: Any, key: str, upload_id: str, number: int, body: Any) -> Part:
        if fail_at is not None and len(sent) >= fail_at:
            raise ConnectionLost("gone")
        sent.append(number)
        return real(store, key, upload_id, number, body)

    monkeypatch.setattr(type(bench.store), "upload_part", upload_part)
    return sent


def test_a_broken_upload_goes_on_with_the_parts_that_are_missing(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write(tmp_path / "f", 60 * MIB)
    with monkeypatch.context() as patch:
        first = parts_sent(bench, patch, fail_at=4)
        with pytest.raises(ConnectionLost):
            bench.up.put_file(tmp_path / "f", "f")
    assert list(bench.store.list("").entries) == []
    with monkeypatch.context() as patch:
        second = parts_sent(bench, patch)
        moved: list[int] = []
        bench.up.put_file(tmp_path / "f", "f", progress=moved.append)
    assert sorted(first + second) == list(range(1, 9))
    assert sum(moved) == len(data)
    out = io.BytesIO()
    bench.down.stream("f", out)
    assert out.getvalue() == data
    assert not list((tmp_path / "home" / "journal").glob("*.json"))


def test_a_changed_source_begins_anew_under_a_new_key(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "f", 30 * MIB)
    with monkeypatch.context() as patch:
        parts_sent(bench, patch, fail_at=2)
        with pytest.raises(ConnectionLost):
            bench.up.put_file(tmp_path / "f", "f")
    data = write(tmp_path / "f", 30 * MIB)
    with monkeypatch.context() as patch:
        sent = parts_sent(bench, patch)
        bench.up.put_file(tmp_path / "f", "f")
    assert sorted(sent) == [1, 2, 3, 4]
    out = io.BytesIO()
    bench.down.stream("f", out)
    assert out.getvalue() == data
    assert list(bench.store.list_uploads()) == []


def test_an_upload_the_server_forgot_begins_anew(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "f", 30 * MIB)
    with monkeypatch.context() as patch:
        parts_sent(bench, patch, fail_at=2)
        with pytest.raises(ConnectionLost):
            bench.up.put_file(tmp_path / "f", "f")
    for upload in list(bench.store.list_uploads()):
        bench.store.abort_upload(upload.key, upload.upload_id)
    bench.up.put_file(tmp_path / "f", "f")
    assert bench.files.stat("f").size == 30 * MIB


def test_a_file_that_changes_while_it_is_stored_never_appears(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f"
    write(path, 30 * MIB)
    real = type(bench.store).upload_part

    def meddle(store: Any, key: str, upload_id: str, number: int, body: Any) -> Part:
        with path.open("r+b") as file:
            file.write(b"changed")
        return real(store, key, upload_id, number, body)

    monkeypatch.setattr(type(bench.store), "upload_part", meddle)
    with pytest.raises(SourceChanged):
        bench.up.put_file(path, "f")
    assert list(bench.store.list("").entries) == []
    assert list(bench.store.list_uploads()) == []


def test_the_same_large_file_is_moved_by_one_process_at_a_time(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "f", 10 * MIB)
    real = type(bench.store).upload_part

    def again(store: Any, key: str, upload_id: str, number: int, body: Any) -> Part:
        with pytest.raises(Busy):
            bench.up.put_file(tmp_path / "f", "f")
        return real(store, key, upload_id, number, body)

    monkeypatch.setattr(type(bench.store), "upload_part", again)
    bench.up.put_file(tmp_path / "f", "f")


@pytest.mark.parametrize("size", [10, 10 * MIB])
def test_what_somebody_else_wrote_is_not_overwritten_unasked(
    bench: Bench, other: Bench, tmp_path: Path, size: int
) -> None:
    write(tmp_path / "f", size)
    bench.up.put_file(tmp_path / "f", "f")
    other.up.put_stream(io.BytesIO(b"theirs"), "f")
    with pytest.raises(Conflict):
        bench.up.put_file(tmp_path / "f", "f")
    out = io.BytesIO()
    other.down.stream("f", out)
    assert out.getvalue() == b"theirs"
    bench.up.put_file(tmp_path / "f", "f", About(force=True))
    with pytest.raises(Conflict):
        other.up.put_file(tmp_path / "f", "f", About(absent=True))
    bench.files.delete("f")
    with pytest.raises(Conflict):
        other.up.put_file(tmp_path / "f", "f")
    other.up.put_file(tmp_path / "f", "f", About(absent=True))


@pytest.mark.parametrize("size", [10, 10 * MIB])
def test_a_lost_answer_is_not_taken_for_a_conflict(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """The write took effect, its answer was lost, the repetition finds the condition broken by itself."""
    write(tmp_path / "f", size)
    name = "put" if size < MIB else "complete_upload"
    real = getattr(type(bench.store), name)

    def twice(store: Any, *args: Any, **kwargs: Any) -> object:
        real(store, *args, **kwargs)
        return real(store, *args, **kwargs)

    monkeypatch.setattr(type(bench.store), name, twice)
    stored = bench.up.put_file(tmp_path / "f", "f", About(absent=True))
    assert stored.etag == bench.store.head(only_key(bench)).etag


def flips(data: bytes) -> list[int]:
    """One place in every region: header, wrap-independent metadata, FLOE header, first and last segment, footer."""
    return [0, 7, 8, 10, 13, 30, 50, 100, 200, 300, 400, len(data) // 2, len(data) - 100, len(data) - 50, len(data) - 1]


@pytest.mark.parametrize("size", [100, 3 * MIB])
def test_no_altered_byte_reaches_a_file(bench: Bench, tmp_path: Path, size: int) -> None:
    data = write(tmp_path / "f", size)
    bench.up.put_file(tmp_path / "f", "f")
    key = only_key(bench)
    stored = content(bench, key)
    target = tmp_path / "target"
    target.write_bytes(b"before")
    for at in flips(stored):
        lie(bench, key, stored[:at] + bytes([stored[at] ^ 1]) + stored[at + 1 :])
        with pytest.raises(CryptoError):
            bench.down.get_file("f", target)
        assert target.read_bytes() == b"before"
        assert not list(tmp_path.glob(".*part"))
    lie(bench, key, stored)
    bench.down.get_file("f", target)
    assert target.read_bytes() == data


@pytest.mark.parametrize("size", [100, 9 * MIB, 18 * MIB])
def test_no_truncation_passes(bench: Bench, tmp_path: Path, size: int) -> None:
    write(tmp_path / "f", size)
    bench.up.put_file(tmp_path / "f", "f")
    key = only_key(bench)
    stored = content(bench, key)
    segment = 2**20
    cuts = {len(stored) - 1, len(stored) - 92, len(stored) - 93, len(stored) - segment, 1000, 300, 43, 10, 1}
    for cut in sorted(c for c in cuts if 0 < c < len(stored)):
        lie(bench, key, stored[:cut])
        with pytest.raises(CryptoError) as error:
            bench.down.get_file("f", tmp_path / "target")
        assert error.value.exit_code == 11
        out = io.BytesIO()
        with pytest.raises(CryptoError):
            bench.down.stream("f", out)
    lie(bench, key, stored + b"x")
    with pytest.raises(Damaged):
        bench.down.get_file("f", tmp_path / "target")
    lie(bench, key, b"")
    with pytest.raises(Truncated):
        bench.down.get_file("f", tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_two_swapped_objects_do_not_open(bench: Bench, tmp_path: Path) -> None:
    bench.up.put_stream(io.BytesIO(b"one"), "one")
    bench.up.put_stream(io.BytesIO(b"two"), "two")
    a, b = (bench.around.vault.object_key(name) for name in ("one", "two"))
    data_a, data_b = content(bench, a), content(bench, b)
    meta_a, meta_b = dict(bench.store.head(a).metadata), dict(bench.store.head(b).metadata)
    lie(bench, a, data_b, meta_b)
    lie(bench, b, data_a, meta_a)
    for name in ("one", "two"):
        with pytest.raises(CannotOpen):
            bench.down.get_file(name, tmp_path / "target")
    lie(bench, a, data_b, meta_a)
    with pytest.raises(CryptoError):
        bench.down.get_file("one", tmp_path / "target")


def test_an_older_state_is_noticed(bench: Bench, tmp_path: Path) -> None:
    bench.up.put_stream(io.BytesIO(b"old"), "f")
    key = only_key(bench)
    data, meta = content(bench, key), dict(bench.store.head(key).metadata)
    bench.up.put_stream(io.BytesIO(b"new"), "f")
    lie(bench, key, data, meta)
    with pytest.raises(Rollback):
        bench.down.get_file("f", tmp_path / "target")

    bench.around = bench.around._replace(accept_rollback=True)
    bench.down.get_file("f", tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == b"old"


def test_a_foreign_object_is_named_as_such(bench: Bench, tmp_path: Path) -> None:
    bench.store.put(bench.around.vault.object_key("f"), b"whatever this is", metadata={})
    with pytest.raises(Foreign):
        bench.down.get_file("f", tmp_path / "target")
    bench.store.put("vault/readme.txt", b"", metadata={})
    reasons = [item.reason for item in bench.files.list() if isinstance(item, Unreadable)]
    assert len(reasons) == 1


def test_an_object_replaced_in_mid_read_is_a_conflict(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "f", 30 * MIB)
    bench.up.put_file(tmp_path / "f", "f")
    real, calls = type(bench.store).get, []

    def get(store: Any, key: str, **how: Any) -> object:
        calls.append(key)
        if len(calls) == 3:
            monkeypatch.undo()
            bench.up.put_stream(io.BytesIO(b"replaced"), "f", About(force=True))
        return real(store, key, **how)

    monkeypatch.setattr(type(bench.store), "get", get)
    with pytest.raises(Conflict):
        bench.down.get_file("f", tmp_path / "target")
    assert not (tmp_path / "target").exists()


def interrupted(bench: Bench, monkeypatch: pytest.MonkeyPatch, after: int) -> list[int]:
    """Let the connection break after some ranged reads; the list counts them."""
    calls: list[int] = []
    real = type(bench.store).get

    def get(store: Any, key: str, **how: Any) -> object:
        if len(calls) >= after:
            raise ConnectionLost("gone")
        calls.append(1)
        return real(store, key, **how)

    monkeypatch.setattr(type(bench.store), "get", get)
    return calls


def test_a_broken_download_goes_on_and_verifies_what_it_kept(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write(tmp_path / "f", 80 * MIB)
    bench.up.put_file(tmp_path / "f", "f")
    target = tmp_path / "target"
    with monkeypatch.context() as patch:
        interrupted(bench, patch, after=6)
        with pytest.raises(StoreError):
            bench.down.get_file("f", target)
    (left,) = tmp_path.glob(".target*.part")
    assert not target.exists()
    with monkeypatch.context() as patch:
        calls = interrupted(bench, patch, after=1000)
        bench.down.get_file("f", target)
    assert len(calls) < 12  # front, footer and the windows that were missing
    assert target.read_bytes() == data
    assert not left.exists()


def test_what_an_earlier_run_left_is_not_trusted(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "f", 80 * MIB)
    bench.up.put_file(tmp_path / "f", "f")
    with monkeypatch.context() as patch:
        interrupted(bench, patch, after=6)
        with pytest.raises(StoreError):
            bench.down.get_file("f", tmp_path / "target")
    (left,) = tmp_path.glob(".target*.part")
    kept = left.read_bytes()
    at = next(i for i in range(0, len(kept), MIB) if kept[i : i + 16] != bytes(16))
    with left.open("r+b") as file:
        file.seek(at)
        file.write(b"evil")
    with pytest.raises(Damaged):
        bench.down.get_file("f", tmp_path / "target")
    assert not (tmp_path / "target").exists()
    bench.down.get_file("f", tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == (tmp_path / "f").read_bytes()


def test_every_error_here_is_one_sentence_with_a_code() -> None:
    for error in (Busy("x"), Conflict("x"), SourceChanged("x"), Foreign("x")):
        assert isinstance(error, CybousError)
        assert error.exit_code != 1

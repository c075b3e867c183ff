"""Copying: onto nothing without moving bytes, onto something as a new object."""

import io
import os
from pathlib import Path
from typing import Any

import pytest

from cybous3.client.stores.errors import ConnectionLost
from cybous3.client.transfer.copying import Copier
from cybous3.client.transfer.errors import Conflict
from cybous3.client.transfer.port import About
from cybous3.crypto.errors import Damaged
from tests.client.transfer.conftest import Bench

MIB = 2**20


def copier(bench: Bench) -> Copier:
    return Copier(bench.store, bench.around, bench.journals)


def content(bench: Bench, path: str) -> bytes:
    out = io.BytesIO()
    bench.down.stream(path, out)
    return out.getvalue()


@pytest.mark.parametrize("size", [10, 20 * MIB])
def test_a_copy_may_replace_what_was_newer(bench: Bench, other: Bench, tmp_path: Path, size: int) -> None:
    """The target was written after the source; no machine takes the copy for a rollback."""
    (tmp_path / "f").write_bytes(data := os.urandom(size))
    source = bench.up.put_file(tmp_path / "f", "old", About(content_type="a/b", user={"k": "v"}))
    bench.up.put_stream(io.BytesIO(b"new"), "new")
    assert content(other, "new") == b"new"
    copied = copier(bench).copy("old", "new")
    assert content(bench, "new") == content(other, "new") == data
    assert (copied.content_type, dict(copied.user), copied.mtime_ns) == ("a/b", {"k": "v"}, source.mtime_ns)
    assert copied.object_id != source.object_id


def test_a_copy_onto_nothing_moves_no_bytes(bench: Bench) -> None:
    source = bench.up.put_stream(io.BytesIO(bytes(3 * MIB)), "a")
    assert copier(bench).copy("a", "b").object_id == source.object_id


def test_the_store_itself_never_replaces_by_copy(bench: Bench) -> None:
    for path in ("a", "b"):
        bench.up.put_stream(io.BytesIO(b"1"), path)
    with pytest.raises(Conflict, match="exists already"):
        bench.files.copy("a", "b")


@pytest.mark.parametrize("error", [ConnectionLost("gone"), Damaged("no")])
def test_a_source_that_breaks_off_is_never_stored_as_if_it_were_whole(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    bench.up.put_stream(io.BytesIO(os.urandom(40 * MIB)), "a")
    bench.up.put_stream(io.BytesIO(b"before"), "b")
    real, calls = type(bench.store).get, []

    def get(store: Any, key: str, **how: Any) -> object:
        calls.append(key)
        if len(calls) > 6:
            raise error
        return real(store, key, **how)

    monkeypatch.setattr(type(bench.store), "get", get)
    with pytest.raises(type(error)):
        copier(bench).copy("a", "b")
    monkeypatch.undo()
    assert content(bench, "b") == b"before"
    assert list(bench.store.list_uploads()) == []


def test_a_target_that_cannot_be_written_ends_the_copy(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.up.put_stream(io.BytesIO(os.urandom(60 * MIB)), "a")
    bench.up.put_stream(io.BytesIO(b"before"), "b")

    def upload_part(*_args: Any) -> None:
        raise ConnectionLost("gone")

    monkeypatch.setattr(type(bench.store), "upload_part", upload_part)
    with pytest.raises(ConnectionLost):
        copier(bench).copy("a", "b")


def test_nothing_is_put_where_it_could_not_be_restored(bench: Bench) -> None:
    bench.up.put_stream(io.BytesIO(b"1"), "file")
    bench.up.put_stream(io.BytesIO(b"1"), "folder/file")
    bench.up.put_folder("empty", mtime_ns=0, mode=0o755)
    for path in ("file/below", "folder"):
        with pytest.raises(Conflict):
            bench.files.check_place(path)
    for path in ("file", "folder/other", "empty/file", "quite/new"):
        bench.files.check_place(path)

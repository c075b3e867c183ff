"""Large files: what is read of the source, and in which order."""

import io
import os
from pathlib import Path
from typing import Any

import pytest

from cybous3.client.stores.errors import ConnectionLost
from cybous3.client.transfer.errors import SourceChanged
from cybous3.client.transfer.source import FileSource
from tests.client.transfer.conftest import Bench

MIB = 2**20


def reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Record what is read: offset and length."""
    seen: list[tuple[int, int]] = []
    real = FileSource.read_into

    def read_into(source: FileSource, buffer: memoryview, offset: int) -> None:
        seen.append((offset, len(buffer)))
        real(source, buffer, offset)

    monkeypatch.setattr(FileSource, "read_into", read_into)
    return seen


def test_a_large_file_is_read_once_and_front_to_back(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "f").write_bytes(os.urandom(25 * MIB + 3))
    seen = reads(monkeypatch)
    bench.up.put_file(tmp_path / "f", "f")
    assert sum(length for _, length in seen) == 25 * MIB + 3
    assert seen == sorted(seen)


def test_a_resumed_upload_reads_once_more_for_the_digest_and_seals_only_what_is_missing(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = os.urandom(25 * MIB + 3)
    (tmp_path / "f").write_bytes(data)
    real = type(bench.store).upload_part

    def only_the_second(store: Any, key: str, upload_id: str, number: int, body: Any) -> Any:
        if number == 2:
            return real(store, key, upload_id, number, body)
        raise ConnectionLost("gone")

    with monkeypatch.context() as patch:
        patch.setattr(type(bench.store), "upload_part", only_the_second)
        with pytest.raises(ConnectionLost):
            bench.up.put_file(tmp_path / "f", "f")
    seen = reads(monkeypatch)
    bench.up.put_file(tmp_path / "f", "f")
    assert sum(length for _, length in seen) == len(data)
    out = io.BytesIO()
    bench.down.stream("f", out)  # compares the digest of the whole
    assert out.getvalue() == data


def test_a_source_that_shrinks_while_it_is_read_ends_in_one_error(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f"
    path.write_bytes(os.urandom(40 * MIB))
    real = FileSource.read_into

    def read_into(source: FileSource, buffer: memoryview, offset: int) -> None:
        if offset > 12 * MIB:
            os.truncate(path, 13 * MIB)
        real(source, buffer, offset)

    monkeypatch.setattr(FileSource, "read_into", read_into)
    with pytest.raises(SourceChanged):
        bench.up.put_file(path, "f")
    assert list(bench.store.list("").entries) == []
    assert list(bench.store.list_uploads()) == []

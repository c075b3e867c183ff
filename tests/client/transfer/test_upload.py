"""Large files: what is read of the source, and in which order."""

import io
import os
from pathlib import Path
from typing import Any

import pytest

from cybous3.client.stores.errors import ConnectionLost, Refused
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


@pytest.mark.parametrize("late", [(1,), (1, 2), (3,)])
def test_parts_of_an_earlier_run_that_arrive_late_are_replaced_again(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: tuple[int, ...]
) -> None:
    """The store says InvalidPart; only what differs is sealed and sent again."""
    data = os.urandom(25 * MIB + 3)
    (tmp_path / "f").write_bytes(data)
    sent = arrivals(bench, monkeypatch, late, times=1)
    moved: list[int] = []
    bench.up.put_file(tmp_path / "f", "f", progress=moved.append)
    last = max(sent)
    assert sorted(sent[last:]) == sorted({*late, last}), "the last part is always made anew"
    assert sum(moved) == len(data)
    out = io.BytesIO()
    bench.down.stream("f", out)
    assert out.getvalue() == data


def test_a_store_that_never_holds_what_it_was_given_is_asked_a_few_times(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "f").write_bytes(os.urandom(17 * MIB))
    sent = arrivals(bench, monkeypatch, (1,), times=99)
    with pytest.raises(Refused) as refused:
        bench.up.put_file(tmp_path / "f", "f")
    assert refused.value.code == "InvalidPart"
    assert sent.count(1) == 4
    assert list(bench.store.list("").entries) == []


def arrivals(bench: Bench, monkeypatch: pytest.MonkeyPatch, late: tuple[int, ...], times: int) -> list[int]:
    """Record the parts that are sent; before the first `times` completions, the `late` ones change places once more."""
    sent: list[int] = []
    store, left = type(bench.store), [times]
    send, complete = store.upload_part, store.complete_upload

    def upload_part(self: Any, key: str, upload_id: str, number: int, body: Any) -> Any:
        sent.append(number)
        return send(self, key, upload_id, number, body)

    def complete_upload(self: Any, key: str, upload_id: str, parts: Any, **named: Any) -> Any:
        if left[0] > 0:
            left[0] -= 1
            for part in self.list_parts(key, upload_id):
                if part.number in late:
                    send(self, key, upload_id, part.number, os.urandom(part.size))
        return complete(self, key, upload_id, parts, **named)

    monkeypatch.setattr(store, "upload_part", upload_part)
    monkeypatch.setattr(store, "complete_upload", complete_upload)
    return sent

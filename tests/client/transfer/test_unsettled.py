"""Killed between the store's commit and the memory of it: the next run knows its own change, and only its own."""

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cybous3.client.stores.errors import Silent
from cybous3.client.transfer.errors import Conflict, NotFoundHere
from cybous3.client.transfer.port import About, Limits
from cybous3.client.transfer.sealing import VaultKeys
from tests.client.transfer.conftest import Bench, machine

MIB = 2**20


class Killed(BaseException):
    """The process ends here: nothing catches it."""


@pytest.fixture(name="restarted")
def _restarted(bench: Bench, tmp_path: Path, keys: VaultKeys) -> Iterator[Callable[[], Bench]]:
    """Give the next process of the same home."""
    made: list[Bench] = []

    def restart() -> Bench:
        made.append(machine(tmp_path / "home", bench.store, keys, Limits(single_max=4 * MIB)))
        return made[-1]

    yield restart
    for each in made:
        each.state.close()


def killed_at(bench: Bench, monkeypatch: pytest.MonkeyPatch, step: str, work: Callable[[], object]) -> None:
    """Do `work` in a process that is killed when it wants to note what it did."""

    def end(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(bench.state, step, end)
        with pytest.raises(Killed):
            work()


def content(bench: Bench, path: str) -> bytes:
    out = io.BytesIO()
    bench.down.stream(path, out)
    return out.getvalue()


@pytest.mark.parametrize("size", [10, 5 * MIB])
@pytest.mark.parametrize("edited", [False, True], ids=["same", "edited meanwhile"])
def test_an_overwrite_that_was_done_is_no_conflict_of_the_next_run(
    restarted: Callable[[], Bench],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    *,
    edited: bool,
) -> None:
    first, path = restarted(), tmp_path / "f"
    path.write_bytes(os.urandom(size))
    first.up.put_file(path, "f")
    path.write_bytes(os.urandom(size))
    killed_at(first, monkeypatch, "note_objects", lambda: first.up.put_file(path, "f"))
    if edited:
        path.write_bytes(os.urandom(size))
    second = restarted()
    second.up.put_file(path, "f")
    assert content(second, "f") == path.read_bytes()
    second.up.put_file(path, "f")


def test_a_stream_too(bench: Bench, restarted: Callable[[], Bench], monkeypatch: pytest.MonkeyPatch) -> None:
    bench.up.put_stream(io.BytesIO(b"one"), "f")
    killed_at(bench, monkeypatch, "note_objects", lambda: bench.up.put_stream(io.BytesIO(b"two"), "f"))
    second = restarted()
    second.up.put_stream(io.BytesIO(b"three"), "f")
    assert content(second, "f") == b"three"


def test_killed_before_the_request_went_out(
    bench: Bench, restarted: Callable[[], Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.up.put_stream(io.BytesIO(b"one"), "f")

    def end(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(type(bench.store), "put", end)
        with pytest.raises(Killed):
            bench.up.put_stream(io.BytesIO(b"two"), "f")
    second = restarted()
    assert content(second, "f") == b"one"
    second.up.put_stream(io.BytesIO(b"three"), "f")
    assert content(second, "f") == b"three"


def test_what_somebody_else_wrote_after_our_unnoted_write_is_still_a_conflict(
    bench: Bench, other: Bench, restarted: Callable[[], Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.up.put_stream(io.BytesIO(b"one"), "f")
    killed_at(bench, monkeypatch, "note_objects", lambda: bench.up.put_stream(io.BytesIO(b"two"), "f"))
    assert content(other, "f") == b"two"
    other.up.put_stream(io.BytesIO(b"theirs"), "f")
    second = restarted()
    with pytest.raises(Conflict):
        second.up.put_stream(io.BytesIO(b"three"), "f")
    assert content(other, "f") == b"theirs"


def test_an_older_object_of_our_own_put_back_by_the_server_is_no_write_of_ours(
    bench: Bench, restarted: Callable[[], Bench]
) -> None:
    for text in (b"one", b"two"):
        bench.up.put_stream(io.BytesIO(text), "f")
    (entry,) = bench.store.list("").entries
    with bench.store.get(entry.key) as download:
        old, metadata = download.read(), download.info.metadata
    bench.up.put_stream(io.BytesIO(b"three"), "f")
    bench.store.put(entry.key, old, metadata=metadata)
    bench.state.close()
    with pytest.raises(Conflict):
        restarted().up.put_stream(io.BytesIO(b"four"), "f")


def test_not_even_where_a_write_of_ours_is_open(
    bench: Bench, restarted: Callable[[], Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a damaged object nor an older one is taken for the write whose end nobody saw."""
    bench.up.put_stream(io.BytesIO(b"one"), "f")
    (entry,) = bench.store.list("").entries
    with bench.store.get(entry.key) as download:
        old, metadata = download.read(), download.info.metadata
    restarted().up.put_stream(io.BytesIO(b"two"), "f")  # the first note of a process is written at once
    third = restarted()
    killed_at(third, monkeypatch, "note_objects", lambda: third.up.put_stream(io.BytesIO(b"three"), "f"))
    for body in (old, old[:-1], b"nonsense"):
        bench.store.put(entry.key, body, metadata=metadata)
        with pytest.raises(Conflict):
            restarted().up.put_stream(io.BytesIO(b"four"), "f")


def test_in_one_process_an_answer_that_never_came_is_remembered_too(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.up.put_stream(io.BytesIO(b"one"), "f")
    real = type(bench.store).put

    def silent(*arguments: Any, **named: Any) -> Any:
        real(*arguments, **named)
        raise Silent("nothing came")

    with monkeypatch.context() as patch:
        patch.setattr(type(bench.store), "put", silent)
        with pytest.raises(Silent):
            bench.up.put_stream(io.BytesIO(b"two"), "f")
    bench.up.put_stream(io.BytesIO(b"three"), "f")
    assert content(bench, "f") == b"three"


def test_a_deletion_that_was_done_is_done_and_the_next_file_of_that_name_no_conflict(
    bench: Bench, restarted: Callable[[], Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.up.put_stream(io.BytesIO(b"one"), "f")
    killed_at(bench, monkeypatch, "forget_objects", lambda: bench.files.delete("f"))
    restarted().files.delete("f")
    with pytest.raises(NotFoundHere):
        restarted().files.delete("f")


def test_a_tree_deleted_without_a_note_can_be_written_again(
    bench: Bench, restarted: Callable[[], Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ab":
        bench.up.put_stream(io.BytesIO(b"one"), name)
    keys = [entry.key for entry in bench.store.list("").entries]
    killed_at(bench, monkeypatch, "forget_objects", lambda: bench.files.delete_keys(keys))
    second = restarted()
    for name in "ab":
        second.up.put_stream(io.BytesIO(b"two"), name)
        assert content(second, name) == b"two"


def test_what_somebody_else_deleted_is_still_a_conflict(bench: Bench, other: Bench) -> None:
    for text in (b"one", b"two"):
        bench.up.put_stream(io.BytesIO(text), "f")
    other.files.delete("f")
    with pytest.raises(Conflict):
        bench.up.put_stream(io.BytesIO(b"three"), "f")


def test_no_request_is_spent_where_nothing_is_open(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def get(store: Any, key: str, **named: Any) -> Any:
        asked.append(key)
        return real(store, key, **named)

    bench.up.put_stream(io.BytesIO(b"one"), "f")
    real = type(bench.store).get
    monkeypatch.setattr(type(bench.store), "get", get)
    for text in (b"two", b"three"):
        bench.up.put_stream(io.BytesIO(text), "f", About())
    assert asked == []
    assert content(bench, "f") == b"three"
    assert asked

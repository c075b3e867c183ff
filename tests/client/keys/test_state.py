"""The memory of this machine: what it has seen can only grow, and what is older is noticed."""

import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybous3.client.keys.errors import DamagedFile, ForeignFile, LocalProblem, Rollback
from cybous3.client.keys.state import Seen, State, open_state

VAULT, OTHER = bytes(16), b"\x01" * 16


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with open_state(tmp_path / "home" / "state.sqlite") as opened:
        yield opened


def test_vault_generations_only_grow(state: State) -> None:
    assert state.vault_generation(VAULT) is None
    state.see_vault(VAULT, 3, b"three")
    state.see_vault(VAULT, 3, b"three")
    state.see_vault(VAULT, 5, b"five")
    for generation, digest in ((3, b"three"), (4, b"four"), (5, b"another five")):
        with pytest.raises(Rollback) as caught:
            state.see_vault(VAULT, generation, digest)
        assert caught.value.exit_code == 12
        assert "--accept-rollback" in (caught.value.hint or "")
    assert state.vault_generation(VAULT) == 5
    state.see_vault(OTHER, 1, b"one")
    state.see_vault(VAULT, 4, b"four", accept_rollback=True)
    assert state.vault_generation(VAULT) == 4


def test_objects_only_grow(state: State) -> None:
    state.check_object(VAULT, "k", b"id", 5)
    state.note_objects(VAULT, [("k", Seen(b"id", 5, "etag", 100, b"digest", "v1"))])
    assert state.object_seen(VAULT, "k") == Seen(b"id", 5, "etag", 100, b"digest", "v1")
    assert state.object_seen(OTHER, "k") is None
    state.check_object(VAULT, "k", b"id", 5)
    state.check_object(VAULT, "k", b"new", 6)
    for object_id, generation in ((b"id", 4), (b"new", 4), (b"twin", 5)):
        with pytest.raises(Rollback, match="'k'"):
            state.check_object(VAULT, "k", object_id, generation)
        state.check_object(VAULT, "k", object_id, generation, accept_rollback=True)


def test_what_is_forgotten_is_trusted_again(state: State) -> None:
    state.see_vault(VAULT, 9, b"x")
    state.note_objects(VAULT, [(key, Seen(b"id", 5, "e", 1)) for key in "abc"])
    state.forget_objects(VAULT, ["a"])
    assert state.object_seen(VAULT, "a") is None
    assert state.object_seen(VAULT, "b") is not None
    state.forget_vault(VAULT)
    assert state.object_seen(VAULT, "b") is None
    state.see_vault(VAULT, 1, b"y")


def test_it_outlives_the_process_and_is_shared_by_several(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    with open_state(path) as one, open_state(path) as two:
        one.see_vault(VAULT, 1, b"x")
        assert two.vault_generation(VAULT) == 1
    with open_state(path) as three:
        assert three.vault_generation(VAULT) == 1


def test_many_threads_share_it(state: State) -> None:
    def work(number: int) -> None:
        for index in range(20):
            state.note_objects(VAULT, [(f"{number}/{index}", Seen(b"id", 1, "e", 1))])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert all(state.object_seen(VAULT, f"{number}/{index}") for number in range(4) for index in range(20))


def test_a_batch_that_fails_notes_nothing(state: State) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        state.note_objects(VAULT, [("a", Seen(b"id", 1, "e", 1)), ("b", Seen(None, 1, "e", 1))])  # type: ignore[arg-type]
    assert state.object_seen(VAULT, "a") is None
    state.note_objects(VAULT, [("a", Seen(b"id", 1, "e", 1))])


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "home" / "state.sqlite"
    with open_state(path) as state:
        state.see_vault(VAULT, 1, b"x")
        for each in path.parent.iterdir():
            assert stat.S_IMODE(each.stat().st_mode) == 0o600, each


def test_a_damaged_file_is_told_and_left(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    path.write_bytes(b"not a database, " * 100)
    with pytest.raises(DamagedFile) as caught:
        open_state(path)
    assert caught.value.exit_code == 11
    assert path.read_bytes() == b"not a database, " * 100


def test_a_foreign_database_is_told_and_left(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (x)")
    connection.commit()
    connection.close()
    with pytest.raises(ForeignFile):
        open_state(path)
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM theirs").fetchone() == (0,)
    connection.close()


def test_a_newer_version_is_told(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    open_state(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 2")
    connection.close()
    with pytest.raises(ForeignFile, match="version 2"):
        open_state(path)


def test_a_place_that_cannot_be_one_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalProblem):
        open_state(tmp_path / "file" / "state.sqlite")
    (tmp_path / "dir" / "state.sqlite").mkdir(parents=True)
    with pytest.raises(LocalProblem):
        open_state(tmp_path / "dir" / "state.sqlite")


@given(st.lists(st.integers(min_value=1, max_value=9), max_size=20))
def test_whatever_comes_the_highest_stays(generations: list[int]) -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    from cybous3.client.keys import state as module  # noqa: PLC0415  # its schema, without a file

    module._prepare(connection, Path("memory"))
    highest = 0
    with State(connection) as state:
        for generation in generations:
            if generation < highest:
                with pytest.raises(Rollback):
                    state.see_vault(VAULT, generation, bytes([generation]))
            else:
                state.see_vault(VAULT, generation, bytes([generation]))
                highest = generation
        assert (state.vault_generation(VAULT) or 0) == highest


def committed(path: Path) -> set[str]:
    """Return the keys another process would see."""
    with closing(sqlite3.connect(path)) as connection:
        return {row[0] for row in connection.execute("SELECT key FROM object")}


def test_rows_that_follow_closely_share_a_transaction_and_are_seen_here_at_once(tmp_path: Path) -> None:
    path, now_s = tmp_path / "state.sqlite", [100.0]
    open_state(path).close()
    state = State(sqlite3.connect(path, isolation_level=None), monotonic=lambda: now_s[0])
    state.note_objects(VAULT, [("first", Seen(b"id", 1, "e", 1))])
    assert committed(path) == {"first"}
    state.note_objects(VAULT, [("second", Seen(b"id", 2, "e", 1))])
    assert committed(path) == {"first"}
    assert state.object_seen(VAULT, "second") == Seen(b"id", 2, "e", 1)
    with pytest.raises(Rollback):
        state.check_object(VAULT, "second", b"id", 1)
    now_s[0] += 0.06
    state.note_objects(VAULT, [("third", Seen(b"id", 1, "e", 1))])
    assert committed(path) == {"first", "second", "third"}
    state.note_objects(VAULT, [(str(n), Seen(b"id", 1, "e", 1)) for n in range(64)])
    assert len(committed(path)) == 67
    state.note_objects(VAULT, [("last", Seen(b"id", 1, "e", 1))])
    state.close()
    state.close()
    assert "last" in committed(path)


def test_what_is_forgotten_stays_forgotten_whatever_was_still_to_be_written(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    open_state(path).close()
    with State(sqlite3.connect(path, isolation_level=None), monotonic=lambda: 1.0) as state:
        state.note_objects(VAULT, [("a", Seen(b"id", 1, "e", 1))])
        state.note_objects(VAULT, [("b", Seen(b"id", 1, "e", 1))])
        state.forget_objects(VAULT, ["b"])
        assert state.object_seen(VAULT, "b") is None
    assert committed(path) == {"a"}

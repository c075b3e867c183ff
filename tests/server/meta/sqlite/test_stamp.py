"""The mark of an index: there while it is open, the same while nothing is committed, and shared within a process."""

import sqlite3
from pathlib import Path

from cybous3.server.meta.sqlite import stamp as module
from cybous3.server.meta.sqlite.stamp import open_stamp


def database(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE t (x)")
    return connection


def test_a_commit_moves_the_mark_and_a_read_does_not(tmp_path: Path) -> None:
    connection = database(tmp_path / "x.db")
    stamp = open_stamp(tmp_path / "x.db")
    first = stamp.read()
    assert len(first) == 96
    connection.execute("SELECT * FROM t").fetchall()
    assert stamp.read() == first
    connection.execute("INSERT INTO t VALUES (1)")
    assert stamp.read() != first
    connection.close()
    stamp.close()
    assert stamp.read() == b""
    stamp.close()


def test_an_open_transaction_moves_nothing(tmp_path: Path) -> None:
    connection = database(tmp_path / "x.db")
    stamp = open_stamp(tmp_path / "x.db")
    first = stamp.read()
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO t VALUES (1)")
    assert stamp.read() == first
    connection.execute("ROLLBACK")
    assert stamp.read() == first
    connection.close()
    stamp.close()


def test_one_descriptor_a_file_until_the_last_is_closed(tmp_path: Path) -> None:
    connection = database(tmp_path / "x.db")
    before = len(module._shared)
    first, second = open_stamp(tmp_path / "x.db"), open_stamp(tmp_path / "x.db")
    assert len(module._shared) == before + 1
    first.close()
    assert second.read() != b""
    second.close()
    assert len(module._shared) == before
    connection.close()


def test_where_there_is_no_shared_header_there_is_no_mark(tmp_path: Path) -> None:
    stamp = open_stamp(tmp_path / "never-looked-at.db", platform="nt")
    assert stamp.read() == b""
    stamp.close()


def test_a_header_that_is_smaller_than_a_page_is_not_mapped(tmp_path: Path) -> None:
    (tmp_path / "x.db-shm").write_bytes(b"\0" * 100)
    assert open_stamp(tmp_path / "x.db").read() == b""


def test_a_header_nobody_wrote_yet_is_no_mark(tmp_path: Path) -> None:
    (tmp_path / "x.db-shm").write_bytes(b"\0" * 32768)
    stamp = open_stamp(tmp_path / "x.db")
    assert stamp.read() == b""
    stamp.close()

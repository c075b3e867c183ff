"""The check finds what does not agree, and nothing else."""

import sqlite3
from pathlib import Path

import pytest

from cybous3.server.meta.sqlite import check as module
from cybous3.server.meta.sqlite.check import check
from cybous3.server.meta.sqlite.sums import sql_sum
from tests.support.indexes import fill_index


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("check") / "index.db"
    fill_index(path, 40)
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path, content: bytes) -> Path:
    found = tmp_path / "index.db"
    found.write_bytes(content)
    return found


def test_an_index_that_agrees_has_no_problems(path: Path) -> None:
    assert check(path) == []


_TAKE = "UPDATE parts SET extents = (SELECT extents FROM objects WHERE extents IS NOT NULL LIMIT 1) WHERE number = 1"


@pytest.mark.parametrize(
    ("damage", "kinds"),
    [
        ("INSERT INTO blobs (id) VALUES (x'00112233445566778899aabbccddeeff')", {"blob"}),
        ("DELETE FROM blobs WHERE id IN (SELECT id FROM blobs LIMIT 1)", {"blob"}),
        ("UPDATE blobs SET dead = 1 WHERE id IN (SELECT id FROM blobs LIMIT 1)", {"blob"}),
        ("INSERT INTO contents (data) VALUES (x'00')", {"content"}),
        ("INSERT INTO layouts (extents, parts) VALUES (x'', '[]')", {"layout"}),
        ("DELETE FROM contents WHERE id = 1", {"object"}),
        ("UPDATE contents SET data = x'00' WHERE id = 1", {"object"}),
        ("UPDATE layouts SET parts = '[]' WHERE parts <> '[]'", {"object"}),
        ("UPDATE objects SET size = size + 1", {"object", "content", "layout", "blob"}),
        ("UPDATE objects SET user = CAST(x'ff' AS TEXT) WHERE user IS NOT NULL", {"object", "content"}),
        (_TAKE, {"blob", "row"}),
        ("UPDATE parts SET etag = 'x' WHERE number = 1", {"row"}),
        ("UPDATE users SET root = 1", {"row"}),
        ("UPDATE access_keys SET created_ms = 1", {"row"}),
        ("UPDATE access_keys SET user_id = 'x'", {"row", "access key"}),
        ("UPDATE buckets SET durability = 'none'", {"row"}),
        ("DELETE FROM buckets", {"object", "upload"}),
        ("DELETE FROM uploads", {"part"}),
        ("INSERT INTO unsynced (blob) VALUES (x'00')", {"unsynced"}),
    ],
)
def test_what_was_planted_is_found(path: Path, damage: str, kinds: set[str]) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(damage)
    connection.close()
    assert {problem.kind for problem in check(path)} == kinds


def test_two_objects_of_one_blob_and_of_one_content_are_told(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.create_function("row_sum", -1, sql_sum)
        columns = (
            "bucket, {key}, size, etag, modified_ms, version, owner, storage_class, checksum_algorithm, "
            "checksum_type, checksum, content, extents, layout, system, user, sealed, body"
        )
        plain, twin = columns.format(key="key"), columns.format(key="CAST(CAST(key AS TEXT) || 'z' AS BLOB)")
        copy = f"INSERT INTO objects ({plain}, sum) SELECT {twin}, row_sum('objects', {twin}) FROM objects"  # noqa: S608  # constants
        connection.execute(copy)
    connection.close()
    reasons = {problem.reason.split(" refers")[-1] for problem in check(path)}
    assert "another object has the same row of contents" in reasons
    assert " to it, and something else does too" in reasons


def test_pages_that_sqlite_cannot_read_are_a_problem_and_no_error(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for page in range(20, len(content) // 4096, 3):
        content[page * 4096 : page * 4096 + 200] = b"\xa5" * 200
    path.write_bytes(content)
    assert {problem.kind for problem in check(path)} >= {"structure"}


def test_no_database_is_a_problem_and_an_absent_one_an_error(tmp_path: Path) -> None:
    (tmp_path / "diary").write_bytes(b"my diary" * 1000)
    assert {problem.kind for problem in check(tmp_path / "diary")} == {"structure"}
    with pytest.raises(OSError, match="opened"):
        check(tmp_path / "absent")


def test_the_problems_told_are_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROBLEMS_MAX", 3)
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM blobs")
    connection.close()
    assert len(check(path)) == 3

"""What a reader sees of an upload that somebody else ends at the same moment."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cybous3.server.meta.sqlite.index import open_sqlite
from cybous3.server.meta.sqlite.reading import Reader
from tests.contracts.values import BUCKET, part, upload

pytestmark = pytest.mark.anyio


async def test_an_upload_that_is_found_has_its_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An abort that another process commits between two statements does not show half of itself."""
    index = await open_sqlite(tmp_path / "index.db")
    await index.buckets.create(BUCKET)
    begun = upload("key")
    await index.uploads.create(begun)
    await index.uploads.put_part(BUCKET.name, "key", begun.id, part(1))
    other = sqlite3.connect(tmp_path / "index.db", isolation_level=None)
    found = Reader.one

    def abort_behind(reader: Reader, sql: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        row = found(reader, sql, parameters)
        other.executescript("DELETE FROM parts; DELETE FROM uploads;")
        return row

    monkeypatch.setattr(Reader, "one", abort_behind)
    assert [listed.number for listed in await index.uploads.parts(BUCKET.name, "key", begun.id)] == [1]
    monkeypatch.undo()
    other.close()
    await index.aclose()

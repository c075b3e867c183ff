"""Reads, on the calling thread: a point read takes 12 us, a hop to a thread and back more.

Outside a transaction every statement sees what any process committed before it began. None of them may
return an unbounded number of rows: what runs here, the event loop waits for.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from cybous3.server.meta.sqlite.errors import translated
from cybous3.server.meta.sqlite.places import BucketRow, find_bucket

Parameters = Sequence[int | str | bytes | None]


class Reader:
    """A connection that only reads."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def one(self, sql: str, parameters: Parameters = ()) -> tuple[Any, ...] | None:
        """Return the first row, or None."""
        try:
            row: tuple[Any, ...] | None = self._connection.execute(sql, parameters).fetchone()
        except sqlite3.Error as error:
            raise translated(error) from error
        return row

    def all(self, sql: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        """Return all rows."""
        try:
            return self._connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise translated(error) from error

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let several reads see one state, and take the locks of a read once instead of each time.

        Nothing may await within.
        """
        try:
            self._connection.execute("BEGIN")
        except sqlite3.Error as error:
            raise translated(error) from error
        try:
            yield
        finally:
            self._connection.rollback()  # there is nothing to undo: it ends the reading

    def bucket(self, name: str) -> BucketRow:
        """Return the bucket as rows refer to it. NoSuchBucket."""
        try:
            return find_bucket(self._connection, name)
        except sqlite3.Error as error:
            raise translated(error) from error

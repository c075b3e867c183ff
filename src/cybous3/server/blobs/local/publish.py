"""Giving a finished file its name, and taking marks away. Blocking; runs in threads."""

import os
from collections.abc import Sequence
from typing import Final

from cybous3.disk.files import NO_HARD_LINKS, Files
from cybous3.server.blobs.local.layout import Layout

SYNC_LATER: Final = os.name != "nt"
"""Whether a file can be made durable after its writer closed it.

Windows wants it open for writing for that, so there every blob is made durable when it is published.
"""


class Publisher:
    """Moves blobs from `incoming` to `blobs` in a way that a crash leaves either whole or findable."""

    def __init__(self, files: Files, layout: Layout) -> None:
        self._files = files
        self._layout = layout
        self._links = True  # until the file system says that it has none
        self._left: set[str] = set()  # what could not be withdrawn when it was to be

    def publish(self, blob: str, *, durably: bool = True) -> None:
        """Name a blob whose bytes are synced, if it is to be durable. OSError: it may be named, and is no use."""
        if self._links:
            self._links = self._publish_by_link(blob, durably=durably)
        if not self._links:
            self._publish_by_rename(blob, durably=durably)
        if durably:
            self._files.sync_directory(self._layout.directory(blob))
        if self._left:
            self._withdraw_left()

    def sync(self, blobs: Sequence[str]) -> None:
        """Make durable what was published without. FileNotFoundError, OSError; a sync that failed is not repeated."""
        for blob in blobs:
            fd = self._files.open(self._layout.published(blob))
            try:
                if SYNC_LATER:
                    self._files.sync(fd)
            finally:
                self._files.close(fd)
        for directory in {self._layout.directory(blob) for blob in blobs}:
            self._files.sync_directory(directory)

    def settle(self, blobs: Sequence[str]) -> None:
        """Take the marks away. What cannot be removed now is left to the next start."""
        for blob in blobs:
            try:
                self._remove_marks(blob)
            except OSError:
                continue

    def withdraw(self, blob: str) -> None:
        """Remove every name of a blob that the index does not refer to.

        The marks last, so that a crash in between is found. What a failing medium keeps is removed once a publish shows
        that it works again, or by the next start.
        """
        try:
            self._withdraw(blob)
        except OSError:
            self._left.add(blob)
            raise

    def _withdraw(self, blob: str) -> None:
        if self._files.unlink(self._layout.published(blob)):
            self._files.sync_directory(self._layout.directory(blob))
        self._remove_marks(blob)

    def _withdraw_left(self) -> None:
        """Withdraw what is left. Several threads may come here: each takes what it does."""
        for _ in range(len(self._left)):
            try:
                blob = self._left.pop()
            except KeyError:
                return
            try:
                self._name(blob)
                self._withdraw(blob)
            except OSError:
                self._left.add(blob)
                return

    def _name(self, blob: str) -> None:
        """Give a withdrawn blob its name back, empty: a failed sync is not repeated, and this is a change to sync."""
        try:
            self._files.close(self._files.create(self._layout.published(blob)))
        except FileExistsError:
            return

    def remove(self, blobs: Sequence[str]) -> list[str]:
        """Remove published blobs and return those whose names are durably gone."""
        gone = [blob for blob in blobs if self._try_remove(blob)]
        for directory in {self._layout.directory(blob) for blob in gone}:
            self._files.sync_directory(directory)
        return gone

    def _try_remove(self, blob: str) -> bool:
        try:
            self._files.unlink(self._layout.published(blob))
        except OSError:
            return False
        return True

    def _remove_marks(self, blob: str) -> None:
        self._files.unlink(self._layout.writing(blob))
        if not self._links:
            self._files.unlink(self._layout.mark(blob))

    def _publish_by_link(self, blob: str, *, durably: bool) -> bool:
        writing = self._layout.writing(blob)
        if durably:
            self._files.sync_directory(writing.parent)  # the mark must not be lost before what it marks
        try:
            self._files.link(writing, self._layout.published(blob))
        except OSError as error:
            if error.errno in NO_HARD_LINKS:
                return False
            raise
        return True

    def _publish_by_rename(self, blob: str, *, durably: bool) -> None:
        mark = self._layout.mark(blob)
        self._files.close(self._files.create(mark))
        if durably:
            self._files.sync_directory(mark.parent)
        self._files.rename(self._layout.writing(blob), self._layout.published(blob))

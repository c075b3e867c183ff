"""Data directories that are quick to make."""

import pytest

from cybous3.server.meta.sqlite import index as sqlite_index


@pytest.fixture(autouse=True)
def short_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Laying out the log takes longer than most tests."""
    monkeypatch.setattr(sqlite_index, "LOG_BYTES", 0)

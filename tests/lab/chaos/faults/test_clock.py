"""What of a wrong clock can be tested without one."""

from pathlib import Path

import pytest

from cybous3.lab.chaos.errors import CannotInject
from cybous3.lab.chaos.faults.clock import preloadable


def test_a_path_with_a_blank_is_preloaded_by_a_link(tmp_path: Path) -> None:
    library = tmp_path / "a folder" / "library.so"
    library.parent.mkdir()
    library.write_bytes(b"code")
    link = tmp_path / "link.so"
    for _ in range(2):
        assert preloadable(str(library), link) == str(link)
    assert link.read_bytes() == b"code"
    assert preloadable(str(link), tmp_path / "other") == str(link)
    with pytest.raises(CannotInject, match="cannot be preloaded"):
        preloadable(str(library), library.with_name("too"))

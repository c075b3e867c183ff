"""What a server process does not load, and what it loads a little later."""

import subprocess
import sys

import pytest

from cybous3.server.app.lean import import_structlog, warm, without


def _loaded_by(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_a_server_process_is_free_of_what_it_never_uses() -> None:
    """Neither rich, which structlog would import, nor what only the first upload needs."""
    loaded = _loaded_by(
        "from cybous3.server.app.lean import import_structlog; import_structlog(); import cybous3.server.app.server"
    )
    assert "structlog" in loaded
    assert not {"rich", "awscrt", "cybous3.cli"} & loaded


def test_warming_loads_what_the_first_upload_needs() -> None:
    assert "awscrt.checksums" in _loaded_by("from cybous3.server.app.lean import warm; warm()")
    warm()


def test_a_hidden_package_is_hidden_for_that_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "this", raising=False)
    with without("this"), pytest.raises(ImportError):
        import this  # noqa: F401, PLC0415  # must fail
    assert "this" not in sys.modules


def test_what_is_loaded_already_stays() -> None:
    with without("sys"):
        import sys as again  # noqa: PLC0415  # must work
    assert again is sys
    import_structlog()

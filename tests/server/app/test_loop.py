"""The loop's surroundings: how many files, and how many connections they allow."""

import pytest

from cybous3.server.app.loop import connections_that_fit, raise_file_limit, run


@pytest.mark.parametrize(
    ("wanted", "files", "fit"),
    [(4096, None, 4096), (4096, 20_000, 4096), (4096, 1024, 448), (10, 1024, 10), (10, 64, 1)],
)
def test_connections_leave_files_for_the_rest(wanted: int, files: int | None, fit: int) -> None:
    assert connections_that_fit(wanted, files) == fit


def test_the_limit_is_raised_once_and_stays() -> None:
    assert raise_file_limit() == raise_file_limit()


def test_the_loop_runs() -> None:
    async def main() -> int:
        return 5

    assert run(main()) == 5

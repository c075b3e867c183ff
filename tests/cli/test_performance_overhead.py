"""`cybs3 performance overhead`: both ways of moving files, for real; the sentence; the exit codes."""

from pathlib import Path

import pytest

from tests.support.server import Server
from tests.support.shell import Shell

pytestmark = pytest.mark.e2e

OVERHEAD = ("performance", "overhead", "--size", "9MiB", "--block", "9MiB")


def at(server: Server, shell: Shell) -> tuple[str, ...]:
    shell.patch.setenv("AWS_SECRET_ACCESS_KEY", server.root.secret_key)
    return ("--endpoint", server.endpoint, "--access-key", server.root.access_key, "--durability", "strict")


def test_both_modes_move_the_files_and_the_cost_has_an_interval(shell: Shell, server: Server, tmp_path: Path) -> None:
    """9 MiB: in parts up, in windows down. A target out of reach of any noise is met."""
    where = (*at(server, shell), "--out", str(tmp_path / "data"), "--plot", str(tmp_path / "cost.html"))
    said = shell.ok(*OVERHEAD, "--pairs", "5", "--target", "100000", *where)
    assert "encryption costs" in said
    assert "95 % interval" in said
    assert said.count("target < 100000 %: met") == 2
    assert "put 9 MiB" in (tmp_path / "cost.html").read_text()
    assert list((tmp_path / "data").iterdir()) == []


def test_too_few_pairs_are_inconclusive(shell: Shell, server: Server, tmp_path: Path) -> None:
    done = shell(*OVERHEAD, "--pairs", "1", "--out", str(tmp_path), "--json", *at(server, shell))
    assert done.code == 3
    assert '"verdict": "inconclusive"' in done.out


def test_a_bucket_cannot_be_given(shell: Shell, server: Server) -> None:
    assert "a bucket of its own" in shell.fails(2, *OVERHEAD, "--bucket", "b", *at(server, shell))

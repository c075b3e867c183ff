"""A target is a server that can be had, or a clear sentence."""

from pathlib import Path

import pytest

from cybous3.lab.bench.rivals.port import Place
from cybous3.lab.chaos.powercut import load
from cybous3.lab.chaos.powercut.targets import KEY, NoSuchTarget, chosen, kinds, own, rclone


def test_a_command_is_filled_in(tmp_path: Path) -> None:
    target = chosen("server --dir {data} --port {port} --key {access_key}:{secret_key}")
    launch = target.launch(Place(tmp_path, 4711, KEY))
    assert launch.command[:5] == ("server", "--dir", str(tmp_path / "data"), "--port", "4711")
    assert KEY.access_key in launch.command[6]
    assert kinds(target) == load.PLAIN


@pytest.mark.parametrize("name", ["moto", "server {data}", "server {port}"])
def test_what_is_no_target_is_said(name: str) -> None:
    with pytest.raises(NoSuchTarget, match="neither own nor rclone"):
        chosen(name)


def test_only_our_own_has_modes() -> None:
    with pytest.raises(NoSuchTarget, match="only our own"):
        chosen("rclone", "relaxed")
    assert own("relaxed").environment["SWIFTS3_DURABILITY"] == "relaxed"
    assert "SWIFTS3_DURABILITY" not in own().environment
    assert kinds(own()) == load.FULL


def test_rclone_is_the_one_of_this_environment() -> None:
    assert rclone().plain
    assert chosen("rclone").name == "rclone"

from dataclasses import replace
from pathlib import Path

import pytest

from cybous3.lab.bench import fingerprint
from cybous3.lab.bench.fingerprint import Fingerprint, commit_of, cpu_model, filesystem_of, take, unlike

MOUNTS = """\
22 1 254:0 / / rw - ext4 /dev/vda rw
30 22 0:30 / /data\\040here rw shared:1 - xfs /dev/vdb rw
31 22 0:31 / /tmp rw - tmpfs tmpfs rw
"""


def test_this_machine_is_like_itself_and_comes_back_from_json() -> None:
    mine = take(Path(__file__).parent)
    assert unlike(mine, take()) == () or take().filesystem != mine.filesystem
    assert Fingerprint.from_json(mine.to_json()) == mine
    assert mine.cores >= 1
    assert mine.memory_mib > 100
    assert mine.packages["cybous3"]


def test_what_forbids_a_comparison_is_named_and_the_commit_is_not() -> None:
    mine = take()
    other = replace(mine, cpu="another", cores=mine.cores + 1, commit="abc", load=9.0, packages={})
    assert unlike(mine, other) == ("cpu", "cores")


@pytest.mark.parametrize(
    ("folder", "kind"),
    [("/data here/x", "xfs"), ("/tmp", "tmpfs"), ("/tmpx", "ext4"), ("/", "ext4")],  # noqa: S108  # names in a table
)
def test_the_deepest_mount_holds_the_folder(folder: str, kind: str) -> None:
    assert filesystem_of(MOUNTS, Path(folder)) == kind
    assert filesystem_of("", Path(folder)) == "unknown"


def test_processors_have_names() -> None:
    assert cpu_model("processor\t: 0\nmodel name\t: Zeta 9\n") == "Zeta 9"
    assert cpu_model("")


def test_without_git_or_a_repository_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert commit_of(tmp_path) == ""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit_of(Path(__file__).parent) == ""


def test_what_a_system_does_not_have_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_CPUINFO", "_MOUNTS", "_GOVERNOR"):
        monkeypatch.setattr(fingerprint, name, tmp_path / "absent")
    monkeypatch.setattr(fingerprint, "PACKAGES", ("no-such-package",))
    bare = take()
    assert (bare.governor, bare.filesystem, bare.packages) == ("none", "unknown", {"no-such-package": ""})

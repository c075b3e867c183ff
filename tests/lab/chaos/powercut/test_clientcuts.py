"""The client's home after a power cut: nothing is found where syncs are kept, and it is where they are not."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from cybous3.client.keys.config import SealedConfig
from cybous3.client.keys.device import Places
from cybous3.client.keys.home import Home
from cybous3.client.keys.kernel import KernelSession
from cybous3.client.keys.login import login_with_words
from cybous3.crypto.mnemonic import create_mnemonic
from cybous3.lab.chaos.powercut import clientcuts
from cybous3.lab.chaos.powercut.check import Finding
from cybous3.lab.chaos.powercut.clients import STEPS, Recorded, Recordings
from cybous3.lab.chaos.powercut.cuts import Cut, Mode
from cybous3.lab.chaos.powercut.disk import Left
from cybous3.lab.chaos.powercut.effects import EMPTY, ROOT, Event, Names, Sync, Tree, Write
from cybous3.lab.chaos.powercut.images import take
from cybous3.lab.chaos.powercut.programs import find_program
from cybous3.lab.chaos.powercut.run import scratch
from cybous3.lab.chaos.powercut.targets import own

STEP = {step.name: step for step in STEPS}
WORDS = create_mnemonic(bytes)
OTHER_WORDS = create_mnemonic(lambda length: b"\x01" * length)

# A client that gives names to files whose bytes it has not synced.
FORGETFUL = """
from cybous3.disk.files import SystemFiles
SystemFiles.sync = lambda self, fd: None
from cybous3.cli.cybs3 import main
main()
"""


def home_with(folder: Path, vaults: Mapping[str, str], words: str = WORDS) -> Path:
    """Make a home that knows some vaults."""
    places = Places(Home(folder), KernelSession("", None), keyring_allowed=False)
    SealedConfig(login_with_words(places, words)).change(lambda document: document.update(vaults=dict(vaults)))
    return folder


def looked(before: Path, now: Path, words: str = WORDS) -> list[Finding]:
    recorded = Recorded(STEP["vault save"], take(before), (), take(before), 0.0)
    return clientcuts.look_at_home(recorded, now, words)


def checks(found: list[Finding]) -> set[tuple[str, str]]:
    return {(finding.check, finding.subject) for finding in found}


def test_an_unchanged_home_and_one_with_a_new_vault_are_whole(tmp_path: Path) -> None:
    before = home_with(tmp_path / "before", {"main": "profile"})
    now = Path(shutil.copytree(before, tmp_path / "now"))
    assert looked(before, now) == []
    home_with(now, {"main": "profile", "second": "new"})
    assert looked(before, now) == []


def test_a_forgotten_vault_and_a_lost_torn_or_foreign_key_are_found(tmp_path: Path) -> None:
    before = home_with(tmp_path / "before", {"main": "profile"})
    now = Path(shutil.copytree(before, tmp_path / "now"))
    home_with(now, {"second": "new"})
    assert checks(looked(before, now)) == {("lost", "vault main")}
    (now / "config.sealed").write_bytes(b"")
    assert checks(looked(before, now)) == {("unreadable", "home")}
    (now / "identity.sealed").write_bytes(b"torn")
    (now / "device-words.sealed").unlink()
    assert checks(looked(before, now)) == {("torn", "identity.sealed"), ("lost", "device-words.sealed")}
    assert checks(looked(before, before, OTHER_WORDS)) == {("unreadable", "home")}


def test_the_server_of_a_moment_has_done_what_ended_before_it() -> None:
    home = [
        Event(1.0, 1.1, "openat", (Names(ROOT, (("a", 1),)),)),
        Event(3.0, 3.1, "write", (Write(1, 0, b"x"),)),
        Event(5.0, 5.1, "fsync", (Sync(ROOT),)),
    ]
    server = [Event(2.0, 2.5, "mkdir", (Names(ROOT, (("bucket", -1),)),))]
    recorded = Recorded(STEP["key rotation"], EMPTY, home, EMPTY, 6.0)
    made = Recordings([recorded], Tree({ROOT: {}}, {}), server)
    cuts = [Cut(place, Left.EVERYTHING, str(place)) for place in range(4)]
    seen = [(tuple(m.home.files), m.server.directories) for m in clientcuts.moments(made, recorded, cuts)]
    assert seen == [((), ()), (("a",), ("bucket",)), (("a",), ("bucket",)), (("a",), ("bucket",))]
    prints = [moment.print for moment in clientcuts.moments(made, recorded, cuts)]
    assert len(set(prints)) == 3, "a sync alone changes no bytes"


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(not os.environ.get("CYBS3_CRASH_ALL"), reason="one of those that `make crash` runs")
@pytest.mark.skipif(find_program("strace") is None, reason="no strace on this machine: tools/debian.sh strace")
def test_a_client_that_does_not_sync_is_caught(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "forgetful.py").write_text(FORGETFUL, encoding="utf-8")
    known = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *known]))
    told: list[str] = []
    with scratch() as folder:
        (verdict,) = clientcuts.client_verdicts(
            own(), Mode.POWER, 1, folder, told.append, [STEP["vault save"]], program="forgetful"
        )
    assert verdict.found.keys() & {"unreadable", "lost", "torn"}, verdict
    assert not verdict.passed
    assert "different images tried" in told[-1]

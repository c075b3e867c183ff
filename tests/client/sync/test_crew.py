"""Trees by helper processes against a real server; and helpers that die."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cybous3.client.keys.state import State, open_state
from cybous3.client.stores.connect import Access, open_buckets, open_store
from cybous3.client.stores.errors import NoSuchBucket
from cybous3.client.stores.retry import Policy
from cybous3.client.sync import crew, process
from cybous3.client.sync.crew import Crew, HelperLost, fitting_crew
from cybous3.client.sync.filters import Filter
from cybous3.client.sync.folders import Folders, How
from cybous3.client.sync.helper import Kit
from cybous3.client.sync.moving import Job
from cybous3.client.sync.plan import Step
from cybous3.client.sync.process import forked, may_fork, spawned
from cybous3.client.sync.scan import LocalFile
from cybous3.client.transfer.journal import Journals
from cybous3.client.transfer.port import Surroundings, no_progress
from cybous3.client.transfer.sealing import VaultKeys
from cybous3.core.sigv4.credentials import Credentials
from cybous3.crypto.keyset import Keyset
from cybous3.crypto.names import NameCodec, NamesMode
from tests.support.server import Server

ALL = How(Filter())
TWO = Crew(2, 2)


class Site:
    """One machine, its vault on a real server, and the tree of the test."""

    def __init__(self, tmp_path: Path, server: Server, bucket: str) -> None:
        keyset = Keyset.create(os.urandom, 1_700_000_000)
        credentials = Credentials(server.root.access_key, server.root.secret_key)
        access = Access(server.endpoint, credentials, "us-east-1", policy=Policy(attempts_max=1))
        with closing(open_buckets(access)) as buckets:
            buckets.create_bucket(bucket)
        self.state: State = open_state(tmp_path / "state.sqlite")
        self.kit = Kit(
            access, bucket, "v", NamesMode.ENCRYPTED, os.urandom(16), keyset.encode(), tmp_path / "state.sqlite",
            tmp_path / "journal",
        )  # fmt: skip
        names = NameCodec(keyset.names_key, self.kit.vault_id, self.kit.names, self.kit.prefix)
        keys = VaultKeys(self.kit.vault_id, keyset, names)
        around = Surroundings(keys, self.state, os.urandom, lambda: 1_700_000_000_000)
        self.store = open_store(access, bucket)
        self.folders = Folders(self.store, around, Journals(self.kit.journals), tmp_path / "trees.sqlite", self.kit)
        self.root = tmp_path / "root"

    def plant(self, count: int) -> dict[str, bytes]:
        files = {f"d{number % 7}/f{number:04d}": os.urandom(number % 50) for number in range(count)}
        for name, data in files.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_bytes(data)
        return files

    def steps(self, *names: str) -> list[Step]:
        return [Step("upload", name, "new", 0, LocalFile(name, 0, 0, 0o600, str(self.root / name))) for name in names]


@pytest.fixture
def site(tmp_path: Path, server: Server) -> Iterator[Site]:
    made = Site(tmp_path, server, f"crew-{os.urandom(6).hex()}")
    yield made
    made.store.close()
    made.state.close()


def content(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture(params=["fork", "spawn"])
def start(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start helpers in the one way, then in the other."""
    monkeypatch.setattr(process, "may_fork", lambda: request.param == "fork")


@pytest.mark.usefixtures("start")
def test_a_tree_comes_and_what_it_was_is_remembered(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Helpers move the files; the parent counts them and writes what both memories hold."""
    monkeypatch.setattr(crew, "usable_cores", lambda: 2)
    monkeypatch.setattr(crew, "FILES_MIN", 10)
    monkeypatch.setattr("cybous3.client.sync.folders._FEW", 10)
    files = site.plant(60)
    site.folders.push(site.root, "t", ALL)
    back, moved = tmp_path / "back", [0]
    report = site.folders.pull(back, "t", ALL, moved.append)
    assert sorted(report.downloaded) == sorted(files)
    assert sum(moved) == sum(map(len, files.values()))
    assert content(back) == files
    assert site.folders.plan_pull(back, "t", ALL)[0].of("same") != []
    assert site.folders.verify(back, "t", ALL).same == 60


@pytest.mark.usefixtures("start")
def test_one_bad_file_fails_alone_and_a_hopeless_error_ends_the_run(site: Site) -> None:
    site.plant(8)
    names = sorted(content(site.root))
    (site.root / names[3]).unlink()
    job = Job("push", "t", site.root)
    found = list(crew.each(TWO, site.kit, job, site.steps(*names), site.state, no_progress))
    failed = {outcome.item.path: outcome.error for outcome in found if outcome.error is not None}
    assert [*failed] == [names[3]]
    assert isinstance(failed[names[3]], FileNotFoundError)
    assert len(found) == 8
    gone = site.kit._replace(bucket="no-such-bucket-here")
    errors = [o.error for o in crew.each(TWO, gone, job, site.steps(*names), site.state, no_progress)]
    assert NoSuchBucket in map(type, errors)


@pytest.mark.usefixtures("start")
def test_who_leaves_early_remembers_what_was_under_way(site: Site) -> None:
    """Every object in the bucket is one that this machine remembers, so the next run does not take it for another's."""
    site.plant(60)
    with closing(
        crew.each(TWO, site.kit, Job("push", "t", site.root), site.steps(*content(site.root)), site.state, no_progress)
    ) as outcomes:
        next(outcomes)
    stored = [entry.key for entry in site.store.list("v/").entries]
    assert 0 < len(stored) <= 60
    assert all(site.state.object_seen(site.kit.vault_id, key) for key in stored)


@pytest.mark.parametrize("start", [spawned, lambda: forked([])])
def test_a_helper_ends_with_its_input(start: Callable[[], process.Process]) -> None:
    helper = start()
    helper.orders.close()
    assert helper.wait() == 0
    helper.results.close()


def test_a_helper_that_dies_fails_what_it_had_in_hand(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both die: all files fail in one sentence each, those given out later as well, and nobody waits."""
    site.plant(100)
    started: list[process.Process] = []

    def start(others: list[process.Process]) -> process.Process:
        made = forked(others)
        os.kill(made.pid, signal.SIGKILL)
        started.append(made)
        return made

    monkeypatch.setattr(crew, "start", start)
    steps = site.steps(*content(site.root))
    found = list(crew.each(TWO, site.kit, Job("push", "t", site.root), steps, site.state, no_progress))
    assert {type(outcome.error) for outcome in found} == {HelperLost}
    assert len(found) == 100
    assert len(started) == 2


def test_the_living_do_the_work_of_the_dead(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.plant(100)

    def start(others: list[process.Process]) -> process.Process:
        made = forked(others)
        if not others:
            os.kill(made.pid, signal.SIGKILL)
        return made

    monkeypatch.setattr(crew, "start", start)
    steps = site.steps(*content(site.root))
    found = list(crew.each(TWO, site.kit, Job("push", "t", site.root), steps, site.state, no_progress))
    done = [outcome for outcome in found if outcome.value is not None]
    assert len(found) == 100
    assert len(done) >= 50
    assert {type(outcome.error) for outcome in found if outcome.value is None} == {HelperLost}


@pytest.mark.parametrize(
    ("files", "at_once", "cores", "expected"),
    [
        (399, None, 4, None),
        (400, None, 1, None),
        (400, 1, 4, None),
        (400, None, 2, Crew(2, 8)),
        (9999, None, 64, Crew(4, 4)),
        (400, 3, 8, Crew(3, 1)),
        (400, 16, 2, Crew(2, 8)),
    ],
)
def test_a_crew_fits_the_work_and_the_machine(
    files: int, at_once: int | None, cores: int, expected: Crew | None
) -> None:
    assert fitting_crew(files, at_once, cores) == expected


def test_nobody_forks_beside_a_thread() -> None:
    from threading import Event, Thread  # noqa: PLC0415  # for this test

    stop = Event()
    thread = Thread(target=stop.wait)
    thread.start()
    try:
        assert not may_fork()
    finally:
        stop.set()
        thread.join()


def test_a_kit_shows_no_key(site: Site) -> None:
    assert site.kit.keyset.hex() not in repr(site.kit)
    assert str(site.kit.keyset) not in repr(site.kit)
    assert "secret" not in repr(site.kit).lower()

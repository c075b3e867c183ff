"""A person's `cybs3` and the server are killed at the same moment, in the middle of a tree.

Promises: after the server is back, the same command completes; both sides are then alike, byte for byte; at no moment
does a name of the tree show anything but a whole file; a write of one's own is no conflict; and the words alone bring
everything back. (The scenario two-ends-killed has one upload of new small files; here are overwrites, downloads, helper
processes, parts, and a few moments of each.)
"""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from cybous3.client.stores.connect import Access, open_buckets, open_store
from cybous3.client.stores.errors import NoSuchUpload
from cybous3.client.stores.port import Store, each_entry
from cybous3.core.sigv4.credentials import Credentials
from cybous3.lab.chaos.folder import _COMMAND, Person
from tests.support.server import Server

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

MIB = 2**20
PATIENCE_S = 60.0
MANY = {f"folder-{number % 9}/file {number}.bin": 300 + 41 * number for number in range(420)}
LARGE = {"large.bin": 21 * MIB + 5, **{f"small {number}": 5000 + number for number in range(6)}}


@dataclass
class Place:
    """One server, one person, and a look at the bucket past both."""

    server: Server
    person: Person
    access: Access
    store: Store
    folder: Path

    def another(self, name: str) -> Person:
        """Give a machine that knows nothing but the words."""
        other = Person(self.folder / name, self.person.words, self.person.secret_key)
        other.log_in(self.access, "both-ends")
        return other

    def done(self, *arguments: str) -> None:
        """Run a command that must succeed."""
        ended = self.person.run(*arguments)
        assert ended.returncode == 0, ended.stderr

    def both_killed(self, chance: random.Random, there_yet: Callable[[], bool], *arguments: str) -> int:
        """Begin a command, kill it and the server when `there_yet`, and start the server again; return its exit code.

        By chance its helpers die with it, or are left to notice that it is gone; what these were at, they may still
        finish when the server is back.
        """
        process = subprocess.Popen(
            [*_COMMAND, *arguments],
            env=self.person.surroundings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + PATIENCE_S
        while process.poll() is None and not there_yet() and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(chance.random() * 0.05)
        helpers = psutil.Process(process.pid).children() if process.poll() is None else []
        process.kill()
        for helper in helpers if chance.random() < 0.5 else []:
            with suppress(psutil.NoSuchProcess):
                os.kill(helper.pid, signal.SIGKILL)
        self.server.kill()
        code = process.wait(PATIENCE_S)
        self.server.start()
        _, left = psutil.wait_procs(helpers, timeout=PATIENCE_S)
        assert left == []
        return code


@pytest.fixture(scope="module", name="place")
def _place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("both-ends")
    server = Server(folder / "server")
    server.start()
    access = Access(server.endpoint, Credentials(server.root.access_key, server.root.secret_key), server.region)
    buckets = open_buckets(access)
    buckets.create_bucket("both-ends")
    buckets.close()
    store = open_store(access, "both-ends")
    person = Person(folder / "home", "", server.root.secret_key)
    person.log_in(access, "both-ends")
    yield Place(server, person, access, store, folder)
    store.close()
    server.stop()


def dice(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311  # moments and contents that can be chosen again


def plant(root: Path, tree: dict[str, int], seed: int) -> None:
    """Write the tree, as the seed has it; another seed changes every file."""
    chance = dice(seed)
    for name, size in tree.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(chance.randbytes(size))


def found(root: Path) -> dict[str, bytes]:
    """Return every file that has a name of its own: what is still being written is called otherwise."""
    paths = [path for path in root.rglob("*") if path.is_file() and not path.name.endswith(".part")]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


def leftovers(root: Path) -> list[Path]:
    return [path for path in root.rglob("*.part") if path.is_file()]


@pytest.mark.parametrize("seed", [1, 2])
def test_new_small_files_by_helpers(place: Place, tmp_path: Path, seed: int) -> None:
    chance, root, name = dice(seed), tmp_path / "tree", f"new-{seed}"
    plant(root, MANY, seed)
    before = len([*each_entry(place.store)])
    enough = before + chance.randrange(len(MANY) * 3 // 4)
    code = place.both_killed(
        chance, lambda: len([*each_entry(place.store)]) > enough, "folders", "put", str(root), name
    )
    assert code == -signal.SIGKILL
    place.done("folders", "put", str(root), name)
    place.done("folders", "verify", str(root), name)


@pytest.mark.parametrize("seed", [1])
def test_small_files_over_themselves_and_edited_once_more(place: Place, tmp_path: Path, seed: int) -> None:
    """What the killed run had written is this machine's own: the next run writes over it and tells no conflict."""
    chance, root, name = dice(seed), tmp_path / "tree", f"over-{seed}"
    plant(root, MANY, seed)
    place.done("folders", "put", str(root), name)
    before = {entry.key: entry.etag for entry in each_entry(place.store)}
    plant(root, MANY, seed + 100)
    enough = chance.randrange(len(MANY) * 3 // 4)

    def there_yet() -> bool:
        return sum(before.get(entry.key) != entry.etag for entry in each_entry(place.store)) > enough

    assert place.both_killed(chance, there_yet, "folders", "put", str(root), name) == -signal.SIGKILL
    plant(root, MANY, seed + 200)
    place.done("folders", "put", str(root), name)
    place.done("folders", "verify", str(root), name)


@pytest.mark.parametrize("parts", [0, 2])
def test_a_large_file_in_parts(place: Place, tmp_path: Path, parts: int) -> None:
    """Killed when its upload has so many parts; first as a new file, then over itself."""
    chance, root, name = dice(parts), tmp_path / "tree", f"large-{parts}"

    def there_yet() -> bool:
        uploads = [*place.store.list_uploads()]
        try:
            return any(len(place.store.list_parts(one.key, one.upload_id)) >= parts for one in uploads)
        except NoSuchUpload:  # completed since it was listed
            return True

    for round_ in (1, 2):
        plant(root, LARGE, 10 * parts + round_)
        place.both_killed(chance, there_yet, "folders", "put", str(root), name)
        place.done("folders", "put", str(root), name)
        place.done("folders", "verify", str(root), name, "--read")
        assert [*place.store.list_uploads()] == []


@pytest.mark.parametrize(("tree", "seed"), [(MANY, 2), (LARGE, 1), (LARGE, 2)], ids=["many", "large", "large-over"])
def test_a_tree_that_is_fetched_shows_whole_files_alone(
    place: Place, tmp_path: Path, seed: int, tree: dict[str, int]
) -> None:
    """Over an older state of the same tree: each name has the old content or the new, and never a mixture."""
    chance, root, back, name = dice(seed), tmp_path / "tree", tmp_path / "back", f"get-{len(tree)}-{seed}"
    plant(root, tree, seed)
    old = found(root)
    place.done("folders", "put", str(root), name)
    if seed == 2:
        place.done("folders", "get", name, str(back))
        plant(root, tree, seed + 100)
        place.done("folders", "put", str(root), name)
    new = found(root)
    enough = chance.randrange(len(tree) * 3 // 4)

    def there_yet() -> bool:
        now = {path.relative_to(back).as_posix(): path.stat().st_size for path in back.rglob("*.bin")}
        return sum(new.get(one) == old.get(one) or seed == 1 for one in now) > enough or bool(leftovers(back))

    place.both_killed(chance, there_yet, "folders", "get", name, str(back))
    for one, content in found(back).items():
        assert content in {old[one], new[one]}, f"{one} is neither"
    place.done("folders", "get", name, str(back))
    assert found(back) == new
    assert leftovers(back) == []
    place.done("folders", "verify", str(back), name)


def test_the_words_alone_bring_everything_back(place: Place, tmp_path: Path) -> None:
    """After all these kills: keys, vault and every tree are whole for a machine that has never been here."""
    other = place.another("other home")
    plant(tmp_path / "tree", LARGE, 7)
    place.done("folders", "put", str(tmp_path / "tree"), "last")
    ended = other.run("folders", "get", "last", str(tmp_path / "back"))
    assert ended.returncode == 0, ended.stderr
    assert found(tmp_path / "back") == found(tmp_path / "tree")

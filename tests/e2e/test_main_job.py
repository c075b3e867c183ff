"""The main job with everything real: thousands of files and a large one, a server that is killed in the middle."""

import hashlib
import os
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.promises import MIB, boto3_client
from tests.support.person import Person
from tests.support.server import Server

pytestmark = pytest.mark.e2e

FILES = 2_000
LARGE = 160 * MIB


def sources(target: Path, count: int) -> None:
    """Fill a folder with `count` files of the standard library, and a few that tools stumble over."""
    library = Path(sysconfig.get_path("stdlib"))
    paths = [path for path in sorted(library.rglob("*.py")) if "site-packages" not in path.parts]
    for number in range(count):
        path = paths[number % len(paths)]
        copy = target / f"round-{number // len(paths)}" / path.relative_to(library)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    for name in ("empty", "name with spaces", "ünï→cødé 🎉", "-dash", "dots..and.more", "x" * 200):
        (target / name).write_bytes(name.encode() * (name != "empty"))


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def stored_bytes(server: Server) -> int:
    """Return how much lies in the server's data directory, finished or not."""
    sizes = (path.stat().st_size for path in server.data.rglob("*") if path.is_file())
    return sum(sizes)


def kill_and_start(server: Server) -> None:
    """Do what a power cut and its end are to a client."""
    server.kill()
    time.sleep(0.5)
    server.start()


@pytest.fixture
def person(tmp_path: Path, own_server: Server) -> Iterator[Person]:
    """Someone with a vault on a server of their own."""
    own_server.start()
    boto3_client(own_server.endpoint, own_server.root).create_bucket(Bucket="vault")
    someone = Person(tmp_path / "home")
    someone.log_in()
    key = own_server.root
    place = ("--endpoint", own_server.endpoint, "--bucket", "vault", "--access-key", key.access_key)
    someone.environment["CYBS3_SECRET_KEY"] = key.secret_key
    someone.cybs3("vaults", "add", "home", *place)
    yield someone
    if own_server.is_running():
        own_server.stop()


def test_a_tree_survives_a_killed_server_and_comes_back_bit_for_bit(
    person: Person, own_server: Server, tmp_path: Path
) -> None:
    """Killed with -9 in the middle of the upload and started again: the second attempt completes, nothing is lost."""
    tree = tmp_path / "tree"
    tree.mkdir()
    sources(tree, FILES)
    (tree / "large.bin").write_bytes(os.urandom(LARGE))

    upload = person.start("folders", "put", str(tree), "tree")
    before = stored_bytes(own_server)
    deadline = time.monotonic() + 60
    while stored_bytes(own_server) - before < LARGE // 4:
        assert upload.poll() is None, "the upload ended before the server could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    kill_and_start(own_server)
    out, err = upload.communicate(timeout=100)
    assert "Traceback" not in err
    if upload.returncode:
        assert upload.returncode in {5, 20, 23}, (upload.returncode, out, err)
        person.cybs3("folders", "put", str(tree), "tree")

    person.cybs3("folders", "get", "tree", str(tmp_path / "back"))
    assert digests(tmp_path / "back") == digests(tree)
    person.cybs3("folders", "verify", str(tree), "tree")


def test_small_files_alone_survive_a_killed_server_on_the_way_there_and_back(
    person: Person, own_server: Server, tmp_path: Path
) -> None:
    """Thousands of small files go by several processes: all of them meet the killed server, none loses a file."""
    tree = tmp_path / "tree"
    tree.mkdir()
    sources(tree, FILES)
    for command in (("put", str(tree), "tree"), ("get", "tree", str(tmp_path / "back"))):
        begun = time.monotonic()
        moving = person.start("folders", *command)
        while time.monotonic() - begun < 1.2:
            time.sleep(0.05)
        assert moving.poll() is None, "it ended before the server could be killed"
        kill_and_start(own_server)
        out, err = moving.communicate(timeout=100)
        assert "Traceback" not in err
        if moving.returncode:
            assert moving.returncode in {5, 20, 23}, (moving.returncode, out, err)
            person.cybs3("folders", *command)
    assert digests(tmp_path / "back") == digests(tree)
    person.cybs3("folders", "verify", str(tree), "tree")


def test_the_server_sees_no_name_and_no_content(person: Person, own_server: Server, tmp_path: Path) -> None:
    """Zero knowledge, looked at from the other side: the data directory holds nothing of the tree."""
    secret_name, secret_line = "acquisition-of-globex", b"the offer is four hundred million"
    folder = tmp_path / "papers" / secret_name
    folder.mkdir(parents=True)
    (folder / f"{secret_name}.txt").write_bytes(secret_line * 3_000)
    person.cybs3("folders", "put", str(tmp_path / "papers"), "papers")
    own_server.stop()
    everything = b"".join(path.read_bytes() for path in own_server.data.rglob("*") if path.is_file())
    assert len(everything) > len(secret_line) * 3_000
    for word in (secret_name.encode(), secret_line, b"papers", secret_line[:16]):
        assert word not in everything
    own_server.start()


def test_another_machine_needs_the_words_and_nothing_else(person: Person, own_server: Server, tmp_path: Path) -> None:
    """The recovery promise: words, bucket, credentials; no file of the old machine."""
    (tmp_path / "note.txt").write_text("remember", encoding="utf-8")
    person.cybs3("files", "put", str(tmp_path / "note.txt"), "notes/note.txt")
    other = Person(tmp_path / "other-home", {"CYBS3_SECRET_KEY": own_server.root.secret_key})
    (other.home / "words").write_text((person.home / "words").read_text(encoding="utf-8"), encoding="utf-8")
    other.environment["CYBS3_MNEMONIC_FILE"] = str(other.home / "words")
    place = ("--endpoint", own_server.endpoint, "--bucket", "vault", "--access-key", own_server.root.access_key)
    other.cybs3("vaults", "add", "recovered", *place)
    assert other.cybs3("files", "cat", "notes/note.txt") == "remember"

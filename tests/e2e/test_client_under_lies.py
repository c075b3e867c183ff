"""The real client against a server that lies: an alarm, and no wrong byte on disk.

Promises: a lie about one file is an alarm when it is read; a lie about a tree is found by `verify`; what cannot be
known by design is said here as well.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cybous3.client.keys.state import open_state
from cybous3.client.stores.documents import BucketDocuments
from cybous3.client.sync.filters import Filter
from cybous3.client.sync.folders import Folders, How
from cybous3.client.vault.documents import Cache
from cybous3.client.vault.opening import Keeper, SeedSecret
from cybous3.core.errors import CybousError
from cybous3.lab.chaos.proxy.lies import DropPut, Hide, Lie, Metadata, Reorder, Rollback, Shorten, Swap, Truncate
from tests.e2e.wired import MIB, USUAL, Bench, made
from tests.support.server import Server

pytestmark = pytest.mark.e2e


@pytest.fixture
def bench(server: Server, tmp_path: Path) -> Iterator[Bench]:
    yield from made(server, tmp_path, USUAL)


LIES: dict[str, tuple[Lie, int]] = {
    "an older state": (Rollback("lie"), 12),
    "two objects swapped": (Swap("lie"), 11),
    "another's metadata": (Metadata("lie"), 11),
    "an end that is missing": (Truncate("lie", at=-1), 11),
    "only the beginning": (Truncate("lie", at=10), 11),
    "a hidden object": (Hide("lie"), 3),
}


@pytest.mark.parametrize("lie", sorted(LIES))
def test_a_lie_is_an_alarm_and_no_byte_on_disk(bench: Bench, lie: str) -> None:
    told, code = LIES[lie]
    for name in ("a", "b", "a", "b"):
        bench.keep(name)
    bench.wire.add(told)
    with pytest.raises(CybousError) as alarm:
        bench.down.get_file("a", bench.home / "out")
    assert alarm.value.exit_code == code, alarm.value
    assert not (bench.home / "out").exists()


def test_a_lie_about_a_segment_boundary_is_an_alarm(bench: Bench) -> None:
    bench.write("f", 3 * MIB)
    bench.up.put_file(bench.home / "f", "f")
    stored = bench.files.stat("f")
    for at in (MIB, 2 * MIB, -MIB):
        bench.wire.add(Truncate("lie", at=at))
        with pytest.raises(CybousError) as alarm:
            bench.down.get_file("f", bench.home / "out")
        assert alarm.value.exit_code == 11
        bench.wire.remove("lie")
    assert stored.size == 3 * MIB


def trees(bench: Bench) -> tuple[Folders, Path]:
    """Store a tree of six files, and return what compares it."""
    root = bench.home / "tree"
    root.mkdir()
    for number in range(6):
        (root / f"file {number}").write_bytes(os.urandom(1000))
    folders = Folders(bench.store, bench.around, bench.journals, bench.home / "known.sqlite")
    folders.push(root, "tree", How(Filter()))
    return folders, root


def verified(folders: Folders, root: Path) -> dict[str, str]:
    """Return what `folders verify` complains of: path and reason. Nothing is exit code 0, anything is 6."""
    return {failed.path: failed.reason for failed in folders.verify(root, "tree", How(Filter())).failed}


def test_verify_is_content_with_the_truth_and_with_another_order(bench: Bench) -> None:
    """A listing in another order does no harm, for a tree as for one file."""
    folders, root = trees(bench)
    assert verified(folders, root) == {}
    bench.wire.add(Reorder("lie", seed=3))
    assert verified(folders, root) == {}
    assert folders.pull(bench.home / "back", "tree", How(Filter())).failed == []
    assert sorted(path.read_bytes() for path in (bench.home / "back").iterdir()) == sorted(
        path.read_bytes() for path in root.iterdir()
    )


def test_a_listing_that_ends_early_is_found_by_verify_alone(bench: Bench) -> None:
    """By design: nothing on this machine says what there should be, but a local tree does."""
    folders, root = trees(bench)
    bench.wire.add(Shorten("lie", keep=4))
    assert list(verified(folders, root).values()) == ["only here"] * 2
    report = folders.pull(bench.home / "back", "tree", How(Filter()))
    assert (len(report.downloaded), report.failed) == (4, []), "a fetched tree is short without a word"


def test_a_put_that_was_never_done_is_found_when_it_is_asked_for(bench: Bench) -> None:
    """Not at the time. A new file is missing then (3); one that was there before is older than what we wrote (12)."""
    old = bench.keep("old")
    bench.wire.add(DropPut("lie"))
    bench.keep("old")
    bench.keep("new")
    bench.wire.remove("lie")
    for name, code in (("old", 12), ("new", 3)):
        with pytest.raises(CybousError) as alarm:
            bench.content(name)
        assert alarm.value.exit_code == code
    with pytest.raises(CybousError) as alarm:
        bench.keep("old")
    assert alarm.value.exit_code == 22, "what is there is not what this machine saw"
    (entry,) = bench.store.list("").entries
    assert entry.size > len(old)


def test_a_dropped_put_of_a_tree_is_found_by_verify(bench: Bench) -> None:
    bench.wire.add(DropPut("lie"))
    folders, root = trees(bench)
    bench.wire.remove("lie")
    bench.keep("elsewhere")
    with pytest.raises(CybousError) as alarm:
        verified(folders, root)
    assert alarm.value.exit_code == 3, "the folder was never there"


def test_an_older_state_of_one_file_is_told_by_verify(bench: Bench) -> None:
    folders, root = trees(bench)
    mark = bench.wire.mark()
    (root / "file 2").write_bytes(os.urandom(1001))
    folders.push(root, "tree", How(Filter()))
    bench.wire.add(Rollback("lie", mark=mark))
    assert list(verified(folders, root)) == ["file 2"]


def test_an_older_vault_document_is_an_alarm_here_and_nothing_elsewhere(bench: Bench) -> None:
    """A machine that has seen the newer keys says 12; one that has never been here cannot know."""
    words = SeedSecret(b"\x01" * 64)
    keeper = Keeper(BucketDocuments(bench.store, "v"), bench.state, Cache(bench.home / "cache"), time.time, os.urandom)
    made = keeper.create([(words, "words")])
    mark = bench.wire.mark()
    keeper.change(made, [words], lambda vault: vault.rotate_epoch(created=1, entropy=os.urandom))
    bench.wire.add(Rollback("lie", mark=mark))
    with pytest.raises(CybousError) as alarm:
        keeper.open([words], expected=made.vault_id)
    assert alarm.value.exit_code == 12
    with open_state(bench.home / "other.sqlite") as elsewhere:
        seen = Keeper(
            BucketDocuments(bench.store, "v"), elsewhere, Cache(bench.home / "other"), time.time, os.urandom
        ).open([words])
    assert seen.generation == made.generation

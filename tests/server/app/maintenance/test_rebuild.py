"""An index that is damaged or gone is made anew from what can be read and from the blobs, and the losses are named."""

import asyncio
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cybous3.disk.files import SYSTEM
from cybous3.server.app.accounts import NoDataDirectoryError
from cybous3.server.app.maintenance import rebuild as rebuilding
from cybous3.server.app.maintenance.fsck import fsck
from cybous3.server.app.maintenance.rebuild import Rebuilt, rebuild
from cybous3.server.app.problems import DataInUseError, LocalError, UnfinishedError
from cybous3.server.meta.sqlite.rebuild import build
from cybous3.server.store.accounts import has_keys
from cybous3.server.store.store import Store
from tests.support.house_of_data import BIG, PART, House, flip, put, put_parts


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "data")


def rebuilt(house: House) -> Rebuilt:
    return asyncio.run(rebuild(house.root, "us-east-1"))


def kinds(made: Rebuilt) -> set[str]:
    return {loss.kind for loss in made.losses}


def lose_index(house: House) -> None:
    for name in ("", "-wal", "-shm"):
        house.place.index.with_name(f"{house.place.index.name}{name}").unlink(missing_ok=True)


def test_a_good_index_is_rebuilt_as_it_was(house: House) -> None:
    house.fill("a", "b")
    house.run(lambda store: put_parts(store, "many", PART, b"end"))
    house.run(lambda store: put_parts(store, "unfinished", PART, complete=False))
    before = house.read_all()
    made = rebuilt(house)
    assert (made.losses, made.objects, made.from_labels, made.uploads) == ((), 5, 0, 1)
    assert made.kept == house.root / "index.sqlite.damaged-1"
    assert made.kept.exists()
    assert house.read_all() == before
    assert asyncio.run(fsck(house.root)).problems == []
    assert rebuilt(house).kept == house.root / "index.sqlite.damaged-2"


def test_without_an_index_everything_that_has_a_blob_comes_back(house: House) -> None:
    house.fill("a", "b")
    house.run(lambda store: put_parts(store, "many", PART, b"end"))
    upload_id = house.run(lambda store: put_parts(store, "unfinished", PART, complete=False))
    house.run(lambda store: put(store, "a", BIG + b"newer", new="words"))
    before = house.read_all()
    lose_index(house)
    made = rebuilt(house)
    assert (made.objects, made.from_labels, made.uploads, made.keys) == (3, 3, 1, 0)
    assert kinds(made) == {"index", "bucket", "user"}
    after = house.read_all()
    assert after == {key: data for key, data in before.items() if not key.startswith("small")}

    async def look(store: Store) -> None:
        assert (await store.head("bucket", "a")).user == {"new": "words"}
        assert len((await store.head("bucket", "many")).parts) == 2
        assert len(await store.index.uploads.parts("bucket", "unfinished", upload_id)) == 1
        [user] = await store.index.accounts.users()
        assert user.name.startswith("recovered-")
        assert (await store.index.buckets.get("bucket")).owner == user.id

    house.run(look)


def test_what_is_not_whole_and_only_labelled_is_said_to_be_lost(house: House) -> None:
    stored = house.fill("good", "flipped")
    house.flip(stored["flipped"].extents[0].blob)
    lose_index(house)
    made = rebuilt(house)
    assert ("object", "bucket/flipped") in {(loss.kind, loss.name) for loss in made.losses}
    assert set(house.read_all()) == {"good"}


def test_damaged_pages_cost_what_stood_on_them_and_no_more(house: House) -> None:
    house.fill(*(f"big{number:02}" for number in range(30)), small=200)
    before = house.read_all()
    content = bytearray(house.place.index.read_bytes())
    hit = content.index(b"big15") // 4096
    content[hit * 4096 : (hit + 1) * 4096] = bytes(4096)
    house.place.index.write_bytes(content)
    made = rebuilt(house)
    assert made.losses
    after = house.read_all()
    assert {key for key in before if key.startswith("big")} <= set(after)
    assert all(after[key] == before[key] for key in after)
    assert made.keys == 1


def test_what_was_deleted_stays_deleted(house: House) -> None:
    house.fill("kept", "deleted")

    async def delete(store: Store) -> None:
        await store.delete("bucket", "deleted")

    house.run(delete)
    made = rebuilt(house)
    assert (made.losses, set(house.read_all())) == ((), {"kept", "small0", "small1"})


def killed(house: House, tmp_path: Path, change: Callable[[Store], Any]) -> House:
    """Return what a server leaves that was killed after `change`: its log is not in its tables."""
    left = tmp_path / "killed"

    async def keep(store: Store) -> None:
        await change(store)
        shutil.copytree(house.root, left)

    house.run(keep)
    return House(left)


async def _overwrite_and_delete(store: Store) -> None:
    await put(store, "overwritten", BIG + b"new")
    await store.delete("bucket", "deleted")


@pytest.mark.parametrize("index", ["there", "empty", "gone"])
def test_the_log_of_a_killed_server_says_what_was_deleted(house: House, tmp_path: Path, index: str) -> None:
    """With the file it belongs to cut or gone, too: SQLite would throw such a log away."""

    async def all_of_it(store: Store) -> None:
        for key in ("kept", "deleted", "overwritten"):
            await put(store, key, BIG)
        await _overwrite_and_delete(store)

    house.fill("early")
    left = killed(house, tmp_path, all_of_it)
    if index == "empty":
        os.truncate(left.place.index, 0)
    if index == "gone":
        left.place.index.unlink()
    made = rebuilt(left)
    assert "index" not in kinds(made)
    read = left.read_all()
    assert (read["kept"], read["overwritten"], read["early"]) == (BIG, BIG + b"new", BIG)
    assert "deleted" not in read


@pytest.mark.parametrize("seed", range(4))
def test_flips_in_the_log_of_a_killed_server_end_no_rebuild(house: House, tmp_path: Path, seed: int) -> None:
    house.fill("kept", "deleted", "overwritten", small=50)
    left = killed(house, tmp_path, _overwrite_and_delete)
    log = left.place.index.with_name("index.sqlite-wal")
    chance = random.Random(seed)  # noqa: S311  # which bytes are flipped is no secret
    for _ in range(6):
        flip(log, chance.randrange(32, log.stat().st_size))
    content = log.read_bytes()
    made = rebuilt(left)
    assert made.kept is not None
    assert made.kept.with_name(f"{made.kept.name}-wal").read_bytes() == content
    assert left.read_all()["kept"] == BIG


@pytest.mark.parametrize("seal", ["gone", "another"])
def test_keys_without_their_seal_are_lost_and_the_server_can_begin(house: House, seal: str) -> None:
    house.fill("a")
    house.place.seal.unlink()
    if seal == "another":
        house.place.seal.write_bytes(bytes(32))
        house.place.seal.chmod(0o600)
    made = rebuilt(house)
    assert kinds(made) == {"access key"}

    async def look(store: Store) -> bool:
        return await has_keys(store.index)

    assert not house.run(look)


@pytest.mark.parametrize("number", range(8))
def test_interrupted_anywhere_it_is_run_again(house: House, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    house.fill("a", "b")
    before, left = house.read_all(), number

    def counting(call: Callable[..., Any]) -> Callable[..., Any]:
        def stop(*arguments: Any) -> Any:
            nonlocal left
            left -= 1
            if left == -1:
                raise KeyboardInterrupt
            return call(*arguments)

        return stop

    class Stopping:
        """Files that end the process, so to say, at one of the calls."""

        def __getattr__(self, name: str) -> Any:
            call = getattr(SYSTEM, name)
            return counting(call) if name in {"link", "rename", "sync_directory"} else call

    with monkeypatch.context() as patch:
        patch.setattr(rebuilding, "SYSTEM", Stopping())
        patch.setattr(rebuilding, "build", counting(build))
        try:
            rebuilt(house)
            interrupted = False
        except KeyboardInterrupt:
            interrupted = True
    if house.place.rebuilt.exists():
        with pytest.raises(UnfinishedError):
            house.place.ensure_finished()
    made = rebuilt(house)
    assert made.losses == ()
    assert house.read_all() == before
    assert interrupted == (number < 5)


def test_only_without_a_server_and_only_where_there_is_something(house: House, tmp_path: Path) -> None:
    with pytest.raises(NoDataDirectoryError):
        asyncio.run(rebuild(tmp_path / "nothing", "us-east-1"))
    house.fill("a")
    with house.place.lock(), pytest.raises(DataInUseError):
        rebuilt(house)
    house.place.rebuilt.mkdir()
    with pytest.raises(LocalError):
        rebuilt(house)

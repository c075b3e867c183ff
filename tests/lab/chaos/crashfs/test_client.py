"""What the client keeps, cut and failed at every call: no key, profile, document or object once promised is lost."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest

from cybous3.client.keys import sealed
from cybous3.client.keys.config import SealedConfig
from cybous3.client.keys.device import Places
from cybous3.client.keys.home import Home
from cybous3.client.keys.kernel import KernelSession
from cybous3.client.keys.login import Unlocked, _open_with_seed, forget
from cybous3.client.keys.state import State, _prepare
from cybous3.client.stores.documents import BucketDocuments
from cybous3.client.stores.errors import NotFound
from cybous3.client.stores.local import LocalStore
from cybous3.client.stores.port import Capabilities, each_entry
from cybous3.client.transfer.journal import Journals
from cybous3.client.vault.documents import Cache
from cybous3.client.vault.errors import NoVaultThere
from cybous3.client.vault.opening import Keeper, SeedSecret
from cybous3.client.vault.profiles import Profile, Profiles
from cybous3.core.errors import CybousError
from cybous3.crypto.box import seal_with_passphrase
from cybous3.crypto.kdf import FOR_TESTS_ONLY
from cybous3.crypto.mnemonic import create_mnemonic, mnemonic_seed
from cybous3.crypto.vault import OpenVault
from cybous3.lab.chaos.crashfs.files import CrashFiles
from tests.support.cuts import ROOT, every_cut, every_fault

WORDS = create_mnemonic(bytes)
SMALL_PARTS = Capabilities(part_bytes_min=1)
MINE = SeedSecret(mnemonic_seed(WORDS))
ONE, TWO = Profile("one", "https://h", "bucket"), Profile("two", "http://h:1", "bucket")


@dataclass
class Notes:
    """What a story was promised (`sure`), and what it is being promised (`trying`): after a cut, either is there."""

    sure: dict[str, Any] = field(default_factory=dict)
    trying: dict[str, Any] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)  # what else a story wants to remember

    def step(self, work: Callable[[], object], **change: Any) -> None:
        """Do something that makes `change` true once it returns."""
        self.trying = {**self.sure, **change}
        work()
        self.sure = self.trying

    def allow(self, found: dict[str, Any]) -> None:
        """Hold what was found against both."""
        assert present(found) in [present(self.sure), present(self.trying)]


def present(state: dict[str, Any]) -> dict[str, Any]:
    """Return what is there."""
    return {name: value for name, value in state.items() if value is not None}


class Story(Protocol):
    """Something the client does, and what must hold afterwards, however it ended."""

    def live(self, files: CrashFiles, notes: Notes) -> None: ...

    def judge(self, found: CrashFiles, notes: Notes) -> None: ...


def login(there: Places) -> Unlocked:
    """Log in with the seed of the words: to derive it anew a thousand times would prove nothing more."""
    return _open_with_seed(there, MINE.seed)


def places(files: CrashFiles) -> Places:
    home = Home(ROOT / "me" / "config" / "cybs3", files)
    return Places(home, KernelSession(home.label, None), os.urandom, keyring_allowed=False)


class LoginAndProfiles:
    """Words are given, profiles come and go: the configuration is the one before or the one after."""

    def live(self, files: CrashFiles, notes: Notes) -> None:
        unlocked = login(places(files))
        notes.kept["key"] = unlocked.device_key
        profiles = Profiles(SealedConfig(unlocked))
        notes.step(lambda: profiles.add(ONE, replacing=True), one=ONE)
        notes.step(lambda: profiles.add(TWO, replacing=True), two=TWO)
        notes.step(lambda: profiles.delete("one"), one=None)

    def judge(self, found: CrashFiles, notes: Notes) -> None:
        unlocked = login(places(found))
        assert notes.kept.get("key") in {None, unlocked.device_key}, "the device key is made once"
        notes.allow({profile.name: profile for profile in Profiles(SealedConfig(unlocked)).all()})


BOXES = [
    seal_with_passphrase(each, sealed.Purpose.DEVICE, bytes(32), os.urandom, FOR_TESTS_ONLY)
    for each in ("before", "after")
]


class Passphrase:
    """A passphrase is changed: the one before or the one after opens, and the words always do."""

    def live(self, files: CrashFiles, notes: Notes) -> None:
        notes.kept["key"] = login(places(files)).device_key
        for box in BOXES:  # sealed beforehand: a passphrase is slow on purpose
            notes.step(lambda box=box: sealed._write(self._path(files), box, files, new=False), box=box)  # type: ignore[misc]  # binds the loop

    def judge(self, found: CrashFiles, notes: Notes) -> None:
        if "key" in notes.kept:
            assert login(places(found)).device_key == notes.kept["key"]
            notes.allow({"box": sealed._read(self._path(found), found)})

    @staticmethod
    def _path(files: CrashFiles) -> Path:
        return places(files).home.device_by_passphrase


class Forgetting:
    """After `logout --forget` nothing of it comes back; before it ended, the words still open what is there."""

    def live(self, files: CrashFiles, notes: Notes) -> None:
        login(places(files))
        forget(places(files))
        notes.kept["forgotten"] = True

    def judge(self, found: CrashFiles, notes: Notes) -> None:
        if "forgotten" in notes.kept:
            assert not places(found).exists()
            assert not found.exists(places(found).home.identity)
        login(places(found))


class Vault:
    """A vault is made and its keys rotated, in a bucket that is a directory, with a copy and a memory beside it."""

    def live(self, files: CrashFiles, notes: Notes) -> None:
        keeper = self._keeper(files, notes)
        vault = self._opened(keeper, notes) or keeper.create([(MINE, "words")])
        notes.kept.update(id=vault.vault_id, generation=vault.generation)
        for _ in range(2):
            vault = keeper.change(vault, [MINE], rotated)
            notes.kept["generation"] = vault.generation

    def judge(self, found: CrashFiles, notes: Notes) -> None:
        keeper = self._keeper(found, notes)
        vault = self._opened(keeper, notes)
        assert (vault.generation if vault else 0) >= notes.kept.get("generation", 0)
        assert vault is None or notes.kept.get("id") in {None, vault.vault_id}
        if vault is not None:
            keeper.change(vault, [MINE], rotated)

    @staticmethod
    def _opened(keeper: Keeper, notes: Notes) -> OpenVault | None:
        try:
            return keeper.open([MINE], expected=notes.kept.get("id"))
        except NoVaultThere:
            return None

    @staticmethod
    def _keeper(files: CrashFiles, notes: Notes) -> Keeper:
        # The memory of this machine is SQLite's to keep. It is as far on as it can be, which is the harder case.
        known: sqlite3.Connection = notes.kept.setdefault("memory", memory())
        seen = State(known if notes.kept.setdefault("files", files) is files else memory_copy(known))
        store = LocalStore(ROOT / "bucket", files=files)
        return Keeper(BucketDocuments(store, "p"), seen, Cache(ROOT / "vaults", files), lambda: 1, os.urandom)


class Directory:
    """A bucket in a directory: objects are the one before or the one after, deletions stay deleted."""

    def live(self, files: CrashFiles, notes: Notes) -> None:
        store = LocalStore(ROOT / "a" / "bucket", SMALL_PARTS, files=files)
        notes.step(lambda: store.put("k", b"one" * 300), k=b"one" * 300)
        notes.step(lambda: store.put("k", b"two" * 400), k=b"two" * 400)
        notes.step(lambda: store.copy("k", "l"), l=b"two" * 400)
        notes.step(lambda: store.delete("k"), k=None)
        upload = store.create_upload("m")
        parts = [store.upload_part("m", upload, number, bytes([number]) * 1500) for number in (1, 2)]
        notes.kept["parts"] = parts
        notes.step(lambda: store.complete_upload("m", upload, parts), m=b"\1" * 1500 + b"\2" * 1500)
        notes.kept["completed"] = True

    def judge(self, found: CrashFiles, notes: Notes) -> None:
        store = LocalStore(ROOT / "a" / "bucket", SMALL_PARTS, files=found)
        keys = [entry.key for entry in each_entry(store)]
        notes.allow({key: self._read(store, key) for key in keys})
        for upload in store.list_uploads():
            held = store.list_parts(upload.key, upload.upload_id)
            if notes.kept.get("parts") and "completed" not in notes.kept:
                assert list(held) == notes.kept["parts"], "an acknowledged part is there"
            store.abort_upload(upload.key, upload.upload_id)
        assert list(store.list_uploads()) == []
        store.put("new", b"x")
        assert self._read(store, "new") == b"x"

    @staticmethod
    def _read(store: LocalStore, key: str) -> bytes | None:
        with suppress(NotFound), store.get(key) as download:
            return download.read()
        return None


class Journal:
    """A transfer's notes are the last that were saved, and no mark counts that another run made."""

    FIRST, SECOND = {"etag": "1"}, {"etag": "2"}

    def live(self, files: CrashFiles, notes: Notes) -> None:
        with Journals(ROOT / "journal", files).opened("transfer") as journal:
            for saved, marks in ((self.FIRST, (1, 2, 3)), (self.SECOND, (7, 8))):
                notes.step(lambda saved=saved: journal.save(saved), notes=saved)  # type: ignore[misc]  # binds the loop
                for mark in marks:
                    journal.mark(mark)
                notes.kept["marked"] = marks
            notes.trying = {}
            journal.remove()
            notes.kept["removed"] = True

    def judge(self, found: CrashFiles, notes: Notes) -> None:
        with Journals(ROOT / "journal", found).opened("transfer") as journal:
            there = journal.load()
            assert there in [None, self.FIRST, self.SECOND]
            if "removed" not in notes.kept:  # what was removed may come back: the store knows better
                notes.allow({"notes": there})
            assert there is None or journal.marked() <= {"1": {1, 2, 3}, "2": {7, 8}}[there["etag"]]
            journal.save(self.FIRST)
            assert journal.marked() == frozenset()


STORIES: list[tuple[Story, int]] = [
    (LoginAndProfiles(), 70),
    (Passphrase(), 40),
    (Forgetting(), 40),
    (Vault(), 100),
    (Directory(), 120),
    (Journal(), 40),
]
EACH = pytest.mark.parametrize(("story", "least"), STORIES, ids=[type(story).__name__ for story, _ in STORIES])


@EACH
def test_every_cut_of(story: Story, least: int) -> None:
    """The power goes, or the process dies, at each call: what was promised is there, and the same work can be done."""
    points = 0
    for cut in every_cut(lambda: CrashFiles(ROOT), Notes, story.live):
        points += 1
        for found in cut.remains():
            story.judge(found, cut.notes)
    print(f"{points} crash points of {type(story).__name__}")  # noqa: T201  # the count is a result
    assert points >= least


@EACH
def test_every_fault_of(story: Story, least: int) -> None:
    """No room, or a bad disk, at each call that changes something: told, nothing half there, and well afterwards."""
    whole = CrashFiles(ROOT)
    story.live(whole, Notes())
    told = silent = 0
    for fault in every_fault(whole.log):
        files, notes = CrashFiles(ROOT), Notes()
        files.fail(fault)
        try:
            story.live(files, notes)
            silent += 1
        except (CybousError, OSError):
            told += 1
        files.heal()
        story.judge(files.after(5), notes)
        story.judge(files, notes)
        story.live(files, Notes())
    print(f"{told} faults of {type(story).__name__} told, {silent} without consequence")  # noqa: T201  # the count is a result
    assert told > silent
    assert told + silent >= least // 4


def rotated(vault: OpenVault) -> OpenVault:
    return vault.rotate_epoch(created=1, entropy=os.urandom)


def memory() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    _prepare(connection, Path("memory"))
    return connection


def memory_copy(source: sqlite3.Connection) -> sqlite3.Connection:
    """Return a memory that knows what `source` knows, and learns for itself."""
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    source.backup(connection)
    return connection

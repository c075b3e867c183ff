"""A directory as a bucket: the contract, and what only a directory can get wrong."""

from pathlib import Path

import pytest

from cybous3.client.keys.errors import LocalProblem
from cybous3.client.stores.errors import ConnectionLost, LocalFailure, NoSuchUpload
from cybous3.client.stores.local import LocalStore
from cybous3.client.stores.port import each_entry
from cybous3.disk.files import SystemFiles
from tests.contracts.store_contract import StoreContract


class TestLocal(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> LocalStore:
        return LocalStore(tmp_path / "bucket")


def only_file(store: LocalStore) -> Path:
    (path,) = store._objects.glob("*/*")
    return path


def test_what_was_written_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    LocalStore(tmp_path / "b").put("k", b"x", metadata={"a": "1"})
    assert LocalStore(tmp_path / "b").head("k").metadata == {"a": "1"}


def test_a_download_stays_the_state_that_was_opened(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "b")
    store.put("k", b"first")
    with store.get("k") as download:
        store.put("k", b"second")
        assert download.read() == b"first"


def test_a_file_that_is_not_ours_is_an_error_not_an_object(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "b")
    store.put("k", b"x")
    for content in (b"", b"something", b"CYBS3DIR1 {not json", b"CYBS3DIR1 []"):
        only_file(store).write_bytes(content)
        with pytest.raises(LocalFailure):
            store.head("k")
        with pytest.raises(LocalFailure):
            list(each_entry(store))


def test_a_file_cut_short_is_never_the_end(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "b")
    store.put("k", b"0123456789")
    path = only_file(store)
    path.write_bytes(path.read_bytes()[:-3])
    with store.get("k") as download, pytest.raises(ConnectionLost):
        download.read()


class Failing(SystemFiles):
    """The system's files, of which one call fails while it is named."""

    def __init__(self) -> None:
        super().__init__()
        self.failing = ""

    def sync(self, fd: int) -> None:
        self._check("sync")
        super().sync(fd)

    def unlink(self, path: Path) -> bool:
        self._check("unlink")
        return super().unlink(path)

    def _check(self, call: str) -> None:
        if call == self.failing:
            raise OSError(28, "No space left on device")


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    files = Failing()
    store = LocalStore(tmp_path / "b", files=files)
    store.put("k", b"old")
    files.failing = "sync"
    with pytest.raises(LocalFailure, match="no space left") as caught:
        store.put("k", b"new")
    assert caught.value.exit_code == 30
    assert list(store._scratch.iterdir()) == []
    with store.get("k") as download:
        assert download.read() == b"old"


def test_a_place_that_cannot_be_a_directory_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(LocalFailure):
        LocalStore(tmp_path / "file" / "b")


def test_failures_of_many_are_told_one_by_one(tmp_path: Path) -> None:
    files = Failing()
    store = LocalStore(tmp_path / "b", files=files)
    store.put("k", b"")
    files.failing = "unlink"
    assert [(failure.key, failure.code) for failure in store.delete_many(["k"])] == [("k", "InternalError")]


def test_upload_ids_are_no_paths(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "b")
    for upload_id in ("..", "../objects", "x" * 32, "a/" * 16):
        with pytest.raises(NoSuchUpload):
            store.list_parts("k", upload_id)
        store.abort_upload("k", upload_id)
    upload_id = store.create_upload("k")
    with pytest.raises(NoSuchUpload):
        store.list_parts("other key", upload_id)


def test_an_upload_that_vanishes_while_a_part_arrives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalStore(tmp_path / "b")
    upload_id = store.create_upload("k")
    upload = store._upload("k", upload_id)
    store.abort_upload("k", upload_id)
    monkeypatch.setattr(store, "_upload", lambda *_: upload)
    with pytest.raises(NoSuchUpload):
        store.upload_part("k", upload_id, 1, b"x")


def test_a_download_that_was_closed_reads_no_more(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "b")
    store.put("k", b"x")
    download = store.get("k")
    download.close()
    download.close()
    with pytest.raises(ValueError, match="closed"):
        download.read()


def test_an_upload_that_could_not_begin_is_not_there(tmp_path: Path) -> None:
    files = Failing()
    store = LocalStore(tmp_path / "b", files=files)
    files.failing = "sync"
    with pytest.raises(LocalFailure):
        store.create_upload("k")
    files.failing = ""
    assert list(store.list_uploads()) == []
    assert list((tmp_path / "b" / "uploads").iterdir()) == []


def test_a_disk_that_failed_is_not_asked_whether_it_took_it_after_all(tmp_path: Path) -> None:
    """What a vault wrote into a directory is seen there, although its name was never safe: it was not written."""
    assert issubclass(LocalFailure, LocalProblem)
    files = Failing()
    store = LocalStore(tmp_path / "b", files=files)
    files.failing = "sync"
    with pytest.raises(LocalProblem):
        store.put("k", b"x")

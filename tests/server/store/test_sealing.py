"""Secrets at rest."""

import errno
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from cybous3.disk.files import SystemFiles
from cybous3.lab.chaos.crashfs.files import CrashFiles, PowerCut
from cybous3.server.store.sealing import KEY_SIZE, Seal, SealError, load_seal
from tests.contracts.values import entropy

SEAL = Seal(bytes(32), entropy)


@given(st.text(min_size=1), st.text())
def test_what_was_sealed_is_opened(access_key: str, secret: str) -> None:
    sealed = SEAL.seal(access_key, secret)
    assert SEAL.open(access_key, sealed) == secret
    assert sealed != SEAL.seal(access_key, secret), "a nonce is used once"


def test_a_secret_belongs_to_its_access_key() -> None:
    sealed = SEAL.seal("ONE", "secret")
    with pytest.raises(SealError, match="OTHER"):
        SEAL.open("OTHER", sealed)


def test_another_seal_opens_nothing() -> None:
    with pytest.raises(SealError):
        Seal(bytes(31) + b"\1", entropy).open("ONE", SEAL.seal("ONE", "secret"))


@pytest.mark.parametrize("position", range(1 + 12 + 6 + 16))
def test_no_bit_may_change(position: int) -> None:
    sealed = bytearray(SEAL.seal("ONE", "secret"))
    sealed[position] ^= 1
    with pytest.raises(SealError):
        SEAL.open("ONE", bytes(sealed))


@pytest.mark.parametrize("length", [0, 1, 12, 13, 28])
def test_no_end_may_be_missing(length: int) -> None:
    with pytest.raises(SealError):
        SEAL.open("ONE", SEAL.seal("ONE", "")[:length])


def test_the_key_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "seal.key"
    sealed = load_seal(path, entropy, has_keys=False).seal("KEY", "secret")
    assert load_seal(path, entropy, has_keys=True).open("KEY", sealed) == "secret"
    assert [entry.name for entry in tmp_path.iterdir()] == ["seal.key"]
    assert len(path.read_bytes()) == KEY_SIZE
    if os.name != "nt":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_lost_key_is_not_replaced_while_there_are_secrets(tmp_path: Path) -> None:
    with pytest.raises(SealError, match="missing"):
        load_seal(tmp_path / "seal.key", entropy, has_keys=True)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_key_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "seal.key").write_bytes(b"short")
    with pytest.raises(SealError, match="5 bytes"):
        load_seal(tmp_path / "seal.key", entropy, has_keys=False)


def test_of_many_who_begin_at_once_all_have_one_key(tmp_path: Path) -> None:
    """In one process the aside file has one name, so the race is between `exists` and the link."""
    path = tmp_path / "seal.key"
    load_seal(path, entropy, has_keys=False)
    with ThreadPoolExecutor(8) as pool:
        seals = list(pool.map(lambda _: load_seal(path, entropy, has_keys=False), range(16)))
    sealed = seals[0].seal("KEY", "secret")
    assert {seal.open("KEY", sealed) for seal in seals} == {"secret"}


def test_who_comes_second_uses_the_first_ones_key(tmp_path: Path) -> None:
    path = tmp_path / "seal.key"
    first = b"1" * KEY_SIZE

    def late(_: int) -> bytes:
        path.write_bytes(first)
        return b"2" * KEY_SIZE

    load_seal(path, late, has_keys=False)
    assert path.read_bytes() == first
    assert [entry.name for entry in tmp_path.iterdir()] == ["seal.key"]


def test_where_there_are_no_hard_links_the_key_is_made_all_the_same(tmp_path: Path) -> None:
    class WithoutLinks(SystemFiles):
        def link(self, source: Path, target: Path) -> None:
            raise OSError(errno.EPERM, f"no links from {source} to {target}")

    path = tmp_path / "seal.key"
    load_seal(path, lambda size: b"3" * size, has_keys=False, files=WithoutLinks())
    assert path.read_bytes() == b"3" * KEY_SIZE
    assert [entry.name for entry in tmp_path.iterdir()] == ["seal.key"]


@pytest.mark.skipif(os.name != "posix", reason="symbolic links need a privilege elsewhere")
def test_a_key_may_be_kept_elsewhere_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"4" * KEY_SIZE)
    (tmp_path / "seal.key").symlink_to(tmp_path / "elsewhere")
    sealed = load_seal(tmp_path / "seal.key", os.urandom, has_keys=True).seal("KEY", "secret")
    assert load_seal(tmp_path / "elsewhere", os.urandom, has_keys=True).open("KEY", sealed) == "secret"


def test_what_was_sealed_is_opened_after_a_power_cut_at_any_call() -> None:
    """A key that served is never lost, however the first start, or a second process beside it, ended."""
    root, path = Path("/data"), Path("/data/seal.key")
    first = CrashFiles(root)
    load_seal(path, os.urandom, has_keys=False, files=first)
    for at in range(1, len(first.log) + 1):
        files = CrashFiles(root)
        files.crash(at=at)
        with pytest.raises(PowerCut):
            load_seal(path, os.urandom, has_keys=False, files=files)
        for following in [files.killed(), *(files.after(seed) for seed in range(8))]:
            sealed = load_seal(path, os.urandom, has_keys=False, files=following).seal("KEY", "secret")
            for seed in range(8):
                again = load_seal(path, os.urandom, has_keys=True, files=following.after(seed))
                assert again.open("KEY", sealed) == "secret"


@pytest.mark.skipif(os.name != "posix", reason="permissions of files are POSIX's")
def test_a_key_that_others_could_read_is_made_private(tmp_path: Path) -> None:
    path = tmp_path / "seal.key"
    load_seal(path, os.urandom, has_keys=False)
    path.chmod(0o644)
    with capture_logs() as logs:
        load_seal(path, os.urandom, has_keys=True)
        load_seal(path, os.urandom, has_keys=True)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [line["mode"] for line in logs] == ["0644"]

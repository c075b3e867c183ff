"""Our own vectors, applied as vectors/format-v1/README.md says, and that their maker still makes them."""

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cybous3.crypto.errors import CryptoError
from cybous3.crypto.kdf import Argon2Profile, argon2id
from cybous3.crypto.keyset import Epoch, EpochState, Keyset
from cybous3.crypto.layout import FOOTER_LEN, IMMUTABLE_LEN
from cybous3.crypto.metadata import ObjectMetadata
from cybous3.crypto.names import NameCodec, NamesMode
from cybous3.crypto.objects import Immutable, ObjectReader, open_object
from cybous3.crypto.slots import MnemonicSecret, PassphraseSecret, Secret
from cybous3.crypto.vault import OpenVault, VaultDocument, document_generation
from cybous3.crypto.wrap import unwrap_dek
from tests.support.vectors import VECTORS, cases, changed, load

OBJECTS = VECTORS / "format-v1" / "objects"


def keyset(given: dict[str, Any]) -> Keyset:
    epoch = Epoch(given["epoch"], 0, EpochState.PRIMARY, bytes.fromhex(given["kek"]))
    return Keyset((epoch,), bytes(32), bytes(32))


def stored_bytes(given: dict[str, Any]) -> bytes:
    if "stored_hex" in given:
        stored = bytes.fromhex(given["stored_hex"])
    else:
        stored = (OBJECTS / given["stored_file"]).read_bytes()
        assert hashlib.sha384(stored).hexdigest() == given["stored_sha384"]
    return changed(stored, given.get("changes", []), OBJECTS)


def unwrapped(given: dict[str, Any], stored: bytes) -> bytes:
    """Return the data key, after the checks that come before it."""
    Immutable.parse(stored)
    return unwrap_dek(keyset(given), given["entry"], stored[:IMMUTABLE_LEN], given["path"])


def read_whole(given: dict[str, Any]) -> tuple[ObjectMetadata, bytes]:
    stored = stored_bytes(given)
    return open_object(stored, vault_id=bytes.fromhex(given["vault_id"]), dek=unwrapped(given, stored))


def read_stream(given: dict[str, Any]) -> tuple[ObjectMetadata, bytes]:
    stored, out = stored_bytes(given), bytearray()
    reader = ObjectReader.open(stored, vault_id=bytes.fromhex(given["vault_id"]), dek=unwrapped(given, stored))
    stream = reader.stream()
    for at in range(reader.layout.prologue_len, len(stored), 70_001):
        stream.feed(stored[at : at + 70_001], out.extend)
    stream.finish(out.extend)
    return reader.metadata, bytes(out)


def read_segments(given: dict[str, Any]) -> tuple[ObjectMetadata, bytes]:
    """As a ranged reader does, from the back."""
    stored = stored_bytes(given)
    reader = ObjectReader.open(stored, vault_id=bytes.fromhex(given["vault_id"]), dek=unwrapped(given, stored))
    opened = reader.open_footer(stored[-FOOTER_LEN:], len(stored))
    pieces = []
    for index in reversed(range(opened.segments)):
        start = opened.layout.segment_offset(index)
        pieces.append(opened.decrypt_segment(index, stored[start : start + opened.segment_stored_len(index)]))
    return reader.metadata, b"".join(reversed(pieces))


@pytest.mark.parametrize("read", [read_whole, read_stream, read_segments], ids=lambda read: read.__name__)
@pytest.mark.parametrize("path", cases("objects", "object"), ids=lambda path: path.stem)
def test_objects(path: Path, read: Any) -> None:
    """[F-5] [F-6] [F-7] [F-8] [F-9] [F-10] [F-11] [F-15] [F-17] [F-18] [F-20] [F-21] [F-22] [F-23].

    [F-25] [F-26] [F-27] [F-29].
    """
    case = load(path)
    expect = case["expect"]
    if expect["result"] != ["ok"]:
        if "ok" in expect["result"] and read is read_segments:  # [F-25] it computes no digest
            read(case["given"])
            return
        with pytest.raises(CryptoError) as caught:
            read(case["given"])
        assert caught.value.failure in expect["result"], caught.value
        return
    metadata, plaintext = read(case["given"])
    described = expect["metadata"]
    assert metadata.path == described["path"]
    assert str(metadata.generation) == described["generation"]
    assert metadata.kind == described["kind"]
    assert metadata.content_type == described.get("content_type")
    assert metadata.mode == described.get("mode")
    assert (None if metadata.mtime_ns is None else str(metadata.mtime_ns)) == described.get("mtime_ns")
    assert dict(metadata.user) == described.get("user", {})
    assert len(plaintext) == expect["plaintext"]["length"]
    assert hashlib.sha384(plaintext).hexdigest() == expect["plaintext"]["sha384"]
    stored = stored_bytes(case["given"])
    assert unwrapped(case["given"], stored).hex() == expect["dek"]


@pytest.mark.parametrize("path", cases("wraps", "wrap"), ids=lambda path: path.stem)
def test_wraps(path: Path) -> None:
    """[F-26] [F-27]."""
    case = load(path)
    given, expect = case["given"], case["expect"]
    immutable = bytes.fromhex(given["immutable"])
    if expect["result"] != ["ok"]:
        with pytest.raises(CryptoError) as caught:
            unwrap_dek(keyset(given), given["entry"], immutable, given["path"])
        assert caught.value.failure in expect["result"]
        return
    assert unwrap_dek(keyset(given), given["entry"], immutable, given["path"]).hex() == expect["dek"]


def codec(given: dict[str, Any]) -> NameCodec:
    key, vault_id = bytes.fromhex(given["names_key"]), bytes.fromhex(given["vault_id"])
    return NameCodec(key, vault_id, NamesMode(given["mode"]), given["prefix"])


@pytest.mark.parametrize("path", cases("names", "name"), ids=lambda path: path.stem)
def test_names(path: Path) -> None:
    """[N-1] [N-2] [N-3] [N-5]."""
    case = load(path)
    given, expect = case["given"], case["expect"]
    names = codec(given)
    if expect["result"] != ["ok"]:
        with pytest.raises(CryptoError) as caught:
            names.object_key(given["path"])
        assert caught.value.failure in expect["result"]
        return
    key = names.object_key(given["path"])
    assert key == expect["key"]
    assert names.seal_full_name(given["path"]) == expect["full_name"]
    relative = names.strip(key)
    assert relative is not None
    assert names.path_of(relative, expect["full_name"]) == expect["path"]


@pytest.mark.parametrize("path", cases("names", "key"), ids=lambda path: path.stem)
def test_keys_that_are_no_names(path: Path) -> None:
    """[N-1] [N-4] [N-6] [N-7]."""
    case = load(path)
    given = case["given"]
    with pytest.raises(CryptoError) as caught:
        codec(given).path_of(given["key"], given["full_name"])
    assert caught.value.failure in case["expect"]["result"]


def opened(given: dict[str, Any]) -> OpenVault:
    generation = document_generation(given["prefix"], given["key"])
    assert generation is not None
    secret: Secret
    if "passphrase" in given:
        secret = PassphraseSecret(given["passphrase"])
    else:
        secret = MnemonicSecret(given["mnemonic"], given.get("mnemonic_passphrase", ""))
    return VaultDocument.parse(given["document"].encode(), generation).unlock(secret)


@pytest.mark.parametrize("path", cases("vaults", "vault"), ids=lambda path: path.stem)
def test_vaults(path: Path) -> None:
    """[K-1] [K-2] [K-3] [K-5] [K-7] [K-8] [K-9] [K-10]."""
    case = load(path)
    expect = case["expect"]
    if expect["result"] != ["ok"]:
        with pytest.raises(CryptoError) as caught:
            opened(case["given"])
        assert caught.value.failure in expect["result"]
        return
    vault = opened(case["given"])
    assert vault.vmk.hex() == expect["vmk"]
    assert Keyset.decode(vault.keyset.encode()) == vault.keyset
    assert [epoch.number for epoch in vault.keyset.epochs] == [each["epoch"] for each in expect["keyset"]["epochs"]]


def test_argon2id() -> None:
    case = load(VECTORS / "format-v1" / "vaults" / "argon2id.json")
    given = case["given"]
    profile = Argon2Profile(given["memory_kib"], given["passes"], given["lanes"])
    assert argon2id(given["passphrase"], bytes.fromhex(given["salt"]), profile).hex() == case["expect"]["hex"]


def test_the_maker_still_makes_what_is_checked_in() -> None:
    """The vectors and the worked example of the specification are the maker's, byte for byte."""
    tool = Path(__file__).resolve().parents[2] / "tools" / "make_vectors.py"
    done = subprocess.run([sys.executable, str(tool), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

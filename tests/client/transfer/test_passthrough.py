"""The benchmark's plaintext: the same pipeline, objects that no vault reads, and never by accident."""

import io
import os
from pathlib import Path

import pytest

from cybous3.client.stores.errors import ConnectionLost
from cybous3.client.transfer.passthrough import without_encryption
from cybous3.crypto.errors import CryptoError, Malformed, UnsupportedFormat
from tests.client.transfer.conftest import Bench

SIZES = (0, 1, 5000, 2**20 - 32, 9 * 2**20 + 7)


@pytest.fixture
def plain(bench: Bench) -> Bench:
    """Return the same vault, with transfers in clear."""
    return Bench(bench.store, without_encryption(bench.around), bench.journals, bench.state)


@pytest.mark.parametrize("size", SIZES)
def test_it_comes_back_and_has_the_size_an_encrypted_one_has(
    bench: Bench, plain: Bench, tmp_path: Path, size: int
) -> None:
    content = os.urandom(size)
    (tmp_path / "in").write_bytes(content)
    plain.up.put_file(tmp_path / "in", "plain")
    bench.up.put_file(tmp_path / "in", "seald")
    plain.down.get_file("plain", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == content
    out = io.BytesIO()
    plain.down.stream("plain", out)
    assert out.getvalue() == content
    key = bench.around.vault.object_key
    assert plain.store.head(key("plain")).size == bench.store.head(key("seald")).size


def test_the_content_lies_in_the_store_in_clear(plain: Bench) -> None:
    plain.up.put_stream(io.BytesIO(b"anybody reads this"), "f")
    with plain.store.get(plain.around.vault.object_key("f")) as download:
        assert b"anybody reads this" in download.read()


def test_a_vault_refuses_it_by_name(bench: Bench, plain: Bench, tmp_path: Path) -> None:
    plain.up.put_stream(io.BytesIO(b"x"), "f")
    refused = pytest.raises(UnsupportedFormat, match="without encryption")
    with refused:
        bench.down.get_file("f", tmp_path / "out")
    with refused:
        bench.down.stream("f", io.BytesIO())
    with refused:
        bench.files.stat("f")
    assert not (tmp_path / "out").exists()


def test_it_refuses_what_a_vault_wrote(bench: Bench, plain: Bench, tmp_path: Path) -> None:
    bench.up.put_stream(io.BytesIO(b"x"), "f")
    with pytest.raises(Malformed, match="plaintext benchmark"):
        plain.down.get_file("f", tmp_path / "out")


def test_a_segment_of_another_length_is_refused(plain: Bench) -> None:
    plain.up.put_stream(io.BytesIO(b"x" * 100), "f")
    key = plain.around.vault.object_key("f")
    with plain.store.get(key) as download:
        stored, metadata = download.read(), download.info.metadata
    plain.store.put(key, stored[:-93] + stored[-92:], metadata=metadata)
    with pytest.raises(CryptoError):
        plain.down.stream("f", io.BytesIO())


@pytest.mark.parametrize("first_plain", [True, False])
def test_neither_kind_goes_on_where_the_other_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first_plain: bool, bench: Bench, plain: Bench
) -> None:
    content = os.urandom(20 * 2**20)
    (tmp_path / "in").write_bytes(content)
    first, second = (plain, bench) if first_plain else (bench, plain)
    upload_part = bench.store.upload_part

    def broken(key: str, upload_id: str, number: int, body: object) -> object:
        if number == 2:
            raise ConnectionLost("gone")
        return upload_part(key, upload_id, number, body)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(bench.store, "upload_part", broken)
        with pytest.raises(ConnectionLost):
            first.up.put_file(tmp_path / "in", "f")
    second.up.put_file(tmp_path / "in", "f")
    second.down.get_file("f", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == content


def test_an_interrupted_one_goes_on(
    bench: Bench, plain: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = os.urandom(20 * 2**20)
    (tmp_path / "in").write_bytes(content)
    upload_part = bench.store.upload_part
    sent: list[int] = []

    def broken(key: str, upload_id: str, number: int, body: object) -> object:
        if number == 3 and 3 not in sent:
            sent.append(3)
            raise ConnectionLost("gone")
        sent.append(number)
        return upload_part(key, upload_id, number, body)  # type: ignore[arg-type]

    monkeypatch.setattr(bench.store, "upload_part", broken)
    with pytest.raises(ConnectionLost):
        plain.up.put_file(tmp_path / "in", "f")
    first = set(sent) - {3}
    sent = [3]
    plain.up.put_file(tmp_path / "in", "f")
    assert not first & set(sent)
    plain.down.get_file("f", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == content

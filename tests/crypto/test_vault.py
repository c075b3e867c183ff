"""The vault document: what opens it, what a store can do to it, and what each change keeps."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybous3.crypto.canonical import Json, decode_json, encode_json
from cybous3.crypto.errors import CannotUnlock, CryptoError, Damaged, Malformed, Misuse, UnsupportedFormat
from cybous3.crypto.kdf import FOR_TESTS_ONLY
from cybous3.crypto.names import NamesMode
from cybous3.crypto.primitives import hkdf_expand, siv_seal
from cybous3.crypto.slots import MnemonicSecret, PassphraseSecret
from cybous3.crypto.vault import (
    OpenVault,
    VaultDocument,
    document_folder,
    document_generation,
    document_key,
    newest_generation,
)
from tests.support.vectors import Tape

WORDS = MnemonicSecret("abandon " * 23 + "art")
OTHER = MnemonicSecret("zoo " * 23 + "vote")
VAULT = OpenVault.create([(WORDS, "recovery")], created=100, entropy=Tape("vault"))
STORED = VAULT.document.encode()


def test_a_stored_vault_opens_on_another_machine() -> None:
    """[K-12] With the document and the words alone; and what was read makes no key."""
    opened = VaultDocument.parse(STORED, 1).unlock(WORDS)
    assert opened.keyset == VAULT.keyset
    assert opened.vmk == VAULT.vmk
    assert opened.document.encode() == STORED
    assert opened.document.open_with(VAULT.vmk).keyset == VAULT.keyset
    assert opened.fingerprint() == VAULT.fingerprint()
    assert opened.names("p").object_key("a") == VAULT.names("p").object_key("a")
    assert opened.document.names is NamesMode.ENCRYPTED


def test_a_secret_without_a_slot_does_not_open() -> None:
    """[K-3] Another secret and another kind: one error, one message."""
    document = VaultDocument.parse(STORED)
    messages = set()
    for secret in (OTHER, PassphraseSecret("x")):
        with pytest.raises(CannotUnlock) as caught:
            document.unlock(secret)
        messages.add((str(caught.value), caught.value.hint))
    assert len(messages) == 1


@given(at=st.integers(0, len(STORED) - 1), bit=st.integers(0, 7))
def test_no_changed_bit_of_the_document_goes_unnoticed(at: int, bit: int) -> None:
    """[K-7] [K-8]."""
    bad = bytearray(STORED)
    bad[at] ^= 1 << bit
    with pytest.raises(CryptoError):
        VaultDocument.parse(bytes(bad)).unlock(WORDS)


@given(size=st.integers(0, len(STORED) - 1))
def test_no_cut_of_the_document_goes_unnoticed(size: int) -> None:
    with pytest.raises(CryptoError):
        VaultDocument.parse(STORED[:size])


def test_another_master_key_is_found_by_the_mac() -> None:
    """[K-8]."""
    with pytest.raises(Damaged):
        VAULT.document.open_with(bytes(32))


def test_the_mac_input_is_the_document_without_its_mac() -> None:
    """[K-8] Also as the text with one piece taken out, as the specification says."""
    assert STORED.count(b'"mac":"') == 1
    at = STORED.index(b',"mac":"')
    without = STORED[:at] + STORED[at + len(b',"mac":"') + 43 + 1 :]
    value = decode_json(STORED, "it")
    assert encode_json({name: item for name, item in value.items() if name != "mac"}) == without


def test_the_keyset_is_bound_to_its_generation() -> None:
    """[K-9] An older keyset, put into a newer document and MAC'd anew, does not open."""
    newer = VAULT.rotate_epoch(created=1, entropy=Tape("epoch"))
    mixed = decode_json(newer.document.encode(), "it")
    mixed["keyset"] = decode_json(STORED, "it")["keyset"]
    document = VaultDocument.parse(remade(mixed, newer.vmk, newer.vault_id))
    with pytest.raises(Damaged, match="keyset"):
        document.unlock(WORDS)


def remade(value: dict[str, Json], vmk: bytes, vault_id: bytes) -> bytes:
    """MAC a changed document anew, as only a holder of the master key could."""
    from cybous3.crypto.canonical import encode_b64  # noqa: PLC0415 - a forger's tools
    from cybous3.crypto.primitives import hmac_sha384  # noqa: PLC0415 - a forger's tools

    body = encode_json({name: item for name, item in value.items() if name != "mac"})
    mac = hmac_sha384(hkdf_expand(vmk, b"cybs3/1/vault/mac" + vault_id, 32), b"cybs3/1/vault\0" + body)[:32]
    return encode_json({**value, "mac": encode_b64(mac)})


def test_a_keyset_that_breaks_its_rules_does_not_open() -> None:
    """[K-10] Not even under the right keys."""
    from cybous3.crypto.canonical import encode_b64  # noqa: PLC0415 - a forger's tools

    key = hkdf_expand(VAULT.vmk, b"cybs3/1/vault/keyset" + VAULT.vault_id, 64)
    sealed = siv_seal(key, [b"cybs3/1/keyset", VAULT.vault_id, (1).to_bytes(8, "big")], b'{"epochs":[]}')
    value = {**decode_json(STORED, "it"), "keyset": encode_b64(sealed)}
    with pytest.raises(Malformed):
        VaultDocument.parse(remade(value, VAULT.vmk, VAULT.vault_id)).unlock(WORDS)


def test_every_change_is_the_next_generation() -> None:
    """[K-6] [K-11] And keeps what must live as long as the vault."""
    second = PassphraseSecret("second", FOR_TESTS_ONLY)
    added = VAULT.add_slot(second, created=2, label="second", entropy=Tape("a"))
    rotated = added.rotate_epoch(created=3, entropy=Tape("b"))
    removed = rotated.remove_slot(rotated.document.slots[0].id)
    master = removed.rotate_master([(OTHER, "new words")], created=4, entropy=Tape("c"))
    chain = [VAULT, added, rotated, removed, master]
    assert [vault.generation for vault in chain] == [1, 2, 3, 4, 5]
    assert len({vault.vault_id for vault in chain}) == 1
    assert len({(vault.keyset.names_key, vault.keyset.state_key) for vault in chain}) == 1
    for vault in chain:
        again = VaultDocument.parse(vault.document.encode(), vault.generation).open_with(vault.vmk)
        assert again.keyset == vault.keyset
    assert VaultDocument.parse(rotated.document.encode()).unlock(second).vmk == VAULT.vmk
    with pytest.raises(CannotUnlock):
        removed.document.unlock(WORDS)
    assert master.vmk != VAULT.vmk
    assert master.document.unlock(OTHER).keyset == master.keyset
    with pytest.raises(CannotUnlock):
        master.document.unlock(second)


def test_the_last_slot_stays() -> None:
    for slot_id in (VAULT.document.slots[0].id, bytes(16)):
        with pytest.raises(Misuse):
            VAULT.remove_slot(slot_id)


def test_a_vault_without_a_way_in_is_not_made() -> None:
    with pytest.raises(Malformed):
        OpenVault.create([], created=0, entropy=Tape())


def test_unknown_slots_stay_under_the_mac() -> None:
    """[K-4] Kept on every change, and altering one is found."""
    value = decode_json(STORED, "it")
    slots = value["slots"]
    assert isinstance(slots, list)
    strange = {**slots[0], "id": "AAAAAAAAAAAAAAAAAAAAAA", "kind": "age", "kdf": {"file": "…"}}
    stored = remade({**value, "slots": [strange, *slots]}, VAULT.vmk, VAULT.vault_id)
    opened = VaultDocument.parse(stored).unlock(WORDS)
    assert opened.rotate_epoch(created=1, entropy=Tape()).document.slots[0].encode() == strange
    with pytest.raises(Damaged):
        VaultDocument.parse(stored.replace("…".encode(), b"!")).unlock(WORDS)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"format": "cybs3/vault/2"}, UnsupportedFormat),
        ({"names": "opaque"}, UnsupportedFormat),
        ({"generation": 0}, Malformed),
        ({"vault_id": "AA"}, Malformed),
        ({"mac": "AA"}, Malformed),
        ({"keyset": "A"}, Malformed),
        ({"slots": {}}, Malformed),
        ({"extra": 1}, Malformed),
    ],
    ids=str,
)
def test_a_document_of_another_shape_is_refused(change: dict[str, Json], error: type[CryptoError]) -> None:
    """[K-7]."""
    with pytest.raises(error):
        VaultDocument.parse(encode_json({**decode_json(STORED, "it"), **change}))


def test_a_document_has_a_limit() -> None:
    """[K-7]."""
    with pytest.raises(Malformed, match="too large"):
        VaultDocument.parse(b" " * (256 * 1024 + 1))


def test_the_generation_is_that_of_the_key() -> None:
    """[K-5] A document copied to another generation is refused."""
    VaultDocument.parse(STORED, 1)
    with pytest.raises(Damaged):
        VaultDocument.parse(STORED, 2)


def test_where_documents_lie() -> None:
    """[K-5]."""
    assert document_key("a/b", 7) == "a/b/.cybs3/vault/0000000000000007"
    assert document_key("", 7) == ".cybs3/vault/0000000000000007"
    assert document_folder("a") == "a/.cybs3/vault/"
    keys = [document_key("a", generation) for generation in (1, 12, 9)]
    assert newest_generation("a", [*keys, "a/.cybs3/vault/99", "a/.cybs3/vault/0000000000000099/x", "b"]) == 12
    assert newest_generation("", keys) is None
    assert document_generation("a", "a/.cybs3/vault/000000000000000\u0661") is None


@pytest.mark.parametrize("show", [repr, str])
def test_no_key_shows_in_a_repr(show: Callable[[object], str]) -> None:
    assert VAULT.vmk.hex() not in show(VAULT)
    assert "OpenVault object" in show(VAULT)

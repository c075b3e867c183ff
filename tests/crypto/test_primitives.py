"""The primitives, against published vectors, and the few things they refuse by themselves."""

import hashlib
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from cybous3.crypto import primitives
from tests.support.vectors import VECTORS, Tape, cases, load

WYCHEPROOF = VECTORS / "wycheproof"
SIV_BITS = 512


def groups(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((WYCHEPROOF / name).read_text("utf-8"))["testGroups"]
    return found


def raw(test: dict[str, Any], name: str) -> bytes:
    return bytes.fromhex(test[name])


def test_siv_agrees_with_wycheproof_and_accepts_nothing_invalid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys of our size. All invalid cases have an empty component, so that house rule is lifted to reach them."""
    monkeypatch.setattr(primitives, "_no_empty", list)
    outcomes = {"valid": 0, "invalid": 0}
    for group in groups("aes_siv_cmac_test.json"):
        for test in group["tests"]:
            key, aad, message, sealed = (raw(test, name) for name in ("key", "aad", "msg", "ct"))
            if group["keySize"] != SIV_BITS:
                with pytest.raises(ValueError, match="64 bytes"):
                    primitives.siv_open(key, [b"x"], sealed)
                continue
            opened = primitives.siv_open(key, [aad], sealed)
            assert opened == (message if test["result"] == "valid" else None)
            if message and test["result"] == "valid":  # the library does not seal an empty message
                assert primitives.siv_seal(key, [aad], message) == sealed
            outcomes[test["result"]] += 1
    assert outcomes == {"valid": 39, "invalid": 108}


def test_siv_components_are_separate_strings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second file has two components, associated data and nonce; joined into one they give something else."""
    monkeypatch.setattr(primitives, "_no_empty", list)
    outcomes = {"valid": 0, "invalid": 0}
    for group in groups("aead_aes_siv_cmac_test.json"):
        for test in group["tests"]:
            if group["keySize"] != SIV_BITS:
                continue
            key, aad, nonce, message = (raw(test, name) for name in ("key", "aad", "iv", "msg"))
            sealed = raw(test, "tag") + raw(test, "ct")
            assert primitives.siv_open(key, [aad, nonce], sealed) == (message if test["result"] == "valid" else None)
            assert primitives.siv_open(key, [aad + nonce], sealed) is None
            outcomes[test["result"]] += 1
    assert outcomes == {"valid": 84, "invalid": 216}


def test_gcm_agrees_with_wycheproof() -> None:
    """Our form: key 32, nonce 12, tag 16, the nonce in front."""
    outcomes = {"valid": 0, "invalid": 0}
    for group in groups("aes_gcm_test.json"):
        if (group["keySize"], group["ivSize"], group["tagSize"]) != (256, 96, 128):
            continue
        for test in group["tests"]:
            nonce, aad, message = raw(test, "iv"), raw(test, "aad"), raw(test, "msg")
            sealed = nonce + raw(test, "ct") + raw(test, "tag")
            opened = primitives.gcm_open(raw(test, "key"), aad, sealed)
            assert opened == (message if test["result"] == "valid" else None)
            if test["result"] == "valid":
                assert primitives.gcm_seal(raw(test, "key"), aad, message, {12: nonce}.__getitem__) == sealed
            outcomes[test["result"]] += 1
    assert all(count > 10 for count in outcomes.values())


def test_hkdf_agrees_with_wycheproof() -> None:
    for group in groups("hkdf_sha384_test.json"):
        for test in group["tests"]:
            ikm, salt, info, size = raw(test, "ikm"), raw(test, "salt"), raw(test, "info"), test["size"]
            if test["result"] == "valid":
                assert primitives.hkdf(ikm, salt=salt, info=info, length=size) == raw(test, "okm")
            else:
                with pytest.raises(ValueError, match="HKDF"):
                    primitives.hkdf(ikm, salt=salt, info=info, length=size)


def test_keys_of_another_size_are_refused() -> None:
    """AES-SIV and AES-GCM with shorter keys are other ciphers; they are never chosen by accident."""
    for size in (16, 24, 31, 33):
        with pytest.raises(ValueError, match="32 bytes"):
            primitives.gcm_seal(bytes(size), b"", b"", Tape())
        with pytest.raises(ValueError, match="64 bytes"):
            primitives.siv_seal(bytes(size * 2), [b"a"], b"x")


def test_an_empty_component_is_refused() -> None:
    """Some libraries skip empty ones (CVE-2023-2975), so the format has none."""
    with pytest.raises(ValueError, match="empty"):
        primitives.siv_seal(bytes(64), [b"a", b""], b"x")


def test_what_is_too_short_to_be_sealed_does_not_open() -> None:
    assert primitives.siv_open(bytes(64), [b"a"], bytes(15)) is None
    assert primitives.gcm_open(bytes(32), b"", bytes(27)) is None


def test_a_sealed_message_carries_its_own_nonce() -> None:
    sealed = primitives.gcm_seal(bytes(32), b"aad", b"message", Tape("nonce"))
    assert AESGCM(bytes(32)).decrypt(Tape("nonce")(12), sealed[12:], b"aad") == b"message"


def test_digest_is_the_front_of_sha384() -> None:
    assert primitives.sha384_256(b"abc") == hashlib.sha384(b"abc").digest()[:32]


@given(data=st.binary(max_size=70), multiple=st.sampled_from([16, 64]))
def test_padding_comes_off_again(data: bytes, multiple: int) -> None:
    padded = primitives.pad(data, multiple)
    assert len(padded) % multiple == 0
    assert 0 < len(padded) - len(data) <= multiple
    assert primitives.unpad(padded, multiple) == data


@given(data=st.binary(max_size=70))
def test_what_unpads_was_padded(data: bytes) -> None:
    """[F-3] One spelling: whatever unpad accepts, pad gives back."""
    plain = primitives.unpad(data, 16)
    assert plain is None or primitives.pad(plain, 16) == data


@pytest.mark.parametrize("path", cases("spelling", "pad"), ids=lambda path: path.stem)
def test_padding_vectors(path: Any) -> None:
    case = load(path)
    padded = primitives.pad(bytes.fromhex(case["given"]["hex"]), case["given"]["multiple"])
    assert padded.hex() == case["expect"]["hex"]


@pytest.mark.parametrize("path", cases("spelling", "unpad"), ids=lambda path: path.stem)
def test_bad_padding_vectors(path: Any) -> None:
    """[F-3]."""
    given_ = load(path)["given"]
    assert primitives.unpad(bytes.fromhex(given_["hex"]), given_["multiple"]) is None

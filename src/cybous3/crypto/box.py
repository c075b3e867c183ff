"""Sealed boxes for what stays on this machine: settings, session, journals (key-hierarchy.md §8).

A box under a key, or under a passphrase with its Argon2id parameters in front. The purpose is authenticated, so a box
made for one thing does not open as another. Not used for anything in the bucket.
"""

import struct

from cybous3.crypto.errors import CannotUnlock, Damaged, Malformed, Misuse
from cybous3.crypto.kdf import DEFAULT, SALT_LEN, Argon2Profile, argon2id
from cybous3.crypto.primitives import Entropy, hkdf_expand, siv_open, siv_seal

KEY_LEN = 32
_MAGIC_KEY, _MAGIC_PASSPHRASE = b"CYBS3BX\x01", b"CYBS3PW\x01"
_NONCE_LEN = 16
_PARAMETERS = struct.Struct(">III16s")


def seal_box(key: bytes, purpose: str, plaintext: bytes, entropy: Entropy) -> bytes:
    """Seal under a random 32-byte key; 40 bytes longer than the plaintext."""
    return _MAGIC_KEY + _seal(key, _MAGIC_KEY, purpose, plaintext, entropy)


def open_box(key: bytes, purpose: str, box: bytes) -> bytes:
    """Return the plaintext; `Damaged` for another key, another purpose or altered bytes; `Malformed` if no box."""
    if not box.startswith(_MAGIC_KEY):
        raise Malformed("this is not a sealed box")
    plaintext = _open(key, _MAGIC_KEY, purpose, box[len(_MAGIC_KEY) :])
    if plaintext is None:
        raise Damaged("the sealed box does not verify")
    return plaintext


def seal_with_passphrase(
    passphrase: str, purpose: str, plaintext: bytes, entropy: Entropy, profile: Argon2Profile = DEFAULT
) -> bytes:
    """Seal under a passphrase, which the box lets an owner of the file guess at the profile's cost."""
    salt = entropy(SALT_LEN)
    front = _MAGIC_PASSPHRASE + _PARAMETERS.pack(profile.memory_kib, profile.passes, profile.lanes, salt)
    key = argon2id(passphrase, salt, profile)[:KEY_LEN]
    return front + _seal(key, front, purpose, plaintext, entropy)


def open_with_passphrase(passphrase: str, purpose: str, box: bytes) -> bytes:
    """Return the plaintext; `CannotUnlock` for a wrong passphrase or altered bytes, `UnsafeParameters` before work."""
    size = len(_MAGIC_PASSPHRASE) + _PARAMETERS.size
    if not box.startswith(_MAGIC_PASSPHRASE) or len(box) < size:
        raise Malformed("this is not a box sealed with a passphrase")
    front = box[:size]
    memory_kib, passes, lanes, salt = _PARAMETERS.unpack(front[len(_MAGIC_PASSPHRASE) :])
    key = argon2id(passphrase, salt, Argon2Profile(memory_kib, passes, lanes))[:KEY_LEN]
    plaintext = _open(key, front, purpose, box[size:])
    if plaintext is None:
        raise CannotUnlock("wrong passphrase, or the file was altered")
    return plaintext


def _seal(key: bytes, front: bytes, purpose: str, plaintext: bytes, entropy: Entropy) -> bytes:
    nonce = entropy(_NONCE_LEN)
    return nonce + siv_seal(_box_key(key), [front, purpose.encode(), nonce], plaintext)


def _open(key: bytes, front: bytes, purpose: str, sealed: bytes) -> bytes | None:
    if len(sealed) < 2 * _NONCE_LEN:
        return None
    nonce = sealed[:_NONCE_LEN]
    return siv_open(_box_key(key), [front, purpose.encode(), nonce], sealed[_NONCE_LEN:])


def _box_key(key: bytes) -> bytes:
    if len(key) != KEY_LEN:
        raise Misuse(f"a box key has {KEY_LEN} bytes")
    return hkdf_expand(key, b"cybs3/1/box", 64)

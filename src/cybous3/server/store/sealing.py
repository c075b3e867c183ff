"""Secrets at rest: AES-256-GCM under a key of the data directory.

A sealed secret is `0x01 || nonce (12) || ciphertext || tag (16)`; the access key it belongs to is authenticated, so
that a row of the index cannot be given another's secret. The seal key is 32 random bytes in a file of mode 0600 that
appears whole or not at all. It is made once: an index with keys and a missing seal key is an error and never a new key.
"""

from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cybous3.core.clock import Entropy
from cybous3.core.errors import CybousError
from cybous3.disk.files import SYSTEM, Files
from cybous3.disk.whole import put_whole, read_whole

KEY_SIZE: Final = 32
NONCE_SIZE: Final = 12
_READ_MAX: Final = 4096
FORMAT: Final = b"\x01"
CONTEXT: Final = b"cybous3 access key\0"

_log = structlog.get_logger("cybous3.store")


class SealError(CybousError):
    """The seal key is missing, unusable, or not the one a secret was sealed with."""


class Seal:
    """Seals and opens the secrets of access keys."""

    def __init__(self, key: bytes, entropy: Entropy) -> None:
        """Take a key of 32 bytes. 2^32 secrets may be sealed under one: the bound of random 96-bit nonces."""
        self._cipher = AESGCM(key)
        self._entropy = entropy

    def seal(self, access_key: str, secret: str) -> bytes:
        """Return what may be stored."""
        nonce = self._entropy(NONCE_SIZE)
        return FORMAT + nonce + self._cipher.encrypt(nonce, secret.encode(), CONTEXT + access_key.encode())

    def open(self, access_key: str, sealed: bytes) -> str:
        """Return the secret. SealError."""
        header, ciphertext = sealed[: 1 + NONCE_SIZE], sealed[1 + NONCE_SIZE :]
        try:
            # A header of another format has another first byte, so this nonce opens nothing that is not ours.
            return self._cipher.decrypt(header.removeprefix(FORMAT), ciphertext, CONTEXT + access_key.encode()).decode()
        except (InvalidTag, ValueError) as error:
            raise SealError(
                f"the secret of access key {access_key!r} was not sealed with this server's seal key",
                hint="restore the seal.key that belongs to this index",
            ) from error


def load_seal(path: Path, entropy: Entropy, *, has_keys: bool, files: Files = SYSTEM) -> Seal:
    """Return the seal of the key at `path`, making the key if there is none and no secret was ever sealed (`has_keys`).

    Several processes may begin at once: one key wins, all use it. SealError; OSError.
    """
    if not files.exists(path):
        if has_keys:
            raise SealError(
                f"the seal key {str(path)!r} is missing, and the index holds secrets that only it opens",
                hint="restore it from a backup, or delete all access keys and make new ones",
            )
        _create(path, entropy(KEY_SIZE), files)
    if not has_keys:
        # Whoever made it may have died before its name was safe; what we seal with it must not outlive it.
        files.sync_directory(path.parent)
    _tighten(path, files)
    key = read_whole(files, path, _READ_MAX, follow=True) or b""
    if len(key) != KEY_SIZE:
        raise SealError(f"the seal key {str(path)!r} has {len(key)} bytes instead of {KEY_SIZE}")
    return Seal(key, entropy)


def _tighten(path: Path, files: Files) -> None:
    """Take the key away from group and others, where files have such permissions. OSError."""
    mode = files.narrow(path)
    if mode is not None:
        _log.warning("the seal key could be read by others; it is private now", path=str(path), mode=f"{mode:04o}")


def _create(path: Path, key: bytes, files: Files) -> None:
    """Give the key its name, whole and durable, unless another process was first. OSError."""
    with suppress(FileExistsError):
        put_whole(files, path, key, replace=False)

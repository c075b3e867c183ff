"""Secrets at rest: AES-256-GCM under a key of the data directory.

A sealed secret is `0x01 || nonce (12) || ciphertext || tag (16)`; the access key it belongs to is authenticated, so
that a row of the index cannot be given another's secret. The seal key is 32 random bytes in a file of mode 0600 that
appears whole or not at all. It is made once: an index with keys and a missing seal key is an error and never a new key.
"""

import os
import stat
from pathlib import Path
from typing import Final

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cybous3.core.clock import Entropy
from cybous3.core.errors import CybousError

KEY_SIZE: Final = 32
NONCE_SIZE: Final = 12
FORMAT: Final = b"\x01"
CONTEXT: Final = b"cybous3 access key\0"
_FOR_OTHERS: Final = 0o077

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


def load_seal(path: Path, entropy: Entropy, *, has_keys: bool) -> Seal:
    """Return the seal of the key at `path`, making the key if there is none and no secret was ever sealed (`has_keys`).

    Several processes may begin at once: one key wins, all use it. SealError; OSError.
    """
    if not path.exists():
        if has_keys:
            raise SealError(
                f"the seal key {str(path)!r} is missing, and the index holds secrets that only it opens",
                hint="restore it from a backup, or delete all access keys and make new ones",
            )
        _create(path, entropy(KEY_SIZE))
    _tighten(path)
    key = path.read_bytes()
    if len(key) != KEY_SIZE:
        raise SealError(f"the seal key {str(path)!r} has {len(key)} bytes instead of {KEY_SIZE}")
    return Seal(key, entropy)


def _tighten(path: Path) -> None:
    """Take the key away from group and others, where files have such permissions. OSError."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.name == "posix" and mode & _FOR_OTHERS:
        _log.warning("the seal key could be read by others; it is private now", path=str(path), mode=f"{mode:04o}")
        path.chmod(0o600)


def _create(path: Path, key: bytes) -> None:
    """Write the key aside, sync it, and give it its name unless another process was first."""
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    aside.unlink(missing_ok=True)  # of a process that had this number and died here
    fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    try:
        os.write(fd, key)
        os.fsync(fd)
    finally:
        os.close(fd)
    try:
        _name(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    _sync_directory(path.parent)


def _name(aside: Path, path: Path) -> None:
    """Link, which never replaces.

    Where there are no hard links, rename, which the lock on the data directory makes safe.
    """
    try:
        path.hardlink_to(aside)
    except FileExistsError:
        return
    except OSError:
        aside.rename(path)


def _sync_directory(path: Path) -> None:
    flag: int | None = getattr(os, "O_DIRECTORY", None)
    if flag is None:
        return  # Windows: names are journalled, and directories cannot be opened
    fd = os.open(path, os.O_RDONLY | flag)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)

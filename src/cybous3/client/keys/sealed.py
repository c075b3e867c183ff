"""The files this client keeps on this machine: a sealed box (key-hierarchy.md §8) and a checksum behind it.

The box alone cannot tell a damaged file from a wrong key; the SHA-256 of the box, written after it, can: it is looked
at first. It protects against disks, not against people; the box does that.
"""

import hashlib
import hmac
from enum import StrEnum
from pathlib import Path

from cybous3.client.keys.errors import CannotUnlock, DamagedFile, ForeignFile
from cybous3.client.keys.files import read_private, write_private
from cybous3.crypto.box import open_box, open_with_passphrase, seal_box, seal_with_passphrase
from cybous3.crypto.errors import CannotUnlock as WrongPassphrase
from cybous3.crypto.errors import Damaged, Malformed
from cybous3.crypto.kdf import Argon2Profile
from cybous3.crypto.primitives import Entropy
from cybous3.disk.files import SYSTEM, Files

SEALED_BYTES_MAX = 4 * 1024 * 1024
_CHECKSUM = 32
# What every box of any version begins with; the eighth byte is the version.
_MAGICS = (b"CYBS3BX", b"CYBS3PW")
_VERSION = 1


class Purpose(StrEnum):
    """What a file is for; authenticated, so that no file opens as another."""

    CONFIG = "config"
    IDENTITY = "identity"
    DEVICE = "device"


def seal_file(
    path: Path,
    key: bytes,
    purpose: Purpose,
    content: bytes,
    entropy: Entropy,
    *,
    new: bool = False,
    files: Files = SYSTEM,
) -> None:
    """Write `content`, sealed under `key`, to `path`; with `new` only where there is no file yet."""
    _write(path, seal_box(key, purpose, content, entropy), files, new=new)


def open_file(path: Path, key: bytes, purpose: Purpose, files: Files = SYSTEM) -> bytes | None:
    """Return the content, None where there is no file.

    Raises ForeignFile, DamagedFile; CannotUnlock when another key sealed it. The file is never touched.
    """
    box = _read(path, files)
    if box is None:
        return None
    try:
        return open_box(key, purpose, box)
    except Malformed as error:
        raise _foreign(path) from error
    except Damaged as error:
        raise CannotUnlock(f"{path}: sealed with another key") from error


def seal_file_with_passphrase(
    path: Path,
    passphrase: str,
    purpose: Purpose,
    content: bytes,
    entropy: Entropy,
    profile: Argon2Profile,
    files: Files = SYSTEM,
) -> None:
    """Write `content`, sealed under a passphrase, to `path`."""
    _write(path, seal_with_passphrase(passphrase, purpose, content, entropy, profile), files, new=False)


def open_file_with_passphrase(path: Path, passphrase: str, purpose: Purpose, files: Files = SYSTEM) -> bytes | None:
    """Return the content, None where there is no file. Raises as `open_file`."""
    box = _read(path, files)
    if box is None:
        return None
    try:
        return open_with_passphrase(passphrase, purpose, box)
    except WrongPassphrase as error:
        raise CannotUnlock("wrong passphrase", hint="the recovery words open this machine as well") from error
    except Malformed as error:
        raise _foreign(path) from error


def _write(path: Path, box: bytes, files: Files, *, new: bool) -> None:
    write_private(path, box + hashlib.sha256(box).digest(), replace=not new, files=files)


def _read(path: Path, files: Files) -> bytes | None:
    data = read_private(path, SEALED_BYTES_MAX, files)
    if data is None:
        return None
    if not data.startswith(_MAGICS):
        raise _foreign(path)
    box, checksum = data[:-_CHECKSUM], data[-_CHECKSUM:]
    if not hmac.compare_digest(hashlib.sha256(box).digest(), checksum):
        raise DamagedFile(
            f"{path}: damaged", hint="it is left untouched; restore it from a copy, or move it away to start anew"
        )
    if box[len(_MAGICS[0])] != _VERSION:
        raise ForeignFile(f"{path}: sealed by another version of cybs3", hint="use a newer cybs3")
    return box


def _foreign(path: Path) -> ForeignFile:
    return ForeignFile(
        f"{path}: not a sealed file of this kind", hint="it is left untouched; move it away to start anew"
    )

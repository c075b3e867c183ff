"""What makes a directory a backup: a manifest that was written last, whole, and says what belongs to it.

    DEST/manifest.json               this; a directory without a valid one is no backup
    DEST/<generation>/index.sqlite   the snapshot of the index; <generation> is when it was taken
    DEST/<generation>/seal.key       the key that opens the secrets of its access keys, mode 0600
    DEST/blobs/                      the blobs, as they lie in a data directory; shared by all generations

A backup that is taken again adds what is new, then replaces the manifest in one step, then removes what no manifest
names: at every moment the directory is the old backup or the new one, whole.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from cybous3.core.errors import CybousError
from cybous3.disk.files import Files
from cybous3.disk.whole import put_whole, read_whole

NAME: Final = "manifest.json"
VERSION: Final = 1
SIZE_MAX: Final = 256 * 1024 * 1024
_PIECE: Final = 1024 * 1024


class BackupError(CybousError):
    """What was named is no backup, or not one that this program can read."""

    exit_code: ClassVar[int] = 11


class NoBackupError(BackupError):
    """There is no backup at the place that was named."""

    exit_code: ClassVar[int] = 3


@dataclass(frozen=True, slots=True)
class Damaged:
    """An object of the backup whose bytes are not in it, because they were damaged already."""

    bucket: str
    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """One backup."""

    generation: str  # the directory of index and seal key
    taken_ms: int  # UTC
    version: str  # of the program that took it
    index_size: int
    index_sha256: str
    seal_sha256: str | None  # None: the data directory had no seal key
    objects: int
    blobs: int
    data_bytes: int  # in the blobs
    damaged: tuple[Damaged, ...] = ()


def written(manifest: Manifest) -> bytes:
    """Return the file's content: the fields, and a digest over them."""
    plain = json.loads(json.dumps(asdict(manifest)))
    whole = {"v": VERSION, "sha256": _digest(plain), "backup": plain}
    return json.dumps(whole, indent=1, sort_keys=True).encode()


def _digest(plain: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def parse(content: bytes) -> Manifest:
    """Return what `written` wrote. BackupError for anything else, a changed byte included."""
    try:
        plain: dict[str, Any] = json.loads(content)
        version, fields, digest = plain["v"], dict(plain["backup"]), str(plain["sha256"])
        computed = _digest(fields)
        manifest = Manifest(**{**fields, "damaged": tuple(Damaged(**one) for one in fields["damaged"])})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BackupError("the manifest of the backup cannot be read") from error
    if version != VERSION:
        raise BackupError(f"the backup is of version {version!r}, which this program does not know")
    if not hmac.compare_digest(computed, digest):
        raise BackupError("the manifest of the backup is damaged")
    return manifest


def load(files: Files, root: Path) -> Manifest | None:
    """Return the manifest of the backup at `root`, None when there is none. BackupError, OSError."""
    content = read_whole(files, root / NAME, SIZE_MAX)
    return None if content is None else parse(content)


def save(files: Files, root: Path, manifest: Manifest) -> None:
    """Make the directory the backup that the manifest says, in one step and durably. OSError."""
    put_whole(files, root / NAME, written(manifest), replace=True)


def digest_of(files: Files, path: Path) -> tuple[int, str]:
    """Return the length and the SHA-256 of a file. OSError."""
    hasher, at = hashlib.sha256(), 0
    fd = files.open(path)
    try:
        while piece := files.read(fd, _PIECE, at):
            hasher.update(piece)
            at += len(piece)
    finally:
        files.close(fd)
    return at, hasher.hexdigest()

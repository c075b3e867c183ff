"""Names: how a logical path becomes an object key and back (names.md).

What this keeps true:
- a logical path is NFC, its components are not empty, not `.` or `..`, and hold no NUL; both ways;
- in an encrypted vault each component is AES-256-SIV under its parent's path, so a listing of one folder stays one
  prefix request, equal names differ between folders, and a name cannot be moved;
- how a component is written depends on its own length and its parents alone, never on what lies below it.

It does not read the store: a shortened component (`~h...`) gets its name from the sealed full path the caller fetches.
"""

import re
import unicodedata
from enum import StrEnum
from functools import lru_cache

from cybous3.crypto.canonical import decode_b64, encode_b64
from cybous3.crypto.errors import Damaged, InvalidName, Malformed, Misuse, NameNeeded, UnsupportedFormat
from cybous3.crypto.primitives import SIV_LEN, Siv, hkdf_expand, hmac_sha384, pad, unpad

KEY_BYTES_MAX = 1024
"""The limit of S3 for a whole object key."""
COMPONENT_CHARS_MAX = 192
"""An encrypted component longer than this is shortened: names above 127 bytes."""
FULL_CHARS_MAX = 640
"""Components are written in full as long as the key, without the vault's prefix, stays within this many characters."""
SEALED_PATH_BYTES_MAX = 1343
"""The longest path with a shortened component, so that the sealed path fits into S3's 2 KB of user metadata."""
METADATA_ENTRY = "cybs3name"
SYSTEM = ".cybs3"
"""The system folder right under the prefix: no user data in it, nor in any other folder of this name."""
NAMES_KEY_LEN = 32
_COMPONENT_MULTIPLE, _PATH_MULTIPLE = 16, 64
_SHORT = "~h"
_BELOW_SHORT = "/" + _SHORT
_DEPTH_MAX = 41
"""No component takes fewer than 24 characters and a slash, so no more of them fit into a key of 1,024."""
_HASH_LEN = 16
_SHORT_COMPONENT = re.compile(r"~h[A-Za-z0-9_-]{22}", re.ASCII)


class NamesMode(StrEnum):
    """How a vault writes names; fixed when it is made. `opaque` is reserved."""

    ENCRYPTED = "encrypted"
    PLAIN = "plain"


def check_path(path: str) -> str:
    """Return the path in NFC, if it is a logical path (names.md §1); else `InvalidName`."""
    path = unicodedata.normalize("NFC", path)
    for component in path.split("/"):
        check_component(component)
    return path


def check_component(name: str) -> None:
    """Refuse a component that is no name: empty, `.`, `..`, with a slash or NUL, or not Unicode."""
    # names.md §1
    if name in {"", ".", ".."}:
        raise InvalidName(f"{name!r} cannot be a part of a path")
    if "/" in name or "\0" in name:
        raise InvalidName(f"{name!r} holds a slash or a NUL")
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise InvalidName(f"{name!r} is not Unicode text") from error


class NameCodec:
    """Turns paths into object keys and keys into paths, for one vault. Thread-safe; parents are remembered.

    Keys here are relative to the vault: `object_key` puts the prefix in front.
    """

    def __init__(self, names_key: bytes, vault_id: bytes, mode: NamesMode, prefix: str = "") -> None:
        if len(names_key) != NAMES_KEY_LEN:
            raise Misuse(f"a names key has {NAMES_KEY_LEN} bytes")
        # names.md §3
        self._siv = Siv(hkdf_expand(names_key, b"cybs3/1/names/siv" + vault_id, 64))
        self._hash = hkdf_expand(names_key, b"cybs3/1/names/hash" + vault_id, 32)
        self._full = Siv(hkdf_expand(names_key, b"cybs3/1/names/full" + vault_id, 64))
        self.mode = mode
        self.prefix = check_prefix(prefix)
        self._key = lru_cache(maxsize=1024)(self._make_key)
        self._folder_key = lru_cache(maxsize=4096)(self._make_folder_key)
        self._folder_path = lru_cache(maxsize=4096)(self._make_folder_path)

    def object_key(self, path: str) -> str:
        """Return the key in the bucket: prefix, slash, relative key. `InvalidName` if it has more than 1,024 bytes."""
        return self._key(path)

    def _make_key(self, path: str) -> str:
        key = self._with_prefix(self.relative_key(path))
        if len(key.encode()) > KEY_BYTES_MAX:
            raise InvalidName(f"the path {path!r} is too long for an object key of {KEY_BYTES_MAX} bytes")
        return key

    def relative_key(self, path: str) -> str:
        """Return the key without the vault's prefix."""
        path = check_path(path)
        key = self._join(path)
        if self.needs_full_name(key) and len(path.encode()) > SEALED_PATH_BYTES_MAX:
            raise InvalidName(f"the path {path!r} has more than {SEALED_PATH_BYTES_MAX} bytes")
        return key

    def folder_prefix(self, folder: str) -> str:
        """Return the prefix that lists a folder's contents, with its final slash; "" is the vault's root."""
        relative = self.relative_key(folder) if folder else ""
        return "".join(part + "/" for part in (self.prefix, relative) if part)

    def strip(self, key: str) -> str | None:
        """Return the relative key of a key in the bucket; None if it lies outside the vault or in a system folder.

        In any system folder, not only in this vault's: what another vault keeps below this prefix is no file either.
        """
        start = self.prefix + "/" if self.prefix else ""
        if not key.startswith(start):
            return None
        relative = key[len(start) :]
        return None if SYSTEM in relative.split("/") else relative  # names.md §2

    def path_of(self, key: str, full_name: str | None = None) -> str:
        """Return the logical path of a relative key.

        `full_name`: the object's metadata entry `cybs3name`, needed when a component is shortened (`NameNeeded`
        without it). `Damaged` if a name was altered, moved, or made for another vault; `Malformed` for foreign keys.
        """
        if self.mode is NamesMode.PLAIN:
            return _trusted(key, f"the key {key!r} is no path")
        if self.needs_full_name(key):
            if full_name is None:
                raise NameNeeded(f"the name of {key!r} is in its metadata")
            return self.open_full_name(key, full_name)
        if key.count("/") >= _DEPTH_MAX:
            raise Malformed(f"the key {key!r} is deeper than any path")
        return self._make_folder_path(key)

    def component_name(self, parent: str, component: str) -> str:
        """Return the name of one component of a listing under a folder whose path is known ("" for the root)."""
        if self.mode is NamesMode.PLAIN:
            name = component
        else:
            if _SHORT_COMPONENT.fullmatch(component):
                raise NameNeeded("the name is in the metadata of the objects below")
            name = self._open_component(parent, component)
        if "/" in name:
            raise Damaged("a name holds a slash")
        return _trusted(name, "a name is no name")

    def component_key(self, parent: str, name: str) -> str:
        """How one name is written under a parent folder ("" for the root)."""
        path = check_path(f"{parent}/{name}" if parent else name)
        return self._join(path).rpartition("/")[2]

    def needs_full_name(self, key: str) -> bool:
        """Whether a relative key holds a shortened component, so that the object must carry `seal_full_name`."""
        return self.mode is NamesMode.ENCRYPTED and (key.startswith(_SHORT) or _BELOW_SHORT in key)

    def seal_full_name(self, path: str) -> str | None:
        """Return the metadata entry `cybs3name` for this path; None if its key says it all."""
        relative = self.strip(self.object_key(path))
        key = self.relative_key(path) if relative is None else relative
        if not self.needs_full_name(key):
            return None
        # names.md §5
        padded = pad(check_path(path).encode(), _PATH_MULTIPLE)
        return "1." + encode_b64(self._full.seal([b"cybs3/1/names/full", key.encode()], padded))

    def open_full_name(self, key: str, entry: str) -> str:
        """Return the path in a metadata entry `cybs3name`, which must be that of `key`."""
        if not entry.startswith("1."):
            raise UnsupportedFormat("the sealed name is of an unknown version")
        padded = self._full.open([b"cybs3/1/names/full", key.encode()], decode_b64(entry[2:], "the sealed name"))
        raw = None if padded is None else unpad(padded, _PATH_MULTIPLE)
        if raw is None:
            raise Damaged("the sealed name does not verify")
        path = _trusted(_text(raw), "the sealed name is no path")
        if self._join(path) != key:  # names.md §5: the key must be the one this path gives
            raise Damaged("the sealed name belongs to another key")
        return path

    def _with_prefix(self, relative: str) -> str:
        return f"{self.prefix}/{relative}" if self.prefix else relative

    def _join(self, path: str) -> str:
        if self.mode is NamesMode.PLAIN:
            if SYSTEM in path.split("/"):
                raise InvalidName(f"{SYSTEM!r} is reserved in a vault with plain names")
            return path
        if path.count("/") >= _DEPTH_MAX:
            raise InvalidName(f"the path {path!r} has too many parts: its key would be too long")
        return self._make_folder_key(path)

    def _make_folder_key(self, folder: str) -> str:
        parent, _, name = folder.rpartition("/")
        return self._seal_component(parent, name)

    def _make_folder_path(self, key: str) -> str:
        above, _, component = key.rpartition("/")
        parent = self._folder_path(above) if above else ""
        name = self.component_name(parent, component)
        return f"{parent}/{name}" if parent else name

    def _seal_component(self, parent: str, name: str) -> str:
        """Return the relative key of `parent`/`name`, by names.md §3 and §4."""
        start = self._folder_key(parent) + "/" if parent else ""
        raw, place = name.encode(), _place(parent)
        sealed = encode_b64(self._siv.seal([b"cybs3/1/names/siv", place], pad(raw, _COMPONENT_MULTIPLE)))
        if len(sealed) <= COMPONENT_CHARS_MAX and len(start) + len(sealed) <= FULL_CHARS_MAX:
            return start + sealed
        return start + _SHORT + encode_b64(hmac_sha384(self._hash, place + b"\0" + raw)[:_HASH_LEN])

    def _open_component(self, parent: str, component: str) -> str:
        sealed = decode_b64(component, "an encrypted name")
        if len(sealed) < SIV_LEN + _COMPONENT_MULTIPLE:
            raise Malformed("an encrypted name is too short")
        padded = self._siv.open([b"cybs3/1/names/siv", _place(parent)], sealed)
        raw = None if padded is None else unpad(padded, _COMPONENT_MULTIPLE)
        if raw is None:
            raise Damaged("an encrypted name does not verify")
        return _text(raw)


def check_prefix(prefix: str) -> str:
    """Return the vault's prefix: empty, or a path in NFC that does not touch the system folder; else `InvalidName`."""
    if not prefix:
        return prefix
    if check_path(prefix) != prefix:
        raise InvalidName(f"the prefix {prefix!r} is not in the composed form of Unicode (NFC)")
    if SYSTEM in prefix.split("/"):
        raise InvalidName(f"the prefix {prefix!r} lies in a system folder")
    return prefix


def _place(parent: str) -> bytes:
    """Return the folder a name stands in, never empty: "/" for the root, "/a/b" else (names.md §3)."""
    return b"/" + parent.encode()


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise Damaged("a name is not UTF-8") from error


def _trusted(path: str, otherwise: str) -> str:
    """Return a path that came from the store, checked as strictly as one from a person."""
    try:
        checked = check_path(path)
    except InvalidName as error:
        raise Malformed(otherwise) from error
    if checked != path:
        raise Malformed(otherwise)
    return path

"""What an object says about itself inside its sealed header (format-v1 §4.2): never seen by the server.

The path here is the one at creation and informs only; what binds an object to its name is the wrap of its key.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from cybous3.crypto.canonical import Fields, Json, decode_json, encode_json
from cybous3.crypto.errors import Malformed
from cybous3.crypto.primitives import pad, unpad

PAD_MULTIPLE = 64
U64_MAX = 2**64 - 1
I64_MIN, I64_MAX = -(2**63), 2**63 - 1
MODE_MAX = 0o7777
FILE, DIRECTORY = "file", "directory"
KINDS = frozenset({FILE, DIRECTORY})
_NO_USER: Mapping[str, str] = MappingProxyType({})


class ObjectMetadata(NamedTuple):
    """The sealed metadata of one object.

    `generation`: 64-bit hybrid logical clock, see `next_generation`. `mtime_ns`: nanoseconds since the epoch, UTC.
    `mode`: permission bits, at most 0o7777. `user`: what a person attached. `kind`: `file`, or `directory` for an empty
    folder, whose body is empty.
    """

    path: str
    generation: int
    content_type: str | None = None
    user: Mapping[str, str] = _NO_USER
    mtime_ns: int | None = None
    mode: int | None = None
    kind: str = FILE

    def encode(self) -> bytes:
        """Canonical JSON without the fields that are not set, padded to a multiple of 64 bytes."""
        value: dict[str, Json] = {"generation": str(self.generation), "kind": self.kind, "path": self.path}
        optional: dict[str, Json] = {
            "content_type": self.content_type,
            "mode": self.mode,
            "mtime_ns": None if self.mtime_ns is None else str(self.mtime_ns),
            "user": dict(self.user) or None,
        }
        value |= {name: item for name, item in optional.items() if item is not None}
        self._check()
        return pad(encode_json(value), PAD_MULTIPLE)

    def _check(self) -> None:
        """Raise Malformed for what a reader would refuse: it is not written. The bounds are those of `_parse`."""
        numbers = ((self.generation, 0, U64_MAX), (self.mtime_ns, I64_MIN, I64_MAX), (self.mode, 0, MODE_MAX))
        for number, low, high in numbers:
            if number is not None and not low <= number <= high:
                raise Malformed(f"the metadata cannot hold the number {number}")
        texts = (self.path, self.content_type or "", *self.user.values(), *self.user)
        if self.kind not in KINDS or not all(isinstance(text, str) for text in texts):
            raise Malformed("the metadata cannot hold this")

    @staticmethod
    def decode(padded: bytes) -> "ObjectMetadata":
        """Return the inverse of `encode`; `Malformed` for anything else. Unknown fields are ignored."""
        encoded = unpad(padded, PAD_MULTIPLE)
        if encoded is None:
            raise Malformed("the metadata's padding is wrong")
        return _parse(encoded)


def next_generation(previous: int, now_ms: int) -> int:
    """Return the next value of the hybrid logical clock: milliseconds in the upper 48 bits, a counter in the lower 16.

    Greater than `previous` whatever the clock says, so a machine with a slow clock still moves on.
    """
    return max(previous + 1, min(now_ms << 16, U64_MAX))


def _parse(encoded: bytes) -> ObjectMetadata:
    fields = Fields(decode_json(encoded, "the metadata"), "the metadata")
    kind = fields.text("kind")
    if kind not in KINDS:
        raise Malformed(f"the metadata names the unknown kind {kind!r}")
    return ObjectMetadata(
        path=fields.text("path"),
        generation=fields.long("generation", 0, U64_MAX),
        content_type=fields.text("content_type") if fields.has("content_type") else None,
        user=_user(fields.object("user")) if fields.has("user") else _NO_USER,
        mtime_ns=fields.long("mtime_ns", I64_MIN, I64_MAX) if fields.has("mtime_ns") else None,
        mode=fields.integer("mode", 0, MODE_MAX) if fields.has("mode") else None,
        kind=kind,
    )


def _user(value: Mapping[str, Json]) -> Mapping[str, str]:
    user = {name: item for name, item in value.items() if isinstance(item, str)}
    if len(user) != len(value):
        raise Malformed("the metadata's user entries are not all strings")
    return MappingProxyType(user)

"""What a blob says of itself, so that an index can be made anew from the blobs alone. Pure.

A label is canonical JSON at the end of a blob, under the blob's own checks: written when the bytes were judged, never
changed. Three kinds:

- `object`: the blob holds all bytes of one object; the label says what the object is.
- `part`: the blob holds one part of a multipart upload; the label says which, and of what upload.
- `manifest`: the blob holds no bytes. Its label names the blobs of an object in order. Completing an upload and
  changing an object's metadata write one, because what the other labels say is no longer all of the truth.

Small objects live in the index alone and have no blob, so they have no label. `at_us` orders labels of one key; it is
the clock's time in microseconds when the label was written.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from cybous3.core.ids import is_hex_id
from cybous3.server.model.objects import Checksum, Extent, ObjectPart, ObjectRecord
from cybous3.server.model.uploads import Part, Upload

VERSION: Final = 1

Kind = Literal["object", "part", "manifest"]


class LabelError(ValueError):
    """The bytes are no label that this program understands."""


@dataclass(frozen=True, slots=True)
class Label:
    """One label, read. `record` is there for objects and manifests, `upload` and `part` for parts.

    The record's and part's extents are complete: they name the blob that carries the label, too.
    """

    kind: Kind
    at_us: int
    record: ObjectRecord | None = None
    upload: Upload | None = None
    part: Part | None = None

    @property
    def place(self) -> tuple[str, str]:
        """Bucket and key."""
        said = self.record or self.upload
        if said is None:
            raise LabelError("a label of nothing")
        return said.bucket, said.key

    @property
    def owner(self) -> str:
        """The canonical id of the bucket's owner, who owns all that is in it."""
        said = self.record or self.upload
        if said is None:
            raise LabelError("a label of nothing")
        return said.owner


def of_object(record: ObjectRecord, at_us: int) -> bytes:
    """Return the label of the one blob of `record`."""
    return _written("object", at_us, {"object": _said_of(record)})


def of_manifest(record: ObjectRecord, at_us: int) -> bytes:
    """Return the label of the manifest of `record`: it names the blobs that hold bytes, in order."""
    extents = [[extent.blob, extent.length] for extent in record.extents if extent.length]
    parts = [[part.number, part.size, part.etag, part.checksum] for part in record.parts]
    return _written("manifest", at_us, {"object": _said_of(record), "extents": extents, "parts": parts})


def of_part(upload: Upload, part: Part, at_us: int) -> bytes:
    """Return the label of the one blob of `part`."""
    said = {"number": part.number, "size": part.size, "etag": part.etag, "modified_ms": part.modified_ms}
    checksum = {} if part.checksum is None else {"checksum": list(part.checksum)}
    return _written("part", at_us, {"upload": asdict(upload), "part": {**said, **checksum}})


def read(label: bytes, blob: str) -> Label:
    """Return what the label of `blob` says. LabelError."""
    try:
        plain = json.loads(label)
        return _READERS[plain["v"], plain["kind"]](plain, blob)
    except LabelError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise LabelError(f"not a label: {type(error).__name__}: {error}") from error


def _written(kind: Kind, at_us: int, said: Mapping[str, Any]) -> bytes:
    plain = {"v": VERSION, "kind": kind, "at_us": at_us, **said}
    return json.dumps(plain, sort_keys=True, separators=(",", ":")).encode("ascii")


def _said_of(record: ObjectRecord) -> dict[str, Any]:
    said: dict[str, Any] = {
        "bucket": record.bucket,
        "key": record.key,
        "size": record.size,
        "etag": record.etag,
        "modified_ms": record.modified_ms,
        "owner": record.owner,
        "storage_class": record.storage_class,
        "system": dict(record.system),
        "user": dict(record.user),
    }
    if record.checksum is not None:
        said["checksum"] = list(record.checksum)
    return said


def _record(plain: Mapping[str, Any], extents: tuple[Extent, ...], parts: tuple[ObjectPart, ...]) -> ObjectRecord:
    said = plain["object"]
    checksum = said.get("checksum")
    record = ObjectRecord(
        bucket=said["bucket"],
        key=said["key"],
        size=_count(said["size"]),
        etag=said["etag"],
        modified_ms=_count(said["modified_ms"]),
        owner=said["owner"],
        storage_class=said["storage_class"],
        system=_texts(said["system"]),
        user=_texts(said["user"]),
        checksum=None if checksum is None else Checksum(*checksum),
        extents=extents,
        parts=parts,
    )
    if not all(isinstance(said[name], str) for name in _RECORD_TEXTS):
        raise LabelError("a field of the label is not a text")
    if record.size != sum(extent.length for extent in extents):
        raise LabelError("the label's size is not that of its blobs")
    return record


_RECORD_TEXTS: Final = ("bucket", "key", "etag", "owner", "storage_class")


def _object(plain: Mapping[str, Any], blob: str) -> Label:
    record = _record(plain, (Extent(blob, _count(plain["object"]["size"])),), ())
    return Label("object", _count(plain["at_us"]), record=record)


def _manifest(plain: Mapping[str, Any], blob: str) -> Label:
    extents = [Extent(name, _count(length)) for name, length in plain["extents"]]
    if not all(is_hex_id(extent.blob) for extent in extents):
        raise LabelError("the label names what is no blob")
    parts = tuple(ObjectPart(number, size, etag, checksum) for number, size, etag, checksum in plain["parts"])
    return Label("manifest", _count(plain["at_us"]), record=_record(plain, (*extents, Extent(blob, 0)), parts))


def _part(plain: Mapping[str, Any], blob: str) -> Label:
    said = plain["part"]
    checksum = said.get("checksum")
    size = _count(said["size"])
    part = Part(
        number=_count(said["number"]),
        size=size,
        etag=str(said["etag"]),
        modified_ms=_count(said["modified_ms"]),
        checksum=None if checksum is None else Checksum(*checksum),
        extents=(Extent(blob, size),),
    )
    return Label("part", _count(plain["at_us"]), upload=Upload(**plain["upload"]), part=part)


_READERS: Final = {(VERSION, "object"): _object, (VERSION, "manifest"): _manifest, (VERSION, "part"): _part}


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise LabelError(f"{value!r} is not a count")
    return value


def _texts(value: Mapping[str, object]) -> dict[str, str]:
    if not all(isinstance(text, str) for text in value.values()):
        raise LabelError("metadata that is not text")
    return {name: str(text) for name, text in value.items()}

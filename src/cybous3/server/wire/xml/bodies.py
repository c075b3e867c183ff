"""The documents that clients send with the operations built so far, as values."""

from dataclasses import dataclass
from typing import Final, get_args

from cybous3.core.http_values import unquote_etag
from cybous3.server.model.objects import Checksum, ChecksumAlgorithm
from cybous3.server.model.uploads import CompletedPart
from cybous3.server.wire import values
from cybous3.server.wire.errors import S3Error
from cybous3.server.wire.generated.enums import CHECKSUM_ALGORITHM
from cybous3.server.wire.route import OPERATIONS_BY_NAME
from cybous3.server.wire.xml.reader import ANY_NUMBER, REQUIRED_TEXT, TEXT, Element, Node, malformed, read

DELETE_KEYS_MAX: Final = 1000
PARTS_MAX: Final = 10_000
_SIZE_MAX: Final = 2**63 - 1

_CHECKSUMS: Final = {f"Checksum{name}": name for name in CHECKSUM_ALGORITHM}
_SUPPORTED: Final[dict[str, ChecksumAlgorithm]] = {name: name for name in get_args(ChecksumAlgorithm)}

_LOCATION: Final = Element({"Name": TEXT, "Type": TEXT})
_TAGS: Final = Element({"Tag": Element({"Key": TEXT, "Value": TEXT}, most=ANY_NUMBER)})
_CREATE_BUCKET: Final = Element(
    {
        "LocationConstraint": TEXT,
        "Location": _LOCATION,
        "Bucket": Element({"DataRedundancy": TEXT, "Type": TEXT}),
        "Tags": _TAGS,
    }
)
_DELETE: Final = Element(
    {
        "Quiet": TEXT,
        "Object": Element(
            {"Key": REQUIRED_TEXT, "VersionId": TEXT, "ETag": TEXT, "Size": TEXT, "LastModifiedTime": TEXT},
            most=DELETE_KEYS_MAX,
            required=True,
        ),
    }
)
_PART: Final = {"PartNumber": REQUIRED_TEXT, "ETag": REQUIRED_TEXT} | dict.fromkeys(_CHECKSUMS, TEXT)
_COMPLETE: Final = Element({"Part": Element(_PART, most=PARTS_MAX, required=True)})


def _read(name: str, document: bytes, schema: Element) -> Node:
    operation = OPERATIONS_BY_NAME[name]
    return read(document, operation.root or name, schema, bytes_max=operation.body_max)


def create_bucket(document: bytes) -> str | None:
    """Return the location constraint that a CreateBucket body asks for; None: none, or no body.

    What else AWS takes here (directory buckets, tags at creation) is NotImplemented rather than overlooked.
    """
    if not document:
        return None
    node = _read("CreateBucket", document, _CREATE_BUCKET)
    for name in ("Location", "Bucket", "Tags"):
        if name in node.children:
            raise S3Error("NotImplemented", f"CreateBucketConfiguration with {name} is not implemented.", Element=name)
    return node.get("LocationConstraint") or None


@dataclass(frozen=True, slots=True)
class Doomed:
    """An object that DeleteObjects names, with the conditions on its removal. The ETag is without quotes.

    The key is as sent; whether it can be a key is judged per object, so that one bad key spoils no other.
    """

    key: str
    version_id: str | None = None
    etag: str | None = None
    size: int | None = None
    modified_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """A DeleteObjects body: 1 to 1,000 objects. `quiet` leaves the successes out of the answer."""

    objects: tuple[Doomed, ...]
    quiet: bool = False


def delete(document: bytes) -> Delete:
    """Read a DeleteObjects body. MalformedXML, also for more than 1,000 objects or none."""
    node = _read("DeleteObjects", document, _DELETE)
    quiet = node.get("Quiet")
    return Delete(
        objects=tuple(_doomed(child) for child in node.all("Object")),
        quiet=values.boolean("Quiet", quiet) if quiet else False,
    )


def _doomed(node: Node) -> Doomed:
    key = node.raw("Key")
    if not key:
        raise malformed("an empty Key")
    if len(node.children) == 1:  # nearly always
        return Doomed(key)
    etag, size, modified = node.get("ETag"), node.get("Size"), node.get("LastModifiedTime")
    return Doomed(
        key=key,
        version_id=node.get("VersionId") or None,
        etag=unquote_etag(etag) if etag else None,
        size=values.integer("Size", size, 0, _SIZE_MAX) if size else None,
        modified_ms=values.date("LastModifiedTime", modified) if modified else None,
    )


def complete_multipart_upload(document: bytes) -> tuple[CompletedPart, ...]:
    """Read a CompleteMultipartUpload body: 1 to 10,000 parts in the order sent, which is the caller's to judge.

    MalformedXML, also without a body; InvalidArgument for a part number that no part can have.
    """
    if not document:
        raise malformed("You must specify at least one part")
    node = _read("CompleteMultipartUpload", document, _COMPLETE)
    return tuple(_completed(child) for child in node.all("Part"))


def _completed(node: Node) -> CompletedPart:
    number = values.integer("partNumber", node.get("PartNumber") or "", 1, PARTS_MAX)
    etag = unquote_etag(node.get("ETag") or "")
    if not etag:
        raise malformed("an empty ETag")
    return CompletedPart(number, etag, _checksum(node) if len(node.children) > 2 else None)  # noqa: PLR2004 - the two above


def _checksum(node: Node) -> Checksum:
    given = [(algorithm, node.get(name) or "") for name, algorithm in _CHECKSUMS.items() if name in node.children]
    if len(given) > 1:
        raise S3Error("InvalidRequest", "Expecting a single checksum of a part, found several.")
    algorithm, value = given[0]
    supported = _SUPPORTED.get(algorithm)
    if supported is None:
        raise S3Error("NotImplemented", f"The checksum algorithm {algorithm} is not implemented.", Algorithm=algorithm)
    return Checksum(supported, value)

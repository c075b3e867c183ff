"""S3's XML, read strictly and written by hand.

Reading is bounded: a document has a size limit, and neither DTD nor entities of its own; it is UTF-8 whatever it
declares, and nothing here recurses into it. The tree is built in C (a page of 1,000 keys in a few milliseconds); names
lose their namespace, which half of the servers leave out. What is missing or unreadable raises, it never becomes a
default.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from urllib.parse import unquote_plus
from xml.etree.ElementTree import Element, ParseError, XMLParser

from cybous3.client.stores.errors import ServerFailed
from cybous3.client.stores.port import BucketInfo, Entry, Page, Part, UploadInfo

DOCUMENT_BYTES_MAX = 16 * 1024 * 1024
# A document type is the door to entities; S3 never sends one, and in a key "<" is always written "&lt;".
# A NUL gives away UTF-16, in which one could hide; expat reads it whatever encoding it is told to expect.
_FORBIDDEN = (b"<!DOCTYPE", b"<!ENTITY", b"\0")


def parse(data: bytes, *roots: str) -> Element:
    """Return the root element. Raises ServerFailed unless it is well-formed and has one of `roots` at its root."""
    if len(data) > DOCUMENT_BYTES_MAX or any(mark in data for mark in _FORBIDDEN):
        raise _unreadable("a document no S3 server sends")
    parser = XMLParser(encoding="utf-8")  # noqa: S314  # document types, the danger meant, were refused above
    try:
        # Without its declaration the usual namespace costs nothing; another one is taken off name by name.
        parser.feed(data.replace(_DECLARATION, b"", 1))
        root: Element = parser.close()
    except ParseError as error:
        raise _unreadable(f"unreadable XML ({error})") from error
    if root.tag[0] == "{":
        _strip_namespaces(root)
    if roots and root.tag not in roots:
        raise _unreadable(f"<{root.tag}> where <{roots[0]}> was expected")
    return root


def text(element: Element, name: str) -> str:
    """Return the text of the child `name`; raises ServerFailed when there is no such child."""
    child = element.find(name)
    if child is None:
        raise _unreadable(f"<{element.tag}> without <{name}>")
    return child.text or ""


def optional(element: Element, name: str) -> str | None:
    """Return the text of the child `name`, None when it is missing or empty."""
    return element.findtext(name) or None


def list_page(root: Element, *, version: int) -> Page:
    """Read a ListBucketResult of ListObjectsV2, or of ListObjects where `version` is 1."""
    decode = _key_decoder(root)
    entries = [_entry(item, decode) for item in root.iterfind("Contents")]
    prefixes = [decode(text(item, "Prefix")) for item in root.iterfind("CommonPrefixes")]
    if optional(root, "IsTruncated") != "true":
        return Page(entries, prefixes, None)
    if version > 1:
        return Page(entries, prefixes, text(root, "NextContinuationToken"))
    marker = optional(root, "NextMarker")
    last = [entry.key for entry in entries[-1:]] + prefixes[-1:]
    if marker is None and not last:
        raise _unreadable("a page that is neither the last nor has anything")
    return Page(entries, prefixes, decode(marker) if marker is not None else max(last))


def parts_page(root: Element) -> tuple[list[Part], str | None]:
    """Read a ListPartsResult: its parts, and the marker of the next page."""
    parts = [
        Part(int(text(item, "PartNumber")), etag(text(item, "ETag")), _size(item), optional(item, "ChecksumCRC32"))
        for item in root.iterfind("Part")
    ]
    more = optional(root, "IsTruncated") == "true"
    return parts, text(root, "NextPartNumberMarker") if more else None


def uploads_page(root: Element) -> tuple[list[UploadInfo], tuple[str, str] | None]:
    """Read a ListMultipartUploadsResult: its uploads, and key and upload id that mark the next page."""
    decode = _key_decoder(root)
    uploads = [
        UploadInfo(decode(text(item, "Key")), text(item, "UploadId"), moment(text(item, "Initiated")))
        for item in root.iterfind("Upload")
    ]
    if optional(root, "IsTruncated") != "true":
        return uploads, None
    return uploads, (decode(text(root, "NextKeyMarker")), text(root, "NextUploadIdMarker"))


def buckets_page(root: Element) -> tuple[list[BucketInfo], str | None]:
    """Read a ListAllMyBucketsResult: its buckets, and the token of the next page."""
    items = root.iterfind("Buckets/Bucket")
    buckets = [BucketInfo(text(item, "Name"), moment(text(item, "CreationDate"))) for item in items]
    return buckets, optional(root, "ContinuationToken")


def delete_document(keys: Iterable[str]) -> bytes:
    """Write a Delete request that asks for failures only."""
    items = "".join([f"<Object><Key>{escape(key)}</Key></Object>" for key in keys])
    return f'<Delete xmlns="{_NAMESPACE}"><Quiet>true</Quiet>{items}</Delete>'.encode()


def complete_document(parts: Sequence[Part]) -> bytes:
    """Write a CompleteMultipartUpload request."""
    items = "".join([_part_item(part) for part in parts])
    return f'<CompleteMultipartUpload xmlns="{_NAMESPACE}">{items}</CompleteMultipartUpload>'.encode()


def location_document(region: str) -> bytes:
    """Write a CreateBucketConfiguration request."""
    return (
        f'<CreateBucketConfiguration xmlns="{_NAMESPACE}"><LocationConstraint>{escape(region)}</LocationConstraint>'
        "</CreateBucketConfiguration>"
    ).encode()


def writable(key: str) -> bool:
    """Tell whether XML 1.0 can hold the key: no control characters but tab and line feed, no lone surrogates."""
    return not any((c < " " and c not in "\t\n") or "\ud800" <= c <= "\udfff" or c in "\ufffe\uffff" for c in key)


def escape(raw: str) -> str:
    """Return text as it stands inside an element; xml.sax.saxutils would bring urllib.request and email along."""
    return raw.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def etag(raw: str) -> str:
    """Return an entity tag without its quotes."""
    return raw[1:-1] if len(raw) > 1 and raw[0] == raw[-1] == '"' else raw


def moment(raw: str) -> float:
    """Return an ISO 8601 time as seconds since the epoch."""
    try:
        return datetime.fromisoformat(raw).timestamp()
    except ValueError as error:
        raise _unreadable(f"the time {raw[:40]!r}") from error


_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_DECLARATION = f' xmlns="{_NAMESPACE}"'.encode()


def _part_item(part: Part) -> str:
    crc32 = f"<ChecksumCRC32>{part.crc32}</ChecksumCRC32>" if part.crc32 else ""
    return f"<Part>{crc32}<ETag>&quot;{escape(part.etag)}&quot;</ETag><PartNumber>{part.number}</PartNumber></Part>"


def _entry(item: Element, decode: "_KeyDecoder") -> Entry:
    """Read one entry of a listing; one pass over its children, since a page has thousands."""
    fields = {child.tag: child.text or "" for child in item}
    try:
        key, size, tag, modified = fields["Key"], fields["Size"], fields["ETag"], fields["LastModified"]
    except KeyError as error:
        raise _unreadable(f"<Contents> without <{error.args[0]}>") from error
    return Entry(decode(key), _number(size), etag(tag), moment(modified))


def _size(item: Element) -> int:
    return _number(text(item, "Size"))


def _number(raw: str) -> int:
    if not (raw.isascii() and raw.isdigit()):
        raise _unreadable(f"the size {raw[:30]!r}")
    return int(raw)


class _KeyDecoder:
    """Undo `encoding-type=url`, where the server says that it did it."""

    def __init__(self, *, encoded: bool) -> None:
        self._encoded = encoded

    def __call__(self, raw: str) -> str:
        if self._encoded and ("%" in raw or "+" in raw):
            try:
                return unquote_plus(raw, errors="strict")
            except UnicodeDecodeError as error:
                raise _unreadable("a key that is not UTF-8") from error
        return raw


def _key_decoder(root: Element) -> _KeyDecoder:
    return _KeyDecoder(encoded=optional(root, "EncodingType") == "url")


def _strip_namespaces(root: Element) -> None:
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]


def _unreadable(what: str) -> ServerFailed:
    return ServerFailed(f"the server's answer cannot be read: {what}", hint="is this endpoint an S3 server?")

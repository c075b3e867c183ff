"""Pages of things as XML: buckets, objects, versions, uploads, parts.

A page of a thousand keys is the hottest XML there is. It is made column by column, never row by row: keys are escaped
all at once, timestamps and what rows have in common are looked up, and the columns are woven into one list of
fragments that is joined once. That is a third of the cost of a formatted string a row.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cybous3.server.model.buckets import Bucket
from cybous3.server.model.objects import ObjectSummary
from cybous3.server.model.uploads import Part, Upload
from cybous3.server.wire.generated.bucket_inputs import (
    ListMultipartUploadsInput,
    ListObjectsInput,
    ListObjectsV2Input,
    ListObjectVersionsInput,
)
from cybous3.server.wire.markup import (
    DECLARATION,
    XMLNS,
    escape,
    escape_all,
    split_timestamps,
    text_element,
    timestamp,
    url_encode,
    url_encode_all,
)

_Encode = Callable[[str], str]
_NO_NAMES: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class Owner:
    """An owner as listings show one. AWS gives no display name any more; clients that print it get ours."""

    id: str
    display_name: str = ""

    def xml(self, tag: str = "Owner") -> str:
        """Return the element."""
        name = f"<DisplayName>{escape(self.display_name)}</DisplayName>" if self.display_name else ""
        return f"<{tag}><ID>{escape(self.id)}</ID>{name}</{tag}>"


def _document(root: str, parts: Iterable[str]) -> bytes:
    # One join: a page is a third of a megabyte, and every copy of it costs as much as a hundred rows.
    return "".join([f'{DECLARATION}<{root} xmlns="{XMLNS}">', *parts, f"</{root}>"]).encode()


def _element(name: str, value: object) -> str:
    return f"<{name}>{value}</{name}>"


def _optional(name: str, value: str | None, encode: _Encode) -> str:
    return "" if value is None or value == "" else f"<{name}>{encode(value)}</{name}>"


def _truth(value: object) -> str:
    return "true" if value else "false"


def _encoder(encoding_type: str | None) -> _Encode:
    return url_encode if encoding_type == "url" else escape


def _encode_all(encoding_type: str | None, texts: Sequence[str]) -> Sequence[str]:
    return url_encode_all(texts) if encoding_type == "url" else escape_all(texts)


def _common_prefixes(prefixes: Sequence[str], encoding_type: str | None) -> str:
    encoded = _encode_all(encoding_type, prefixes)
    return "".join([f"<CommonPrefixes><Prefix>{prefix}</Prefix></CommonPrefixes>" for prefix in encoded])


class _Tails(dict[tuple[str, str, str | None, str | None], str]):
    """The end of an entry, which most of a page have in common: checksum, owner, storage class; made once a page."""

    def __init__(self, names: Mapping[str, str], *, owners: bool = True) -> None:
        super().__init__()
        self._names = names
        self._owners = owners

    def __missing__(self, common: tuple[str, str, str | None, str | None]) -> str:
        owner, storage_class, algorithm, kind = common
        checksum = _optional("ChecksumAlgorithm", algorithm, escape) + _optional("ChecksumType", kind, escape)
        shown = Owner(owner, self._names.get(owner, "")).xml() if self._owners else ""
        tail = self[common] = f"{checksum}{shown}<StorageClass>{escape(storage_class)}</StorageClass>"
        return tail


def _weave(count: int, *columns: str | Sequence[str]) -> list[str]:
    """Return `count` rows as one flat list of fragments; a column is one text for all rows, or one a row."""
    width = len(columns)
    woven = [""] * (count * width)
    for place, column in enumerate(columns):
        woven[place::width] = [column] * count if isinstance(column, str) else column
    return woven


def _contents(objects: Sequence[ObjectSummary], encoding_type: str | None, tails: _Tails) -> list[str]:
    if not objects:
        return []
    keys, sizes, etags, modified_ms, owners, classes, algorithms, kinds, _ = zip(*objects, strict=True)
    hours, seconds = split_timestamps(modified_ms)
    return _weave(
        len(objects),
        "<Contents><Key>",
        _encode_all(encoding_type, keys),
        "</Key><LastModified>",
        hours,
        seconds,
        "</LastModified><ETag>&quot;",
        etags,
        "&quot;</ETag><Size>",
        list(map(str, sizes)),
        "</Size>",
        [tails[common] for common in zip(owners, classes, algorithms, kinds, strict=True)],
        "</Contents>",
    )


def list_buckets(
    owner: Owner, buckets: Sequence[Bucket], *, prefix: str | None = None, continuation_token: str | None = None
) -> bytes:
    """Write ListAllMyBucketsResult; `continuation_token` continues the page."""
    rows = "".join(
        f"<Bucket><Name>{bucket.name}</Name><CreationDate>{timestamp(bucket.created_ms)}</CreationDate>"
        f"<BucketRegion>{escape(bucket.region)}</BucketRegion></Bucket>"
        for bucket in buckets
    )
    return _document(
        "ListAllMyBucketsResult",
        (
            owner.xml(),
            _element("Buckets", rows),
            _optional("Prefix", prefix, escape),
            _optional("ContinuationToken", continuation_token, escape),
        ),
    )


def list_objects(
    request: ListObjectsInput,
    objects: Sequence[ObjectSummary],
    prefixes: Sequence[str],
    *,
    max_keys: int,
    next_marker: str = "",
    names: Mapping[str, str] = _NO_NAMES,
) -> bytes:
    """Write ListBucketResult, version 1. `next_marker` "" ends the listing; it is shown only with a delimiter.

    `names` gives display names by canonical id. Every object has its owner.
    """
    encode = _encoder(request.encoding_type)
    return _document(
        "ListBucketResult",
        (
            _element("Name", request.bucket),
            # In the clear, an echo: of this one listing, botocore and its kin decode every name but the prefix.
            text_element("Prefix", request.prefix or ""),
            _element("Marker", encode(request.marker or "")),
            _optional("NextMarker", next_marker if request.delimiter else "", encode),
            _element("MaxKeys", max_keys),
            _optional("Delimiter", request.delimiter, encode),
            _element("IsTruncated", _truth(next_marker)),
            _optional("EncodingType", request.encoding_type, escape),
            *_contents(objects, request.encoding_type, _Tails(names)),
            _common_prefixes(prefixes, request.encoding_type),
        ),
    )


def list_objects_v2(
    request: ListObjectsV2Input,
    objects: Sequence[ObjectSummary],
    prefixes: Sequence[str],
    *,
    max_keys: int,
    next_token: str = "",
    names: Mapping[str, str] = _NO_NAMES,
) -> bytes:
    """Write ListBucketResult, version 2. `next_token` "" ends the listing. Owners only if `fetch-owner` asked."""
    encode = _encoder(request.encoding_type)
    return _document(
        "ListBucketResult",
        (
            _element("Name", request.bucket),
            _element("Prefix", encode(request.prefix or "")),
            _optional("ContinuationToken", request.continuation_token, escape),
            _optional("NextContinuationToken", next_token, escape),
            _optional("StartAfter", request.start_after, encode),
            _element("KeyCount", len(objects) + len(prefixes)),
            _element("MaxKeys", max_keys),
            _optional("Delimiter", request.delimiter, encode),
            _element("IsTruncated", _truth(next_token)),
            _optional("EncodingType", request.encoding_type, escape),
            *_contents(objects, request.encoding_type, _Tails(names, owners=bool(request.fetch_owner))),
            _common_prefixes(prefixes, request.encoding_type),
        ),
    )


def _versions(versions: Sequence[ObjectSummary], encoding_type: str | None, tails: _Tails) -> list[str]:
    if not versions:
        return []
    keys, sizes, etags, modified_ms, owners, classes, algorithms, kinds, ids = zip(*versions, strict=True)
    hours, seconds = split_timestamps(modified_ms)
    return _weave(
        len(versions),
        "<Version><Key>",
        _encode_all(encoding_type, keys),
        "</Key><VersionId>",
        ids,
        "</VersionId><IsLatest>true</IsLatest><LastModified>",
        hours,
        seconds,
        "</LastModified><ETag>&quot;",
        etags,
        "&quot;</ETag><Size>",
        list(map(str, sizes)),
        "</Size>",
        [tails[common] for common in zip(owners, classes, algorithms, kinds, strict=True)],
        "</Version>",
    )


def list_object_versions(
    request: ListObjectVersionsInput,
    versions: Sequence[ObjectSummary],
    prefixes: Sequence[str],
    *,
    max_keys: int,
    next_key_marker: str = "",
    next_version_id_marker: str = "",
    names: Mapping[str, str] = _NO_NAMES,
) -> bytes:
    """Write ListVersionsResult of buckets without versions: each object is its own latest version."""
    encode = _encoder(request.encoding_type)
    return _document(
        "ListVersionsResult",
        (
            _element("Name", request.bucket),
            _element("Prefix", encode(request.prefix or "")),
            _element("KeyMarker", encode(request.key_marker or "")),
            _element("VersionIdMarker", escape(request.version_id_marker or "")),
            _optional("NextKeyMarker", next_key_marker, encode),
            _optional("NextVersionIdMarker", next_version_id_marker, escape),
            _element("MaxKeys", max_keys),
            _optional("Delimiter", request.delimiter, encode),
            _element("IsTruncated", _truth(next_key_marker)),
            _optional("EncodingType", request.encoding_type, escape),
            *_versions(versions, request.encoding_type, _Tails(names)),
            _common_prefixes(prefixes, request.encoding_type),
        ),
    )


def list_multipart_uploads(
    request: ListMultipartUploadsInput,
    uploads: Sequence[Upload],
    prefixes: Sequence[str],
    *,
    max_uploads: int,
    next_key_marker: str = "",
    next_upload_id_marker: str = "",
    names: Mapping[str, str] = _NO_NAMES,
) -> bytes:
    """Write ListMultipartUploadsResult."""
    encode = _encoder(request.encoding_type)
    return _document(
        "ListMultipartUploadsResult",
        (
            _element("Bucket", request.bucket),
            _element("KeyMarker", encode(request.key_marker or "")),
            _element("UploadIdMarker", escape(request.upload_id_marker or "")),
            _optional("NextKeyMarker", next_key_marker, encode),
            _optional("NextUploadIdMarker", next_upload_id_marker, escape),
            _element("Prefix", encode(request.prefix or "")),
            _optional("Delimiter", request.delimiter, encode),
            _element("MaxUploads", max_uploads),
            _element("IsTruncated", _truth(next_key_marker)),
            _optional("EncodingType", request.encoding_type, escape),
            *(_upload(upload, encode, names) for upload in uploads),
            _common_prefixes(prefixes, request.encoding_type),
        ),
    )


def _people(upload: Upload, names: Mapping[str, str]) -> str:
    initiator = Owner(upload.initiator, names.get(upload.initiator, "")).xml("Initiator")
    return initiator + Owner(upload.owner, names.get(upload.owner, "")).xml()


def _upload_checksum(upload: Upload) -> str:
    return _optional("ChecksumAlgorithm", upload.checksum_algorithm, escape) + _optional(
        "ChecksumType", upload.checksum_type, escape
    )


def _upload(upload: Upload, encode: _Encode, names: Mapping[str, str]) -> str:
    return (
        f"<Upload><Key>{encode(upload.key)}</Key><UploadId>{escape(upload.id)}</UploadId>{_people(upload, names)}"
        f"<StorageClass>{upload.storage_class}</StorageClass><Initiated>{timestamp(upload.created_ms)}</Initiated>"
        f"{_upload_checksum(upload)}</Upload>"
    )


def list_parts(
    upload: Upload,
    parts: Sequence[Part],
    *,
    max_parts: int,
    marker: int = 0,
    truncated: bool = False,
    names: Mapping[str, str] = _NO_NAMES,
) -> bytes:
    """Write ListPartsResult: `parts` follow the part number `marker`."""
    return _document(
        "ListPartsResult",
        (
            _element("Bucket", upload.bucket),
            text_element("Key", upload.key),  # an echo: see `results`
            _element("UploadId", escape(upload.id)),
            _people(upload, names),
            _element("StorageClass", upload.storage_class),
            _element("PartNumberMarker", marker),
            _element("NextPartNumberMarker", parts[-1].number if parts else 0),
            _element("MaxParts", max_parts),
            _element("IsTruncated", _truth(truncated)),
            _upload_checksum(upload),
            *(_part(part) for part in parts),
        ),
    )


def _part(part: Part) -> str:
    checksum = part.checksum
    value = f"<Checksum{checksum.algorithm}>{checksum.value}</Checksum{checksum.algorithm}>" if checksum else ""
    return (
        f"<Part><PartNumber>{part.number}</PartNumber><LastModified>{timestamp(part.modified_ms)}</LastModified>"
        f"<ETag>&quot;{part.etag}&quot;</ETag><Size>{part.size}</Size>{value}</Part>"
    )

"""Objects in parts over S3, and copies that are too large for one request."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from cybous3.client.stores.errors import NotFound, Refused
from cybous3.client.stores.port import GIB, NO_METADATA, Body, Capabilities, Part, UploadInfo, Written, body_length
from cybous3.client.stores.s3.client import Call, S3Client, metadata_fields
from cybous3.client.stores.s3.objects import (
    S3Objects,
    condition_fields,
    content_fields,
    copy_source_fields,
    gone,
    version_of,
    written,
)
from cybous3.client.stores.s3.xml import complete_document, etag, parts_page, text, uploads_page

if TYPE_CHECKING:
    from cybous3.core.uri import Pairs

_COPY_PART_BYTES = GIB


class S3Store(S3Objects):
    """One bucket of an S3 server: the whole port."""

    def __init__(
        self, client: S3Client, bucket: str, capabilities: Capabilities | None = None, *, list_version: int = 2
    ) -> None:
        super().__init__(client, bucket, capabilities, list_version=list_version)
        self._copy_in_parts = self.copy_by_parts

    def create_upload(
        self, key: str, *, metadata: Mapping[str, str] = NO_METADATA, content_type: str | None = None
    ) -> str:
        """Begin a multipart upload."""
        fields = [*metadata_fields(metadata), *content_fields(content_type), ("x-amz-checksum-algorithm", "CRC32")]
        call = Call("POST", self.bucket, key, query=(("uploads", None),), headers=fields)
        root, _ = self.client.document(call, "InitiateMultipartUploadResult")
        return text(root, "UploadId")

    def upload_part(self, key: str, upload_id: str, number: int, body: Body) -> Part:
        """Store one part."""
        query: Pairs = (("partNumber", str(number)), ("uploadId", upload_id))
        head = self.client.done(Call("PUT", self.bucket, key, query=query, body=body, bulk=True))
        # Only a checksum the server confirms is part of the upload; one that ignores it must not get it back.
        crc32 = head.headers.get("x-amz-checksum-crc32")
        return Part(number, written(head).etag, body_length(body), crc32)

    def copy_part(
        self,
        key: str,
        upload_id: str,
        number: int,
        *,
        source: str,
        start: int,
        length: int,
        if_match: str | None = None,
    ) -> Part:
        """Store one part from bytes of another object."""
        query: Pairs = (("partNumber", str(number)), ("uploadId", upload_id))
        fields = copy_source_fields(self.bucket, source, if_match)
        fields.append(("x-amz-copy-source-range", f"bytes={start}-{start + length - 1}"))
        root, _ = self.client.document(Call("PUT", self.bucket, key, query=query, headers=fields), "CopyPartResult")
        return Part(number, etag(text(root, "ETag")), length, root.findtext("ChecksumCRC32") or None)

    def list_parts(self, key: str, upload_id: str) -> Sequence[Part]:
        """Return every part stored so far."""
        parts: list[Part] = []
        marker: str | None = "0"
        while marker is not None:
            query: Pairs = (("part-number-marker", marker), ("uploadId", upload_id))
            root, _ = self.client.document(Call("GET", self.bucket, key, query=query), "ListPartsResult")
            page, marker = parts_page(root)
            parts += page
        return parts

    def list_uploads(self, prefix: str = "") -> Iterator[UploadInfo]:
        """Yield every unfinished upload."""
        marker: tuple[str, str] | None = ("", "")
        while marker is not None:
            query: Pairs = (
                ("encoding-type", "url"),
                *((("key-marker", marker[0]),) if marker[0] else ()),
                *((("prefix", prefix),) if prefix else ()),
                *((("upload-id-marker", marker[1]),) if marker[1] else ()),
                ("uploads", None),
            )
            root, _ = self.client.document(Call("GET", self.bucket, query=query), "ListMultipartUploadsResult")
            page, marker = uploads_page(root)
            yield from page

    def complete_upload(
        self, key: str, upload_id: str, parts: Sequence[Part], *, absent: bool = False, if_match: str | None = None
    ) -> Written:
        """Make the object visible."""
        if not parts:
            raise Refused(f"{key!r}: an upload of no parts cannot be completed")
        call = Call(
            "POST",
            self.bucket,
            key,
            query=(("uploadId", upload_id),),
            headers=[("content-type", "application/xml"), *condition_fields(absent=absent, if_match=if_match)],
            body=complete_document(parts),
            repeatable=False,
        )
        try:
            root, head = self.client.document(call, "CompleteMultipartUploadResult")
        except NotFound as error:
            if if_match is not None and error.code == "NoSuchKey":
                raise gone(key, error) from error
            raise
        return Written(etag(text(root, "ETag")), version_of(head))

    def abort_upload(self, key: str, upload_id: str) -> None:
        """Forget the upload."""
        try:
            self.client.done(Call("DELETE", self.bucket, key, query=(("uploadId", upload_id),)))
        except NotFound as error:
            if error.code not in {"NoSuchUpload", "NoSuchKey"}:
                raise

    def copy_by_parts(self, source: str, key: str, metadata: Mapping[str, str] | None, if_match: str | None) -> Written:
        """Copy what is larger than one request may copy. A failure leaves nothing behind."""
        info = self.head(source)
        kept = info.metadata if metadata is None else metadata
        upload_id = self.create_upload(key, metadata=kept, content_type=info.content_type or None)
        step = max(_COPY_PART_BYTES, -(-info.size // self.capabilities.parts_max))
        try:
            parts = [
                self.copy_part(
                    key,
                    upload_id,
                    number,
                    source=source,
                    start=start,
                    length=min(step, info.size - start),
                    if_match=if_match or info.etag,
                )
                for number, start in enumerate(range(0, info.size, step), 1)
            ]
            return self.complete_upload(key, upload_id, parts)
        except BaseException:
            self.abort_upload(key, upload_id)
            raise

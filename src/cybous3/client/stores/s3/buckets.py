"""The buckets of an S3 endpoint."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cybous3.client.stores.errors import NoSuchBucket
from cybous3.client.stores.port import BucketInfo
from cybous3.client.stores.s3.client import Call, S3Client
from cybous3.client.stores.s3.endpoint import DEFAULT_REGION
from cybous3.client.stores.s3.xml import buckets_page, location_document

if TYPE_CHECKING:
    from cybous3.core.uri import Pairs

_NO_LOCATION = {DEFAULT_REGION, "auto"}


class S3Buckets:
    """List, create and delete buckets."""

    def __init__(self, client: S3Client) -> None:
        self._client = client

    def list_buckets(self) -> Sequence[BucketInfo]:
        """Return every bucket these credentials may see."""
        found: list[BucketInfo] = []
        query: Pairs = ()
        while True:
            root, _ = self._client.document(Call("GET", query=query), "ListAllMyBucketsResult")
            page, token = buckets_page(root)
            found += page
            if token is None:
                return sorted(found)
            query = (("continuation-token", token),)

    def has_bucket(self, name: str) -> bool:
        """Tell whether the bucket exists."""
        try:
            self._client.done(Call("HEAD", name))
        except NoSuchBucket:
            return False
        return True

    def create_bucket(self, name: str) -> None:
        """Create the bucket, in the region requests are signed for."""
        region = self._client.region
        body = b"" if region in _NO_LOCATION else location_document(region)
        self._client.done(Call("PUT", name, body=body, repeatable=False))

    def delete_bucket(self, name: str) -> None:
        """Delete the empty bucket."""
        self._client.done(Call("DELETE", name))

    def close(self) -> None:
        """Close idle connections."""
        self._client.close()

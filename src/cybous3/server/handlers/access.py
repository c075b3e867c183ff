"""The one door to a bucket: facts are looked up, the verdict is drawn, and only then is there a bucket to work with.

The service opens it for what the request names, and `source.find_source` for what a copy reads. Nobody who came through
here can have skipped the check, because the bucket's record is what comes out.
"""

from collections.abc import Sequence

from cybous3.server.authz.decide import Deny, Principal, Reason, Resource, Verdict, decide_all
from cybous3.server.meta.port import Index
from cybous3.server.model.buckets import Bucket
from cybous3.server.wire.errors import S3Error
from cybous3.server.wire.operations import Required


class Denied(S3Error):
    """AccessDenied with its reason, which goes to the log and not to the client."""

    def __init__(self, reason: Reason) -> None:
        super().__init__("AccessDenied")
        self.reason = reason


async def open_bucket(
    index: Index, principal: Principal, needs: Sequence[Required], name: str, expected_owner: str | None
) -> Bucket:
    """Return the bucket if `principal` may do all of `needs` to it. NoSuchBucket; Denied."""
    bucket = await _find(index, name)
    owner = bucket.owner if bucket is not None else None
    demand(decide_all(principal, needs, Resource(name, owner, expected_owner)), name)
    # A missing bucket is always a denial: `decide` says so for every principal.
    assert bucket is not None  # noqa: S101
    return bucket


def demand(verdict: Verdict, bucket: str = "") -> None:
    """Return if the verdict allows. NoSuchBucket; Denied."""
    if isinstance(verdict, Deny):
        if verdict.reason is Reason.NO_SUCH_BUCKET:
            raise S3Error("NoSuchBucket", BucketName=bucket)
        raise Denied(verdict.reason)


async def _find(index: Index, name: str) -> Bucket | None:
    try:
        return await index.buckets.get(name)
    except S3Error as error:
        if error.code != "NoSuchBucket":
            raise
        return None

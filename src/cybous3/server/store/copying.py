"""Objects made of other objects' bytes."""

from dataclasses import replace

from cybous3.server.model.objects import ChecksumAlgorithm, ObjectRecord
from cybous3.server.store.spec import Expected, ObjectSpec
from cybous3.server.wire.message import Payload


class PayloadBody:
    """A payload in the shape of a body. Closing it is left to whoever opened it."""

    def __init__(self, payload: Payload) -> None:
        self._chunks = payload.chunks()

    async def read(self) -> bytes:
        """See Body."""
        return await anext(self._chunks, b"")


def is_onto_itself(source: ObjectRecord, spec: ObjectSpec, algorithm: ChecksumAlgorithm | None) -> bool:
    """Return whether the bytes can stay where they are: the same key, and no other checksum is asked for."""
    same_checksum = algorithm is None or (source.checksum is not None and source.checksum.algorithm == algorithm)
    return (source.bucket, source.key) == (spec.bucket, spec.key) and same_checksum


def relabelled(source: ObjectRecord, spec: ObjectSpec, now_ms: int) -> ObjectRecord:
    """Return the same bytes under what `spec` says of them."""
    return replace(
        source,
        owner=spec.owner,
        system=spec.system,
        user=spec.user,
        storage_class=spec.storage_class,
        modified_ms=now_ms,
    )


def expectation(source: ObjectRecord, algorithm: ChecksumAlgorithm | None) -> Expected:
    """Return what a copy must prove to be. An MD5 ETag finds bytes that rotted since they were written.

    The checksum of a copy is one of the full object, whatever the source's type; where the source has one of the same
    algorithm and of its full object it is checked too.
    """
    known = source.checksum
    wanted = algorithm or (None if known is None else known.algorithm)
    usable = known is not None and known.type == "FULL_OBJECT" and known.algorithm == wanted
    return Expected(
        content_length=source.size,
        content_md5=None if "-" in source.etag else bytes.fromhex(source.etag),
        checksum=known if usable else None,
        checksum_algorithm=wanted,
    )

"""What a store may answer instead of what was asked: one family, one meaning and one exit code each.

Every adapter translates its own failures at its border, with `from`, so that nobody above knows sockets, statuses or
errno. `transient` says that the same call may succeed a moment later; whether it *may* be repeated is the retry
wrapper's business, which knows the calls. `after_s` is the server's own wish (Retry-After), in seconds.
"""

from typing import ClassVar

from cybous3.client.keys.errors import LocalProblem
from cybous3.core.errors import CybousError


class StoreError(CybousError):
    """A store did not do what it was asked to do; nothing was changed unless the family says otherwise."""

    exit_code: ClassVar[int] = 1
    transient: ClassVar[bool] = False

    def __init__(
        self, message: str, *, hint: str | None = None, code: str = "", status: int = 0, after_s: float | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.code = code  # the server's own word, e.g. "NoSuchKey"; "" when there is none
        self.status = status  # the HTTP status, 0 when there was no answer
        self.after_s = after_s


class NotFound(StoreError):
    """There is no such object."""

    exit_code = 3


class NoSuchBucket(NotFound):
    """There is no such bucket at this endpoint."""


class NoSuchUpload(NotFound):
    """There is no such multipart upload: finished, aborted, or never begun."""


class PreconditionFailed(StoreError):
    """The object is not in the state the caller named; somebody else wrote it, or it exists already."""

    exit_code = 22


class Contended(PreconditionFailed):
    """Somebody else was writing the object at that moment (409): whose write it is will be known a moment later."""

    transient = True


class AlreadyExists(StoreError):
    """The bucket exists already and is the account's own."""

    exit_code = 22


class NameTaken(AlreadyExists):
    """The bucket exists already and is somebody else's."""


class BucketNotEmpty(StoreError):
    """A bucket that holds something is not deleted."""

    exit_code = 22


class RangeOutside(StoreError):
    """The first byte asked for lies beyond the end of the object."""


class Refused(StoreError):
    """The store understood and will not: an invalid name, a part too small, an object too large."""


class Unsupported(StoreError):
    """The store does not have this operation."""


class Denied(StoreError):
    """The credentials are good, and may not do this."""

    exit_code = 21


class BadCredentials(StoreError):
    """The access key is unknown, or the secret does not fit it."""

    exit_code = 21


class ClockSkew(StoreError):
    """This machine's clock and the server's differ too much for signed requests."""

    exit_code = 21


class WrongRegion(StoreError):
    """The bucket lives in another region; `region` names it where the server told."""

    exit_code = 21
    region: str | None = None


class Unreachable(StoreError):
    """No connection could be made, so the server has seen nothing of this call."""

    exit_code = 20
    transient = True


class UntrustedServer(StoreError):
    """The server did not prove by its TLS certificate that it is who it should be."""

    exit_code = 20


class ConnectionLost(StoreError):
    """The connection ended before the whole answer was here: the server may or may not have acted."""

    exit_code = 20
    transient = True


class Silent(ConnectionLost):
    """The connection is open and nothing came for as long as we wait. Each further try costs as long again."""


class ServerFailed(StoreError):
    """The server said that the fault is on its side (500, 502, 504), or answered what cannot be understood."""

    exit_code = 23
    transient = True


class Throttled(StoreError):
    """The server asks to come back later (503 SlowDown, 429)."""

    exit_code = 23
    transient = True


class NoSpace(StoreError):
    """The store is full."""

    exit_code = 23


class Garbled(StoreError):
    """The bytes that arrived are not the bytes that were sent: a transport checksum does not fit."""

    exit_code = 11
    transient = True


class LocalFailure(StoreError, LocalProblem):
    """A store that is a directory could not read or write: full, not permitted, not a directory.

    What it failed to write may be seen there and is not safe: no look at it says that it was written.
    """

    exit_code = 30

"""What a handler is given: one request that was routed, authenticated, authorised and decoded.

A handler may rely on this: the caller holds every need of the operation's row except those on a copy source, which
`source.find_source` checks where it looks the source up; the bucket of a call existed a moment ago, unless the call
is the one that makes it; no byte of the body was read yet.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cybous3.server.authz.decide import Principal
from cybous3.server.model.accounts import User
from cybous3.server.store.store import Store
from cybous3.server.wire.errors import S3Error
from cybous3.server.wire.message import Body, Response
from cybous3.server.wire.route import Target

Trailer = Callable[[], Mapping[str, str]]


@dataclass(slots=True)
class Call:
    """One call of one operation."""

    target: Target
    params: Any  # the operation's generated input; each handler reads its own operation's
    bucket: str  # "" on the service level
    key: str  # "" above the object level
    owner: str  # canonical id of the bucket's owner, who owns all that is in it
    principal: Principal
    user: User | None  # None: anonymous
    store: Store
    region: str
    now_ms: int
    url: str  # as the client addressed it, without the query
    body: Body
    content_length: int | None  # of the body as the handler reads it; None: known at its end only
    sha256: bytes | None  # what the signature says of the body as the handler reads it; None: nothing
    trailer: Trailer | None  # the trailing headers, once the body has ended; None: the body's form has none

    @property
    def caller(self) -> User:
        """The user who calls. AccessDenied when there is none."""
        if self.user is None:
            raise S3Error("AccessDenied")
        return self.user


Handler = Callable[[Call], Awaitable[Response]]

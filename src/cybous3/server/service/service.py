"""One request, told in ten steps: from what the edge received to what it sends back.

 1. it gets an id                                      `__call__`
 2. a presigned query's headers become headers         `presented`
 3. it is routed: one operation, one place             `route`
 4. it is authenticated, or anonymous                  `authenticate`
 5. it is authorised, before anything else is told     `_authorise`
 6. what is not built is refused by name               `_handler`
 7. its size is held against the limits                `check_size`
 8. its parameters and its body are opened             `_call`
 9. the handler is called                              `_answer`
10. the answer, good or bad, is stamped and observed   `_finish`

Kept true: it never raises (but for cancellation, which is the edge's own wish); nothing is read of a body before step
9, so nobody who may not write makes the server say `100 Continue`; no secret, signature or key name is logged.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import structlog

from cybous3.core.clock import Clock, Entropy
from cybous3.core.ids import host_id
from cybous3.server.authn.body import open_body
from cybous3.server.authn.identity import Anonymous, Authenticated, FindCredential, Identity, authenticate
from cybous3.server.authz.decide import Caller, Nobody, Principal, Resource, decide_all, to_be_made
from cybous3.server.handlers.access import Denied, demand, open_bucket
from cybous3.server.handlers.call import Call, Handler
from cybous3.server.handlers.refusals import refuse_unbuilt
from cybous3.server.handlers.table import HANDLERS
from cybous3.server.service.limits import check_size, stated_length
from cybous3.server.service.presented import presented
from cybous3.server.service.refusals import refuse
from cybous3.server.store.store import Store
from cybous3.server.wire.errors import S3Error
from cybous3.server.wire.message import Again, Request, Response
from cybous3.server.wire.route import Target, route

_log = structlog.get_logger("cybous3.server.service")

_ID_BYTES: Final = 8  # 16 hexadecimal digits; base32 would say more in as many, and take ten times as long
UNROUTED: Final = "Unknown"  # the operation of a request that has none
_NOBODY: Final = Nobody()
_REQUEST_ID: Final = "x-amz-request-id"
_HOST_ID: Final = "x-amz-id-2"
# Whose answers follow from the head of the request and the index alone.
_REPEATED: Final = frozenset({"GetObject", "HeadObject"})
_EXPECTED_OWNER: Final = "x-amz-expected-bucket-owner"


class Observation(NamedTuple):
    """What can be counted about one request. Every label is bounded: operations and codes are tables."""

    operation: str
    status: int
    code: str  # S3's error code, "" for a success
    seconds: float  # until the answer was ready to be sent; a large body is sent afterwards


Observe = Callable[[Observation], None]


@dataclass(slots=True)
class _Ticket:
    """What is known about a request while it is on its way."""

    id: str
    started: float
    operation: str = UNROUTED


def _ignore(_: Observation) -> None:
    """Observe nothing."""


class S3Service:
    """The S3 API over one store. Safe for any number of requests at once."""

    def __init__(
        self,
        store: Store,
        find: FindCredential,
        *,
        region: str,
        clock: Clock,
        entropy: Entropy,
        base_hosts: Sequence[str] = (),
        observe: Observe = _ignore,
    ) -> None:
        self._store = store
        self._find = find
        self._region = region
        self._clock = clock
        self._entropy = entropy
        self._base_hosts = tuple(base_hosts)
        self._observe = observe
        self._host_id = host_id(entropy)
        self.in_flight = 0  # requests that were begun and have no answer yet

    async def __call__(self, request: Request) -> Response:
        """Answer `request`. The id in the answer is the one in the log."""
        ticket = _Ticket(self._new_id(), self._clock())
        code = ""
        self.in_flight += 1
        try:
            response = await self._answer(request, ticket)
        except Exception as error:  # noqa: BLE001 - the border: whatever went wrong, the client hears it in S3's words
            response, code = self._refuse(error, request, ticket)
        finally:
            self.in_flight -= 1
        return self._finish(response, ticket, code)

    async def _answer(self, request: Request, ticket: _Ticket) -> Response:
        asked = presented(request)
        target = route(asked, self._base_hosts)
        ticket.operation = target.operation.name
        repeated = ticket.operation in _REPEATED
        mark = self._store.index.mark(target.bucket or "", target.key or "") if repeated else None
        hosted = target.bucket if target.style == "virtual-hosted" else None
        identity = await authenticate(
            request,
            self._find,
            now=ticket.started,
            region=self._region,
            hosted_bucket=hosted,
            presented=asked.headers,
        )
        principal = _principal(identity)
        owner = await self._authorise(target, principal)
        handler = _handler(target)
        response = await handler(self._call(asked, target, identity, principal, owner, ticket))
        if mark is not None and isinstance(identity, Authenticated):
            response.again = self._again(response, target, mark, identity.verified.lasts)
        return response

    async def _authorise(self, target: Target, principal: Principal) -> str:
        """Return the canonical id of the bucket's owner, "" without a bucket. AccessDenied, NoSuchBucket."""
        needs = [need for need in target.needs() if need.on != "source"]
        if target.bucket is None:
            demand(decide_all(principal, needs, Resource()))
            return ""
        if target.operation.name == "CreateBucket":
            demand(decide_all(principal, needs, to_be_made(target.bucket, principal)))
            return ""
        expected_owner = target.headers.get(_EXPECTED_OWNER)
        bucket = await open_bucket(self._store.index, principal, needs, target.bucket, expected_owner)
        return bucket.owner

    def _call(
        self, request: Request, target: Target, identity: Identity, principal: Principal, owner: str, ticket: _Ticket
    ) -> Call:
        opened = open_body(request, identity)
        check_size(target.operation, stated_length(request.headers, opened.content_length))
        return Call(
            target=target,
            params=target.decode(),
            bucket=target.bucket or "",
            key=target.key or "",
            owner=owner,
            principal=principal,
            user=None if isinstance(identity, Anonymous) else identity.user,
            store=self._store,
            region=self._region,
            now_ms=int(ticket.started * 1000),
            url=f"{'https' if request.secure else 'http'}://{request.headers.get('host') or ''}{request.path}",
            body=opened.body,
            content_length=opened.content_length,
            sha256=opened.sha256,
            trailer=opened.trailer,
        )

    def _refuse(self, error: Exception, request: Request, ticket: _Ticket) -> tuple[Response, str]:
        if isinstance(error, Denied):
            # Not above debug: whoever can reach the port could fill the disk with it. The metrics count every denial.
            _log.debug("request denied", request_id=ticket.id, operation=ticket.operation, reason=error.reason.value)
        return refuse(error, request, ticket.operation, ticket.id, self._host_id)

    def _again(self, response: Response, target: Target, mark: object, lasts: tuple[float, float]) -> Again:
        """Return how the answer may be repeated: while the signature is believed and the index is as it was.

        All that was looked at on the way is in the request's head, in the index's rows of the object, its bucket and
        the accounts, and in what never changes while we run. `mark` is from before the first of these rows was read.
        """
        first, last = lasts
        bucket, key, operation = target.bucket or "", target.key or "", target.operation.name
        mark_now, clock, status = self._store.index.mark, self._clock, response.status

        def renew() -> bytes | None:
            now = clock()
            if mark_now(bucket, key) != mark or not first <= now <= last:
                return None
            self._observe(Observation(operation, status, "", clock() - now))
            return self._new_id().encode()

        return Again([*response.headers, (_HOST_ID, self._host_id)], _REQUEST_ID.encode(), renew)

    def _new_id(self) -> str:
        return self._entropy(_ID_BYTES).hex().upper()

    def _finish(self, response: Response, ticket: _Ticket, code: str) -> Response:
        response.headers.append((_REQUEST_ID, ticket.id))
        response.headers.append((_HOST_ID, self._host_id))
        self._observe(Observation(ticket.operation, response.status, code, self._clock() - ticket.started))
        return response


def _handler(target: Target) -> Handler:
    """Return what is built for the operation and for every header of the request; NotImplemented names what is not."""
    handler = HANDLERS.get(target.operation.name)
    if handler is None:
        raise S3Error("NotImplemented", f"The operation {target.operation.name} is not implemented.")
    refuse_unbuilt(target.headers)
    return handler


def _principal(identity: Identity) -> Principal:
    if isinstance(identity, Anonymous):
        return _NOBODY
    return Caller(identity.user.id, identity.user.root, identity.buckets)

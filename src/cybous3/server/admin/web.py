"""The admin port's pages: `/-/live`, `/-/ready`, `/-/metrics`, and `/-/drain` for who may end the server.

The port is meant for this machine or a private network. What it tells is coarse: counts and reasons, no names of
users, buckets or keys. Draining needs the token that the running server wrote for its own user only.
"""

import hmac
from collections.abc import Awaitable, Callable

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from cybous3.server.admin.health import Health


def admin_app(
    health: Health, metrics: Callable[[], Awaitable[bytes]], drain: Callable[[], None], token: str
) -> Starlette:
    """Return the application. `drain` is called for whoever shows `token`, and must return at once."""

    async def live(_: Request) -> Response:
        return PlainTextResponse("alive\n")

    async def ready(_: Request) -> Response:
        verdict = await health.probe()
        return JSONResponse(verdict.as_json(), 200 if verdict.ready else 503, headers={"cache-control": "no-store"})

    async def exposition(_: Request) -> Response:
        return Response(await metrics(), media_type=CONTENT_TYPE_LATEST)

    async def end(request: Request) -> Response:
        shown = request.headers.get("authorization", "")
        if not hmac.compare_digest(shown.encode("latin-1"), f"Bearer {token}".encode()):
            return PlainTextResponse("the token is missing or wrong\n", 403)
        drain()
        return PlainTextResponse("draining\n", 202)

    return Starlette(
        routes=[
            Route("/-/live", live),
            Route("/-/ready", ready),
            Route("/-/metrics", exposition),
            Route("/-/drain", end, methods=["POST"]),
        ]
    )

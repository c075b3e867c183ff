"""What the edge answers by itself: one small S3 error document, and the end of the connection."""

import secrets
from html import escape

from cybous3.server.wire.message import Response


class Refusal(ConnectionError):
    """The peer sent something that is not one unambiguous request, or not in time.

    It is a ConnectionError because that is what a body promises its reader: after it nothing more can be read, and the
    edge answers in the handler's place.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def bad_request(message: str) -> Refusal:
    """Return the refusal of a message that HTTP/1.1 does not allow."""
    return Refusal(400, "BadRequest", message)


def too_slow(what: str) -> Refusal:
    """Return the refusal of a peer that did not send `what` in time."""
    return Refusal(400, "RequestTimeout", f"The {what} was not received within the timeout period.")


def error_response(status: int, code: str, message: str) -> Response:
    """Return an S3 error document that ends the connection. It names no resource: there may be none."""
    request_id = secrets.token_hex(8).upper()
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
        f"<RequestId>{request_id}</RequestId></Error>"
    )
    headers = [("Content-Type", "application/xml"), ("x-amz-request-id", request_id)]
    return Response(status, headers, body.encode("utf-8"), close=True)

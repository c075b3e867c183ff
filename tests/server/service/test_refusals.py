"""Every error family has its words, and what has none is an InternalError."""

import errno

import pytest
from structlog.testing import capture_logs

from cybous3.core.chunked.errors import ChunkError
from cybous3.core.sigv4.errors import CODES, SignatureError
from cybous3.core.uri import UriError
from cybous3.server.meta.port import DamagedRecordError
from cybous3.server.service.refusals import refusal_of, refuse
from cybous3.server.wire.errors import ERRORS, S3Error
from cybous3.server.wire.message import Headers, Request


@pytest.mark.parametrize(
    ("error", "code", "close", "unforeseen"),
    [
        (S3Error("NoSuchKey"), "NoSuchKey", False, False),
        (S3Error("IncompleteBody"), "IncompleteBody", True, False),
        (SignatureError("SignatureDoesNotMatch", "no"), "SignatureDoesNotMatch", False, False),
        (ChunkError("InvalidRequest", "no"), "InvalidRequest", True, False),
        (UriError("no"), "InvalidURI", False, False),
        (ConnectionResetError("gone"), "IncompleteBody", True, False),
        (BrokenPipeError("gone"), "IncompleteBody", True, False),
        (TimeoutError("slow"), "RequestTimeout", True, False),
        (OSError(errno.ENOSPC, "full"), "InsufficientStorage", False, False),
        (OSError(errno.EIO, "broken"), "ServiceUnavailable", False, True),
        (DamagedRecordError("b", "k", "its sum differs"), "InternalError", False, False),
        (OSError("no number"), "InternalError", False, True),
        (ValueError("a bug"), "InternalError", False, True),
        (KeyError("a bug"), "InternalError", False, True),
    ],
)
def test_each_family_has_its_code(error: Exception, code: str, close: bool, unforeseen: bool) -> None:
    refusal = refusal_of(error)
    assert (refusal.error.code, refusal.close, refusal.unforeseen) == (code, close, unforeseen)


def test_details_of_a_signature_reach_the_answer() -> None:
    error = SignatureError("AuthorizationHeaderMalformed", "wrong region", Region="eu-west-1")
    answer, code = refuse(error, Request("GET", "/b/k", "", Headers()), "GetObject", "ID", "HOST")
    assert (answer.status, code) == (400, "AuthorizationHeaderMalformed")
    assert isinstance(answer.body, bytes)
    for part in (b"<Region>eu-west-1</Region>", b"<Resource>/b/k</Resource>", b"<RequestId>ID</RequestId>"):
        assert part in answer.body


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_of_a_signature_can_be_answered(code: str) -> None:
    refusal = refusal_of(SignatureError(code, "the reason"))
    assert refusal.error.code == (code if code in ERRORS else "InvalidRequest")
    assert refusal.error.message == "the reason"


def test_head_is_refused_without_a_body() -> None:
    answer, _ = refuse(S3Error("NoSuchKey"), Request("HEAD", "/b/k", "", Headers()), "HeadObject", "ID", "HOST")
    assert (answer.status, answer.body) == (404, b"")


def test_a_damaged_index_entry_is_one_line_of_the_log() -> None:
    error = DamagedRecordError("bucket", "s3cr3t-key-name", "its sum differs")
    with capture_logs() as logs:
        refuse(error, Request("GET", "/b/k", "", Headers()), "ListParts", "ID", "HOST")
    assert logs == [
        {
            "event": "damaged index entry",
            "log_level": "error",
            "request_id": "ID",
            "operation": "ListParts",
            "bucket": "bucket",
            "reason": "its sum differs",
        }
    ]

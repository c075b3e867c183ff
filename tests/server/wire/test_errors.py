from xml.etree import ElementTree as ET

import botocore.parsers
import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybous3.core.errors import CybousError
from cybous3.core.sigv4.errors import CODES
from cybous3.server.wire.errors import ERRORS, S3Error, invalid_argument, render


def test_an_unknown_code_shows_at_once() -> None:
    with pytest.raises(KeyError):
        S3Error("NoSuchCode")


def test_an_error_has_status_sentence_and_detail() -> None:
    error = S3Error("NoSuchKey", Key="a")
    assert isinstance(error, CybousError)
    assert (error.code, error.status, error.message, error.detail) == (
        "NoSuchKey",
        404,
        "The specified key does not exist.",
        {"Key": "a"},
    )
    assert S3Error("NoSuchKey", "gone").message == "gone"
    assert repr(error) == "S3Error('NoSuchKey', 'The specified key does not exist.', {'Key': 'a'})"


def test_a_detail_cannot_replace_what_every_answer_has() -> None:
    with pytest.raises(ValueError, match="RequestId"):
        S3Error("NoSuchKey", RequestId="x")


def test_an_argument_is_named() -> None:
    assert invalid_argument("max-keys", "x", "no").detail == {"ArgumentName": "max-keys", "ArgumentValue": "x"}


def test_every_row_is_a_refusal_with_a_sentence() -> None:
    for code, (status, sentence) in ERRORS.items():
        assert 300 <= status < 600, code
        assert sentence.endswith((".", "AES256.", "Access Denied")), code


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("PreconditionFailed", 412),
        ("InvalidRange", 416),
        ("NotImplemented", 501),
        ("SlowDown", 503),
        ("InsufficientStorage", 507),
        ("ConditionalRequestConflict", 409),
        ("MissingContentLength", 411),
        ("MethodNotAllowed", 405),
        ("BucketNotEmpty", 409),
        ("AccessDenied", 403),
    ],
)
def test_statuses_are_those_that_clients_act_upon(code: str, status: int) -> None:
    assert S3Error(code).status == status


def test_the_model_and_the_table_agree_where_the_model_says_anything() -> None:
    model = botocore.session.Session().get_service_model("s3")
    for shape in model.error_shapes:
        code = shape.metadata.get("error", {}).get("code", shape.name)
        if code in ERRORS and "httpStatusCode" in shape.metadata.get("error", {}):
            assert ERRORS[code][0] == shape.metadata["error"]["httpStatusCode"], code


def test_botocore_reads_the_error() -> None:
    body = render(S3Error("NoSuchBucket", BucketName="b-1"), "/b-1", "REQ", "HOST")
    response = {"status_code": 404, "headers": {}, "body": body, "context": {}}
    parsed = botocore.parsers.create_parser("rest-xml").parse(response, None)
    assert parsed["Error"] == {
        "Code": "NoSuchBucket",
        "Message": "The specified bucket does not exist.",
        "BucketName": "b-1",
        "Resource": "/b-1",
    }
    assert b"<RequestId>REQ</RequestId><HostId>HOST</HostId></Error>" in body


@given(text=st.text())
def test_an_error_is_well_formed_whatever_it_quotes(text: str) -> None:
    document = ET.fromstring(render(S3Error("NoSuchKey", text, Key=text), text, "r", "h"))  # noqa: S314 - our own
    shown = document.findtext("Key", "").replace("\n", " ")
    assert len(shown) == len(text)
    allowed = [character for character in text if character >= " " and character not in "\ufffe\uffff"]
    assert [c for c in shown if c in allowed] == [c for c in shown if c in text and c >= " "]


def test_every_code_a_signature_or_a_chunk_can_be_refused_with_has_a_row() -> None:
    assert set(CODES) <= set(ERRORS)

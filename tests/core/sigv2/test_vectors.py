"""The examples of the AWS documentation: what we sign of them is what AWS signed."""

import tomllib
from pathlib import Path
from urllib.parse import quote

import pytest

from cybous3.core.sigv2.canonical import canonical_resource, signature, string_to_sign
from cybous3.core.sigv4.canonical import fold
from cybous3.core.uri import parse_query
from tests.support.signing_v2 import Link

FOLDER = Path(__file__).parents[3] / "vectors/sigv2"
VECTORS = {path.stem: tomllib.loads(path.read_text()) for path in sorted(FOLDER.glob("*.toml"))}


def test_all_examples_are_here() -> None:
    assert len(VECTORS) == 9


@pytest.mark.parametrize("name", VECTORS)
def test_the_documented_signature_is_made(name: str) -> None:
    vector = VECTORS[name]
    headers = fold([(field, value) for field, value in vector["headers"]])
    resource = canonical_resource(vector["path"], parse_query(vector["query"]), vector["hosted_bucket"] or None)
    to_sign = string_to_sign(vector["method"], vector["date"], headers, resource)
    assert to_sign == vector["string_to_sign"]
    assert signature(vector["secret_key"], to_sign) == vector["signature"]


def test_the_documented_link_is_believed() -> None:
    vector = VECTORS["presigned-get-object"]
    query = "&".join(
        (
            f"AWSAccessKeyId={vector['access_key']}",
            f"Signature={quote(vector['signature'], safe='')}",
            f"Expires={vector['date']}",
        )
    )
    link = Link(vector["method"], vector["path"], query, hosted_bucket=vector["hosted_bucket"])
    claim = link.claim()
    assert claim is not None
    assert (claim.access_key, claim.expires_at) == (vector["access_key"], int(vector["date"]))
    assert link.verified(secret_key=vector["secret_key"], now=claim.expires_at).payload_hash

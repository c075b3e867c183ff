"""What a version 2 signature covers, byte for byte. Less than version 4: no host, no region, no body, few parameters.

AWS: "Signing and authenticating REST requests (AWS signature version 2)". Its string to sign joins decoded parameter
values by `&` without quoting them, so two queries can have one string; a query that could be meant is refused here.
Values are text by latin-1, as the wire gave the bytes.
"""

import base64
import hmac
import re
from collections.abc import Mapping
from typing import Final

from cybous3.core.sigv4.canonical import AMZ_PREFIX
from cybous3.core.sigv4.errors import SignatureError
from cybous3.core.uri import Pairs

_BLANK: Final = " \t"

_OVERRIDES: Final = (
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
)
# As AWS documents them.
_DOCUMENTED: Final = (
    "acl",
    "delete",
    "lifecycle",
    "location",
    "logging",
    "notification",
    "partNumber",
    "policy",
    "requestPayment",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
)
# Signed by SDKs, and undocumented.
_CUSTOMARY: Final = (
    "accelerate",
    "analytics",
    "cors",
    "defaultObjectAcl",
    "inventory",
    "metrics",
    "object-lock",
    "replication",
    "restore",
    "select",
    "select-type",
    "storageClass",
    "tagging",
)
# Whatever else makes another operation of a request. Few signers cover these; the links of the others are refused, for
# an unsigned sub-resource would let whoever holds a link to write an object lock it, rename it or delete a setting.
_OURS: Final = (
    "abac",
    "annotation",
    "attributes",
    "encryption",
    "intelligent-tiering",
    "legal-hold",
    "metadataAnnotationTable",
    "metadataConfiguration",
    "metadataInventoryTable",
    "metadataJournalTable",
    "metadataTable",
    "ownershipControls",
    "policyStatus",
    "publicAccessBlock",
    "renameObject",
    "retention",
    "session",
)
SIGNED: Final = frozenset({*_OVERRIDES, *_DOCUMENTED, *_CUSTOMARY, *_OURS})
"""The parameters a signature covers. Every one that selects an operation is among them."""

_LOOKS_LIKE_ANOTHER: Final = re.compile(f"&(?:{'|'.join(map(re.escape, sorted(SIGNED)))})(?:[=&]|\\Z)")


def canonical_resource(path: str, parameters: Pairs, hosted_bucket: str | None = None) -> str:
    """Return the resource that a signature names: bucket and key as on the wire, and the parameters it covers.

    `path` is raw; `hosted_bucket` is the bucket that the Host field named, if it did. InvalidArgument for a value that
    reads like a further parameter.
    """
    place = path if hosted_bucket is None else f"/{hosted_bucket}{path}"
    covered = sorted((name, value or "") for name, value in parameters if name in SIGNED)
    if not covered:
        return place
    return f"{place}?{'&'.join([_parameter(name, value) for name, value in covered])}"


def _parameter(name: str, value: str) -> str:
    if not value:
        return name
    if _LOOKS_LIKE_ANOTHER.search(value):
        raise SignatureError(
            "InvalidArgument",
            f"A version 2 signature cannot tell this value of {name} from further parameters. "
            "Please sign with version 4.",
            ArgumentName=name,
            ArgumentValue=value,
        )
    return f"{name}={value.encode().decode('latin-1')}"


def string_to_sign(method: str, date: str, headers: Mapping[str, str], resource: str) -> str:
    """Return the string to sign. `date` is a presigned URL's Expires; `headers` are folded, names in lower case."""
    md5, kind = headers.get("content-md5", ""), headers.get("content-type", "")
    amz = [f"{name}:{headers[name].strip(_BLANK)}\n" for name in sorted(headers) if name.startswith(AMZ_PREFIX)]
    return f"{method}\n{md5.strip(_BLANK)}\n{kind.strip(_BLANK)}\n{date}\n{''.join(amz)}{resource}"


def signature(secret_key: str, to_sign: str) -> str:
    """Return the signature of a string to sign, in base64."""
    # SHA-1 is what version 2 has. Its collisions do not carry over to HMAC, which is all that is asked of it here.
    return base64.b64encode(hmac.digest(secret_key.encode(), to_sign.encode("latin-1"), "sha1")).decode()

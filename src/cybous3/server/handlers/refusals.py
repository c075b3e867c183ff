"""Headers that ask for what is not built are refused by name; nothing that would change the outcome is overlooked.

A header in `RULES` is honoured for the values listed, answered `501 NotImplemented` for what S3 knows and we do not
have (for ACLs, what S3 answers where these are off), and with S3's own error for what S3 does not know either. Storage
classes other than STANDARD are of the second kind: accepting the word and storing the bytes as always would be a
setting without an effect.
"""

from dataclasses import dataclass
from typing import Final

from cybous3.server.wire.errors import S3Error
from cybous3.server.wire.message import Headers


@dataclass(frozen=True, slots=True)
class Rule:
    """What happens to a header's value. `unbuilt` None: whatever is not honoured is known to S3 and not built here."""

    honoured: frozenset[str] = frozenset()
    unbuilt: frozenset[str] | None = None
    unknown: str = "InvalidArgument"  # the error code for a value that S3 does not know either
    refusal: str = "NotImplemented"  # the error code for what is known to S3 and not built here

    def check(self, name: str, value: str) -> None:
        """Raise unless the value is honoured."""
        if value in self.honoured:
            return
        if self.unbuilt is None or value in self.unbuilt:
            raise S3Error(self.refusal, _SENTENCES[self.refusal].format(name), Header=name)
        if self.unknown == "InvalidArgument":
            raise S3Error("InvalidArgument", None, ArgumentName=name, ArgumentValue=value)
        raise S3Error(self.unknown)


_SENTENCES: Final = {
    "NotImplemented": "The header {} asks for something this server does not implement.",
    "AccessControlListNotSupported": "The bucket does not allow ACLs: {} asks for one.",
}
_NO_ACLS: Final = "AccessControlListNotSupported"
_NEVER: Final = Rule()
_FALSE: Final = Rule(frozenset({"false", "False", "FALSE"}))
_CANNED_ACLS: Final = frozenset(
    {
        "public-read",
        "public-read-write",
        "authenticated-read",
        "aws-exec-read",
        "bucket-owner-read",
        "log-delivery-write",
    }
)
_STORAGE_CLASSES: Final = frozenset({
    "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER", "DEEP_ARCHIVE",
    "OUTPOSTS", "GLACIER_IR", "SNOW", "EXPRESS_ONEZONE", "FSX_OPENZFS", "FSX_ONTAP",
})  # fmt: skip

RULES: Final[dict[str, Rule]] = {
    # Every object belongs to the bucket's owner, who has full control: these two say just that. S3 knows buckets like
    # that, and what they answer to any other ACL. A client that is told 501 tries again.
    "x-amz-acl": Rule(frozenset({"private", "bucket-owner-full-control"}), _CANNED_ACLS, refusal=_NO_ACLS),
    "x-amz-object-ownership": Rule(
        frozenset({"BucketOwnerEnforced"}), frozenset({"BucketOwnerPreferred", "ObjectWriter"})
    ),
    "x-amz-storage-class": Rule(frozenset({"STANDARD"}), _STORAGE_CLASSES, "InvalidStorageClass"),
    # No tags is what every object has.
    "x-amz-tagging": Rule(frozenset({""})),
    "x-amz-tagging-directive": Rule(frozenset({"COPY", "REPLACE"}), frozenset()),
    "x-amz-object-annotation-directive": Rule(frozenset({"COPY", "EXCLUDE"}), frozenset()),
    "x-amz-bucket-object-lock-enabled": _FALSE,
    "x-amz-bypass-governance-retention": _FALSE,
    "x-amz-bucket-namespace": Rule(frozenset({"global"}), frozenset({"account-regional"})),
    "x-amz-request-payer": Rule(frozenset({"requester"}), frozenset()),  # nobody pays here, so anybody may offer to
    "x-amz-object-lock-legal-hold": Rule(frozenset({"OFF"})),
    "x-amz-mfa": _NEVER,
    "x-amz-website-redirect-location": _NEVER,
    "x-amz-write-offset-bytes": _NEVER,
    "x-amz-if-match-initiated-time": _NEVER,
    "x-amz-checksum-sha512": _NEVER,
    "x-amz-checksum-md5": _NEVER,
    "x-amz-checksum-xxhash64": _NEVER,
    "x-amz-checksum-xxhash3": _NEVER,
    "x-amz-checksum-xxhash128": _NEVER,
}

# Whole families, refused whatever their value.
FAMILIES: Final = {
    "x-amz-server-side-encryption": _NEVER,
    "x-amz-copy-source-server-side-encryption": _NEVER,
    "x-amz-grant-": Rule(refusal=_NO_ACLS),
    "x-amz-object-lock-": _NEVER,
}
_PREFIXES: Final = tuple(FAMILIES)


def refuse_unbuilt(headers: Headers) -> None:
    """Raise, naming the header, when the request asks for what is not built.

    NotImplemented, AccessControlListNotSupported, and the codes of `RULES` for words that S3 does not know.
    """
    for name, value in headers.items_in_order:
        if not name.startswith("x-amz-"):
            continue
        rule = RULES.get(name)
        if rule is not None:
            rule.check(name, value)
        elif name.startswith(_PREFIXES):
            next(rule for prefix, rule in FAMILIES.items() if name.startswith(prefix)).check(name, value)

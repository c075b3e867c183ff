"""Who may do what: facts in, verdict out. Nothing here looks anything up, and nothing here forgets to say why.

Kept true by this file:

- whatever is not allowed by a rule below is denied; an operation whose row names no need is denied to everybody;
- a key limited to buckets never reaches another one, whoever its user is, root included;
- nobody is a principal of its own and may do nothing;
- that a bucket is missing is told to anyone who was not stopped by a narrower reason first, as AWS does.

Left to others: finding the facts (the service, and the lookup of a copy source), and turning a denial into an answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from cybous3.server.wire.operations import Required


class Reason(StrEnum):
    """Why a request was denied; for the log and the tests, never for the caller."""

    NOBODY = "the request carries no identity, and nothing is public"
    FOREIGN = "the bucket belongs to somebody else"
    SCOPE = "the access key is limited to other buckets"
    EXPECTED_OWNER = "the bucket does not belong to the owner that the request expects"
    NO_SUCH_BUCKET = "there is no such bucket"
    NO_RULE = "no rule allows the action"


@dataclass(frozen=True, slots=True)
class Nobody:
    """The principal of a request without an identity."""


class Caller(NamedTuple):
    """The principal of an authenticated request; `buckets` None means that the key is not limited."""

    user_id: str
    root: bool = False
    buckets: frozenset[str] | None = None


Principal = Nobody | Caller


class Resource(NamedTuple):
    """What a need is about: a bucket, or the service (`bucket` None). `owner` None: there is no such bucket."""

    bucket: str | None = None
    owner: str | None = None
    expected_owner: str | None = None  # x-amz-expected-bucket-owner, or its copy-source twin


@dataclass(frozen=True, slots=True)
class Allow:
    """The request may go on."""


@dataclass(frozen=True, slots=True)
class Deny:
    """The request ends here."""

    reason: Reason


Verdict = Allow | Deny


def to_be_made(bucket: str, principal: Principal) -> Resource:
    """Return the facts about a bucket that the request makes: it will be the caller's.

    That the name may be taken is not looked at: only the index can refuse that without a race.
    """
    return Resource(bucket, principal.user_id if isinstance(principal, Caller) else _NOT_YET_OWNED)


ALLOW: Final = Allow()

_NOT_YET_OWNED: Final = ""  # no user has this id

# What any authenticated caller may ask of the service itself; the answer is narrowed to what is the caller's.
_OF_THE_SERVICE: Final = frozenset({"s3:ListAllMyBuckets"})


def decide_all(principal: Principal, needs: Sequence[Required], resource: Resource) -> Verdict:
    """Return the first denial among `needs`, else Allow. No needs at all is a denial: fail closed."""
    if not needs:
        return Deny(Reason.NO_RULE)
    for need in needs:
        verdict = decide(principal, need, resource)
        if isinstance(verdict, Deny):
            return verdict
    return ALLOW


def decide(principal: Principal, need: Required, resource: Resource) -> Verdict:
    """Return whether `principal` may do what `need` asks on `resource`."""
    if resource.bucket is None:
        return _of_the_service(principal, need)
    if isinstance(principal, Caller) and principal.buckets is not None and resource.bucket not in principal.buckets:
        return Deny(Reason.SCOPE)
    return _of_the_bucket(principal, resource)


def _of_the_service(principal: Principal, need: Required) -> Verdict:
    if isinstance(principal, Nobody):
        return Deny(Reason.NOBODY)
    if principal.root or need.action in _OF_THE_SERVICE:
        return ALLOW
    return Deny(Reason.NO_RULE)


def _of_the_bucket(principal: Principal, resource: Resource) -> Verdict:
    if resource.owner is None:
        return Deny(Reason.NO_SUCH_BUCKET)
    if isinstance(principal, Nobody):
        return Deny(Reason.NOBODY)
    if resource.expected_owner is not None and resource.expected_owner != resource.owner:
        return Deny(Reason.EXPECTED_OWNER)
    if principal.root or principal.user_id == resource.owner:
        return ALLOW
    return Deny(Reason.FOREIGN)

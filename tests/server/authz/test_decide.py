"""The rules of authorisation, each as a promise; and the whole matrix of principals against needs."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybous3.server.authz.decide import ALLOW, Caller, Deny, Nobody, Reason, Resource, decide, decide_all, to_be_made
from cybous3.server.wire.operations import Required

OWNER, STRANGER = "a" * 64, "b" * 64

GET = Required("s3:GetObject", "object")
LIST = Required("s3:ListBucket", "bucket")
CREATE = Required("s3:CreateBucket", "bucket")
BUCKETS = Required("s3:ListAllMyBuckets", "service")
ODD = Required("s3:SomethingNew", "service")

MINE = Resource("photos", OWNER)
SERVICE = Resource()
MISSING = Resource("photos")


@pytest.mark.parametrize("need", [GET, LIST, CREATE])
@pytest.mark.parametrize("resource", [MINE, Resource("photos", STRANGER), to_be_made("photos", Nobody())])
def test_nobody_may_do_nothing(need: Required, resource: Resource) -> None:
    assert decide(Nobody(), need, resource) == Deny(Reason.NOBODY)


@pytest.mark.parametrize("need", [BUCKETS, ODD])
def test_nobody_asks_nothing_of_the_service(need: Required) -> None:
    assert decide(Nobody(), need, SERVICE) == Deny(Reason.NOBODY)


@pytest.mark.parametrize("need", [GET, LIST])
def test_an_owner_may_do_everything_in_its_bucket(need: Required) -> None:
    assert decide(Caller(OWNER), need, MINE) == ALLOW


@pytest.mark.parametrize("need", [GET, LIST])
def test_a_stranger_is_foreign(need: Required) -> None:
    assert decide(Caller(STRANGER), need, MINE) == Deny(Reason.FOREIGN)


@pytest.mark.parametrize("need", [GET, LIST, CREATE])
def test_root_may_do_everything_everywhere(need: Required) -> None:
    assert decide(Caller(STRANGER, root=True), need, MINE) == ALLOW
    assert decide(Caller(STRANGER, root=True), ODD, SERVICE) == ALLOW


def test_anyone_with_an_identity_may_create_and_list_buckets() -> None:
    caller = Caller(STRANGER)
    assert decide(caller, CREATE, to_be_made("photos", caller)) == ALLOW
    assert decide(Caller(STRANGER), BUCKETS, SERVICE) == ALLOW


def test_what_no_rule_allows_is_denied() -> None:
    assert decide(Caller(OWNER), ODD, SERVICE) == Deny(Reason.NO_RULE)


@pytest.mark.parametrize("root", [False, True])
@pytest.mark.parametrize("need", [GET, LIST, CREATE])
@pytest.mark.parametrize("owner", [OWNER, STRANGER, None])
def test_a_limited_key_never_leaves_its_buckets(root: bool, need: Required, owner: str | None) -> None:
    limited = Caller(OWNER, root=root, buckets=frozenset({"other"}))
    assert decide(limited, need, Resource("photos", owner)) == Deny(Reason.SCOPE)


def test_a_limited_key_does_in_its_bucket_what_its_user_may() -> None:
    limited = frozenset({"photos"})
    assert decide(Caller(OWNER, buckets=limited), GET, MINE) == ALLOW
    assert decide(Caller(STRANGER, buckets=limited), GET, MINE) == Deny(Reason.FOREIGN)
    caller = Caller(OWNER, buckets=limited)
    assert decide(caller, CREATE, to_be_made("photos", caller)) == ALLOW
    assert decide(caller, CREATE, to_be_made("other", caller)) == Deny(Reason.SCOPE)


@pytest.mark.parametrize("principal", [Nobody(), Caller(OWNER), Caller(STRANGER), Caller(STRANGER, root=True)])
def test_a_missing_bucket_is_told_to_anyone(principal: Nobody | Caller) -> None:
    assert decide(principal, GET, MISSING) == Deny(Reason.NO_SUCH_BUCKET)


def test_an_unexpected_owner_stops_everybody_root_included() -> None:
    surprising = Resource("photos", OWNER, expected_owner=STRANGER)
    assert decide(Caller(OWNER), GET, surprising) == Deny(Reason.EXPECTED_OWNER)
    assert decide(Caller(STRANGER, root=True), GET, surprising) == Deny(Reason.EXPECTED_OWNER)
    assert decide(Caller(OWNER), GET, Resource("photos", OWNER, expected_owner=OWNER)) == ALLOW


def test_an_operation_without_a_need_is_denied_to_root() -> None:
    assert decide_all(Caller(OWNER, root=True), (), MINE) == Deny(Reason.NO_RULE)


def test_the_first_denial_counts() -> None:
    assert decide_all(Caller(OWNER), (GET, LIST), MINE) == ALLOW
    assert decide_all(Caller(OWNER), (BUCKETS, ODD), SERVICE) == Deny(Reason.NO_RULE)


_PRINCIPALS = st.one_of(
    st.just(Nobody()),
    st.builds(
        Caller,
        st.sampled_from([OWNER, STRANGER]),
        root=st.booleans(),
        buckets=st.none() | st.frozensets(st.sampled_from(["photos", "other"])),
    ),
)


@given(_PRINCIPALS, st.sampled_from([GET, LIST, CREATE]), st.sampled_from([OWNER, STRANGER, None]), st.text())
def test_allowed_means_owner_or_root_and_within_scope(
    principal: Nobody | Caller, need: Required, owner: str | None, expected: str
) -> None:
    if decide(principal, need, Resource("photos", owner, expected or None)) == ALLOW:
        assert isinstance(principal, Caller)
        assert principal.buckets is None or "photos" in principal.buckets
        assert principal.root or principal.user_id == owner
        assert expected in {"", owner}


def test_more_rights_never_deny_what_fewer_allowed() -> None:
    """Root is at least the user; an unlimited key is at least the limited one."""
    for need, owner, user in itertools.product([GET, LIST, CREATE], [OWNER, STRANGER], [OWNER, STRANGER]):
        resource = Resource("photos", owner)
        if decide(Caller(user, buckets=frozenset({"photos"})), need, resource) == ALLOW:
            assert decide(Caller(user), need, resource) == ALLOW
            assert decide(Caller(user, root=True), need, resource) == ALLOW

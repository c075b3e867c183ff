"""Buckets, as boto3 sees them."""

import pytest
from botocore.exceptions import ClientError

from cybous3.server.model.accounts import Credential
from tests.support.site import ALICE, ALICE_KEY, BOB_KEY, ROOT_KEY, SCOPED_KEY, Site


def names(site: Site, key: Credential, **parameters: object) -> list[str]:
    return [bucket["Name"] for bucket in site.client(key).list_buckets(**parameters)["Buckets"]]


def refused(call: pytest.ExceptionInfo[ClientError]) -> tuple[int, str]:
    response = call.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def test_a_bucket_lives_from_creation_to_deletion(site: Site) -> None:
    client = site.client()
    assert client.create_bucket(Bucket="photos")["Location"] == "/photos"
    head = client.head_bucket(Bucket="photos")
    assert head["BucketRegion"] == "us-east-1"
    assert head["AccessPointAlias"] is False
    assert client.get_bucket_location(Bucket="photos")["LocationConstraint"] is None
    assert client.delete_bucket(Bucket="photos")["ResponseMetadata"]["HTTPStatusCode"] == 204
    with pytest.raises(ClientError) as call:
        client.head_bucket(Bucket="photos")
    assert refused(call) == (404, "404")
    with pytest.raises(ClientError) as call:
        client.delete_bucket(Bucket="photos")
    assert refused(call) == (404, "NoSuchBucket")


def test_a_list_shows_the_callers_own_buckets_and_root_sees_all(site: Site) -> None:
    site.client().create_bucket(Bucket="alices")
    site.client(BOB_KEY).create_bucket(Bucket="bobs")
    assert names(site, ALICE_KEY) == ["alices"]
    assert names(site, BOB_KEY) == ["bobs"]
    assert names(site, ROOT_KEY) == ["alices", "bobs"]
    listing = site.client().list_buckets()
    assert listing["Owner"] == {"ID": ALICE.id, "DisplayName": ALICE.display_name}
    assert listing["Buckets"][0]["BucketRegion"] == "us-east-1"


def test_a_limited_key_sees_and_makes_only_its_buckets(site: Site) -> None:
    for name in ("scoped", "scope", "scoped-too", "scoped-two", "other"):
        site.client().create_bucket(Bucket=name)
    assert names(site, SCOPED_KEY) == ["scoped", "scoped-too"]
    assert names(site, SCOPED_KEY, Prefix="scoped-") == ["scoped-too"]
    with pytest.raises(ClientError) as call:
        site.client(SCOPED_KEY).create_bucket(Bucket="mine")
    assert refused(call) == (403, "AccessDenied")
    site.client().delete_bucket(Bucket="scoped")
    site.client(SCOPED_KEY).create_bucket(Bucket="scoped")


def test_a_limited_key_does_not_see_a_foreign_bucket_of_its_name(site: Site) -> None:
    site.client(BOB_KEY).create_bucket(Bucket="scoped")
    assert names(site, SCOPED_KEY) == []


@pytest.mark.parametrize("key", [ALICE_KEY, SCOPED_KEY])
def test_pages_of_buckets_join_to_the_whole(site: Site, key: Credential) -> None:
    for name in ("scoped", "scoped-too"):
        site.client().create_bucket(Bucket=name)
    client = site.client(key)
    first = client.list_buckets(MaxBuckets=1, Prefix="sco")
    assert [bucket["Name"] for bucket in first["Buckets"]] == ["scoped"]
    assert first["Prefix"] == "sco"
    second = client.list_buckets(MaxBuckets=1, Prefix="sco", ContinuationToken=first["ContinuationToken"])
    assert [bucket["Name"] for bucket in second["Buckets"]] == ["scoped-too"]
    assert "ContinuationToken" not in second


@pytest.mark.parametrize("token", ["nonsense", "AAAA", "ä"])
def test_a_token_that_is_not_ours_is_refused(site: Site, token: str) -> None:
    answer = site.ask("GET", "/", f"continuation-token={token.encode().hex()}")
    assert (answer.status, answer.code) == (400, "InvalidArgument")


@pytest.mark.parametrize("limit", ["0", "10001", "-1", "many"])
def test_max_buckets_has_limits(site: Site, limit: str) -> None:
    assert site.ask("GET", "/", f"max-buckets={limit}").code == "InvalidArgument"


def test_a_region_filters_the_list(site: Site) -> None:
    site.client().create_bucket(Bucket="photos")
    assert names(site, ALICE_KEY, BucketRegion="us-east-1") == ["photos"]
    assert names(site, ALICE_KEY, BucketRegion="eu-west-1") == []


def test_a_bucket_is_made_once_and_its_name_is_everybodys(site: Site) -> None:
    client = site.client()
    client.create_bucket(Bucket="photos")
    with pytest.raises(ClientError) as call:
        client.create_bucket(Bucket="photos")
    assert refused(call) == (409, "BucketAlreadyOwnedByYou")
    with pytest.raises(ClientError) as call:
        site.client(BOB_KEY).create_bucket(Bucket="photos")
    assert refused(call) == (409, "BucketAlreadyExists")


def test_a_bucket_with_an_object_stays(site: Site) -> None:
    client = site.client()
    client.create_bucket(Bucket="photos")
    client.put_object(Bucket="photos", Key="k", Body=b"")
    with pytest.raises(ClientError) as call:
        client.delete_bucket(Bucket="photos")
    assert refused(call) == (409, "BucketNotEmpty")


def test_another_region_than_ours_is_no_place_for_a_bucket(site: Site) -> None:
    with pytest.raises(ClientError) as call:
        site.client().create_bucket(Bucket="photos", CreateBucketConfiguration={"LocationConstraint": "eu-north-1"})
    assert refused(call) == (400, "IllegalLocationConstraintException")
    assert names(site, ALICE_KEY) == []


def test_the_own_region_may_be_named(european_site: Site) -> None:
    client = european_site.client()
    client.create_bucket(Bucket="named", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    client.create_bucket(Bucket="aliased", CreateBucketConfiguration={"LocationConstraint": "EU"})
    assert european_site.ask("PUT", "/unnamed").status == 200
    assert client.get_bucket_location(Bucket="unnamed")["LocationConstraint"] == "eu-west-1"


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("x-amz-acl", "public-read"),
        ("x-amz-grant-read", 'id="x"'),
        ("x-amz-bucket-object-lock-enabled", "true"),
        ("x-amz-object-ownership", "ObjectWriter"),
        ("x-amz-bucket-namespace", "account-regional"),
    ],
)
def test_a_bucket_with_what_is_not_built_is_not_made(site: Site, header: str, value: str) -> None:
    answer = site.ask("PUT", "/photos", headers={header: value})
    acl = header.startswith(("x-amz-acl", "x-amz-grant"))
    verdict = (400, "AccessControlListNotSupported") if acl else (501, "NotImplemented")
    assert (answer.status, answer.code) == verdict
    assert header.encode() in answer.body
    assert names(site, ALICE_KEY) == []


def test_what_every_bucket_has_anyway_may_be_asked_for(site: Site) -> None:
    headers = {"x-amz-acl": "private", "x-amz-object-ownership": "BucketOwnerEnforced"}
    headers |= {"x-amz-bucket-object-lock-enabled": "false", "x-amz-bucket-namespace": "global"}
    assert site.ask("PUT", "/photos", headers=headers).status == 200


def test_a_body_that_is_not_a_configuration_makes_no_bucket(site: Site) -> None:
    assert site.ask("PUT", "/photos", body=b"<Wrong/>").code == "MalformedXML"
    assert site.ask("PUT", "/photos", body=b"not xml").code == "MalformedXML"
    assert names(site, ALICE_KEY) == []


def test_an_unexpected_owner_is_refused(site: Site) -> None:
    site.client().create_bucket(Bucket="photos")
    assert site.client().head_bucket(Bucket="photos", ExpectedBucketOwner=ALICE.id)
    with pytest.raises(ClientError) as call:
        site.client().head_bucket(Bucket="photos", ExpectedBucketOwner="1" * 12)
    assert refused(call) == (403, "403")


def test_a_bucket_is_reached_by_its_host_name_too(site: Site) -> None:
    assert site.ask("PUT", "/", host="photos.s3.test").status == 200
    assert site.ask("PUT", "/k", host="photos.s3.test:9000", body=b"x").status == 200
    assert site.ask("GET", "/photos/k").body == b"x"


def test_an_answer_to_nobody_tells_nothing(site: Site) -> None:
    assert site.ask("GET", "/", key=None).code == "AccessDenied"
    assert site.ask("PUT", "/photos", key=None).code == "AccessDenied"

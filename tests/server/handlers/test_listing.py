"""Listings: every page, every parameter, and that the pages join to the whole."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.site import ALICE, BOB_KEY, ROOT_KEY, Site, make_site

KEYS = ["a", "a/1", "a/2", "b", "b/x/1", "b/x/2", "c d", "e+f", "ü", "日本"]


@pytest.fixture
def client(site: Site) -> Any:
    client = site.client()
    client.create_bucket(Bucket="photos")
    for key in KEYS:
        client.put_object(Bucket="photos", Key=key, Body=key.encode())
    return client


def shown(page: Any) -> tuple[list[str], list[str]]:
    keys = [entry["Key"] for entry in page.get("Contents", []) + page.get("Versions", [])]
    return keys, [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]


@pytest.mark.parametrize("method", ["list_objects", "list_objects_v2", "list_object_versions"])
def test_everything_is_listed_in_the_order_of_its_bytes(client: Any, method: str) -> None:
    page = getattr(client, method)(Bucket="photos")
    assert shown(page) == (KEYS, [])
    assert page["IsTruncated"] is False
    assert (page["Name"], page["MaxKeys"], page["Prefix"]) == ("photos", 1000, "")


def test_an_empty_bucket_is_an_empty_page(client: Any) -> None:
    client.create_bucket(Bucket="empty")
    page = client.list_objects_v2(Bucket="empty")
    assert (shown(page), page["KeyCount"], page["IsTruncated"]) == (([], []), 0, False)
    assert "NextContinuationToken" not in page


@pytest.mark.parametrize("method", ["list_objects", "list_objects_v2", "list_object_versions"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 10])
@pytest.mark.parametrize("delimiter", ["", "/", "x/"])
def test_pages_join_to_the_whole(client: Any, method: str, size: int, delimiter: str) -> None:
    whole = shown(getattr(client, method)(Bucket="photos", Delimiter=delimiter))
    keys: list[str] = []
    prefixes: list[str] = []
    pages = 0
    for page in client.get_paginator(method).paginate(
        Bucket="photos", Delimiter=delimiter, PaginationConfig={"PageSize": size}
    ):
        found = shown(page)
        assert len(found[0]) + len(found[1]) <= size
        keys += found[0]
        prefixes += found[1]
        pages += 1
    assert (keys, prefixes) == whole
    assert pages == -(-(len(keys) + len(prefixes)) // size)


def test_a_delimiter_rolls_up(client: Any) -> None:
    page = client.list_objects_v2(Bucket="photos", Delimiter="/")
    assert shown(page) == (["a", "b", "c d", "e+f", "ü", "日本"], ["a/", "b/"])
    assert page["KeyCount"] == 8
    assert shown(client.list_objects_v2(Bucket="photos", Delimiter="/", Prefix="b/")) == ([], ["b/x/"])
    assert shown(client.list_objects_v2(Bucket="photos", Prefix="a/")) == (["a/1", "a/2"], [])


def test_start_after_is_a_place_and_a_token_outweighs_it(client: Any) -> None:
    page = client.list_objects_v2(Bucket="photos", StartAfter="b", MaxKeys=1)
    assert shown(page) == (["b/x/1"], [])
    assert page["StartAfter"] == "b"
    token = page["NextContinuationToken"]
    page = client.list_objects_v2(Bucket="photos", StartAfter="zzz", ContinuationToken=token, MaxKeys=1)
    assert shown(page) == (["b/x/2"], [])
    assert page["ContinuationToken"] == token


@pytest.mark.parametrize("token", ["", "junk", "AQAAAAAAAAAA", "%FF", "a" * 4000])
@pytest.mark.usefixtures("client")
def test_a_token_that_is_not_ours_is_refused(site: Site, token: str) -> None:
    answer = site.ask("GET", "/photos", f"continuation-token={token}&list-type=2")
    assert answer.status == 400
    assert answer.code in {"InvalidArgument", "InvalidURI"}


def test_a_marker_goes_on_behind_itself(client: Any) -> None:
    page = client.list_objects(Bucket="photos", Marker="b", MaxKeys=2)
    assert shown(page) == (["b/x/1", "b/x/2"], [])
    assert "NextMarker" not in page  # S3 API reference: only with a delimiter
    page = client.list_objects(Bucket="photos", Delimiter="/", MaxKeys=2)
    assert (shown(page), page["NextMarker"]) == ((["a"], ["a/"]), "a/")
    assert shown(client.list_objects(Bucket="photos", Delimiter="/", MaxKeys=2, Marker="a/")) == (["b"], ["b/"])


@pytest.mark.parametrize("limit", ["-1", "x", "1.5", "9" * 25])
@pytest.mark.usefixtures("client")
def test_max_keys_is_a_number(site: Site, limit: str) -> None:
    assert site.ask("GET", "/photos", f"list-type=2&max-keys={limit}").code == "InvalidArgument"


def test_max_keys_none_and_too_many(client: Any) -> None:
    page = client.list_objects_v2(Bucket="photos", MaxKeys=0)
    assert (shown(page), page["IsTruncated"], page["KeyCount"]) == (([], []), False, 0)
    assert client.list_objects_v2(Bucket="photos", MaxKeys=5000)["MaxKeys"] == 1000


def test_owners_are_shown_when_asked_for(client: Any) -> None:
    owner = {"ID": ALICE.id, "DisplayName": ALICE.display_name}
    assert "Owner" not in client.list_objects_v2(Bucket="photos")["Contents"][0]
    assert client.list_objects_v2(Bucket="photos", FetchOwner=True)["Contents"][0]["Owner"] == owner
    assert client.list_objects(Bucket="photos")["Contents"][0]["Owner"] == owner
    assert client.list_object_versions(Bucket="photos")["Versions"][0]["Owner"] == owner


def test_an_entry_says_what_the_object_is(client: Any) -> None:
    client.put_object(Bucket="photos", Key="a", Body=b"12345", ChecksumAlgorithm="CRC32C")
    entry = client.list_objects_v2(Bucket="photos", MaxKeys=1)["Contents"][0]
    head = client.head_object(Bucket="photos", Key="a")
    assert (entry["Size"], entry["ETag"], entry["StorageClass"]) == (5, head["ETag"], "STANDARD")
    assert entry["LastModified"].replace(microsecond=0) == head["LastModified"]
    assert entry["ChecksumAlgorithm"] == ["CRC32C"]
    version = client.list_object_versions(Bucket="photos", MaxKeys=1)["Versions"][0]
    assert (version["VersionId"], version["IsLatest"], version["Size"]) == ("null", True, 5)


def test_versions_go_on_behind_a_key_and_its_version(client: Any) -> None:
    page = client.list_object_versions(Bucket="photos", MaxKeys=1)
    assert (page["NextKeyMarker"], page["NextVersionIdMarker"]) == ("a", "null")
    page = client.list_object_versions(Bucket="photos", KeyMarker="a", VersionIdMarker="null", MaxKeys=1)
    assert shown(page) == (["a/1"], [])
    page = client.list_object_versions(Bucket="photos", Delimiter="/", MaxKeys=2)
    assert page["NextKeyMarker"] == "a/"
    assert "NextVersionIdMarker" not in page


@pytest.mark.usefixtures("client")
def test_a_version_marker_needs_a_key_marker(site: Site) -> None:
    assert site.ask("GET", "/photos", "version-id-marker=null&versions").code == "InvalidArgument"


@pytest.mark.usefixtures("client")
def test_url_encoding_is_asked_for_and_answered(site: Site) -> None:
    plain = site.ask("GET", "/photos", "list-type=2&prefix=e").body
    encoded = site.ask("GET", "/photos", "encoding-type=url&list-type=2&prefix=e").body
    assert b"<Key>e+f</Key>" in plain
    assert b"<EncodingType>" not in plain
    assert b"<Key>e%2Bf</Key>" in encoded
    assert b"<EncodingType>url</EncodingType>" in encoded
    assert site.ask("GET", "/photos", "encoding-type=rot13&list-type=2").code == "InvalidArgument"


def test_prefixes_and_markers_come_back_as_botocore_was_given_them(client: Any) -> None:
    client.put_object(Bucket="photos", Key="a b/+ä", Body=b"")
    client.put_object(Bucket="photos", Key="a b/+ö", Body=b"")
    for ask in (client.list_objects, client.list_objects_v2, client.list_object_versions):
        page = ask(Bucket="photos", Prefix="a b/", Delimiter="+", MaxKeys=5)
        assert (page["Prefix"], page["Delimiter"], page["CommonPrefixes"]) == ("a b/", "+", [{"Prefix": "a b/+"}])
    page = client.list_objects(Bucket="photos", Prefix="a b/", Marker="a b/+ä")
    assert (page["Marker"], [entry["Key"] for entry in page["Contents"]]) == ("a b/+ä", ["a b/+ö"])
    assert client.list_objects_v2(Bucket="photos", StartAfter="a b/+ä")["StartAfter"] == "a b/+ä"
    assert client.list_object_versions(Bucket="photos", KeyMarker="a b/+ä")["KeyMarker"] == "a b/+ä"
    client.create_multipart_upload(Bucket="photos", Key="a b/+ä")
    page = client.list_multipart_uploads(Bucket="photos", Prefix="a b/")
    assert (page["Prefix"], page["Uploads"][0]["Key"]) == ("a b/", "a b/+ä")


@pytest.mark.usefixtures("client")
def test_list_type_is_two_or_absent(site: Site) -> None:
    assert site.ask("GET", "/photos", "list-type=3").code == "InvalidArgument"


@pytest.mark.usefixtures("client")
def test_optional_attributes_are_known_by_name(site: Site) -> None:
    header = "x-amz-optional-object-attributes"
    assert site.ask("GET", "/photos", "list-type=2", headers={header: "RestoreStatus"}).status == 200
    assert site.ask("GET", "/photos", "list-type=2", headers={header: "Colour"}).code == "InvalidArgument"


@pytest.mark.usefixtures("client")
def test_others_list_nothing_and_root_everything(site: Site) -> None:
    for query in ("", "list-type=2", "versions"):
        assert site.ask("GET", "/photos", query, key=BOB_KEY).code == "AccessDenied"
        assert site.ask("GET", "/photos", query, key=None).code == "AccessDenied"
        assert site.ask("GET", "/nowhere", query).code == "NoSuchBucket"
        assert site.ask("GET", "/photos", query, key=ROOT_KEY).status == 200


@given(
    keys=st.sets(st.text("ab/", min_size=1, max_size=5), max_size=12),
    prefix=st.text("ab/", max_size=2),
    delimiter=st.sampled_from(["", "/", "a"]),
    size=st.integers(1, 5),
)
def test_any_bucket_lists_as_the_rules_say(keys: set[str], prefix: str, delimiter: str, size: int) -> None:
    matching = sorted(key for key in keys if key.startswith(prefix))
    rolled = [rolled_up(key, prefix, delimiter) for key in matching]
    expected = sorted({*rolled})
    for site in make_site():
        site.ask("PUT", "/photos")
        for key in keys:
            site.ask("PUT", f"/photos/{key}", body=b"x")
        found: list[str] = []
        token = ""
        while True:
            query = f"{token}delimiter={delimiter}&list-type=2&max-keys={size}&prefix={prefix}"
            page = site.ask("GET", "/photos", query).body.decode()
            found += sorted(
                re.findall("<Key>(.*?)</Key>", page)
                + re.findall("<CommonPrefixes><Prefix>(.*?)</Prefix></CommonPrefixes>", page)
            )
            more = re.search("<NextContinuationToken>(.*?)<", page)
            if more is None:
                break
            token = f"continuation-token={more[1].replace('=', '%3D')}&"
        assert found == expected


def rolled_up(key: str, prefix: str, delimiter: str) -> str:
    end = key.find(delimiter, len(prefix)) if delimiter else -1
    return key if end < 0 else key[: end + len(delimiter)]

"""The main operations once more, over both kinds of store: nothing that a client sees tells them apart."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig

from tests.support.site import Site, make_site

LARGE = bytes(range(256)) * 40_000  # 10 MB: two parts


@pytest.fixture(params=["memory", "sqlite and files"])
def any_site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    yield from make_site(None if request.param == "memory" else tmp_path)


def test_the_grand_tour(any_site: Site, tmp_path: Path) -> None:
    client: Any = any_site.client()
    client.create_bucket(Bucket="photos")
    for number in range(30):
        client.put_object(
            Bucket="photos", Key=f"dir/{number:02}", Body=b"%d" % number * 900, Metadata={"n": str(number)}
        )
    source = tmp_path / "large"
    source.write_bytes(LARGE)
    # One thread: the site's loop runs in this one.
    config = TransferConfig(multipart_threshold=1, multipart_chunksize=6 * 1024 * 1024, use_threads=False)
    client.upload_file(str(source), "photos", "large", Config=config)
    target = tmp_path / "back"
    client.download_file("photos", "large", str(target), Config=config)
    assert target.read_bytes() == LARGE
    assert client.head_object(Bucket="photos", Key="large")["ETag"].endswith('-2"')
    assert client.get_object(Bucket="photos", Key="dir/07", Range="bytes=2-5")["Body"].read() == b"7777"
    client.copy({"Bucket": "photos", "Key": "large"}, "photos", "copied", Config=config)
    assert client.get_object(Bucket="photos", Key="copied")["Body"].read() == LARGE
    pages = list(client.get_paginator("list_objects_v2").paginate(Bucket="photos", PaginationConfig={"PageSize": 7}))
    keys = [entry["Key"] for page in pages for entry in page["Contents"]]
    assert len(pages) == 5
    assert keys == sorted([*(f"dir/{number:02}" for number in range(30)), "copied", "large"])
    gone = client.delete_objects(Bucket="photos", Delete={"Objects": [{"Key": key} for key in keys]})
    assert len(gone["Deleted"]) == len(keys)
    client.delete_bucket(Bucket="photos")


def test_what_was_answered_while_it_was_replaced_is_one_of_both(any_site: Site) -> None:
    """A reader that has its answer keeps its bytes, whatever happens to the key meanwhile."""
    any_site.ask("PUT", "/photos")
    old, new = b"old" * 20_000, b"new" * 20_000
    any_site.ask("PUT", "/photos/k", body=old)

    async def race() -> bytes:
        response = await any_site.service(any_site.signed("GET", "/photos/k"))
        await any_site.service(any_site.signed("PUT", "/photos/k", body=new))
        payload = response.body
        assert not isinstance(payload, bytes)
        content = b"".join([piece async for piece in payload.chunks()])
        await payload.aclose()
        return content

    assert any_site.run(race()) == old
    assert any_site.ask("GET", "/photos/k").body == new


def test_one_of_many_creators_wins(any_site: Site) -> None:
    any_site.ask("PUT", "/photos")

    async def create(number: int) -> int:
        headers = {"if-none-match": "*"}
        request = any_site.signed("PUT", "/photos/lock", headers=headers, body=str(number).encode())
        return (await any_site.service(request)).status

    async def race() -> list[int]:
        return list(await asyncio.gather(*(create(number) for number in range(32))))

    statuses = any_site.run(race())
    assert sorted(statuses) == [200] + [412] * 31
    assert any_site.ask("GET", "/photos/lock").body == str(statuses.index(200)).encode()

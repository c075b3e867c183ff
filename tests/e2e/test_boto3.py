"""boto3 with the defaults of its current version: CRC trailers on every upload, parts above 8 MiB."""

from pathlib import Path
from typing import Any

from tests.e2e.promises import Promises, boto3_client
from tests.support.server import Server


class Boto3:
    """The library's own managed transfers."""

    def __init__(self, server: Server, bucket: str, scratch: Path) -> None:
        del scratch
        self.s3: Any = boto3_client(server.endpoint, server.root)
        self.bucket = bucket

    def put(self, key: str, source: Path) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=source.read_bytes())

    def get(self, key: str, target: Path) -> None:
        self.s3.download_file(self.bucket, key, str(target))

    def get_range(self, key: str, first: int, last: int, scratch: Path) -> bytes:
        del scratch
        answer = self.s3.get_object(Bucket=self.bucket, Key=key, Range=f"bytes={first}-{last}")
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206
        content: bytes = answer["Body"].read()
        return content

    def put_large(self, key: str, source: Path) -> None:
        self.s3.upload_file(str(source), self.bucket, key)

    def list(self, prefix: str) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page["Contents"]]

    def copy(self, source: str, target: str) -> None:
        self.s3.copy({"Bucket": self.bucket, "Key": source}, self.bucket, target)

    def delete(self, key: str) -> None:
        self.s3.delete_object(Bucket=self.bucket, Key=key)

    def presigned_get(self, key: str) -> str:
        return str(self.s3.generate_presigned_url("get_object", {"Bucket": self.bucket, "Key": key}, ExpiresIn=60))

    def presigned_put(self, key: str) -> str:
        return str(self.s3.generate_presigned_url("put_object", {"Bucket": self.bucket, "Key": key}, ExpiresIn=60))


class TestBoto3(Promises):
    make = Boto3

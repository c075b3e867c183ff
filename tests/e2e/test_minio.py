"""The MinIO Python client: signed payloads over plain HTTP, five-megabyte parts, its own XML reader."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from minio import Minio
from minio.commonconfig import CopySource

from tests.e2e.promises import MIB, Promises
from tests.support.server import Server


class MinioClient:
    """The library as its own documentation uses it."""

    def __init__(self, server: Server, bucket: str, scratch: Path) -> None:
        del scratch
        self.bucket = bucket
        self.minio: Any = Minio(
            server.endpoint.removeprefix("http://"),
            access_key=server.root.access_key,
            secret_key=server.root.secret_key,
            secure=False,
        )

    def put(self, key: str, source: Path) -> None:
        self.minio.fput_object(bucket_name=self.bucket, object_name=key, file_path=str(source))

    def put_large(self, key: str, source: Path) -> None:
        self.minio.fput_object(bucket_name=self.bucket, object_name=key, file_path=str(source), part_size=5 * MIB)

    def get(self, key: str, target: Path) -> None:
        self.minio.fget_object(bucket_name=self.bucket, object_name=key, file_path=str(target))

    def get_range(self, key: str, first: int, last: int, scratch: Path) -> bytes:
        del scratch
        length = last - first + 1
        with self.minio.get_object(bucket_name=self.bucket, object_name=key, offset=first, length=length) as answer:
            content: bytes = answer.read()
        return content

    def list(self, prefix: str) -> list[str]:
        found = self.minio.list_objects(bucket_name=self.bucket, prefix=prefix, recursive=True)
        return [item.object_name for item in found]

    def copy(self, source: str, target: str) -> None:
        origin = CopySource(bucket_name=self.bucket, object_name=source)
        self.minio.copy_object(bucket_name=self.bucket, object_name=target, source=origin)

    def delete(self, key: str) -> None:
        self.minio.remove_object(bucket_name=self.bucket, object_name=key)

    def presigned_get(self, key: str) -> str:
        expiry = timedelta(minutes=1)
        return str(self.minio.presigned_get_object(bucket_name=self.bucket, object_name=key, expires=expiry))

    def presigned_put(self, key: str) -> str:
        expiry = timedelta(minutes=1)
        return str(self.minio.presigned_put_object(bucket_name=self.bucket, object_name=key, expires=expiry))


class TestMinio(Promises):
    make = MinioClient

"""rclone: aws-sdk-go-v2 underneath, and the tool most people move their files with."""

from pathlib import Path

from tests.e2e.promises import Lacking, Promises, program, run
from tests.support.server import Server


class Rclone:
    """A remote named `t`, made of environment variables."""

    def __init__(self, server: Server, bucket: str, scratch: Path) -> None:
        self.bucket = bucket
        (scratch / "rclone.conf").touch()
        self.environment = {
            "RCLONE_CONFIG": str(scratch / "rclone.conf"),
            "RCLONE_CONFIG_T_TYPE": "s3",
            "RCLONE_CONFIG_T_PROVIDER": "Other",
            "RCLONE_CONFIG_T_ENDPOINT": server.endpoint,
            "RCLONE_CONFIG_T_REGION": "us-east-1",
            "RCLONE_CONFIG_T_ACCESS_KEY_ID": server.root.access_key,
            "RCLONE_CONFIG_T_SECRET_ACCESS_KEY": server.root.secret_key,
            "RCLONE_RETRIES": "1",
            "RCLONE_LOW_LEVEL_RETRIES": "1",
        }

    def _rclone(self, *arguments: str) -> bytes:
        return run([*program("rclone"), *arguments], self.environment)

    def _remote(self, key: str) -> str:
        return f"t:{self.bucket}/{key}"

    def put(self, key: str, source: Path) -> None:
        self._rclone("copyto", "--ignore-times", str(source), self._remote(key))

    def put_large(self, key: str, source: Path) -> None:
        parts = ("--s3-upload-cutoff", "5Mi", "--s3-chunk-size", "5Mi")
        self._rclone("copyto", *parts, str(source), self._remote(key))

    def get(self, key: str, target: Path) -> None:
        self._rclone("copyto", self._remote(key), str(target))

    def get_range(self, key: str, first: int, last: int, scratch: Path) -> bytes:
        del scratch
        return self._rclone("cat", "--offset", str(first), "--count", str(last - first + 1), self._remote(key))

    def list(self, prefix: str) -> list[str]:
        folder = prefix.rstrip("/")
        names = self._rclone("lsf", "--recursive", "--files-only", self._remote(folder)).decode().splitlines()
        return [f"{folder}/{name}" for name in names]

    def copy(self, source: str, target: str) -> None:
        self._rclone("copyto", self._remote(source), self._remote(target))

    def delete(self, key: str) -> None:
        self._rclone("deletefile", self._remote(key))

    def presigned_get(self, key: str) -> str:
        return self._rclone("link", "--expire", "60s", self._remote(key)).decode().strip()

    def presigned_put(self, key: str) -> str:
        raise Lacking("rclone link makes links to read only")


class TestRclone(Promises):
    make = Rclone

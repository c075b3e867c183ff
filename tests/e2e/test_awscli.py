"""The aws command line: `s3` for what people type, `s3api` where `s3` has no word for it."""

import json
from pathlib import Path

from tests.e2e.promises import Lacking, Promises, run, script
from tests.support.server import Server


class AwsCli:
    """Configured by environment and one option, as in scripts."""

    def __init__(self, server: Server, bucket: str, scratch: Path) -> None:
        self.bucket = bucket
        self.endpoint = server.endpoint
        (scratch / "config").write_text("[default]\ns3 =\n  addressing_style = path\n")
        self.environment = {
            "AWS_ACCESS_KEY_ID": server.root.access_key,
            "AWS_SECRET_ACCESS_KEY": server.root.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": str(scratch / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(scratch / "none"),
            "AWS_MAX_ATTEMPTS": "1",
        }

    def _aws(self, *arguments: str) -> bytes:
        return run([*script("aws"), "--endpoint-url", self.endpoint, *arguments], self.environment)

    def _uri(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"

    def put(self, key: str, source: Path) -> None:
        self._aws("s3", "cp", "--only-show-errors", str(source), self._uri(key))

    put_large = put

    def get(self, key: str, target: Path) -> None:
        self._aws("s3", "cp", "--only-show-errors", self._uri(key), str(target))

    def get_range(self, key: str, first: int, last: int, scratch: Path) -> bytes:
        target = scratch / "range"
        place = ("--bucket", self.bucket, "--key", key)
        self._aws("s3api", "get-object", *place, "--range", f"bytes={first}-{last}", str(target))
        return target.read_bytes()

    def list(self, prefix: str) -> list[str]:
        arguments = ("--bucket", self.bucket, "--prefix", prefix, "--query", "Contents[].Key", "--output", "json")
        keys: list[str] = json.loads(self._aws("s3api", "list-objects-v2", *arguments))
        return keys

    def copy(self, source: str, target: str) -> None:
        self._aws("s3", "cp", "--only-show-errors", self._uri(source), self._uri(target))

    def delete(self, key: str) -> None:
        self._aws("s3", "rm", "--only-show-errors", self._uri(key))

    def presigned_get(self, key: str) -> str:
        return self._aws("s3", "presign", self._uri(key), "--expires-in", "60").decode().strip()

    def presigned_put(self, key: str) -> str:
        raise Lacking("aws s3 presign makes links to read only")


class TestAwsCli(Promises):
    make = AwsCli

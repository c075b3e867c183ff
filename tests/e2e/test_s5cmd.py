"""s5cmd: many workers at once, ranged downloads in parallel."""

import json
from pathlib import Path

from tests.e2e.promises import Lacking, Promises, run, script
from tests.support.server import Server


class S5cmd:
    """`--raw` wherever there is one: keys are keys, not patterns."""

    def __init__(self, server: Server, bucket: str, scratch: Path) -> None:
        self.bucket = bucket
        self.endpoint = server.endpoint
        self.environment = {
            "AWS_ACCESS_KEY_ID": server.root.access_key,
            "AWS_SECRET_ACCESS_KEY": server.root.secret_key,
            "AWS_REGION": "us-east-1",
            "AWS_SHARED_CREDENTIALS_FILE": str(scratch / "none"),
        }

    def _s5cmd(self, *arguments: str) -> bytes:
        command = [*script("s5cmd"), "--endpoint-url", self.endpoint, "--retry-count", "0", *arguments]
        return run(command, self.environment)

    def _uri(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"

    def put(self, key: str, source: Path) -> None:
        self._s5cmd("cp", "--raw", str(source), self._uri(key))

    def put_large(self, key: str, source: Path) -> None:
        self._s5cmd("cp", "--raw", "--part-size", "5", str(source), self._uri(key))

    def get(self, key: str, target: Path) -> None:
        self._s5cmd("cp", "--raw", "--part-size", "5", self._uri(key), str(target))

    def get_range(self, key: str, first: int, last: int, scratch: Path) -> bytes:
        raise Lacking("s5cmd asks for ranges only inside a large download, which another promise covers")

    def list(self, prefix: str) -> list[str]:
        lines = self._s5cmd("--json", "ls", self._uri(f"{prefix}*")).decode().splitlines()
        return [json.loads(line)["key"].split(f"s3://{self.bucket}/", 1)[1] for line in lines]

    def copy(self, source: str, target: str) -> None:
        self._s5cmd("cp", "--raw", self._uri(source), self._uri(target))

    def delete(self, key: str) -> None:
        self._s5cmd("rm", "--raw", self._uri(key))

    def presigned_get(self, key: str) -> str:
        return self._s5cmd("presign", "--expire", "1m", self._uri(key)).decode().strip()

    def presigned_put(self, key: str) -> str:
        raise Lacking("s5cmd presign makes links to read only")


class TestS5cmd(Promises):
    make = S5cmd

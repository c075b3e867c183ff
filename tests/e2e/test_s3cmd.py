"""s3cmd: its own signer and its own multipart, nothing of AWS's libraries."""

from pathlib import Path

from tests.e2e.promises import Lacking, Promises, run, script
from tests.support.server import Server


class S3cmd:
    """Everything on the command line, against an empty configuration file."""

    def __init__(self, server: Server, bucket: str, scratch: Path) -> None:
        self.bucket = bucket
        host = server.endpoint.removeprefix("http://")
        (scratch / "s3cfg").write_text(
            "[default]\n"
            f"access_key = {server.root.access_key}\nsecret_key = {server.root.secret_key}\n"
            f"host_base = {host}\nhost_bucket = {host}\nuse_https = False\n"
            "bucket_location = us-east-1\nsignature_v2 = False\nmultipart_chunk_size_mb = 5\n"
        )
        self.command = [*script("s3cmd"), "--config", str(scratch / "s3cfg"), "--no-progress", "--max-retries=1"]

    def _s3cmd(self, *arguments: str) -> bytes:
        return run([*self.command, *arguments], {})

    def _uri(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"

    def put(self, key: str, source: Path) -> None:
        self._s3cmd("put", str(source), self._uri(key))

    put_large = put

    def get(self, key: str, target: Path) -> None:
        self._s3cmd("get", "--force", self._uri(key), str(target))

    def get_range(self, key: str, first: int, last: int, scratch: Path) -> bytes:
        """Continue a broken download: the only range s3cmd asks for is the rest of a file."""
        target = scratch / "broken"
        target.write_bytes(b"\0" * first)
        self._s3cmd("get", "--continue", self._uri(key), str(target))
        return target.read_bytes()[first : last + 1]

    def list(self, prefix: str) -> list[str]:
        lines = self._s3cmd("ls", "--recursive", self._uri(prefix)).decode().splitlines()
        return [line.split(f"s3://{self.bucket}/", 1)[1] for line in lines]

    def copy(self, source: str, target: str) -> None:
        self._s3cmd("cp", self._uri(source), self._uri(target))

    def delete(self, key: str) -> None:
        self._s3cmd("del", self._uri(key))

    def presigned_get(self, key: str) -> str:
        return self._s3cmd("signurl", self._uri(key), "+60").decode().strip()

    def presigned_put(self, key: str) -> str:
        raise Lacking("s3cmd signurl makes links to read only")


class TestS3cmd(Promises):
    make = S3cmd

"""Users over the wire: made while the server runs, apart from each other, and gone when they are deleted."""

import subprocess
from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError

from tests.e2e.promises import boto3_client
from tests.support.server import Server, swifts3

pytestmark = pytest.mark.e2e


def refusal(error: pytest.ExceptionInfo[ClientError]) -> str:
    """Return the S3 code of a refusal."""
    return str(error.value.response["Error"]["Code"])


def test_a_user_made_while_the_server_runs_owns_what_they_make(server: Server) -> None:
    alice = boto3_client(server.endpoint, server.add_user("alice"))
    alice.create_bucket(Bucket="alices-bucket")
    alice.put_object(Bucket="alices-bucket", Key="mine", Body=b"x")
    assert [bucket["Name"] for bucket in alice.list_buckets()["Buckets"]] == ["alices-bucket"]


def test_one_user_may_not_touch_what_another_owns(server: Server) -> None:
    carol = boto3_client(server.endpoint, server.add_user("carol"))
    dave = boto3_client(server.endpoint, server.add_user("dave"))
    carol.create_bucket(Bucket="carols-bucket")
    carol.put_object(Bucket="carols-bucket", Key="mine", Body=b"x")
    dave.create_bucket(Bucket="daves-bucket")
    source = {"Bucket": "carols-bucket", "Key": "mine"}
    attempts: list[Callable[[], object]] = [
        lambda: dave.get_object(Bucket="carols-bucket", Key="mine"),
        lambda: dave.put_object(Bucket="carols-bucket", Key="mine", Body=b"y"),
        lambda: dave.delete_object(Bucket="carols-bucket", Key="mine"),
        lambda: dave.list_objects_v2(Bucket="carols-bucket"),
        lambda: dave.copy_object(Bucket="daves-bucket", Key="theirs", CopySource=source),
    ]
    for attempt in attempts:
        with pytest.raises(ClientError) as refused:
            attempt()
        assert refusal(refused) == "AccessDenied"
    assert carol.get_object(Bucket="carols-bucket", Key="mine")["Body"].read() == b"x"


def test_a_deleted_user_is_nobody(server: Server) -> None:
    erin = boto3_client(server.endpoint, server.add_user("erin"))
    assert erin.list_buckets()["Buckets"] == []
    command = swifts3("users", "delete", "erin", "--data", str(server.data))
    subprocess.run(command, env=server.environment, capture_output=True, check=True)
    with pytest.raises(ClientError) as refused:
        erin.list_buckets()
    assert refusal(refused) == "InvalidAccessKeyId"

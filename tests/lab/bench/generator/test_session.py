"""A whole session against our own server: every kind of operation, several processes, and nothing left behind."""

import os
import signal
import threading
import time

import pytest

from cybous3.client.stores.connect import Access, open_buckets, open_store
from cybous3.client.stores.errors import BadCredentials, NoSuchBucket, Unreachable
from cybous3.client.stores.port import each_entry
from cybous3.core.sigv4.credentials import Credentials
from cybous3.lab.bench.generator import Load, NotPrepared, Session, TargetFull
from cybous3.lab.bench.generator.crew import Fleet, WorkerLost
from cybous3.lab.bench.target import Target
from cybous3.lab.bench.workload import KINDS, BadWorkload, Kind, Workload, parse_sizes
from tests.support.server import Server
from tests.support.tiny_http import refusal, tiny_http
from tests.support.yes_s3 import accepts


def access(server: Server) -> Access:
    return Access(server.endpoint, Credentials(server.root.access_key, server.root.secret_key), server.region)


def target(server: Server, bucket: str | None = None, **more: object) -> Target:
    keys = Credentials(server.root.access_key, server.root.secret_key)
    return Target("own", server.endpoint, keys, server.region, bucket, "strict", **more)  # type: ignore[arg-type]  # a pid


def left_behind(server: Server) -> list[str]:
    buckets = open_buckets(access(server))
    try:
        return [bucket.name for bucket in buckets.list_buckets() if bucket.name.startswith("cybs3-bench-")]
    finally:
        buckets.close()


def workload(kind: Kind) -> Workload:
    sizes = {"multipart": "6MiB", "range": "256KiB"}.get(kind, "1KiB:1,4KiB:1")
    return Workload(kind, parse_sizes(sizes), objects=20, part_size=5 << 20)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_operation_succeeds_on_our_own_server(server: Server, kind: Kind) -> None:
    count = 4 if kind == "multipart" else 40
    with Session(target(server), workload(kind), Load(4)) as session:
        session.prepare()
        block = session.run(operations=count)
    assert block.errors == {}
    assert block.count == (20 if kind == "delete" else count)
    assert sum(recording.op.__len__() for recording in session.recordings) == block.count
    assert left_behind(server) == []


def test_several_processes_share_the_work_and_a_prefix_in_a_given_bucket_is_emptied(server: Server) -> None:
    store, buckets = open_store(access(server), "kept"), open_buckets(access(server))
    buckets.create_bucket("kept")
    store.put("mine", b"stays")
    with Session(target(server, "kept", server_pid=os.getpid()), workload("mixed"), Load(4, processes=2)) as session:
        session.prepare()
        assert len(list(each_entry(store))) == 21
        exact, timed = session.run(operations=101), session.run(seconds=0.2)
    assert (exact.count, exact.errors, timed.errors) == (101, {}, {})
    assert timed.count > 10
    assert exact.generator_cpu_s > 0
    assert exact.server_cpu_s is not None
    assert [entry.key for entry in each_entry(store)] == ["mine"]
    store.delete("mine")
    buckets.delete_bucket("kept")
    store.close()
    buckets.close()


@pytest.mark.parametrize("processes", [1, 2])
def test_control_c_ends_the_block_and_keeps_it(server: Server, processes: int) -> None:
    with Session(target(server), workload("get"), Load(4, processes=processes)) as session:
        session.prepare()
        threading.Timer(0.4, os.kill, (os.getpid(), signal.SIGINT)).start()
        begun = time.monotonic()
        block = session.run(seconds=60)
    assert block.interrupted
    assert block.count > 0
    assert time.monotonic() - begun < 10
    assert left_behind(server) == []


def test_a_target_that_is_not_there_and_credentials_that_are_wrong_have_their_errors(server: Server) -> None:
    wrong = Target("x", server.endpoint, Credentials(server.root.access_key, "wrong"), server.region)
    absent = Target("x", "http://127.0.0.1:1", Credentials("A", "b"))
    for where, error, code in ((wrong, BadCredentials, 21), (absent, Unreachable, 20)):
        with pytest.raises(error) as caught, Session(where, workload("put"), Load(1)) as session:
            session.prepare()
        assert caught.value.exit_code == code
    with pytest.raises(NoSuchBucket), Session(target(server, "no-such-bucket"), workload("put"), Load(1)) as session:
        session.prepare()


@pytest.mark.parametrize(
    ("code", "status", "error", "exit_code"),
    [("InsufficientStorage", "507 Full", TargetFull, 30), ("AccessDenied", "403 No", NotPrepared, 5)],
)
def test_objects_that_cannot_be_put_there_end_it(
    code: str, status: str, error: type[NotPrepared], exit_code: int
) -> None:
    with tiny_http(accepts(put=lambda _head: refusal(code, status))) as tiny:
        where = Target("x", tiny.endpoint, Credentials("A", "b"), bucket="given")
        with pytest.raises(error, match=code) as caught, Session(where, workload("get"), Load(2)) as session:
            session.prepare()
    assert caught.value.exit_code == exit_code


def test_a_block_is_so_long_or_so_many_operations_and_needs_a_prepared_session(server: Server) -> None:
    with Session(target(server), workload("put"), Load(1)) as session:
        with pytest.raises(BadWorkload, match="prepared"):
            session.run(seconds=1)
        for both in ({}, {"seconds": 1, "operations": 1}):
            with pytest.raises(BadWorkload, match="either"):
                session.run(**both)


def test_a_process_of_the_generator_that_ended_is_told(server: Server) -> None:
    with Session(target(server), workload("put"), Load(2, processes=2)) as session:
        session.prepare()
        crew = session._crew
        assert isinstance(crew, Fleet)
        crew._children[1].kill()
        with pytest.raises(WorkerLost):
            session.run(seconds=0.2)
    assert left_behind(server) == []


def test_a_server_that_vanished_is_told_when_the_data_should_go() -> None:
    """Also where something else went wrong first: that error stays the one that is raised, and carries a note."""
    sessions = []
    with tiny_http(accepts()) as tiny:
        where = Target("x", tiny.endpoint, Credentials("A", "b"), bucket="given")
        for _ in range(2):
            sessions.append(session := Session(where, workload("put"), Load(1)))
            session.prepare()
            assert session.run(operations=3).errors == {}
    with pytest.raises(Unreachable):
        sessions[0].close()
    first = ValueError("first")
    sessions[1].__exit__(ValueError, first, None)
    assert first.__notes__ == [f"the test data was not removed: cannot reach {tiny.endpoint}: connection refused"]

"""The real client against the real server, with a wire between them that does everything a network may do.

Promises: a call ends, in success or in one error; it asks a bounded number of times; what is on disk afterwards is the
whole file or nothing; what the client was told is true; and keys survive everything.
"""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cybous3.client.keys.state import open_state
from cybous3.client.stores.connect import Access, open_store
from cybous3.client.stores.documents import BucketDocuments
from cybous3.client.stores.errors import ConnectionLost, Silent, StoreError, Throttled
from cybous3.client.vault.documents import Cache
from cybous3.client.vault.opening import Keeper, SeedSecret
from cybous3.core.errors import CybousError
from cybous3.crypto.vault import OpenVault
from cybous3.lab.chaos.proxy.faults import FAULTS
from cybous3.lab.chaos.proxy.rules import (
    Act,
    CutAnswer,
    CutRequest,
    Delay,
    DropAnswer,
    DropRequest,
    Duplicate,
    Refuse,
    WrongEtag,
)
from cybous3.lab.chaos.proxy.toxics import HalfOpen, Latency, LimitData, ResetPeer, Slicer, Toxic
from tests.e2e.wired import HASTY, LARGE, MIB, SHORT, USUAL, Bench, made
from tests.support.server import Server

pytestmark = pytest.mark.e2e


@pytest.fixture
def bench(server: Server, tmp_path: Path) -> Iterator[Bench]:
    yield from made(server, tmp_path, USUAL)


@pytest.fixture
def hurried(server: Server, tmp_path: Path) -> Iterator[Bench]:
    """Give up on a silent server after half a second."""
    yield from made(server, tmp_path, SHORT)


# one accident in the middle: nobody notices

ONCE: dict[str, Act] = {
    "500": Refuse(500, "InternalError"),
    "500 after it was done": Refuse(500, "InternalError", forward=True),
    "503": Refuse(503, "SlowDown"),
    "503 after it was done": Refuse(503, "SlowDown", forward=True),
    "429 with a word of its own": Refuse(429, "CalmDown"),
    "twice": Duplicate(),
    "answer lost": DropAnswer(),
    "answer lost by a reset": DropAnswer(reset=True),
    "request lost": DropRequest(),
    "request cut": CutRequest(1000),
    "answer cut": CutAnswer(7),
    "409": Refuse(409, "ConditionalRequestConflict"),
    "409 after it was done": Refuse(409, "ConditionalRequestConflict", forward=True),
}


@pytest.mark.parametrize("accident", sorted(ONCE))
def test_a_small_file_is_stored_once_and_whole_whatever_happens_to_its_put(bench: Bench, accident: str) -> None:
    """First as a new file, then over itself, which is a conditional write."""
    for name in ("a", "a"):
        bench.rule(ONCE[accident], "PutObject")
        data = bench.keep(name)
        bench.wire.remove("rule")
        assert bench.content("a") == data
    assert len(bench.store.list("").entries) == 1
    assert len(bench.wire.journal.deeds) == 2


@pytest.mark.parametrize("accident", ["500 after it was done", "503", "answer lost", "request cut", "twice"])
@pytest.mark.parametrize("operation", ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"])
def test_a_large_file_is_stored_whole_whatever_happens_to_one_of_its_requests(
    bench: Bench, accident: str, operation: str
) -> None:
    data = bench.write("f", LARGE)
    bench.rule(ONCE[accident], operation)
    bench.up.put_file(bench.home / "f", "f")
    assert len(bench.wire.journal.deeds) == 1
    assert bench.files.stat("f").size == LARGE
    assert bench.content("f") == data
    assert not list((bench.home / "journal").glob("*.json"))


@pytest.mark.parametrize("accident", ["503", "answer lost", "answer cut"])
@pytest.mark.parametrize("nth", [1, 2])
def test_a_fetched_file_is_whole_whatever_happens_to_one_of_its_requests(bench: Bench, accident: str, nth: int) -> None:
    data = bench.write("f", LARGE)
    bench.up.put_file(bench.home / "f", "f")
    bench.rule(ONCE[accident], "GetObject", nth=nth)
    bench.down.get_file("f", bench.home / "out")
    assert (bench.home / "out").read_bytes() == data
    assert len(bench.wire.journal.deeds) == 1


def test_deleting_twice_or_without_an_answer_is_deleting(bench: Bench) -> None:
    acts: tuple[Act, ...] = (Duplicate(), DropAnswer(), Refuse(500, "InternalError", forward=True))
    for name, act in zip("abc", acts, strict=True):
        bench.keep(name)
        bench.rule(act, "DeleteObject", "DeleteObjects")
        for entry in bench.store.list("").entries:
            bench.store.delete(entry.key)
        bench.wire.remove("rule")
        assert list(bench.store.list("").entries) == []


def test_somebody_elses_write_is_still_a_conflict_when_an_answer_was_lost(bench: Bench) -> None:
    bench.keep("a")
    (entry,) = bench.store.list("").entries
    bench.store.put(entry.key, b"somebody else's", metadata=bench.store.head(entry.key).metadata)
    bench.rule(DropAnswer(), "PutObject")
    with pytest.raises(CybousError) as refused:
        bench.keep("a")
    assert refused.value.exit_code == 22


# what goes on and on: an end, and a count

ALWAYS: dict[str, tuple[Act, type[StoreError]]] = {
    "500": (Refuse(500, "InternalError"), StoreError),
    "503": (Refuse(503, "SlowDown"), Throttled),
    "429": (Refuse(429, "TooManyRequests"), Throttled),
    "answer lost": (DropAnswer(), ConnectionLost),
    "request lost": (DropRequest(), ConnectionLost),
}


@pytest.mark.parametrize("accident", sorted(ALWAYS))
def test_a_server_in_trouble_is_asked_a_bounded_number_of_times(bench: Bench, accident: str) -> None:
    act, error = ALWAYS[accident]
    bench.rule(act, nth=0)
    before = bench.asked()
    with pytest.raises(error):
        bench.store.head("k")
    assert bench.asked() - before <= 2 * HASTY.attempts_max, "attempts, and a kept connection replaced for each"


def test_all_threads_share_one_budget_so_that_no_storm_arises(bench: Bench) -> None:
    """With a budget of 20 retries, 60 failing calls ask 60 + 20 times, not 60 x 8."""
    store = open_store(
        Access(bench.wire.endpoint, bench.access.credentials, timeouts=USUAL, policy=HASTY._replace(budget=20.0)), "b"
    )
    bench.rule(Refuse(503, "SlowDown"), nth=0)
    before = bench.asked()
    for number in range(60):
        with pytest.raises(Throttled):
            store.head(str(number))
    assert bench.asked() - before == 80
    store.close()


def test_the_server_says_when_to_come_back(bench: Bench) -> None:
    bench.rule(Refuse(503, "SlowDown", after_s=1))
    began = time.monotonic()
    bench.keep("a")
    assert 1.0 <= time.monotonic() - began < 3.0


# silence


def test_a_peer_that_vanished_does_not_hold_the_client(hurried: Bench) -> None:
    hurried.keep("a")
    hurried.wire.add(HalfOpen(name="gone"))
    began = time.monotonic()
    with pytest.raises(Silent):
        hurried.content("a")
    with pytest.raises(Silent):
        hurried.keep("b")
    assert time.monotonic() - began < 8 * SHORT.idle_s, "two tries of each call, each of one idle time"
    hurried.wire.remove("gone")
    hurried.keep("b")


def test_a_peer_that_vanishes_in_the_middle_is_left_and_the_next_run_goes_on(hurried: Bench) -> None:
    data = hurried.write("f", LARGE)
    hurried.rule(Delay(60.0), "UploadPart", nth=0)
    with pytest.raises(Silent):
        hurried.up.put_file(hurried.home / "f", "f")
    assert list(hurried.store.list("").entries) == []
    hurried.wire.remove("rule")
    hurried.up.put_file(hurried.home / "f", "f")  # parts of the first run may arrive only now
    assert hurried.content("f") == data


TOXICS: tuple[Toxic, ...] = (
    Latency(name="latency", latency_s=0.02, jitter_s=0.01),
    Slicer(name="slicer", average=5000, variation=4000),
    ResetPeer(name="reset", direction="down", toxicity=0.3),
    LimitData(name="limit", direction="down", bytes_max=3 * MIB),
    ResetPeer(name="cut off", direction="up", toxicity=0.5),
)


@pytest.mark.parametrize("toxic", TOXICS, ids=lambda toxic: f"{toxic.kind}-{toxic.direction}")
def test_a_bad_network_slows_and_never_spoils(bench: Bench, toxic: Toxic) -> None:
    data = bench.write("f", LARGE)
    bench.wire.add(toxic)
    again(lambda: bench.up.put_file(bench.home / "f", "f"))
    again(lambda: bench.down.get_file("f", bench.home / "out"))
    assert (bench.home / "out").read_bytes() == data
    assert [path.name for path in bench.home.iterdir() if path.suffix == ".part"] == []
    assert bench.wire.journal.counts[toxic.name] > 0


def again(work: Callable[[], object], times: int = 5) -> None:
    """Run a command as a person would: once more when the connection was lost."""
    for _ in range(times - 1):
        try:
            work()
        except ConnectionLost:
            continue
        return
    work()


def test_a_body_that_always_ends_early_never_becomes_a_file(bench: Bench) -> None:
    bench.write("f", LARGE)
    bench.up.put_file(bench.home / "f", "f")
    bench.rule(CutAnswer(100_000), "GetObject", nth=0)
    with pytest.raises(ConnectionLost):
        bench.down.get_file("f", bench.home / "out")
    assert sorted(path.name for path in bench.home.iterdir() if path.is_file() and "state" not in path.name) == ["f"]


def test_an_etag_that_is_wrong_stops_the_next_write_and_not_the_reading(bench: Bench) -> None:
    bench.rule(WrongEtag(), "PutObject")
    data = bench.keep("a")
    assert bench.content("a") == data


# keys

SAVING = ("500 after it was done", "409 after it was done", "answer lost", "request lost", "request cut", "twice")


@pytest.mark.parametrize("accident", sorted(SAVING))
def test_no_key_is_lost_and_no_change_done_twice_whatever_happens_to_the_vaults_document(
    bench: Bench, accident: str
) -> None:
    """Made, and its keys changed, each under an accident; another machine opens it with the words alone."""
    words = SeedSecret(b"\x01" * 64)
    keeper = Keeper(BucketDocuments(bench.store, "v"), bench.state, Cache(bench.home / "cache"), time.time, os.urandom)
    bench.rule(ONCE[accident], "PutObject")
    made = settled(lambda: keeper.create([(words, "words")]), lambda: keeper.open([words]))
    bench.wire.remove("rule")
    bench.rule(ONCE[accident], "PutObject")
    entropy = os.urandom
    changed = settled(
        lambda: keeper.change(made, [words], lambda vault: vault.rotate_epoch(created=1, entropy=entropy)),
        lambda: keeper.open([words]),
    )
    bench.wire.remove("rule")
    assert changed.generation in {made.generation, made.generation + 1}, "changed once, or not at all"
    with open_state(bench.home / "other.sqlite") as elsewhere:
        seen = Keeper(
            BucketDocuments(bench.store, "v"), elsewhere, Cache(bench.home / "other"), time.time, os.urandom
        ).open([words])
    assert seen.document.encode() == changed.document.encode()
    assert len(bench.wire.journal.deeds) == 2


def settled(work: Callable[[], OpenVault], look: Callable[[], OpenVault]) -> OpenVault:
    """Do it as a person would: when the connection was lost, look what is there, and do it if nothing is."""
    try:
        return work()
    except ConnectionLost:
        pass
    try:
        return look()
    except CybousError:
        return work()


def test_every_fault_of_the_table_is_named_for_something() -> None:
    assert {name.partition(".")[0] for name in FAULTS} == {"network", "http", "liar"}

"""Trying again: what is repeated, how long it waits, and what is never repeated."""

from collections.abc import Callable
from typing import Any

import pytest

from cybous3.client.stores.errors import (
    ConnectionLost,
    Contended,
    NotFound,
    PreconditionFailed,
    ServerFailed,
    Silent,
    StoreError,
    Throttled,
    Unreachable,
)
from cybous3.client.stores.memory import MemoryStore
from cybous3.client.stores.port import BucketInfo, Buckets, Download
from cybous3.client.stores.retry import Patience, Policy, RetryingBuckets, RetryingStore
from tests.contracts.store_contract import StoreContract


class Naps:
    """Counts waiting instead of waiting; chance is always at its limit."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    def patience(self, **policy: Any) -> Patience:
        return Patience(Policy(**policy), sleep=self.taken.append, chance=lambda: 1.0)


class Flaky:
    """A store whose calls fail with the given errors first."""

    def __init__(self, inner: object, *errors: StoreError) -> None:
        self._inner = inner
        self.errors = list(errors)
        self.calls = 0

    def __getattr__(self, name: str) -> Any:  # stands for any method of any store
        target = getattr(self._inner, name)
        if not callable(target):
            return target

        def call(*args: object, **kwargs: object) -> object:
            self.calls += 1
            if self.errors:
                raise self.errors.pop(0)
            return target(*args, **kwargs)

        return call


def flaky(*errors: StoreError, naps: Naps | None = None, **policy: Any) -> tuple[RetryingStore, Flaky, Naps]:
    naps = naps or Naps()
    inner = Flaky(MemoryStore(), *errors)
    return RetryingStore(inner, naps.patience(**policy)), inner, naps


class TestKeepsThePromises(StoreContract):
    """The wrapper has the same face: the whole contract, with a hiccup in front of every call."""

    @pytest.fixture
    def store(self) -> RetryingStore:
        class Hiccups(MemoryStore):
            def list(self, *args: Any, **kwargs: Any) -> Any:
                if hiccup := next(hiccups, None):
                    raise hiccup
                return super().list(*args, **kwargs)

        hiccups = iter([ServerFailed("once"), Throttled("twice")])
        return RetryingStore(Hiccups(), Patience(Policy(), sleep=lambda _: None))


@pytest.mark.parametrize("error", [Unreachable("x"), ConnectionLost("x"), ServerFailed("x"), Throttled("x")])
def test_what_may_pass_is_tried_again(error: StoreError) -> None:
    store, inner, naps = flaky(error, error)
    store.put("k", b"x")
    assert inner.calls == 3
    assert naps.taken == [0.1, 0.2]


def test_what_will_not_pass_is_not() -> None:
    store, inner, _ = flaky()
    with pytest.raises(NotFound):
        store.head("k")
    assert inner.calls == 1


def test_attempts_end() -> None:
    store, inner, naps = flaky(*[ServerFailed("x")] * 9, attempts_max=4, first_wait_s=1, wait_max_s=3)
    with pytest.raises(ServerFailed):
        store.head("k")
    assert inner.calls == 4
    assert naps.taken == [1, 2, 3]


def test_the_server_may_ask_for_more_time() -> None:
    store, _, naps = flaky(Throttled("x", after_s=7.0))
    store.put("k", b"")
    assert naps.taken == [7.1], "what it asked for, and the dice"


def test_waiting_is_spread_by_chance() -> None:
    naps: list[float] = []
    chances = iter([0.25, 0.5])
    patience = Patience(Policy(first_wait_s=1), sleep=naps.append, chance=lambda: next(chances))
    RetryingStore(Flaky(MemoryStore(), *[ServerFailed("x")] * 2), patience).list()
    assert naps == [0.25, 1.0]


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.put("k", b"", absent=True),
        lambda store: store.put("k", b"", if_match="e"),
        lambda store: store.complete_upload("k", "u", []),
    ],
)
def test_a_lost_answer_to_a_conditional_call_is_the_callers_to_judge(call: Callable[[RetryingStore], object]) -> None:
    store, inner, _ = flaky(ConnectionLost("x"))
    with pytest.raises(ConnectionLost):
        call(store)
    assert inner.calls == 1


def test_a_conditional_call_the_server_did_not_take_is_repeated() -> None:
    store, inner, _ = flaky(Unreachable("x"), Throttled("x"), ServerFailed("x"))
    store.put("k", b"", absent=True)
    assert inner.calls == 4


def test_all_threads_share_a_budget_that_success_refills() -> None:
    naps = Naps()
    store, inner, _ = flaky(*[ServerFailed("x")] * 5, naps=naps, budget=3, refill=0.5)
    with pytest.raises(ServerFailed):
        store.list()
    with pytest.raises(ServerFailed):
        store.list()
    assert inner.calls == 5
    assert len(naps.taken) == 3
    inner.errors.clear()
    store.list()
    store.list()
    inner.errors.append(ServerFailed("x"))
    store.list()
    assert len(naps.taken) == 4


class Breaking:
    """A store whose downloads break off after `good` bytes, `times` times."""

    def __init__(self, inner: MemoryStore, good: int, times: int) -> None:
        self.inner, self.good, self.times = inner, good, times
        self.gets: list[tuple[int, int | None, str | None]] = []
        self.before_reopening: Callable[[], object] = lambda: None

    def get(self, key: str, *, start: int = 0, length: int | None = None, if_match: str | None = None) -> Download:
        if self.gets:
            self.before_reopening()
        self.gets.append((start, length, if_match))
        download: Any = self.inner.get(key, start=start, length=length, if_match=if_match)
        read, budget = download.readinto, [self.good]

        def readinto(buffer: memoryview) -> int:
            if self.times and budget[0] < len(buffer):
                self.times -= 1
                buffer[:] = b"\xff" * len(buffer)
                raise ConnectionLost("broke off")
            budget[0] -= len(buffer)
            return int(read(buffer))

        download.readinto = readinto
        return download  # type: ignore[no-any-return]  # patched above


def broken_download(times: int, **policy: Any) -> tuple[RetryingStore, Breaking, MemoryStore, str]:
    memory = MemoryStore()
    etag = memory.put("k", b"0123456789" * 10).etag
    inner = Breaking(memory, 25, times)
    return RetryingStore(inner, Naps().patience(**policy)), inner, memory, etag  # type: ignore[arg-type]


def test_a_download_goes_on_where_it_broke_off_on_the_same_state() -> None:
    store, inner, _, etag = broken_download(times=2)
    got, buffer = b"", bytearray(20)
    with store.get("k", start=5, length=90) as download:
        assert (download.length, download.info.size) == (90, 100)
        while count := download.readinto(buffer):
            got += bytes(buffer[:count])
    assert got == (b"0123456789" * 10)[5:95]
    assert inner.gets == [(5, 90, None), (25, 70, etag), (45, 50, etag)]


def test_a_download_of_what_changed_meanwhile_is_not_glued_together() -> None:
    store, inner, memory, _ = broken_download(times=1)
    inner.before_reopening = lambda: memory.put("k", b"something else, as long as it was before")
    with store.get("k") as download, pytest.raises(ConnectionLost, match="changed"):
        download.read()


def test_a_download_that_keeps_breaking_ends() -> None:
    store, inner, _, _ = broken_download(times=99, attempts_max=3)
    with store.get("k") as download, pytest.raises(ConnectionLost):
        download.read()
    assert len(inner.gets) == 3


def test_buckets_are_tried_again_where_that_cannot_lie() -> None:
    class Fake:
        def list_buckets(self) -> list[BucketInfo]:
            return [BucketInfo("b", 0.0)]

        def has_bucket(self, name: str) -> bool:
            return name == "b"

        def create_bucket(self, name: str) -> None: ...

        def delete_bucket(self, name: str) -> None: ...

        def close(self) -> None: ...

    def buckets(*errors: StoreError) -> tuple[RetryingBuckets, Flaky]:
        inner = Flaky(Fake(), *errors)
        face: Buckets = RetryingBuckets(inner, Naps().patience())
        assert isinstance(face, RetryingBuckets)
        return face, inner

    face, inner = buckets(ConnectionLost("x"))
    assert face.list_buckets() == [BucketInfo("b", 0.0)]
    inner.errors.append(ConnectionLost("x"))
    assert face.has_bucket("b")
    for call in (face.create_bucket, face.delete_bucket):
        inner.errors = [Throttled("x")]
        call("b")
        inner.errors = [ConnectionLost("x")]
        with pytest.raises(ConnectionLost):
            call("b")
    inner.errors.clear()
    face.close()


def test_conditions_that_fail_are_answers() -> None:
    store, inner, _ = flaky()
    store.put("k", b"")
    with pytest.raises(PreconditionFailed):
        store.put("k", b"", absent=True)
    assert inner.calls == 2


def test_silence_is_waited_for_twice_and_no_more() -> None:
    """Each try costs the whole idle time: eight of them would be minutes of nothing."""
    store, inner, _ = flaky(*(Silent("x") for _ in range(8)))
    with pytest.raises(Silent):
        store.put("k", b"")
    assert inner.calls == 2


def test_a_write_that_met_another_is_tried_again() -> None:
    store, inner, _ = flaky(Contended("x"))
    store.put("k", b"", absent=True)
    assert inner.calls == 2

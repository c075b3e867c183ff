"""The service in memory, and over SQLite and files, answers every step as the model does; closing it loses nothing."""

import asyncio
import itertools
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from cybous3.client.stores.errors import ConnectionLost
from cybous3.core.uri import Pairs, encode_query, uri_encode
from cybous3.lab.chaos.caller import Answer
from cybous3.lab.chaos.model.outcome import ALWAYS, S3, Metadata, Outcome, Place
from cybous3.lab.chaos.model.wired import Wired
from cybous3.server.blobs.local.store import LocalBlobs
from cybous3.server.meta.sqlite.index import open_sqlite
from cybous3.server.model.accounts import User
from cybous3.server.store.store import Store
from cybous3.server.wire.message import Request
from tests.lab.chaos.model.machine import Machine, bodies, metadata, places
from tests.support.site import ALICE, BOB, REGION, ROOT, Site, make_site, read_answer
from tests.support.site import Answer as SiteAnswer

_NUMBERS = itertools.count()
sites = contextmanager(make_site)


class Asking(Wired):
    """A site in the model's words, in buckets of its own. `site` may return another one after a restart.

    With `turns` set, the next request is broken off after so many turns of the loop, as when its client goes away.
    """

    def __init__(self, site: Callable[[], Site]) -> None:
        super().__init__(self._ask, f"m{next(_NUMBERS)}-")
        self._site = site
        self.turns: int | None = None

    def _ask(self, method: str, target: str, query: Pairs, headers: list[tuple[str, str]], body: bytes) -> Answer:
        bucket, slash, key = target.partition("/")
        path = f"/{bucket}{slash}{uri_encode(key, safe_slash=True)}"
        request = self._site().signed(method, path, encode_query(query), headers=dict(headers), body=body)
        answer = self._site().send(request) if self.turns is None else self._site().run(self._broken_off(request))
        return Answer(answer.status, answer.headers, b"" if method == "HEAD" else answer.body)

    def quiet(self) -> None:
        """Let all that is still under way end: then a broken-off request has happened, or never will."""
        loop = self._site().loop
        while pending := asyncio.all_tasks(loop):
            loop.run_until_complete(asyncio.wait(pending))

    async def _broken_off(self, request: Request) -> SiteAnswer:
        turns, self.turns = self.turns or 0, None
        task = asyncio.ensure_future(self._site().service(request))
        for _ in range(turns):
            await asyncio.sleep(0.0002)
        task.cancel()
        try:
            return await read_answer(await task)
        except asyncio.CancelledError:
            raise ConnectionLost("broken off") from None


class InProcess(Machine):
    """The model, the memory adapters and the real ones in one process."""

    places: ClassVar[dict[str, Callable[[], Site]]] = {}

    def open(self) -> dict[str, S3]:
        return {name: Asking(site) for name, site in self.places.items()}


class Reopening(InProcess):
    """Besides, the index and the files are closed and opened again at any moment."""

    reopen: ClassVar[list[Callable[[], None]]] = []
    broken_off: ClassVar[Counter[str]] = Counter()

    @rule()
    def close_and_open(self) -> None:
        for one in self.reopen:
            one()

    @rule(place=places, body=bodies, said=metadata, turns=st.integers(0, 8), closing=st.booleans())
    def break_off_a_put(self, place: Place, body: bytes, said: Metadata, turns: int, closing: bool) -> None:
        def step(s3: S3) -> Outcome:
            return s3.put(place, body, said, ALWAYS)

        (asked,) = self.real.values()
        assert isinstance(asked, Asking)
        asked.turns = turns
        try:
            answered: Outcome | None = step(asked)
        except ConnectionLost:
            answered = None
        asked.quiet()
        if closing:
            self.close_and_open()
        self.broken_off[self.settle(step, answered)] += 1


class Forgetful(Asking):
    """A server with a planted fault: of many keys to delete, it keeps the last."""

    def delete_many(self, bucket: str, keys: Sequence[str]) -> Outcome:
        honest = super().delete_many(bucket, keys[:-1] or ["nothing"])
        gone = tuple(("deleted", key) for key in sorted(keys))
        return honest._replace(pages=(gone,)) if honest.status == 200 else honest


class WithAFault(InProcess):
    def open(self) -> dict[str, S3]:
        return {name: Forgetful(site) for name, site in self.places.items()}


class Lasting:
    """A site over files that can be closed and opened again; what lay under way is cleaned at every opening."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._users: tuple[User, ...] = (ROOT, ALICE, BOB)
        self.site = self._opened()

    def _opened(self) -> Site:
        loop = asyncio.new_event_loop()
        self._index = loop.run_until_complete(open_sqlite(self._folder / "index.db", synchronous="NORMAL"))
        self._blobs = LocalBlobs(self._folder / "blobs", "test", os.urandom)
        loop.run_until_complete(self._blobs.recover(self._index.garbage.referenced))
        for user in self._users:
            loop.run_until_complete(self._index.accounts.add_user(user))
        self._users = ()
        return Site(loop, Store(self._index, self._blobs, clock=time.time, entropy=os.urandom, region=REGION))

    def close(self) -> None:
        endings: list[Any] = [self.site.store, self._blobs, self._index]
        for ending in endings:
            self.site.run(ending.aclose())
        self.site.loop.close()

    def again(self) -> None:
        self.close()
        self.site = self._opened()


def steps(examples: int, count: int) -> settings:
    return settings(max_examples=examples, stateful_step_count=count, phases=[Phase.generate])


def test_steps_in_memory_and_over_files() -> None:
    with sites() as memory, TemporaryDirectory() as folder, sites(Path(folder)) as files:
        InProcess.places = {"memory": lambda: memory, "files": lambda: files}
        run_state_machine_as_test(InProcess, settings=steps(8, 25))


@pytest.mark.slow
def test_many_steps_in_memory_and_over_files() -> None:
    with sites() as memory, TemporaryDirectory() as folder, sites(Path(folder)) as files:
        InProcess.places = {"memory": lambda: memory, "files": lambda: files}
        run_state_machine_as_test(InProcess, settings=steps(30, 40))


def test_steps_over_files_that_are_closed_and_opened() -> None:
    with TemporaryDirectory() as folder:
        lasting = Lasting(Path(folder))
        Reopening.places = {"files": lambda: lasting.site}
        Reopening.reopen = [lasting.again]
        run_state_machine_as_test(Reopening, settings=steps(8, 25))
        lasting.close()
    assert sum(Reopening.broken_off.values()) > 0


def test_a_planted_fault_is_found() -> None:
    quick = settings(max_examples=60, stateful_step_count=30, phases=[Phase.generate], database=None)
    with sites() as memory:
        WithAFault.places = {"memory": lambda: memory}
        with pytest.raises(AssertionError, match="memory"):
            run_state_machine_as_test(WithAFault, settings=quick)

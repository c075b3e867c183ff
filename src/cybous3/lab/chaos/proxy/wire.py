"""The whole wire between a client and a server: TCP proxy, HTTP proxy and lying server in a row, in a thread.

    client  ->  toxics  ->  rules and lies  ->  server

Its methods may be called from any thread, while bytes are under way. All it did is in one journal.
"""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from cybous3.lab.chaos.proxy.http import HttpProxy
from cybous3.lab.chaos.proxy.journal import Journal
from cybous3.lab.chaos.proxy.lies import Lie
from cybous3.lab.chaos.proxy.messages import Asked
from cybous3.lab.chaos.proxy.rules import Rule
from cybous3.lab.chaos.proxy.running import Loop
from cybous3.lab.chaos.proxy.tcp import LOOPBACK, TcpProxy
from cybous3.lab.chaos.proxy.toxics import Toxic

Harm = Toxic | Rule | Lie
DOWN: Final = "down"


class Wire:
    """A context: listens from its beginning to its end. `learn`: remember what is written, which lies need."""

    def __init__(self, upstream: tuple[str, int], *, seed: int = 0, learn: bool = False) -> None:
        self.seed = seed
        self.journal = Journal()
        self._upstream = upstream
        self._learn = learn
        self._downed: set[str] = set()
        self._loop = Loop()
        self._http = HttpProxy(upstream, seed=seed, journal=self.journal)
        self._tcp = TcpProxy((LOOPBACK, 0), seed=seed, journal=self.journal)

    @property
    def endpoint(self) -> str:
        """Where clients go."""
        return f"http://{LOOPBACK}:{self._tcp.port}"

    @property
    def active(self) -> tuple[str, ...]:
        """The names of the harm that is being done, sorted."""
        rules, lies = self._http.choice.rules, self._http.lies
        named = {toxic.name for toxic in self._tcp.toxics} | {rule.name for rule in rules} | {lie.name for lie in lies}
        return tuple(sorted(named | self._downed))

    def add(self, harm: Harm) -> None:
        """Begin to do harm. ValueError: its name is taken."""
        if isinstance(harm, Toxic):
            self._loop.call(self._tcp.add, harm)
        elif isinstance(harm, Rule):
            self._loop.call(self._http.add_rule, harm)
        else:
            self._loop.call(self._http.add_lie, harm)

    def remove(self, name: str) -> None:
        """Leave off; nothing happens if there is no such harm."""
        self._loop.call(self._tcp.remove, name)
        self._loop.call(self._http.remove, name)

    def down(self, name: str = DOWN) -> None:
        """Listen no more and reset what is open."""
        self._loop.run(self._tcp.down(name))
        self._downed = {name}

    def up_again(self) -> None:
        """Listen again, at the same port."""
        self._loop.run(self._tcp.up_again())
        self._downed = set()

    def mark(self) -> int:
        """Return this moment as lies know it: `Rollback(mark=...)` shows the world as it is now."""
        return self._loop.call(lambda: self._http.history.order)

    def learn(self) -> None:
        """Remember what is written from now on."""
        self._http.learning = True

    def count(self, operations: frozenset[str], enter: Callable[[], object]) -> None:
        """Let each request of these operations call `enter`, which may block, before it goes to the server."""

        async def turn(asked: Asked) -> None:
            if asked.operation in operations:
                await asyncio.to_thread(enter)

        self._http.turn = turn

    def __enter__(self) -> Self:
        self._loop.__enter__()
        self._http.learning = self._learn
        self._loop.run(self._http.start())
        self._tcp.upstream = (LOOPBACK, self._http.port)
        self._loop.run(self._tcp.start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.run(self._tcp.stop())
        self._loop.run(self._http.stop())
        self._loop.__exit__(kind, error, trace)

"""Event loops in threads: a proxy that runs beside a test, and is spoken to from any thread."""

import asyncio
import sys
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Final, Self, TypeVar

R = TypeVar("R")
_ANSWER_S_MAX: Final = 30.0


class Loop:
    """An event loop in a thread of its own, from `with` to the end of it. All its tasks are ended with it."""

    def __init__(self) -> None:
        self._loop = _new_loop()
        self._thread = threading.Thread(target=self._run, name="fault-proxy", daemon=True)

    def run(self, work: Coroutine[Any, Any, R]) -> R:
        """Run a coroutine there, and return what it returns. TimeoutError after 30 s."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_ANSWER_S_MAX)

    def call(self, function: Callable[..., R], *arguments: object) -> R:
        """Call a function there, and return what it returns."""

        async def there() -> R:
            return function(*arguments)

        return self.run(there())

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.run(_end_others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _end_others() -> None:
    """Cancel every other task and wait for its end."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.sleep(0)  # transports that were closed say so in the next round


def _new_loop() -> asyncio.AbstractEventLoop:
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    import uvloop  # noqa: PLC0415  # not there on Windows

    return uvloop.new_event_loop()

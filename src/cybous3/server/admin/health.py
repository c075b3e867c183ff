"""Is this server alive, and can it do its work? The second is found out by doing some, not by assuming.

One probe runs at a time and everybody who asks meanwhile gets its verdict, so that asking often costs nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

Check = Callable[[], Awaitable[None]]
"""Does a small piece of real work and raises when it fails."""

_PATIENCE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What each check said: None, or what is wrong."""

    results: Mapping[str, str | None]
    draining: bool = False

    @property
    def ready(self) -> bool:
        """Whether requests should be sent here."""
        return not self.draining and not any(self.results.values())

    def as_json(self) -> dict[str, object]:
        """Return the body of `/-/ready`."""
        reasons = [f"{name}: {wrong}" for name, wrong in self.results.items() if wrong]
        return {
            "ready": self.ready,
            "checks": {name: "failed" if wrong else "ok" for name, wrong in self.results.items()},
            "reasons": (["draining"] if self.draining else []) + reasons,
        }


@dataclass(slots=True)
class Health:
    """The checks of one server. `draining` is set when it begins to end."""

    checks: Mapping[str, Check]
    patience_s: float = _PATIENCE_S
    draining: bool = False
    _running: "asyncio.Task[dict[str, str | None]] | None" = field(default=None, repr=False)

    async def probe(self) -> Verdict:
        """Run every check, or join the run under way."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        return Verdict(await asyncio.shield(self._running), self.draining)

    async def _run(self) -> dict[str, str | None]:
        names = list(self.checks)
        wrongs = await asyncio.gather(*(self._one(self.checks[name]) for name in names))
        return dict(zip(names, wrongs, strict=True))

    async def _one(self, check: Check) -> str | None:
        try:
            async with asyncio.timeout(self.patience_s):
                await check()
        except TimeoutError:
            return f"no answer within {self.patience_s:g} s"
        except Exception as error:  # noqa: BLE001 - a probe's whole purpose is to turn any failure into a reason
            return f"{type(error).__name__}: {error}"
        return None

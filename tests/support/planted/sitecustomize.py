"""A server with a defect: after its first restart it forgets every third object that a client was told is stored.

Python imports this by itself when the folder is on its path. It does nothing unless `PLANTED` is set; the lives of a
server are counted beside its data.
"""

import os
import sys
from pathlib import Path
from typing import Any

_EVERY = 3  # of so many puts of a later life one is acknowledged and dropped


def _plant(lives: int) -> None:
    from cybous3.server.store.store import Store  # noqa: PLC0415  # only in the server's own processes

    put, done = Store.put, [0]

    async def forgetful(self: Store, spec: Any, *more: Any, **named: Any) -> Any:
        record = await put(self, spec, *more, **named)
        if "/c0/" in spec.key:
            done[0] += 1
            if lives > 1 and done[0] % _EVERY == 1:
                await self.delete(spec.bucket, spec.key)
        return record

    Store.put = forgetful  # type: ignore[method-assign]  # that is the defect


if os.environ.get("PLANTED") and "serve" in sys.orig_argv:
    _file = Path(sys.orig_argv[sys.orig_argv.index("--data") + 1]).with_suffix(".lives")
    _count = int(_file.read_text()) + 1 if _file.exists() else 1
    _file.write_text(str(_count))
    _plant(_count)

"""A server with a defect: after its first restart it forgets one acknowledged object of the first client's.

Python imports this by itself when the folder is on its path. `PLANTED` names a file that counts the server's lives.
"""

import os
import sys
from pathlib import Path
from typing import Any

_LIVES = os.environ.get("PLANTED")
_FORGOTTEN = 2  # which put of a later life is acknowledged and dropped


def _plant(lives: int) -> None:
    from cybous3.server.store.store import Store  # noqa: PLC0415  # only in the server's own processes

    put, done = Store.put, [0]

    async def forgetful(self: Store, spec: Any, *more: Any, **named: Any) -> Any:
        record = await put(self, spec, *more, **named)
        if "/c0/" in spec.key:
            done[0] += 1
            if lives > 1 and done[0] == _FORGOTTEN:
                await self.delete(spec.bucket, spec.key)
        return record

    Store.put = forgetful  # type: ignore[assignment,method-assign]  # that is the defect


if _LIVES and "serve" in sys.orig_argv:
    _file = Path(_LIVES)
    _count = int(_file.read_text()) + 1 if _file.exists() else 1
    _file.write_text(str(_count))
    _plant(_count)

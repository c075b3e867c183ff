"""Our server with one fault planted: conditions are checked before the transaction, and no longer inside it.

The moment between the two is held open until another conditional write of the same object has gone through it, so that
the fault shows itself however fast the machine is. Who is alone goes on after a while.
"""

import asyncio
import sys
from contextlib import suppress
from typing import Any, Final

from cybous3.cli.swifts3 import main
from cybous3.server.meta.conditions import Current, require
from cybous3.server.meta.sqlite.objects import SqliteObjects
from cybous3.server.model.objects import WriteCondition
from cybous3.server.wire.errors import S3Error

ALONE_S: Final = 2.0
_honest = SqliteObjects.put
_checked: dict[tuple[str, str], asyncio.Event] = {}


async def _put(self: SqliteObjects, record: Any, condition: WriteCondition) -> None:
    current: Current | None = None
    try:
        found = await self.get(record.bucket, record.key)
        current = Current(found.etag, found.size, found.modified_ms)
    except S3Error as error:
        if error.code != "NoSuchKey":
            raise
    require(condition, current, record.key)
    place = (record.bucket, record.key)
    if condition == WriteCondition():
        await _honest(self, record, WriteCondition())
    elif place in _checked:
        await _honest(self, record, WriteCondition())
        _checked.pop(place, asyncio.Event()).set()
    else:
        event = _checked[place] = asyncio.Event()
        with suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), ALONE_S)
        if _checked.get(place) is event:
            del _checked[place]
        await _honest(self, record, WriteCondition())


if __name__ == "__main__":
    SqliteObjects.put = _put  # type: ignore[method-assign]  # the planted fault
    sys.argv.insert(1, "serve")
    main()

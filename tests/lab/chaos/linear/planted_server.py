"""Our server with one fault planted: conditions are checked before the transaction, and no longer inside it."""

import asyncio
import sys
from typing import Any

from cybous3.cli.swifts3 import main
from cybous3.server.meta.conditions import Current, require
from cybous3.server.meta.sqlite.objects import SqliteObjects
from cybous3.server.model.objects import WriteCondition
from cybous3.server.wire.errors import S3Error

_honest = SqliteObjects.put


async def _put(self: SqliteObjects, record: Any, condition: WriteCondition) -> None:
    current: Current | None = None
    try:
        found = await self.get(record.bucket, record.key)
        current = Current(found.etag, found.size, found.modified_ms)
    except S3Error as error:
        if error.code != "NoSuchKey":
            raise
    require(condition, current, record.key)
    await asyncio.sleep(0.002)
    await _honest(self, record, WriteCondition())


if __name__ == "__main__":
    SqliteObjects.put = _put  # type: ignore[method-assign]  # the planted fault
    sys.argv.insert(1, "serve")
    main()

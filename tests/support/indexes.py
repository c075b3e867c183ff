"""Indexes with something of everything in them, for tests of damage."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cybous3.server.meta.sqlite.index import open_sqlite
from cybous3.server.model.accounts import AccessKey, User
from cybous3.server.model.objects import ALWAYS, ObjectPart, ObjectRecord
from cybous3.server.model.uploads import Part, Upload
from tests.contracts.values import BUCKET, MD5, access_key, blob, in_blobs, part, record, upload, user

INLINE_MAX = 16_384


@dataclass(frozen=True)
class Filled:
    """What an index was filled with."""

    user: User
    key: AccessKey
    objects: Mapping[str, ObjectRecord]
    upload: Upload
    parts: Mapping[int, Part]


def fill_index(path: Path, count: int, seed: int = 1, *, keep_log: Path | None = None) -> Filled:
    """Make an index of `count` objects, inline ones of up to 16 KiB among them.

    `keep_log`: a copy of the files before they are closed goes there, all of it in the log.
    """
    return asyncio.run(_fill(path, count, random.Random(seed), keep_log))  # noqa: S311  # not secret


async def _fill(path: Path, count: int, chance: random.Random, keep_log: Path | None) -> Filled:
    index = await open_sqlite(path, synchronous="NORMAL")
    anna, key, begun = user("anna"), access_key("KEY"), upload("key")
    await index.accounts.add_user(anna)
    await index.accounts.add_key(key)
    await index.buckets.create(BUCKET)
    objects = {one.key: one for one in (_object(number, chance) for number in range(count))}
    await asyncio.gather(*(index.objects.put(one, ALWAYS) for one in objects.values()))
    await index.uploads.create(begun)
    parts = {number: part(number) for number in range(1, 31)}
    for one in parts.values():
        await index.uploads.put_part(BUCKET.name, begun.key, begun.id, one)
    if keep_log is not None:
        for suffix in ("", "-wal"):
            content = path.with_name(path.name + suffix).read_bytes()
            keep_log.with_name(keep_log.name + suffix).write_bytes(content)
    await index.aclose()
    return Filled(anna, key, objects, begun, parts)


def _object(number: int, chance: random.Random) -> ObjectRecord:
    key = f"é{number:05}" + "x" * chance.choice((0, 10, 900))
    if number % 3:
        content = chance.randbytes(chance.choice((1, 200, 5_000, INLINE_MAX)))
        return record(key, inline=content, size=len(content), user={"a": "b" * chance.randrange(300)})
    parts = (ObjectPart(1, 5, MD5), ObjectPart(2, 5, MD5)) if number % 2 else ()
    return in_blobs(key, [blob() for _ in range(1 + number % 4)], parts=parts)

"""What a start does with what writers left in a slot: it costs what was under way, not what is stored."""

from collections.abc import Awaitable, Callable, Sequence

from cybous3.core.ids import is_hex_id
from cybous3.disk.files import Files
from cybous3.server.blobs.local.layout import MARK, Layout
from cybous3.server.blobs.port import Recovered

Referenced = Callable[[Sequence[str]], Awaitable[frozenset[str]]]


async def recover_slot(files: Files, layout: Layout, slot: str, referenced: Referenced) -> Recovered:
    """Clean one slot whose lock the caller holds. A name that is none of ours is left alone."""
    names = files.names(layout.incoming / slot)
    blobs = sorted({name.removesuffix(MARK) for name in names if is_hex_id(name.removesuffix(MARK))})
    published = [blob for blob in blobs if files.exists(layout.published(blob))]
    known = await referenced(published) if published else frozenset()
    orphans = [blob for blob in published if blob not in known]
    for blob in orphans:
        files.unlink(layout.published(blob))
        files.sync_directory(layout.directory(blob))
    for blob in blobs:
        files.unlink(layout.writing(blob, slot))
        files.unlink(layout.mark(blob, slot))
    return Recovered(
        unfinished=len(blobs) - len(published), orphans=len(orphans), settled=len(published) - len(orphans)
    )

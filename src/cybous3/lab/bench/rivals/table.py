"""The rivals, in the order of the table: ours first, the limit last."""

from typing import Final

from cybous3.core.errors import CybousError
from cybous3.lab.bench.rivals import cybous3, moto, nginx, radosgw, rclone, s3rver
from cybous3.lab.bench.rivals.port import Rival

OURS: Final = cybous3.RIVAL
RIVALS: Final[tuple[Rival, ...]] = (
    OURS,
    rclone.RIVAL,
    s3rver.RIVAL,
    moto.RIVAL,
    radosgw.RIVAL,
    nginx.RIVAL,
)


class NoSuchRival(CybousError):
    """A name that is not in the table."""

    exit_code = 2


def chosen(names: tuple[str, ...]) -> tuple[Rival, ...]:
    """Return ours and the named ones, all without a name, in the table's order. Raises NoSuchRival."""
    known = {rival.name for rival in RIVALS}
    for name in names:
        if name not in known:
            raise NoSuchRival(f"no rival is called {name!r}", hint=f"one of {', '.join(sorted(known - {OURS.name}))}")
    return tuple(rival for rival in RIVALS if not names or rival is OURS or rival.name in names)

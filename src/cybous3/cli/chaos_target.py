"""The endpoint that a chaos command asks: any that is ours to ask, or a server of our own that may also be killed."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cybous3.cli.performance_target import Where, credentials
from cybous3.lab.bench.target import UNKNOWN_DURABILITY, Target
from cybous3.lab.bench.workspace import Workspace
from cybous3.lab.chaos.caller import Site
from cybous3.lab.chaos.errors import BadScenario
from cybous3.lab.chaos.host import Host, hosted
from cybous3.lab.chaos.scenario import is_loopback


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command works. `host` is the server where it is our own."""

    site: Site
    space: Workspace
    host: Host | None

    @property
    def prefix(self) -> str:
        """The part of the bucket that is ours, as keys begin."""
        return self.space.prefix


@contextmanager
def open_place(said: Where, *, i_own_this: bool, workers: int = 1) -> Iterator[Place]:
    """Yield the place; remove all that was made in it. Raises BadScenario for an endpoint that nobody vouches for."""
    if said.endpoint is None:
        with (
            tempfile.TemporaryDirectory(prefix="cybs3-chaos-") as folder,
            hosted(Path(folder) / "server", workers=workers) as host,
        ):
            target = Target("own", host.site.endpoint, host.root, durability="strict")
            yield Place(host.site, Workspace.make(target), host)
        return
    if not is_loopback(said.endpoint) and not i_own_this:
        raise BadScenario(
            f"{said.endpoint} is not on this machine, and such requests are only for what is yours",
            hint="if it is yours, say so with --i-own-this",
        )
    keys = credentials(said.access_key, said.secret_key_file)
    label = urlsplit(said.endpoint).netloc or said.endpoint
    target = Target(label, said.endpoint, keys, said.region, said.bucket, said.durability or UNKNOWN_DURABILITY)
    space = Workspace.make(target)
    try:
        yield Place(Site(said.endpoint, keys, said.region), space, None)
    finally:
        space.close()

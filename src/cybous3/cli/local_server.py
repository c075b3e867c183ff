"""A server running on this machine, and a key for one of its buckets: the command line's side of `vaults local`."""

import asyncio
from pathlib import Path

from cybous3.core.errors import CybousError
from cybous3.server.app.accounts import open_accounts
from cybous3.server.app.discovery import Instance, find, running
from cybous3.server.model.accounts import Credential


class NoLocalServer(CybousError):
    """No server was found on this machine, or more than one."""

    exit_code = 3


def find_server(data: Path | None) -> Instance:
    """Return the server on `data`, or the only one that runs. Raises NoLocalServer."""
    if data is not None:
        instance = find(data)
        if instance is None:
            raise NoLocalServer(f"no server runs on {data}", hint=f"cybs3 server start --data {data}")
        return instance
    found = running()
    if not found:
        raise NoLocalServer("no server runs on this machine", hint="start one with cybs3 server start")
    if len(found) > 1:
        places = ", ".join(instance.data for instance in found)
        raise NoLocalServer(f"several servers run on this machine: {places}", hint="choose one with --data")
    return found[0]


def scoped_key(server: Instance, bucket: str) -> Credential:
    """Make a key of the root user that reaches `bucket` and nothing else."""

    async def make() -> Credential:
        async with open_accounts(Path(server.data)) as accounts:
            return await accounts.add_key(buckets=[bucket])

    return asyncio.run(make())

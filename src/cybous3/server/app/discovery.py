"""Which servers run on this machine for this user, and where: what they wrote, believed only while their lock is held.

A running server writes `server.json` into its data directory and the same, but for the token, into a registry of the
user (`SWIFTS3_STATE_DIR`, else the platform's place for state). Both are readable by the user alone, written aside and
renamed, and removed at an orderly end.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final

import platformdirs
import structlog

from cybous3.server.app.places import DataDirectory
from cybous3.server.app.problems import local
from cybous3.server.config.settings import STATE_DIR
from cybous3.server.meta.space import NO_SPACE

_log = structlog.get_logger("cybous3.app")
_ANYWHERE: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - recognised, not bound


@dataclass(frozen=True, slots=True)
class Instance:
    """One running server. Addresses are those actually bound."""

    data: str
    listen: tuple[str, int]
    admin: tuple[str, int]
    pid: int
    create_time: float  # of the process; with the pid it is the process's identity
    tls: bool
    region: str
    version: str
    token: str = field(default="", repr=False)  # allows to drain; only in the data directory

    @property
    def endpoint(self) -> str:
        """The URL of the S3 port, from this machine."""
        return _url("https" if self.tls else "http", self.listen)

    @property
    def admin_url(self) -> str:
        """The URL of the admin port, from this machine."""
        return _url("http", self.admin)


def _url(scheme: str, address: tuple[str, int]) -> str:
    host = _ANYWHERE.get(address[0], address[0])
    return f"{scheme}://[{host}]:{address[1]}" if ":" in host else f"{scheme}://{host}:{address[1]}"


def state_directory(env: Mapping[str, str] | None = None) -> Path:
    """Return the directory of the registry."""
    chosen = (os.environ if env is None else env).get(STATE_DIR)
    return Path(chosen) if chosen else platformdirs.user_state_path("swifts3", appauthor=False) / "running"


def announce(instance: Instance) -> None:
    """Write both entries. The registry is best effort.

    So is the data directory's on a full disk: reads must go on although nobody finds this server by its directory.
    LocalError when it cannot be written for another reason.
    """
    plain = asdict(instance)
    try:
        _write(DataDirectory(Path(instance.data)).server_file, plain)
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise local("cannot write the server's state file", error) from error
        _log.warning("the disk is full: the server's state file is not written", data=instance.data)
    with suppress(OSError):
        _write(_entry(instance.data), {**plain, "token": ""})


def withdraw(data: Path) -> None:
    """Remove both entries."""
    for path in (DataDirectory(data).server_file, _entry(str(data))):
        with suppress(OSError):
            path.unlink()


def find(data: Path) -> Instance | None:
    """Return the server that works on `data`, or None. While it is still starting there is none."""
    place = DataDirectory.at(data)
    return _read(place.server_file) if place.locked() else None


def running() -> list[Instance]:
    """Return every server of this user that can be found, by data directory; forget those that are gone."""
    found = []
    for path in sorted(state_directory().glob("*.json")):
        entry = _read(path)
        instance = find(Path(entry.data)) if entry is not None else None
        if instance is not None:
            found.append(instance)
        elif entry is None or not DataDirectory(Path(entry.data)).locked():
            with suppress(OSError):
                path.unlink()
    return sorted(found, key=lambda instance: instance.data)


def _entry(data: str) -> Path:
    return state_directory() / f"{hashlib.sha256(data.encode('utf-8', 'surrogateescape')).hexdigest()[:24]}.json"


def _write(path: Path, plain: Mapping[str, Any]) -> None:
    """Write for the user alone, never half: `mkstemp` files have mode 0600."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(plain, file)
        Path(aside).replace(path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise


def _read(path: Path) -> Instance | None:
    """Return what a server wrote, or None for anything else."""
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        known = {name: plain[name] for name in (one.name for one in fields(Instance)) if name in plain}
        return Instance(**{**known, "listen": _address(plain["listen"]), "admin": _address(plain["admin"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _address(plain: Any) -> tuple[str, int]:  # noqa: ANN401 - what a file holds
    host, port = plain
    return str(host), int(port)

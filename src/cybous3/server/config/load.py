"""From flags, environment and file to a `ServerConfig`, with the origin of every value.

Everything that can be known to be wrong before the server starts is refused here, by name, value and origin.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cybous3.core.config import ConfigError, Setting, resolve, unknown_variables, values
from cybous3.server.config.settings import (
    ENV_PREFIX,
    FIELDS,
    ROOT_ACCESS_KEY,
    ROOT_SECRET_KEY,
    STATE_DIR,
    RootKey,
    ServerConfig,
)

_ACCESS_KEY_LENGTHS = range(3, 129)
_SECRET_KEY_LENGTH_MIN = 8
_PATHS = ("data", "tls_cert", "tls_key", "log_file")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration, where each value came from, and variables that look like ours but have no effect."""

    config: ServerConfig
    settings: Mapping[str, Setting]
    strays: tuple[str, ...] = ()


def read_file(path: Path) -> dict[str, object]:
    """Return the TOML file's table. ConfigError when it cannot be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the configuration file {str(path)!r}: {_reason(error)}") from error
    except ValueError as error:  # also a file that is not UTF-8
        raise ConfigError(f"the configuration file {str(path)!r} is not TOML: {error}") from error


def load(
    flags: Mapping[str, object],
    env: Mapping[str, str],
    file: Path | None = None,
    defaults: Mapping[str, object] | None = None,
) -> Loaded:
    """Resolve the four layers. `flags` is keyed by field name, None for "not given". ConfigError.

    `defaults` are finished values that take the place of the table's.
    """
    toml = read_file(file) if file is not None else {}
    name = str(file) if file is not None else "the configuration file"
    fields = [replace(one, default=defaults[one.name]) if defaults and one.name in defaults else one for one in FIELDS]
    settings = resolve(fields, flags=flags, env=env, env_prefix=ENV_PREFIX, toml=toml, toml_name=name)
    _check_tls(settings)
    _check_workers(settings)
    config = ServerConfig(**values(settings), root_key=_root_key(env))
    known = {ROOT_ACCESS_KEY, ROOT_SECRET_KEY, STATE_DIR}
    strays = tuple(name for name in unknown_variables(FIELDS, env, ENV_PREFIX) if name not in known)
    return Loaded(config, settings, strays)


def dump(config: ServerConfig) -> dict[str, Any]:
    """Return what a worker process needs, as JSON values; not the root key, which only the first process uses."""
    plain = asdict(config)
    del plain["root_key"]
    return {name: str(value) if isinstance(value, Path) else value for name, value in plain.items()}


def undump(plain: Mapping[str, Any]) -> ServerConfig:
    """Return the configuration that `dump` was given, without its root key."""
    fields = dict(plain)
    fields.update({name: Path(fields[name]) for name in _PATHS if fields[name] is not None})
    fields.update({name: tuple(fields[name]) for name in ("listen", "admin_listen", "base_hosts")})
    return ServerConfig(**fields)


def _check_tls(settings: Mapping[str, Setting]) -> None:
    cert, key = settings["tls_cert"], settings["tls_key"]
    if (cert.value is None) != (key.value is None):
        given, missing = ("tls_cert", "tls_key") if key.value is None else ("tls_key", "tls_cert")
        raise ConfigError(
            f"{given} is set ({settings[given].origin}) and {missing} is not",
            hint="TLS needs the certificate and its private key",
        )
    for setting in (cert, key):
        if setting.value is not None and not os.access(setting.value, os.R_OK):
            raise ConfigError(f"{setting.origin}: {str(setting.value)!r} cannot be read")


def _check_workers(settings: Mapping[str, Setting], platform: str = os.name) -> None:
    workers = settings["workers"]
    if workers.value > 1 and platform == "nt":
        raise ConfigError(
            f"{workers.origin}: {workers.value} workers are not possible on Windows",
            hint="a listening socket cannot be shared between processes there; use 1",
        )


def _root_key(env: Mapping[str, str]) -> RootKey | None:
    access_key, secret_key = env.get(ROOT_ACCESS_KEY) or None, env.get(ROOT_SECRET_KEY) or None
    if access_key is None and secret_key is None:
        return None
    if access_key is None or secret_key is None:
        missing = ROOT_ACCESS_KEY if access_key is None else ROOT_SECRET_KEY
        raise ConfigError(f"{missing} is not set, but its companion is", hint="set both, or neither to have one made")
    if len(access_key) not in _ACCESS_KEY_LENGTHS or not access_key.isascii() or not access_key.isalnum():
        raise ConfigError(f"{ROOT_ACCESS_KEY}: {access_key!r} is not 3 to 128 ASCII letters and digits")
    if len(secret_key) < _SECRET_KEY_LENGTH_MIN:
        raise ConfigError(f"{ROOT_SECRET_KEY}: the value is shorter than {_SECRET_KEY_LENGTH_MIN} characters")
    return RootKey(access_key, secret_key)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()

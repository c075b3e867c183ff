"""What a server's name stands for on the command line: its directory, and its settings with their origins."""

import os
import re
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, Final

import click

from cybous3.core.config import Setting
from cybous3.server.app.control import Named, home
from cybous3.server.config.load import load
from cybous3.server.config.settings import FIELDS

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")

NAME = click.option("--name", default="default", show_default=True, help="Which of several local servers.")


def named(name: str) -> Named:
    """Return the named server. A name is part of a path, so it is held to a few characters."""
    if not _NAME.fullmatch(name):
        raise click.UsageError(f"{name!r} is not a server name (lower-case letters, digits, dot, hyphen, underscore)")
    return Named(name, home(os.environ) / name)


def settings_of(place: Named, flags: Mapping[str, str | None]) -> dict[str, Setting]:
    """Return every setting of the server with its origin. ConfigError."""
    file = place.config_file if place.config_file.exists() else None
    given: dict[str, object] = {field.name: flags.get(field.name) for field in FIELDS}
    settings = dict(load(given, os.environ, file, {"data": place.default_data}).settings)
    # Fixed, so that `server logs` and a failing start know where to look.
    settings["log_file"] = Setting(place.log_file, "default")
    return settings


def data_of(name: str) -> Path:
    """Return the data directory of the named server: of its last start, else what its settings say. ConfigError."""
    place = named(name)
    last, _ = place.remembered()
    data: Path = settings_of(place, {})["data"].value
    return last if last != place.default_data else data


def by_name(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command that works on `data` the name of a server instead."""

    @wraps(function)
    def command(session: Any, name: str, **kwargs: Any) -> Any:  # noqa: ANN401  # click passes what the options say
        return function(session, data=data_of(name), **kwargs)

    return command

"""`cybs3 server config`: the settings of a named server, and where each value comes from."""

import json
from collections.abc import Mapping
from pathlib import Path

import click

from cybous3.cli.options import Session, session_options
from cybous3.cli.server_names import NAME, named, settings_of
from cybous3.core.config import ConfigError, Field
from cybous3.disk.files import SYSTEM
from cybous3.disk.whole import ensure_directory, put_whole
from cybous3.server.app.problems import local
from cybous3.server.config.load import read_file
from cybous3.server.config.settings import FIELDS

_FIELDS = {field.name: field for field in FIELDS}


@click.group()
def config() -> None:
    """Read and change the settings of a local server."""


def _field(setting: str) -> Field:
    field = _FIELDS.get(setting.replace("-", "_"))
    if field is None:
        raise ConfigError(f"unknown setting {setting!r}", hint=f"one of {', '.join(_FIELDS)}")
    return field


def _plain(value: object) -> object:
    """Return a setting's value as it is written in TOML and JSON; addresses as HOST:PORT."""
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], int):  # noqa: PLR2004  # a pair
        host = f"[{value[0]}]" if ":" in value[0] else value[0]
        return f"{host}:{value[1]}"
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, Path) else value


def _file(path: Path) -> dict[str, object]:
    return read_file(path) if path.exists() else {}


@config.command("get")
@click.argument("setting")
@NAME
@session_options(vault=False)
def get(session: Session, setting: str, name: str) -> None:
    """Show the value of SETTING that a start would use."""
    found = settings_of(named(name), {})[_field(setting).name]
    value = _plain(found.value)
    session.out.result({"setting": setting, "value": value, "origin": found.origin}, _text(value))


def _text(value: object) -> str:
    if isinstance(value, list):
        return ",".join(value)
    return "" if value is None else str(value)


@config.command("set")
@click.argument("setting")
@click.argument("value")
@NAME
@session_options(vault=False)
def set_(session: Session, setting: str, value: str, name: str) -> None:
    """Write SETTING into the server's file; it counts from the next start on. An empty VALUE removes it."""
    field, place = _field(setting), named(name)
    if field.name == "log_file":
        raise ConfigError("the log file of a named server is fixed", hint="see it with: cybs3 server logs")
    values = _file(place.config_file)
    values.pop(field.name, None)
    if value:
        try:
            values[field.name] = _plain(field.parse(value))
        except ValueError as error:
            raise ConfigError(f"{field.name}: {value!r} {error}") from error
    _write(place.config_file, values)
    session.out.result({"setting": field.name, "value": values.get(field.name)}, f"{field.name} = {value or 'default'}")


def _write(path: Path, values: Mapping[str, object]) -> None:
    """Write the file whole or not at all. JSON's strings, numbers, booleans and lists of strings are TOML's, too."""
    lines = ["# Settings of this server. Written by `cybs3 server config set`, which keeps no comments.\n"]
    lines += [f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in sorted(values.items())]
    try:
        ensure_directory(SYSTEM, path.parent)
        put_whole(SYSTEM, path, "".join(lines).encode(), replace=True)
    except OSError as error:
        raise local(f"cannot write {str(path)!r}", error) from error


@config.command("validate")
@NAME
@session_options(vault=False)
def validate(session: Session, name: str) -> None:
    """Check that a start would accept all settings."""
    settings_of(named(name), {})
    session.out.result({"valid": True}, "all settings are valid")


@config.command("show")
@click.option("--effective", is_flag=True, help="Every setting and where its value comes from, not only the file's.")
@NAME
@session_options(vault=False)
def show(session: Session, name: str, effective: bool) -> None:  # noqa: FBT001  # as click passes it
    """Show the settings in the server's file."""
    place = named(name)
    if not effective:
        values = _file(place.config_file)
        session.out.result(values, [f"{key} = {_text(value)}" for key, value in values.items()])
        return
    settings = settings_of(place, {})
    session.out.result({key: {"value": _plain(one.value), "origin": one.origin} for key, one in settings.items()})
    session.out.table(
        ("SETTING", "VALUE", "ORIGIN"),
        [(key, _text(_plain(one.value)), one.origin) for key, one in settings.items()],
    )

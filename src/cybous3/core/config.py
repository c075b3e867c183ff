"""Settings in four layers: flag over environment over file over default. Mappings in, values with their origin out.

A setting is a `Field`: one name, one parser, one default, used in every layer. The name carries its unit
(`idle_timeout_s`); from it follow the flag `--idle-timeout-s`, the variable `PREFIX_IDLE_TIMEOUT_S` and the file's key
`idle_timeout_s`. An error names the layer that said it. An unknown key in the file is an error: a setting that is
written and has no effect is a defect. Values of fields marked secret are never shown.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, ClassVar, Final

from cybous3.core.errors import CybousError

Parse = Callable[[object], Any]
"""From what a layer holds (text; from a file also numbers, booleans, lists) to the value; ValueError says why not."""


class ConfigError(CybousError):
    """A setting that cannot be used; the message names where it was said."""

    exit_code: ClassVar[int] = 2


class _Required:
    """The default of a field that has none."""

    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED: Final = _Required()


@dataclass(frozen=True, slots=True)
class Field:
    """One setting. `default` is a finished value (not parsed), or REQUIRED."""

    name: str
    parse: Parse
    default: object = REQUIRED
    help: str = ""
    secret: bool = False

    @property
    def flag(self) -> str:
        """How the command line spells it."""
        return f"--{self.name.replace('_', '-')}"

    def variable(self, prefix: str) -> str:
        """How the environment spells it: `prefix` is upper case and without the joining underscore."""
        return f"{prefix}_{self.name.upper()}"


@dataclass(frozen=True, slots=True)
class Setting:
    """A value and who said so: a flag, a variable, a file's key, or `default`."""

    value: Any
    origin: str


@dataclass(frozen=True, slots=True)
class Layers:
    """What was said, before it is understood. A flag that is None was not given."""

    flags: Mapping[str, object]
    env: Mapping[str, str]
    env_prefix: str
    toml: Mapping[str, object]
    toml_name: str = "the configuration file"


def resolve(
    fields: Sequence[Field],
    *,
    flags: Mapping[str, object],
    env: Mapping[str, str],
    env_prefix: str,
    toml: Mapping[str, object],
    toml_name: str = "the configuration file",
) -> dict[str, Setting]:
    """Return every field's setting by name.

    `flags` is keyed by field name, None meaning "not given"; `env` is a whole environment, of which only the fields'
    variables are read; an empty variable counts as not given, as unit files cannot unset one. Raises ConfigError.
    """
    layers = Layers(flags, env, env_prefix, toml, toml_name)
    _refuse_unknown(layers, {field.name for field in fields})
    return {field.name: _resolve_one(field, layers) for field in fields}


def unknown_variables(fields: Iterable[Field], env: Mapping[str, str], env_prefix: str) -> list[str]:
    """Return variables that carry our prefix and name no field, sorted: worth a warning, as they have no effect."""
    known = {field.variable(env_prefix) for field in fields}
    return sorted(name for name in env if name.startswith(f"{env_prefix}_") and name not in known)


def values(settings: Mapping[str, Setting]) -> dict[str, Any]:
    """Return the bare values, ready as keyword arguments of a frozen dataclass."""
    return {name: setting.value for name, setting in settings.items()}


def _refuse_unknown(layers: Layers, known: set[str]) -> None:
    for name in layers.toml:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else None
            raise ConfigError(f"unknown setting {name!r} in {layers.toml_name}", hint=hint)
    strays = set(layers.flags) - known
    if strays:  # the caller's mistake, not a person's
        msg = f"flags without a field: {sorted(strays)}"
        raise TypeError(msg)


def _resolve_one(field: Field, layers: Layers) -> Setting:
    said = _first_said(field, layers)
    if said is None:
        if field.default is REQUIRED:
            raise ConfigError(
                f"{field.name} is not set", hint=f"give {field.flag} or set {field.variable(layers.env_prefix)}"
            )
        return Setting(field.default, "default")
    raw, origin = said
    try:
        return Setting(field.parse(raw), origin)
    except ValueError as error:
        shown = "the value" if field.secret else repr(raw)
        # A secret's parser may quote what it refuses, so its cause is not chained either.
        reason, cause = ("cannot be used", None) if field.secret else (str(error), error)
        raise ConfigError(f"{origin}: {shown} {reason}") from cause


def _first_said(field: Field, layers: Layers) -> tuple[object, str] | None:
    variable = field.variable(layers.env_prefix)
    places = (
        (layers.flags.get(field.name), field.flag),
        (layers.env.get(variable) or None, variable),
        (layers.toml.get(field.name), f"{field.name} in {layers.toml_name}"),
    )
    return next(((raw, origin) for raw, origin in places if raw is not None), None)


# --- parsers: each takes text or what TOML gives, and says in a ValueError what is wrong, as a predicate


def text(raw: object) -> str:
    """Take a text that is not empty."""
    if not isinstance(raw, str) or not raw:
        msg = "is not a text, or empty"
        raise ValueError(msg)
    return raw


_TRUTH: Final = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


def boolean(raw: object) -> bool:
    """Take true, yes, on, 1 or false, no, off, 0, in any case; or a TOML boolean."""
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, str) and raw.lower() in _TRUTH:
        return _TRUTH[raw.lower()]
    msg = "is neither true nor false"
    raise ValueError(msg)


def integer(minimum: int, maximum: int) -> Parse:
    """Return a parser of whole numbers from `minimum` to `maximum`, both included."""

    def parse(raw: object) -> int:
        number = _int(raw)
        if number is None or not minimum <= number <= maximum:
            msg = f"is not a whole number from {minimum} to {maximum}"
            raise ValueError(msg)
        return number

    return parse


def number(minimum: float, maximum: float) -> Parse:
    """Return a parser of finite numbers from `minimum` to `maximum`, both included."""

    def parse(raw: object) -> float:
        value = _float(raw)
        if value is None or not minimum <= value <= maximum:
            msg = f"is not a number from {minimum:g} to {maximum:g}"
            raise ValueError(msg)
        return value

    return parse


def choice(*allowed: str) -> Parse:
    """Return a parser that takes one of `allowed`, exactly."""

    def parse(raw: object) -> str:
        if raw not in allowed:
            msg = f"is not one of {', '.join(allowed)}"
            raise ValueError(msg)
        return str(raw)

    return parse


def texts(raw: object) -> tuple[str, ...]:
    """Take a list of texts: a TOML array, or text with commas; spaces around are cut, empty ones are refused."""
    parts = [part.strip() for part in raw.split(",")] if isinstance(raw, str) else raw
    if not isinstance(parts, list) or not all(isinstance(part, str) and part for part in parts):
        msg = "is not a list of texts"
        raise ValueError(msg)
    return tuple(parts)


_PORT_MAX: Final = 65_535


def host_port(raw: object) -> tuple[str, int]:
    """Take `HOST:PORT`, `[IPv6]:PORT` or `:PORT` (every address); port 0 asks the system for a free one."""
    host, colon, port = text(raw).rpartition(":")
    value = _int(port)
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or value is None or not 0 <= value <= _PORT_MAX or (":" in host and not bracketed):
        msg = "is not HOST:PORT with a port from 0 to 65535 ([HOST]:PORT for IPv6)"
        raise ValueError(msg)
    return host[1:-1] if bracketed else host, value


def _int(raw: object) -> int | None:
    if isinstance(raw, str) and raw.isascii() and raw.removeprefix("-").isdigit():
        return int(raw)
    return raw if isinstance(raw, int) and not isinstance(raw, bool) else None


def _float(raw: object) -> float | None:
    if isinstance(raw, bool) or not isinstance(raw, str | int | float):
        return None
    try:
        return float(raw)  # NaN compares false with every bound, infinity is beyond it
    except ValueError:
        return None

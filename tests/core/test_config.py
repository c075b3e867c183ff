"""Flag over environment over file over default; every refusal names who said it, and no secret is shown."""

from collections.abc import Mapping
from typing import Any

import pytest

from cybous3.core import config
from cybous3.core.config import REQUIRED, ConfigError, Field, Setting, resolve

PORT = Field("listen", config.host_port, ("127.0.0.1", 9000))
IDLE = Field("idle_timeout_s", config.integer(1, 3600), 60)
SECRET = Field("root_secret_key", config.integer(0, 9), None, secret=True)


def settle(
    *fields: Field,
    flags: Mapping[str, object] | None = None,
    env: Mapping[str, str] | None = None,
    toml: Mapping[str, object] | None = None,
) -> dict[str, Setting]:
    return resolve(fields, flags=flags or {}, env=env or {}, env_prefix="SWIFTS3", toml=toml or {}, toml_name="s.toml")


def test_the_nearest_layer_wins_and_is_named() -> None:
    toml = {"idle_timeout_s": 1}
    env = {"SWIFTS3_IDLE_TIMEOUT_S": "2", "OTHER": "x"}
    assert settle(IDLE)["idle_timeout_s"] == Setting(60, "default")
    assert settle(IDLE, toml=toml)["idle_timeout_s"] == Setting(1, "idle_timeout_s in s.toml")
    assert settle(IDLE, toml=toml, env=env)["idle_timeout_s"] == Setting(2, "SWIFTS3_IDLE_TIMEOUT_S")
    flags = {"idle_timeout_s": "3"}
    assert settle(IDLE, toml=toml, env=env, flags=flags)["idle_timeout_s"] == Setting(3, "--idle-timeout-s")


def test_what_was_not_given_is_not_said() -> None:
    said = settle(IDLE, flags={"idle_timeout_s": None}, env={"SWIFTS3_IDLE_TIMEOUT_S": ""})
    assert said["idle_timeout_s"].origin == "default"


def test_values_are_ready_for_a_constructor() -> None:
    assert config.values(settle(IDLE, PORT)) == {"idle_timeout_s": 60, "listen": ("127.0.0.1", 9000)}


def test_a_required_setting_says_how_to_give_it() -> None:
    assert repr(REQUIRED) == "REQUIRED"
    with pytest.raises(ConfigError, match="data is not set") as refused:
        settle(Field("data", config.text))
    assert refused.value.hint == "give --data or set SWIFTS3_DATA"
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    ("layer", "origin"),
    [
        ({"flags": {"idle_timeout_s": "0"}}, "--idle-timeout-s: '0'"),
        ({"env": {"SWIFTS3_IDLE_TIMEOUT_S": "1e3"}}, "SWIFTS3_IDLE_TIMEOUT_S: '1e3'"),
        ({"toml": {"idle_timeout_s": True}}, "idle_timeout_s in s.toml: True"),
    ],
)
def test_a_refusal_names_the_layer_and_quotes_the_value(layer: dict[str, Any], origin: str) -> None:
    with pytest.raises(ConfigError) as refused:
        settle(IDLE, **layer)
    assert refused.value.message == f"{origin} is not a whole number from 1 to 3600"


def test_a_secret_is_never_quoted() -> None:
    with pytest.raises(ConfigError) as refused:
        settle(SECRET, env={"SWIFTS3_ROOT_SECRET_KEY": "hunter2"})
    assert "hunter2" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert "SWIFTS3_ROOT_SECRET_KEY" in refused.value.message


def test_an_unknown_key_in_the_file_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="unknown setting 'idle_timeout'") as refused:
        settle(IDLE, toml={"idle_timeout": 1})
    assert refused.value.hint == "did you mean 'idle_timeout_s'?"
    with pytest.raises(ConfigError) as refused:
        settle(IDLE, toml={"zzz": 1})
    assert refused.value.hint is None


def test_a_flag_without_a_field_is_a_programming_error() -> None:
    with pytest.raises(TypeError, match="nonsense"):
        settle(IDLE, flags={"nonsense": 1})


def test_stray_variables_are_found() -> None:
    env = {"SWIFTS3_IDLE_TIMEOUT_S": "1", "SWIFTS3_IDEL": "1", "SWIFTS34": "1", "PATH": "x"}
    assert config.unknown_variables([IDLE], env, "SWIFTS3") == ["SWIFTS3_IDEL"]


GOOD: list[tuple[config.Parse, object, object]] = [
    (config.text, "x", "x"),
    (config.boolean, "Yes", True),
    (config.boolean, False, False),
    (config.integer(-5, 5), "-5", -5),
    (config.integer(0, 5), 5, 5),
    (config.number(0, 1), "0.5", 0.5),
    (config.number(0, 1), 1, 1.0),
    (config.choice("a", "b"), "b", "b"),
    (config.texts, "a, b", ("a", "b")),
    (config.texts, ["a"], ("a",)),
    (config.host_port, "localhost:0", ("localhost", 0)),
    (config.host_port, ":80", ("", 80)),
    (config.host_port, "[::1]:9000", ("::1", 9000)),
]
BAD: list[tuple[config.Parse, object]] = [
    (config.text, ""),
    (config.text, 1),
    (config.boolean, "maybe"),
    (config.boolean, 1),
    (config.integer(0, 5), "6"),
    (config.integer(0, 5), "٣"),
    (config.integer(0, 5), "-"),
    (config.integer(0, 5), 1.0),
    (config.number(0, 1), "nan"),
    (config.number(0, 1), "inf"),
    (config.number(0, 1), "x"),
    (config.number(0, 1), True),
    (config.choice("a"), "c"),
    (config.texts, "a,,b"),
    (config.texts, 3),
    (config.texts, [""]),
    (config.host_port, "9000"),
    (config.host_port, "h:x"),
    (config.host_port, "h:65536"),
    (config.host_port, "::1:9000"),
]


@pytest.mark.parametrize(("parse", "raw", "value"), GOOD)
def test_parsers_take(parse: config.Parse, raw: object, value: object) -> None:
    assert parse(raw) == value


@pytest.mark.parametrize(("parse", "raw"), BAD)
def test_parsers_refuse(parse: config.Parse, raw: object) -> None:
    with pytest.raises(ValueError, match=r"is not|is neither"):
        parse(raw)

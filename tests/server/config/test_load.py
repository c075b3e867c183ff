"""Flags over environment over file over default; what is wrong is named with its origin."""

from pathlib import Path

import pytest

from cybous3.core.config import ConfigError
from cybous3.server.config.load import _check_workers, dump, load, read_file, undump
from cybous3.server.config.settings import FIELDS, ServerConfig


def flags(**given: object) -> dict[str, object]:
    return {**{field.name: None for field in FIELDS}, **given}


def test_defaults_stand_when_nobody_speaks() -> None:
    config = load(flags(data="/d"), {}).config
    assert config == ServerConfig(Path("/d").absolute())
    assert (config.listen, config.admin_listen) == (("127.0.0.1", 9000), ("127.0.0.1", 9001))


def test_the_nearer_layer_wins(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('data = "/toml"\nregion = "toml-1"\nworkers = 3\nbase_hosts = ["S3.Example."]\n')
    loaded = load(flags(data="/flag"), {"SWIFTS3_DATA": "/env", "SWIFTS3_REGION": "env-1"}, file)
    assert loaded.config.data == Path("/flag").absolute()
    assert loaded.config.region == "env-1"
    assert loaded.config.workers == 3
    assert loaded.config.base_hosts == ("s3.example",)
    assert [loaded.settings[name].origin for name in ("data", "region", "workers", "listen")] == [
        "--data",
        "SWIFTS3_REGION",
        f"workers in {file}",
        "default",
    ]


def test_a_default_may_be_replaced() -> None:
    loaded = load(flags(), {}, None, {"data": Path("/x")})
    assert loaded.settings["data"] == type(loaded.settings["data"])(Path("/x"), "default")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("workers", "0"),
        ("workers", "many"),
        ("listen", "nowhere"),
        ("listen", "host:99999"),
        ("region", "US East"),
        ("base_hosts", "a b"),
        ("inline_max", "-1"),
        ("drain_timeout_s", "inf"),
        ("log_level", "loud"),
        ("log_format", "xml"),
    ],
)
def test_a_wrong_value_is_named_with_its_origin(name: str, value: str) -> None:
    with pytest.raises(ConfigError) as by_flag:
        load(flags(data="/d", **{name: value}), {})
    assert repr(value) in by_flag.value.message
    assert f"--{name.replace('_', '-')}" in by_flag.value.message
    assert by_flag.value.exit_code == 2
    with pytest.raises(ConfigError) as by_variable:
        load(flags(data="/d"), {f"SWIFTS3_{name.upper()}": value})
    assert f"SWIFTS3_{name.upper()}" in by_variable.value.message


def test_the_data_directory_is_required() -> None:
    with pytest.raises(ConfigError, match="data is not set") as missing:
        load(flags(), {})
    assert missing.value.hint is not None


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*none\.toml"):
        read_file(tmp_path / "none.toml")
    for content in (b"data = ", b"\xff\xfe"):
        (tmp_path / "bad.toml").write_bytes(content)
        with pytest.raises(ConfigError, match="is not TOML"):
            read_file(tmp_path / "bad.toml")


def test_an_unknown_setting_in_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('data = "/d"\nregoin = "x"\n')
    with pytest.raises(ConfigError, match="regoin") as refused:
        load(flags(), {}, tmp_path / "c.toml")
    assert "region" in (refused.value.hint or "")


@pytest.mark.parametrize(("given", "missing"), [("tls_cert", "tls_key"), ("tls_key", "tls_cert")])
def test_a_certificate_needs_its_key(tmp_path: Path, given: str, missing: str) -> None:
    (tmp_path / "f").write_text("x")
    with pytest.raises(ConfigError, match=f"{given} is set .* and {missing} is not"):
        load(flags(data="/d", **{given: str(tmp_path / "f")}), {})


def test_a_certificate_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(flags(data="/d", tls_cert=str(tmp_path / "a"), tls_key=str(tmp_path / "b")), {})


def test_the_root_key_comes_from_the_environment_alone() -> None:
    env = {"SWIFTS3_ROOT_ACCESS_KEY": "abcdef", "SWIFTS3_ROOT_SECRET_KEY": "topsecret"}
    loaded = load(flags(data="/d"), env)
    assert loaded.config.root_key is not None
    assert (loaded.config.root_key.access_key, loaded.config.root_key.secret_key) == ("abcdef", "topsecret")
    assert "topsecret" not in repr(loaded.config)
    assert "topsecret" not in str(dump(loaded.config))
    assert loaded.strays == ()


@pytest.mark.parametrize(
    ("env", "match"),
    [
        ({"SWIFTS3_ROOT_ACCESS_KEY": "abcdef"}, "SWIFTS3_ROOT_SECRET_KEY is not set"),
        ({"SWIFTS3_ROOT_SECRET_KEY": "topsecret"}, "SWIFTS3_ROOT_ACCESS_KEY is not set"),
        ({"SWIFTS3_ROOT_ACCESS_KEY": "a b", "SWIFTS3_ROOT_SECRET_KEY": "topsecret"}, "ROOT_ACCESS_KEY: 'a b'"),
        ({"SWIFTS3_ROOT_ACCESS_KEY": "abc", "SWIFTS3_ROOT_SECRET_KEY": "short"}, "shorter than 8"),
    ],
)
def test_half_or_weak_root_keys_are_refused(env: dict[str, str], match: str) -> None:
    with pytest.raises(ConfigError, match=match) as refused:
        load(flags(data="/d"), env)
    assert "short'" not in refused.value.message


def test_variables_without_effect_are_found() -> None:
    assert load(flags(data="/d"), {"SWIFTS3_WROKERS": "2", "SWIFTS3_STATE_DIR": "/s"}).strays == ("SWIFTS3_WROKERS",)


def test_windows_has_one_worker() -> None:
    settings = load(flags(data="/d", workers="2"), {}).settings
    with pytest.raises(ConfigError, match="not possible on Windows"):
        _check_workers(settings, "nt")


def test_a_worker_gets_the_same_configuration(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    given = flags(
        data="/d", listen="[::1]:0", base_hosts="a,b", tls_cert=str(tmp_path / "f"), tls_key=str(tmp_path / "f")
    )
    config = load(given, {}).config
    assert undump(dump(config)) == config

"""The system's keyring behind its own small port; the package's choice of a backend is not ours to test."""

import importlib
from types import SimpleNamespace
from typing import Any

import pytest

from cybous3.client.keys.errors import CannotUnlock
from cybous3.client.keys.oskeyring import OsKeyring, system_backend


class Fake:
    priority = 5.0

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}
        self.fails = False

    def _check(self) -> None:
        if self.fails:
            raise RuntimeError("locked collection")

    def get_password(self, service: str, username: str) -> str | None:
        self._check()
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._check()
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


def test_a_key_is_kept_and_forgotten() -> None:
    backend = Fake()
    keyring = OsKeyring("label", backend)
    assert keyring.load() is None
    assert keyring.save(b"\x00\xff" * 16)
    assert keyring.load() == b"\x00\xff" * 16
    assert OsKeyring("other", backend).load() is None
    keyring.forget()
    keyring.forget()
    assert backend.kept == {}


def test_a_locked_keyring_says_what_to_do() -> None:
    backend = Fake()
    backend.fails = True
    with pytest.raises(CannotUnlock, match="locked collection") as caught:
        OsKeyring("label", backend).load()
    assert "--mnemonic-file" in (caught.value.hint or "")
    assert not OsKeyring("label", backend).save(bytes(32))


def test_something_else_under_our_name_is_not_a_key() -> None:
    backend = Fake()
    backend.kept["cybs3", "label"] = "not base64!"
    with pytest.raises(CannotUnlock):
        OsKeyring("label", backend).load()


def test_an_entry_that_cannot_be_removed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = Fake()
    keyring = OsKeyring("label", backend)
    keyring.save(bytes(32))

    def refuse(*_: str) -> None:
        raise RuntimeError("read only")

    monkeypatch.setattr(backend, "delete_password", refuse)
    with pytest.raises(CannotUnlock, match="read only"):
        keyring.forget()


def _package(monkeypatch: pytest.MonkeyPatch, get: Any) -> None:
    real = importlib.import_module

    def stand_in(name: str) -> Any:
        return SimpleNamespace(get_keyring=get) if name == "keyring" else real(name)

    monkeypatch.setattr(importlib, "import_module", stand_in)


def test_only_a_backend_that_is_worth_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = Fake()
    _package(monkeypatch, lambda: backend)
    assert system_backend() is backend
    monkeypatch.setattr(Fake, "priority", 0.5)
    assert system_backend() is None


def test_a_backend_that_stores_in_the_clear_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Fake, "__module__", "keyrings.alt.file")
    _package(monkeypatch, Fake)
    assert system_backend() is None


def test_no_keyring_at_all_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("no D-Bus")

    _package(monkeypatch, fail)
    assert system_backend() is None

"""The kernel's keyring: with a stand-in everywhere, and with the real one where there is one."""

import os
import platform
import sys

import pytest

from cybous3.client.keys import kernel as module
from cybous3.client.keys.kernel import TIMEOUT_S, KernelError, KernelSession, system_calls
from tests.client.keys.conftest import FakeKernel

SECRET = bytes(range(32))


def test_what_is_kept_can_be_read_until_it_is_forgotten(kernel: FakeKernel) -> None:
    session = KernelSession("label", kernel)
    assert session.load() is None
    assert session.save(SECRET)
    assert session.load() == SECRET
    assert [*kernel.timeouts.values()] == [TIMEOUT_S]
    assert KernelSession("another", kernel).load() is None
    session.forget()
    session.forget()
    assert session.load() is None


@pytest.mark.parametrize("broken", [0, 5, 10, 11, 15])
def test_a_keyring_that_fails_is_one_that_is_not_there(kernel: FakeKernel, broken: int) -> None:
    kernel.broken.add(broken)
    session = KernelSession("label", kernel)
    assert not session.save(SECRET)
    assert session.load() is None


def test_a_secret_that_stays_readable_is_told(kernel: FakeKernel) -> None:
    session = KernelSession("label", kernel)
    session.save(SECRET)
    kernel.broken.add(3)
    with pytest.raises(KernelError):
        session.forget()


def test_without_calls_there_is_no_session() -> None:
    session = KernelSession("label", None)
    assert not session.save(SECRET)
    assert session.load() is None
    session.forget()


def test_only_known_systems_have_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "pdp11")
    assert system_calls() is None
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    assert system_calls() is None


def test_a_key_that_is_larger_than_ours_is_not_ours(kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch) -> None:
    session = KernelSession("label", kernel)
    session.save(SECRET)
    real = kernel.keyctl
    monkeypatch.setattr(kernel, "keyctl", lambda op, *rest: 1000 if op == 11 else real(op, *rest))
    assert session.load() is None


def test_the_real_kernel_keeps_and_forgets() -> None:
    calls = system_calls()
    if calls is None:
        pytest.skip("no kernel keyring on this system")
    session = KernelSession(f"test-{os.getpid()}", calls)
    if not session.save(SECRET, timeout_s=30):
        pytest.skip("this kernel forbids its keyring to us, as containers do")
    try:
        assert session.load() == SECRET
    finally:
        session.forget()
    assert session.load() is None
    assert module.Syscalls is not None

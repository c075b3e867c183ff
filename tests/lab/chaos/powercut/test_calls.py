"""A log of strace is read as what happened: whole calls, in the order in which they returned, or not at all."""

import pytest

from cybous3.lab.chaos.powercut.calls import BadLog, Call, path_of, read_calls, unhex


def hexed(text: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in text.encode())


def one(line: str) -> Call:
    (call,) = read_calls([line + "\n"])
    return call


def test_a_call_is_read_with_its_bytes_and_times() -> None:
    call = one(f'7 100.5 pwrite64(3<{hexed("/data/x")}>, "{hexed("héllo")}", 6, 4096) = 6 <0.000250>')
    assert (call.process, call.name, call.result, call.failed) == (7, "pwrite64", 6, False)
    assert call.strings == ("héllo".encode(),)
    assert (call.begin, round(call.end, 6)) == (100.5, 100.50025)
    assert path_of(call.words) == b"/data/x"


def test_a_call_without_arguments_and_one_that_failed() -> None:
    assert one("7 1.0 sync() = 0 <0.000001>").name == "sync"
    refused = one(f'7 1.0 openat(AT_FDCWD<{hexed("/")}>, "{hexed("a")}", O_RDONLY) = -1 ENOENT (No such (file)) <0.1>')
    assert refused.failed, refused
    assert one("7 1.0 fcntl(3, F_GETFL) = 0x8002 (flags O_RDWR|O_LARGEFILE) <0.000001>").result == 0x8002


def test_an_interrupted_call_is_one_at_the_place_of_its_end() -> None:
    lines = [
        f'1 1.0 write(3, "{hexed("ab")}" <unfinished ...>\n',
        "2 1.1 fsync(4) = 0 <0.000100>\n",
        "1 1.2 <... write resumed>, 2) = 2 <0.200000>\n",
        "9 1.3 <... write resumed>, 2) = 2 <0.200000>\n",
    ]
    first, second = read_calls(lines)
    assert (first.name, second.name, second.strings) == ("fsync", "write", (b"ab",))
    assert (second.begin, second.end) == (1.0, 1.2)


def test_a_descriptor_is_free_when_its_close_begins() -> None:
    """Another thread may be given the number before the call returns, and is seen to open before that one closes."""
    lines = [
        "1 1.0 close(30 <unfinished ...>\n",
        f'2 1.1 openat(AT_FDCWD, "{hexed("/x")}", O_RDONLY) = 30 <0.1>\n',
        "1 1.2 <... close resumed>) = 0 <0.2>\n",
    ]
    assert [call.name for call in read_calls(lines)] == ["close", "openat"]


def test_what_is_no_call_is_passed_over() -> None:
    noise = [
        "1 1.0 --- SIGTERM {si_signo=SIGTERM} ---\n",
        "1 1.1 +++ exited with 0 +++\n",
        "1 1.2 exit_group(0) = ?\n",
        "1 1.3 write(3, <unfinished ...>\n",
    ]
    assert list(read_calls(noise)) == []


def test_a_string_that_was_cut_short_is_refused() -> None:
    """A disk that is replayed from half of the bytes proves nothing."""
    with pytest.raises(BadLog, match="cut short"):
        one(f'7 1.0 write(3, "{hexed("abc")}"..., 9) = 9 <0.1>')
    with pytest.raises(BadLog, match="not a hexadecimal"):
        unhex("\\xzz")


def test_an_annotation_that_is_no_path_is_none() -> None:
    assert path_of(f"3<{hexed('socket:[1]')}>") is None
    assert path_of("3, 4") is None

"""Names: every path comes back, every foreign or moved key is refused, and the rules hold both ways."""

import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cybous3.crypto.errors import CryptoError, Damaged, InvalidName, Malformed, Misuse, NameNeeded
from cybous3.crypto.names import NameCodec, NamesMode, check_path, check_prefix
from tests.support.vectors import Tape

KEY, VAULT = Tape("names")(32), bytes(16)
NAMES = NameCodec(KEY, VAULT, NamesMode.ENCRYPTED, "pre/fix")
PLAIN = NameCodec(KEY, VAULT, NamesMode.PLAIN)
COMPONENT = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=20).filter(
    lambda name: unicodedata.normalize("NFC", name) not in {"", ".", ".."}
)
PATHS = st.lists(COMPONENT, min_size=1, max_size=5).map("/".join)
LONG = "y" * 130


def read(names: NameCodec, path: str) -> str:
    relative = names.strip(names.object_key(path))
    assert relative is not None
    return names.path_of(relative, names.seal_full_name(path))


@given(PATHS)
def test_a_path_comes_back_in_nfc(path: str) -> None:
    """[N-1]."""
    assert read(NAMES, path) == unicodedata.normalize("NFC", path)
    assume(".cybs3" not in path.split("/"))
    assert read(PLAIN, path) == unicodedata.normalize("NFC", path)


@given(st.lists(st.text("ab", min_size=1, max_size=200), min_size=1, max_size=12).map("/".join))
def test_long_and_deep_paths_come_back(path: str) -> None:
    """[N-3] [N-5] [N-6] Or are refused before anything is stored."""
    try:
        key = NAMES.object_key(path)
    except InvalidName:
        return
    assert len(key) <= 1024
    assert all(len(part) <= 192 for part in key.split("/"))
    assert read(NAMES, path) == path


@given(PATHS, COMPONENT, COMPONENT)
def test_all_that_lies_in_a_folder_shares_its_prefix(folder: str, one: str, other: str) -> None:
    """[N-5] A component is written by what is above it alone, so one prefix lists one folder."""
    prefix = NAMES.folder_prefix(folder)
    for name in (one, other):
        assert NAMES.object_key(f"{folder}/{name}") == prefix + NAMES.component_key(folder, name)
        shown = NAMES.component_key(folder, name)
        if not shown.startswith("~h"):
            assert NAMES.component_name(check_path(folder), shown) == unicodedata.normalize("NFC", name)


def test_equal_names_differ_between_folders_and_vaults() -> None:
    names = {NAMES.component_key(parent, "same") for parent in ("", "a", "b", "a/b")}
    names.add(NameCodec(KEY, bytes([1]) + bytes(15), NamesMode.ENCRYPTED).component_key("", "same"))
    assert len(names) == 5


def test_a_moved_name_does_not_open() -> None:
    """[N-4]."""
    one, other = NAMES.relative_key("a/x"), NAMES.relative_key("b/x")
    with pytest.raises(Damaged):
        NAMES.path_of(one.split("/")[0] + "/" + other.split("/")[1])
    with pytest.raises(Damaged):
        NAMES.component_name("b", NAMES.component_key("a", "x"))


@given(at=st.integers(0, 42), char=st.sampled_from("ABCabc019-_"))
def test_a_changed_key_does_not_open(at: int, char: str) -> None:
    """[N-7]."""
    key = NAMES.relative_key("name")
    assume(key[at] != char)
    with pytest.raises((Damaged, Malformed)):
        NAMES.path_of(key[:at] + char + key[at + 1 :])


@pytest.mark.parametrize(
    "path", ["", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/./b", "a\0", "\ud800", "a/\udfff"]
)
def test_what_is_no_path_is_refused(path: str) -> None:
    """[N-1]."""
    for names in (NAMES, PLAIN):
        with pytest.raises(InvalidName):
            names.object_key(path)


@pytest.mark.parametrize("name", [b"..", b".", b"a/b", b"a\0b", b"\xff", "u\u0308".encode(), b""])
def test_a_sealed_name_that_is_no_name_is_refused(name: bytes) -> None:
    """[N-1] Even if someone with the key wrote it: a name never leaves its folder."""
    padded = name + b"\x80" + bytes(15 - len(name))
    from cybous3.crypto.canonical import encode_b64  # noqa: PLC0415 - one test forges

    component = encode_b64(NAMES._siv.seal([b"cybs3/1/names/siv", b"/"], padded))
    with pytest.raises((Malformed, Damaged)):
        NAMES.path_of(component)
    with pytest.raises((Malformed, Damaged)):
        NAMES.component_name("", component)


def test_a_plain_listing_shows_plain_names() -> None:
    assert PLAIN.component_name("a", "b") == "b"
    assert PLAIN.component_key("a", "b") == "b"
    assert PLAIN.folder_prefix("a/b") == "a/b/"
    with pytest.raises(Damaged):
        PLAIN.component_name("", "a/b")
    with pytest.raises(Malformed):
        PLAIN.component_name("", "..")


def test_plain_names_leave_the_system_folder_alone() -> None:
    """[N-2]."""
    for path in (".cybs3", ".cybs3/x", "a/.cybs3", "a/.cybs3/x"):
        with pytest.raises(InvalidName, match="reserved"):
            PLAIN.object_key(path)
    assert PLAIN.object_key("a/.cybs3x") == "a/.cybs3x"
    assert NAMES.path_of(NAMES.relative_key(".cybs3/x")) == ".cybs3/x"


def test_a_key_that_is_too_long_is_refused() -> None:
    """[N-3] Plain keys cannot be shortened; deep encrypted ones end somewhere too."""
    assert len(PLAIN.object_key("x" * 1024)) == 1024
    with pytest.raises(InvalidName, match="too long"):
        PLAIN.object_key("x" * 1025)
    with pytest.raises(InvalidName, match="too many"):
        NAMES.object_key("/".join(["abc"] * 60))
    with pytest.raises(InvalidName, match="too many parts"):
        NAMES.object_key("a/" * 5000 + "a")
    with pytest.raises(Malformed, match="deeper"):
        NAMES.path_of("A/" * 500 + "A")
    with pytest.raises(InvalidName, match="too long"):
        NAMES.object_key("/".join(["abc"] * 41))
    with pytest.raises(InvalidName, match="1343"):
        NAMES.object_key("/".join(["z" * 255] * 6))


def test_a_shortened_name_needs_its_sealed_name() -> None:
    """[N-6]."""
    key, entry = NAMES.relative_key(f"{LONG}/a"), NAMES.seal_full_name(f"{LONG}/a")
    assert entry is not None
    assert key.startswith("~h")
    assert len(key.split("/")[0]) == 24
    assert NAMES.needs_full_name(key)
    with pytest.raises(NameNeeded):
        NAMES.path_of(key)
    with pytest.raises(NameNeeded):
        NAMES.component_name("", key.split("/")[0])
    with pytest.raises(Damaged):
        NAMES.path_of(NAMES.relative_key(f"{LONG}/b"), entry)
    with pytest.raises(CryptoError):
        NAMES.path_of(key, entry + "A")
    assert NAMES.seal_full_name("short") is None
    assert not PLAIN.needs_full_name("~hAAAAAAAAAAAAAAAAAAAAAA")


def test_the_sealed_name_must_give_the_key() -> None:
    """[N-6] One that authenticates for this key but names another path was made by a defect, and is refused."""
    from cybous3.crypto.canonical import encode_b64  # noqa: PLC0415 - one test forges
    from cybous3.crypto.primitives import pad  # noqa: PLC0415 - one test forges

    key = NAMES.relative_key(LONG)
    forged = "1." + encode_b64(NAMES._full.seal([b"cybs3/1/names/full", key.encode()], pad(b"other", 64)))
    with pytest.raises(Damaged, match="another key"):
        NAMES.path_of(key, forged)


def test_the_longest_sealed_name_fits_into_s3s_user_metadata() -> None:
    path = "/".join(["z" * 255] * 5) + "/" + "y" * (1343 - 5 * 256)
    entry = NAMES.seal_full_name(path)
    assert entry is not None
    assert len("cybs3name") + len(entry) + len("cybs3") + len("1.4294967295.") + 64 <= 2048


def test_the_system_folder_and_other_keys_are_not_files() -> None:
    for key in ("pre/fix/.cybs3/vault/0000000000000001", "pre/fix/.cybs3", "pre/fixed", "other"):
        assert NAMES.strip(key) is None
    for key in ("pre/fix/below/.cybs3/vault/0000000000000001", "pre/fix/a/.cybs3"):  # [N-2] of a vault further down
        assert NAMES.strip(key) is None
    kept = "pre/fix/.cybs3x"
    assert NAMES.strip(kept) == ".cybs3x"
    assert PLAIN.strip("a") == "a"


def test_prefixes() -> None:
    assert NAMES.folder_prefix("") == "pre/fix/"
    assert PLAIN.folder_prefix("") == ""
    for prefix in ("/a", "a/", "a//b", "..", "u\u0308", ".cybs3", "a/.cybs3"):
        with pytest.raises(InvalidName):
            check_prefix(prefix)


def test_a_names_key_has_thirty_two_bytes() -> None:
    with pytest.raises(Misuse):
        NameCodec(bytes(31), VAULT, NamesMode.PLAIN)

"""BIP39: the published vectors, and mistakes that are found without repeating a secret."""

import re
from typing import Any

import pytest

from cybous3.crypto.errors import BadMnemonic, Misuse
from cybous3.crypto.mnemonic import (
    create_mnemonic,
    fingerprint,
    mnemonic_fingerprint,
    mnemonic_seed,
    normalize_mnemonic,
)
from tests.support.vectors import VECTORS, Tape, load

BIP39 = load(VECTORS / "bip39" / "english.json")
WORDS = "abandon " * 23 + "art"


@pytest.mark.parametrize("row", BIP39["vectors"], ids=lambda row: row["entropy"][:8])
def test_published_vectors(row: dict[str, Any]) -> None:
    """[K-1]."""
    entropy = bytes.fromhex(row["entropy"])
    assert create_mnemonic(lambda size: entropy[:size], len(row["words"].split())) == row["words"]
    assert mnemonic_seed(row["words"], BIP39["passphrase"]).hex() == row["seed"]


@pytest.mark.parametrize("words", [12, 24])
def test_new_words_are_good_words(words: int) -> None:
    made = create_mnemonic(Tape(), words)
    assert len(made.split()) == words
    assert normalize_mnemonic(made) == made


def test_spelling_is_forgiven_where_nothing_is_lost() -> None:
    assert normalize_mnemonic("  ABANDON\n" * 23 + "\tArt ") == WORDS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not 0"),
        ("abandon " * 23, "not 23"),
        ("abandon " * 15, "not 15"),
        ("abandon " * 24, "checksum"),
        ("abandon " * 22 + "secretword art", "places hold no word of the list: 23$"),
    ],
)
def test_mistakes_are_named_without_the_words(text: str, message: str) -> None:
    """[K-1]."""
    with pytest.raises(BadMnemonic, match=message) as caught:
        mnemonic_seed(text)
    assert "secretword" not in f"{caught.value} {caught.value.hint}"
    assert "abandon" not in f"{caught.value} {caught.value.hint}"


def test_a_mnemonic_has_twelve_or_twenty_four_words() -> None:
    with pytest.raises(Misuse):
        create_mnemonic(Tape(), 18)


def test_fingerprints_recognise_and_say_nothing() -> None:
    one = mnemonic_fingerprint(WORDS)
    assert re.fullmatch(r"[0-9a-f]{4}(-[0-9a-f]{4}){3}", one)
    assert one == mnemonic_fingerprint(WORDS.upper())
    assert one == fingerprint(mnemonic_seed(WORDS))
    assert one != mnemonic_fingerprint(WORDS, "25th")
    assert one.replace("-", "") not in mnemonic_seed(WORDS).hex()

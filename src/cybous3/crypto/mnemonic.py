"""BIP39 mnemonics: 24 words (12 accepted) that recover everything (key-hierarchy.md §2).

The word list is the English one of the standard. No message repeats a word: words are secrets.
"""

import hashlib
import unicodedata
from collections.abc import Sequence
from typing import Protocol, cast

from cybous3.crypto.errors import BadMnemonic, Misuse
from cybous3.crypto.kdf import normalized
from cybous3.crypto.primitives import Entropy, hkdf_expand

WORDS_DEFAULT = 24
_ENTROPY_LEN = {12: 16, 24: 32}
_PBKDF2_ROUNDS = 2048
_FINGERPRINT_LEN = 8


def create_mnemonic(entropy: Entropy, words: int = WORDS_DEFAULT) -> str:
    """Make new words, separated by single blanks."""
    if words not in _ENTROPY_LEN:
        raise Misuse(f"a mnemonic has 12 or 24 words, not {words}")
    return _english().to_mnemonic(entropy(_ENTROPY_LEN[words]))


def normalize_mnemonic(text: str) -> str:
    """Return the words in lower case, separated by single blanks, after count, list and checksum were verified."""
    words = unicodedata.normalize("NFKD", text).lower().split()
    if len(words) not in _ENTROPY_LEN:
        raise BadMnemonic(f"a mnemonic has 24 (or 12) words, not {len(words)}")
    english = _english()
    known = set(english.wordlist)
    unknown = [str(place) for place, word in enumerate(words, 1) if word not in known]
    if unknown:
        hint = "each word is one of the 2,048 English BIP39 words"
        raise BadMnemonic(f"these places hold no word of the list: {', '.join(unknown)}", hint=hint)
    if not english.check(" ".join(words)):
        hint = "one word is wrong or two have changed places"
        raise BadMnemonic("the words do not fit together: their checksum is wrong", hint=hint)
    return " ".join(words)


def mnemonic_seed(mnemonic: str, passphrase: str = "") -> bytes:
    """Return the 64-byte BIP39 seed of a mnemonic, with the optional passphrase ("25th word")."""
    words = normalize_mnemonic(mnemonic)
    salt = normalized("mnemonic" + passphrase)
    return hashlib.pbkdf2_hmac("sha512", words.encode(), salt, _PBKDF2_ROUNDS, 64)


def mnemonic_fingerprint(mnemonic: str, passphrase: str = "") -> str:
    """16 hexadecimal digits, in fours, that recognise the words and say nothing about them."""
    return fingerprint(mnemonic_seed(mnemonic, passphrase))


def fingerprint(secret: bytes) -> str:
    """As `mnemonic_fingerprint`, of any secret of 128 random bits or more; of a passphrase it would confirm guesses."""
    digits = hkdf_expand(secret, b"cybs3/1/fingerprint", _FINGERPRINT_LEN).hex()
    return "-".join(digits[place : place + 4] for place in range(0, len(digits), 4))


class _WordList(Protocol):
    """What we use of the untyped `mnemonic` wheel."""

    wordlist: Sequence[str]

    def to_mnemonic(self, data: bytes) -> str: ...

    def check(self, mnemonic: str) -> bool: ...


def _english() -> _WordList:
    # 38 ms to import and read the list: only those who type words pay for it.
    from mnemonic import Mnemonic  # noqa: PLC0415 - on first use, see above

    return cast("_WordList", Mnemonic("english"))

"""One class per failure, each with its word and its exit code."""

import pytest

from cybous3.crypto import errors
from cybous3.crypto.errors import CryptoError

CLASSES = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, CryptoError)]
EXIT_CODES = {"cannot-unlock": 10, "bad-mnemonic": 10, "unsupported": 13, "invalid-name": 2, "misuse": 1}


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: error.__name__)
def test_words_and_exit_codes_are_fixed(error: type[CryptoError]) -> None:
    assert error.exit_code == EXIT_CODES.get(error.failure, 11)


def test_every_word_is_said_once() -> None:
    words = [error.failure for error in CLASSES]
    assert len(set(words)) == len(words)

"""The root of every error that may reach a person.

An error says what happened in one lower-case sentence, quotes the offending value, and may carry a hint: what
the person can do about it. Each family fixes the exit code of the command that ends with it; the codes are
documented in docs/reference/exit-codes.md and never change meaning.
"""

from typing import ClassVar


class CybousError(Exception):
    """Something went wrong in a way that a person can understand and act upon.

    `exit_code` belongs to the family; 1 is the code of an error that has no better one.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

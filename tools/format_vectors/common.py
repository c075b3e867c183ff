"""What all cases share: the tape of randomness, the shape of a case, and one vault's keys."""

import hashlib
from collections.abc import Mapping
from typing import Any

from cybous3.crypto.keyset import Keyset
from cybous3.crypto.names import NameCodec, NamesMode

COMMAND = "python tools/make_vectors.py"
WORDS = "abandon " * 23 + "art"
"""The well-known test mnemonic of 256 zero bits: public, protects nothing."""
PASSPHRASE = "correct horse battery staple (example only)"  # noqa: S105 - public, protects nothing
CREATED = 1767225600  # 2026-01-01T00:00:00Z
GENERATION = 1767225600000 << 16
Case = dict[str, Any]


class Tape:
    """Bytes that look random and are always the same: SHA-256 of the label and a counter."""

    def __init__(self, label: str) -> None:
        self._label = label.encode()
        self._count = 0

    def __call__(self, size: int) -> bytes:
        """Return the next `size` bytes; a request never shares a block with another."""
        output = b""
        while len(output) < size:
            output += hashlib.sha256(self._label + b"\0" + self._count.to_bytes(8, "big")).digest()
            self._count += 1
        return output[:size]


def pattern(size: int) -> bytes:
    """Return the plaintext of a case: byte i is i mod 251."""
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def case(section: str, about: str, kind: str, given: Mapping[str, Any], expect: Mapping[str, Any]) -> Case:
    """Put one case together."""
    about_it = {"about": about, "section": section, "made_by": COMMAND, "kind": kind}
    return {**about_it, "given": dict(given), "expect": dict(expect)}


def refusal(*words: str) -> Case:
    """Expect a failure, under any of these words."""
    return {"result": list(words)}


def ok(**values: object) -> Case:
    """Expect success, with these values."""
    return {"result": ["ok"], **values}


class Bench:
    """The keys that all object cases share."""

    def __init__(self) -> None:
        tape = Tape("bench")
        self.vault_id = tape(16)
        self.keyset = Keyset.create(tape, CREATED)
        self.names = NameCodec(self.keyset.names_key, self.vault_id, NamesMode.ENCRYPTED, "demo")

    def given(self, path: str) -> Case:
        """Return what a reader must know."""
        epoch, kek = self.keyset.primary
        return {"vault_id": self.vault_id.hex(), "epoch": epoch, "kek": kek.hex(), "path": path}

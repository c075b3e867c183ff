"""What the tests of the crypto room share: the vectors on disk, their changes, and randomness that repeats."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).resolve().parents[2] / "vectors"


class Tape:
    """Repeatable bytes that look random; another label gives others."""

    def __init__(self, label: str = "test") -> None:
        self._label = label.encode()
        self._count = 0

    def __call__(self, size: int) -> bytes:
        output = b""
        while len(output) < size:
            output += hashlib.sha256(self._label + self._count.to_bytes(8, "big")).digest()
            self._count += 1
        return output[:size]


def changed(stored: bytes, changes: Sequence[Mapping[str, Any]], folder: Path) -> bytes:
    """Apply the `changes` of a vector, as vectors/format-v1/README.md defines them."""
    data = bytearray(stored)
    for change in changes:
        at, length = change.get("at", 0), change.get("length", 0)
        match change["op"]:
            case "flip":
                data[at] ^= change["mask"]
            case "cut":
                del data[change["to"] :]
            case "put":
                piece = bytes.fromhex(change["hex"])
                data[at : at + len(piece)] = piece
            case "insert":
                start = change.get("from", 0)
                data[at:at] = bytes.fromhex(change["hex"]) if "hex" in change else data[start : start + length]
            case "remove":
                del data[at : at + length]
            case "swap":
                a, b = change["a"], change["b"]
                data[a : a + length], data[b : b + length] = data[b : b + length], data[a : a + length]
            case "graft":
                start = change["from"]
                data[at : at + length] = (folder / change["file"]).read_bytes()[start : start + length]
            case unknown:
                raise AssertionError(unknown)
    return bytes(data)


def load(path: Path) -> dict[str, Any]:
    """Read one vector, or another JSON file that holds an object."""
    value: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return value


def cases(section: str, kind: str) -> list[Path]:
    """Return the vectors of one section and kind; there must be some."""
    found = [path for path in sorted((VECTORS / "format-v1" / section).glob("*.json")) if load(path)["kind"] == kind]
    assert found
    return found

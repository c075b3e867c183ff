"""Pairs of blocks that were run once, as a compact file: what the detector is tested on, on any machine.

A file holds one recording a line (JSON lines, "cybous3.pairs/1"), with the command that made it and the machine it
was made on. A row is one pair: for each side the operations, how many failed, the throughput, and the median response
times in microseconds in the order of `ops`. Recordings are appended, never rewritten.

`recorded.jsonl` beside this file is shipped: two equal servers of ours on a small virtual machine that others were
using as well, which is what the detector must live with.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cybous3.core.errors import CybousError
from cybous3.lab.bench.fingerprint import Fingerprint
from cybous3.lab.bench.verdict.compare import Figures, Pair

VERSION: Final = "cybous3.pairs/1"
SHIPPED: Final = Path(__file__).with_name("recorded.jsonl")


class NotARecording(CybousError):
    """A file that should hold recorded pairs holds something else."""

    exit_code = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Pairs in the order in which they were run. `equal`: both sides were the same build with the same settings."""

    label: str
    equal: bool
    load: str
    durability: str
    block_s: float
    command: str
    fingerprint: Fingerprint
    pairs: tuple[Pair, ...] = field(repr=False)

    @property
    def ops(self) -> tuple[str, ...]:
        """The operations that every block has."""
        sides = [side.medians_us.keys() for pair in self.pairs for side in pair]
        return tuple(sorted(set(sides[0]).intersection(*sides))) if sides else ()

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads back."""
        names = ("label", "equal", "load", "durability", "block_s", "command")
        plain = {name: getattr(self, name) for name in names}
        start = self.pairs[0].a.started if self.pairs else 0.0
        rows = [[*_row(pair.a, self.ops, start), *_row(pair.b, self.ops, start)] for pair in self.pairs]
        about = {"fingerprint": self.fingerprint.to_json(), "ops": self.ops, "started": start}
        return {"version": VERSION, **plain, **about, "pairs": rows}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "Recording":
        """Read it back; NotARecording for anything else."""
        if data.get("version") != VERSION:
            raise NotARecording(f"not a recording of version {VERSION}: {str(data.get('version'))[:40]!r}")
        try:
            names = ("label", "equal", "load", "durability", "block_s", "command")
            pairs = tuple(_pair(row, data["ops"], data["started"]) for row in data["pairs"])
            return Recording(
                **{name: data[name] for name in names},
                fingerprint=Fingerprint.from_json(data["fingerprint"]),
                pairs=pairs,
            )
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise NotARecording(f"a damaged recording: {type(error).__name__}: {error}") from error


def _row(side: Figures, ops: Sequence[str], start: float) -> list[float]:
    medians = [round(side.medians_us[name]) for name in ops]
    return [round(side.started - start, 2), side.count, side.failed, round(side.throughput, 1), *medians]


def _pair(row: Sequence[float], ops: Sequence[str], start: float) -> Pair:
    half = 4 + len(ops)
    if len(row) != 2 * half:
        raise ValueError(f"a row of {len(row)} figures, not {2 * half}")
    return Pair(_side(row[:half], ops, start), _side(row[half:], ops, start))


def _side(half: Sequence[float], ops: Sequence[str], start: float) -> Figures:
    after, count, failed, throughput, *medians = half
    return Figures(start + after, throughput, dict(zip(ops, medians, strict=True)), int(count), int(failed))


def append(recordings: Iterable[Recording], path: Path) -> Path:
    """Append recordings to a file, making it and its folder; OSError where the disk does not take them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(recording.to_json(), ensure_ascii=False, separators=(",", ":")) for recording in recordings]
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in lines))
    return path


def load(path: Path = SHIPPED) -> tuple[Recording, ...]:
    """Return the recordings of a file in order. Raises NotARecording naming the line, OSError for the file."""
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            found.append(Recording.from_json(json.loads(line)))
        except (ValueError, AttributeError, NotARecording) as error:
            raise NotARecording(f"{path}: line {number}: {error}") from error
    return tuple(found)

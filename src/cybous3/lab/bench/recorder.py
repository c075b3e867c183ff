"""Operations as they happened, kept in plain arrays while the clock runs, and made into a Block afterwards.

Kept true: nothing that failed is cut, not even from the warm-up; what is cut is what succeeded and began before every
worker had finished one operation. Times are seconds of one monotonic clock that all processes of a machine share.
"""

import json
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from cybous3.lab.bench.result import Block, Latency, OpStats

_US = 1_000_000


@dataclass(repr=False)  # an event loop that shows what it returns must not show a million numbers
class Recording:
    """What one process did in one block.

    `warm_at` is when its last worker had finished a first operation, None where nothing is to be cut. `epoch_s` added
    to a time gives seconds since the epoch.
    """

    began: float
    epoch_s: float
    names: list[str] = field(default_factory=list)
    op: "array[int]" = field(default_factory=lambda: array("B"))
    intended: "array[float]" = field(default_factory=lambda: array("d"))
    started: "array[float]" = field(default_factory=lambda: array("d"))
    ended: "array[float]" = field(default_factory=lambda: array("d"))
    payload: "array[int]" = field(default_factory=lambda: array("Q"))
    failures: dict[int, str] = field(default_factory=dict)
    warm_at: float | None = None
    cpu_s: float = 0.0
    late: int = 0
    interrupted: bool = False

    def add(self, op: str, intended: float, started: float, ended: float, payload: int, code: str | None) -> None:
        """Note one operation; `code` None: it succeeded."""
        names = self.names
        if op not in names:
            names.append(op)
        if code is not None:
            self.failures[len(self.op)] = code
            payload = 0
        self.op.append(names.index(op))
        self.intended.append(intended)
        self.started.append(started)
        self.ended.append(ended)
        self.payload.append(payload)

    def kept(self) -> list[int]:
        """Return the positions of the operations that count."""
        if self.warm_at is None:
            return list(range(len(self.op)))
        cut, failures = self.warm_at, self.failures
        return [at for at, intended in enumerate(self.intended) if intended >= cut or at in failures]


def block_of(recordings: Sequence[Recording], server_cpu_s: float | None = None) -> Block:
    """Make the block of what all processes did."""
    began = min(recording.began for recording in recordings)
    warm = max((recording.warm_at or recording.began) for recording in recordings)
    ended = max((max(recording.ended, default=warm) for recording in recordings), default=warm)
    begin = warm if any(recording.warm_at is not None for recording in recordings) else began
    kept = [(recording, recording.kept()) for recording in recordings]
    names = dict.fromkeys(name for recording in recordings for name in recording.names)
    ops = [_stats(name, kept) for name in names]
    return Block(
        started=begin + recordings[0].epoch_s,
        seconds=max(ended - begin, 0.0),
        ops=tuple(op for op in ops if op.count),
        interrupted=any(recording.interrupted for recording in recordings),
        warmup_s=begin - began,
        generator_cpu_s=sum(recording.cpu_s for recording in recordings),
        server_cpu_s=server_cpu_s,
        late=sum(recording.late for recording in recordings),
    )


def _stats(name: str, kept: Sequence[tuple[Recording, list[int]]]) -> OpStats:
    response: list[float] = []
    service: list[float] = []
    errors: Counter[str] = Counter()
    payload = 0
    for recording, positions in kept:
        mine = _positions(recording, name, positions)
        response += [(recording.ended[at] - recording.intended[at]) * _US for at in mine]
        service += [(recording.ended[at] - recording.started[at]) * _US for at in mine]
        errors.update(recording.failures[at] for at in mine if at in recording.failures)
        payload += sum(recording.payload[at] for at in mine)
    return OpStats(name, len(response), dict(errors), payload, Latency.of(response), Latency.of(service))


def _positions(recording: Recording, name: str, positions: list[int]) -> list[int]:
    if name not in recording.names:
        return []
    if len(recording.names) == 1:
        return positions
    number = recording.names.index(name)
    return [at for at in positions if recording.op[at] == number]


def raw_lines(recordings: Sequence[Recording]) -> Iterator[str]:
    """Yield every operation as one JSON document, warm-up included and marked; times are seconds since the epoch."""
    for recording in recordings:
        counted = set(recording.kept())
        for at, op in enumerate(recording.op):
            yield json.dumps(
                {
                    "op": recording.names[op],
                    "intended": round(recording.intended[at] + recording.epoch_s, 6),
                    "started": round(recording.started[at] + recording.epoch_s, 6),
                    "ended": round(recording.ended[at] + recording.epoch_s, 6),
                    "bytes": recording.payload[at],
                    "error": recording.failures.get(at),
                    "warmup": at not in counted,
                }
            )


def write_raw(recordings: Sequence[Recording], path: Path) -> Path:
    """Append every operation to a JSON lines file. OSError where the disk does not take it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file: IO[str]
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in raw_lines(recordings))
    return path

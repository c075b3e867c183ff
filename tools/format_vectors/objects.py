"""format-v1 §2-§9: whole objects, and what a store can do to them."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cybous3.crypto.layout import FOOTER_LEN, IMMUTABLE_LEN
from cybous3.crypto.metadata import DIRECTORY, ObjectMetadata
from cybous3.crypto.objects import ObjectReader, seal_object
from cybous3.crypto.wrap import wrap_dek
from tools.format_vectors.common import GENERATION, Bench, Case, Tape, case, ok, pattern, refusal

FULL = 2**16
INLINE_MAX = 2000
METADATA = {
    "full": ObjectMetadata(
        path="docs/prüfung.bin",
        generation=GENERATION,
        content_type="application/octet-stream",
        user={"author": "nobody", "note": 'a "quoted" \u2028 <note>'},
        mtime_ns=-1,
        mode=0o640,
    ),
    "least": ObjectMetadata(path="a", generation=0),
    "folder": ObjectMetadata(path="empty folder", generation=2**64 - 1, kind=DIRECTORY),
}


def objects(bench: Bench, files: dict[str, bytes]) -> Iterator[tuple[str, Case]]:
    """Whole objects, good and bad."""
    capacity = 2**16 - 32
    sizes = {"empty": 0, "one-byte": 1, "p-minus-1": capacity - 1, "p": capacity, "p-plus-1": capacity + 1}
    sizes |= {"multi-segment": 2 * capacity + 100, "two-full-segments": 2 * capacity}
    for name, size in sizes.items():
        yield f"good-{name}", make_object(bench, files, name, size, metadata="least" if size == 1 else "full")
    yield "good-folder", make_object(bench, files, "folder", 0, metadata="folder")
    yield "good-aligned", make_object(bench, files, "aligned", 1000, aligned=True)
    yield "good-one-mebibyte-segments", make_object(bench, files, "one-mebibyte-segments", 2**20 - 32 + 5, seg_log2=20)
    base = make_object(bench, {}, "multi-segment", sizes["multi-segment"])
    aligned = make_object(bench, {}, "aligned", 1000, aligned=True)
    for name, about, changes, words in failures(files["multi-segment.bin"], files["p-plus-1.bin"]):
        yield (
            f"bad-{name}",
            case("format-v1 §9", about, "object", {**base["given"], "changes": changes}, refusal(*words)),
        )
    gap = [{"op": "flip", "at": 5000, "mask": 1}]
    yield (
        "bad-gap",
        case(
            "format-v1 §8.2",
            "a byte between the headers",
            "object",
            {**aligned["given"], "changes": gap},
            refusal("damaged"),
        ),
    )
    for name, (about, override) in other_callers(bench, base["given"]).items():
        yield (
            f"bad-{name}",
            case("format-v1 §7", about, "object", {**base["given"], **override}, refusal("cannot-open")),
        )


def make_object(
    bench: Bench,
    files: dict[str, bytes],
    name: str,
    size: int,
    *,
    metadata: str = "full",
    aligned: bool = False,
    seg_log2: int = 16,
) -> Case:
    """One object; long ones go to a file of their own."""
    tape, described = Tape("object " + name), METADATA[metadata]
    dek, plaintext = tape(32), pattern(size)
    stored = seal_object(
        plaintext,
        vault_id=bench.vault_id,
        dek=dek,
        metadata=described,
        entropy=tape,
        seg_log2=seg_log2,
        aligned=aligned,
    )
    reader = ObjectReader.open(stored, vault_id=bench.vault_id, dek=dek)
    footer = reader.open_footer(stored[-FOOTER_LEN:], len(stored)).footer
    entry = wrap_dek(bench.keyset, stored[:IMMUTABLE_LEN], described.path, dek)
    where: Case = {"stored_hex": stored.hex()}
    if len(stored) > INLINE_MAX:
        files[name + ".bin"] = stored
        where = {"stored_file": name + ".bin", "stored_sha384": hashlib.sha384(stored).hexdigest()}
    expect = ok(
        dek=dek.hex(),
        metadata=json.loads(described.encode().rstrip(b"\0")[:-1]),
        plaintext={"pattern": "byte i is i mod 251", "length": size, "sha384": hashlib.sha384(plaintext).hexdigest()},
        header_len=reader.layout.header_len,
        segments=footer.segments,
        digest=footer.digest.hex(),
    )
    return case(
        "format-v1 §3-§8",
        f"{size} bytes, S = 2^{seg_log2}",
        "object",
        {**bench.given(described.path), "entry": entry, **where},
        expect,
    )


@dataclass(frozen=True)
class Places:
    """Where the parts of an object with three segments lie."""

    header: int
    body: int
    last: int
    end: int
    size: int

    @staticmethod
    def of(stored: bytes) -> "Places":
        """Find them."""
        header = int.from_bytes(stored[10:12], "big")
        return Places(header, header + 74, header + 74 + 2 * FULL, len(stored) - FOOTER_LEN, len(stored))


Failure = tuple[str, str, list[Case], Sequence[str]]
"""Name, about, changes, words."""
CUT_OR_ALTERED = ("damaged", "truncated")


def failures(stored: bytes, other: bytes) -> Iterator[Failure]:
    """List what a store can do to an object of three segments, and the word each must end in."""
    places = Places.of(stored)
    yield from flips(places)
    yield from cuts(places)
    yield from rearrangements(places)
    yield from grafts(places, other)


def flips(places: Places) -> Iterator[Failure]:
    """One changed byte in every field."""
    named = [
        ("magic", 0, 1, ["malformed"]),
        ("version", 6, 3, ["unsupported"]),
        ("suite", 7, 3, ["unsupported"]),
        ("seg-log2-too-small", 8, 0x1F, ["malformed"]),
        ("seg-log2-other", 8, 1, ["cannot-open"]),
        ("flag-padded", 9, 1, ["unsupported"]),
        ("flag-zstd", 9, 2, ["unsupported"]),
        ("flag-aligned", 9, 4, ["cannot-open"]),
        ("flag-unknown", 9, 8, ["unsupported"]),
        ("header-len-odd", 11, 1, ["malformed"]),
        ("header-len-other", 11, 64, ["cannot-open", "truncated"]),
        ("vault-id", 12, 1, ["cannot-open"]),
        ("object-id", 28, 1, ["cannot-open"]),
    ]
    damaged = {"metadata-nonce": 44, "metadata": 60, "header-tag": places.header - 1, "params": places.header + 2}
    damaged |= {"iv": places.header + 10, "floe-header-tag": places.body - 1}
    damaged |= {"footer-nonce": places.end, "footer-values": places.end + 12, "footer-tag": places.size - 1}
    spans = {"first": places.body, "middle": places.body + FULL, "final": places.last}
    ends = {"first": places.body + FULL, "middle": places.last, "final": places.end}
    for which, start in spans.items():
        fields = {"length": start + 3, "nonce": start + 4, "ct": start + 16, "tag": ends[which] - 1}
        damaged |= {f"{which}-segment-{field}": at for field, at in fields.items()}
    named += [(name, at, 1, ["damaged"]) for name, at in damaged.items()]
    for name, at, mask, words in named:
        yield f"flip-{name}", f"a changed byte: {name}", [{"op": "flip", "at": at, "mask": mask}], words


def cuts(places: Places) -> Iterator[Failure]:
    """Cut at every field and boundary, and bytes added at the end."""
    header = places.header
    for size in (0, 5, 6, 8, 10, 12, 28, 43, 44, 60, header - 1, header, header + 9, header + 41, places.body - 1):
        yield f"cut-{size:04d}", f"cut to {size} bytes", [{"op": "cut", "to": size}], ["truncated"]
    for size in (1, 5, 43):
        foreign = [{"op": "cut", "to": size}, {"op": "flip", "at": 0, "mask": 1}]
        yield f"short-foreign-{size}", f"{size} bytes that do not begin as the magic does", foreign, ["malformed"]
    short = [{"op": "cut", "to": 43}, {"op": "flip", "at": 6, "mask": 3}]
    yield "short-other-version", "43 bytes with the magic; the version is not looked at yet", short, ["truncated"]
    sizes = {"no-body": places.body, "first-only": places.body + FULL, "no-final": places.last}
    sizes |= {"in-final": places.last + 50, "no-footer": places.end, "in-footer": places.end + 50}
    for name, size in sizes.items():
        yield f"cut-{name}", f"cut to {size} bytes", [{"op": "cut", "to": size}], CUT_OR_ALTERED
    for extra in (1, 4, 16, 31, 32, 40):
        added = {"op": "insert", "at": places.size, "hex": "00" * extra}
        yield f"extra-{extra}", "bytes behind the footer", [added], CUT_OR_ALTERED


def rearrangements(places: Places) -> Iterator[Failure]:
    """Rearrange the object's own segments, or change their number."""
    body, last, end = places.body, places.last, places.end
    no_final = {"op": "remove", "at": last, "length": end - last}
    early = {"op": "put", "at": body + FULL, "hex": FULL.to_bytes(4, "big").hex()}
    changes: dict[str, tuple[str, list[Case]]] = {
        "swapped": ("first two segments", [{"op": "swap", "a": body, "b": body + FULL, "length": FULL}]),
        "dropped": ("the middle segment", [{"op": "remove", "at": body + FULL, "length": FULL}]),
        "doubled": ("the first segment twice", [{"op": "insert", "at": body, "from": body, "length": FULL}]),
        "final-dropped": ("the final segment", [no_final]),
        "final-doubled": ("the final twice", [{"op": "insert", "at": end, "from": last, "length": end - last}]),
        "footer-doubled": ("the footer twice", [{"op": "insert", "at": end, "from": end, "length": FOOTER_LEN}]),
        "final-early": ("the middle segment says it is final", [early]),
        "final-early-cut": ("the same, and the real final one gone", [early, no_final]),
        "final-denied": ("the final segment says it is not", [{"op": "put", "at": last, "hex": "ffffffff"}]),
    }
    for name, (about, steps) in changes.items():
        yield name, about, steps, CUT_OR_ALTERED


def grafts(places: Places, other: bytes) -> Iterator[Failure]:
    """Pieces of another object of the same vault, at the same place."""
    from_body, file = Places.of(other).body, "p-plus-1.bin"
    pieces = {
        "spliced": ("segment 0", from_body, places.body, FULL),
        "other-floe-header": ("the FLOE header", from_body - 74, places.header, 74),
        "other-footer": ("the footer", len(other) - FOOTER_LEN, places.end, FOOTER_LEN),
    }
    for name, (what, start, at, length) in pieces.items():
        step = {"op": "graft", "file": file, "from": start, "at": at, "length": length}
        yield name, f"{what} of another object", [step], CUT_OR_ALTERED


def other_callers(bench: Bench, given: Mapping[str, Any]) -> dict[str, tuple[str, Case]]:
    """Open the same object with something else: all one error."""
    entry = str(given["entry"])
    kek = bytearray(bytes.fromhex(given["kek"]))
    kek[0] ^= 1
    flipped = entry[:-1] + ("A" if entry[-1] != "A" else "B")
    return {
        "other-path": ("served under another name", {"path": "docs/other.bin"}),
        "other-kek": ("another key", {"kek": kek.hex()}),
        "other-epoch": ("an epoch the keyset does not have", {"entry": "1.2" + entry[3:]}),
        "tampered-wrap": ("one character of the wrap", {"entry": flipped}),
        "other-vault": ("another vault", {"vault_id": (bytes(1) + bench.vault_id[1:]).hex()}),
    }

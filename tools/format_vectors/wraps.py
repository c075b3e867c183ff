"""format-v1 §7: the metadata entry by itself."""

from collections.abc import Iterator

from cybous3.crypto.wrap import rewrap, wrap_dek
from tools.format_vectors.common import Bench, Case, Tape, case, ok, refusal


def wraps(bench: Bench) -> Iterator[tuple[str, Case]]:
    """Make the cases."""
    tape = Tape("wraps")
    dek, immutable = tape(32), b"CYBS3\0\1\1\x14\0\0\xa8" + bench.vault_id + tape(16)
    entry = wrap_dek(bench.keyset, immutable, "a/b", dek)
    base = {**bench.given("a/b"), "immutable": immutable.hex(), "entry": entry}
    yield "good", case("format-v1 §7", "a wrapped key", "wrap", base, ok(dek=dek.hex()))
    moved = rewrap(bench.keyset, entry, immutable, "a/b", "c/ä")
    yield (
        "good-renamed",
        case("format-v1 §7", "after a rename", "wrap", {**base, "entry": moved, "path": "c/ä"}, ok(dek=dek.hex())),
    )
    yield (
        "bad-old-name",
        case(
            "format-v1 §7",
            "the wrap of the new name under the old",
            "wrap",
            {**base, "entry": moved},
            refusal("cannot-open"),
        ),
    )
    spellings = {"version-2": ("2" + entry[1:], "unsupported"), "epoch-zero": ("1.0" + entry[3:], "malformed")}
    spellings |= {
        "leading-zero": ("1.01" + entry[3:], "malformed"),
        "short": (entry[:-1], "malformed"),
        "blank": (entry + " ", "malformed"),
    }
    spellings |= {
        "epoch-too-large": ("1.4294967296" + entry[3:], "malformed"),
        "empty": ("", "malformed"),
        "padded": (entry[:-1] + "=", "malformed"),
    }
    for name, (text, word) in spellings.items():
        yield f"bad-{name}", case("format-v1 §7", name, "wrap", {**base, "entry": text}, refusal(word))

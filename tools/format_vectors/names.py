"""names.md: paths to keys and back."""

from collections.abc import Iterator

from cybous3.crypto.names import NameCodec
from tools.format_vectors.common import Bench, Case, case, ok, refusal


def names(bench: Bench) -> Iterator[tuple[str, Case]]:
    """Paths to keys and back."""
    codec = bench.names
    base = {
        "names_key": bench.keyset.names_key.hex(),
        "vault_id": bench.vault_id.hex(),
        "mode": "encrypted",
        "prefix": "demo",
    }
    deep = "/".join(f"folder {number:02d} of many" for number in range(20))
    paths = {
        "one-letter": "a",
        "folders": "docs/2026/report.pdf",
        "fifteen-bytes": "x" * 15,
        "sixteen-bytes": "x" * 16,
        "longest-full": "x" * 127,
    }
    paths |= {
        "shortened": "x" * 128,
        "below-shortened": "y" * 200 + "/a",
        "deep": deep,
        "unicode": "Grüße/日本語/🦊",
        "odd": "a\n\x01 \\~h.*/...",
    }
    for name, path in paths.items():
        expect = ok(path=path, key=codec.object_key(path), full_name=codec.seal_full_name(path))
        yield f"good-{name}", case("names §3-§5", name, "name", {**base, "path": path}, expect)
    decomposed = "Gru\u0308\u00dfe"
    expect = ok(path="Gr\u00fc\u00dfe", key=codec.object_key(decomposed), full_name=None)
    yield "good-decomposed", case("names §1", "NFD comes out as NFC", "name", {**base, "path": decomposed}, expect)
    plain = {**base, "mode": "plain", "path": "docs/a b"}
    yield (
        "good-plain",
        case("names §2", "plain", "name", plain, ok(path="docs/a b", key="demo/docs/a b", full_name=None)),
    )
    bad_paths = {
        "empty": "",
        "dot": "a/./b",
        "dots": "a/../b",
        "slash-first": "/a",
        "slash-last": "a/",
        "slashes": "a//b",
        "nul": "a\0b",
    }
    bad_paths |= {"too-deep": "/".join(["abcdefghijklmnopqrstuvwxyz"] * 40), "too-long": "/".join(["z" * 255] * 6)}
    for name, path in bad_paths.items():
        yield f"bad-path-{name}", case("names §1", name, "name", {**base, "path": path}, refusal("invalid-name"))
    yield (
        "bad-path-reserved",
        case("names §2", "reserved", "name", {**plain, "path": ".cybs3/x"}, refusal("invalid-name")),
    )
    below = {**plain, "path": "a/.cybs3/x"}
    yield "bad-path-reserved-below", case("names §2", "reserved anywhere", "name", below, refusal("invalid-name"))
    yield from bad_keys(codec, base)


def bad_keys(codec: NameCodec, base: Case) -> Iterator[tuple[str, Case]]:
    """Keys that were not made for where they lie."""
    a, b, sealed = codec.relative_key("a/x"), codec.relative_key("b/x"), codec.seal_full_name("x" * 128)
    short = codec.relative_key("x" * 128)
    keys: dict[str, tuple[str, str | None, str]] = {
        "moved": (a.split("/")[0] + "/" + b.split("/")[1], None, "damaged"),
        "flipped": ("B" + a[1:] if a[0] != "B" else "C" + a[1:], None, "damaged"),
        "foreign": ("readme.txt", None, "malformed"),
        "too-short": ("AAAA", None, "malformed"),
        "no-full-name": (short, None, "name-needed"),
        "other-full-name": (codec.relative_key("y" * 128), sealed, "damaged"),
        "full-name-version": (short, "2" + str(sealed)[1:], "unsupported"),
    }
    for name, (key, full_name, word) in keys.items():
        given = {**base, "key": key, "full_name": full_name}
        yield f"bad-key-{name}", case("names §6", name, "key", given, refusal(word))
    plain = {**base, "mode": "plain", "full_name": None}
    for name, key in {"dots": "a/../b", "slash": "a/", "decomposed": "u\u0308"}.items():
        yield f"bad-key-plain-{name}", case("names §1", name, "key", {**plain, "key": key}, refusal("malformed"))

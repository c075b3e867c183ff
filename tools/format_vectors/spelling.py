"""format-v1 §1: canonical JSON, base64url, padding."""

from collections.abc import Iterator

from cybous3.crypto.primitives import pad
from tools.format_vectors.common import Case, case, ok, pattern, refusal


def spelling() -> Iterator[tuple[str, Case]]:
    """Canonical JSON, base64url, padding."""
    good = {
        "empty": "{}",
        "sorted": '{"a":1,"b":[],"é":"ß"}',
        "escapes": '{"a":"\\b\\t\\n\\f\\r\\"\\\\\\u001f/<\x7f\u2028"}',
    }
    good |= {"largest": '{"a":9007199254740991,"b":-9007199254740991}', "literals": '{"a":null,"b":true}'}
    bad = {
        "blank": '{"a": 1}',
        "unsorted": '{"b":1,"a":1}',
        "twice": '{"a":1,"a":1}',
        "float": '{"a":1.0}',
        "exponent": '{"a":1e2}',
    }
    bad |= {
        "escaped-letter": '{"a":"\\u0061"}',
        "escaped-slash": '{"a":"\\/"}',
        "upper-hex": '{"a":"\\u001F"}',
        "array": "[]",
    }
    bad |= {
        "too-large": '{"a":9007199254740992}',
        "minus-zero": '{"a":-0}',
        "newline-at-end": "{}\n",
        "nan": '{"a":NaN}',
    }
    bad |= {"lone-surrogate": '{"a":"\\ud800"}', "byte-order-mark": "\ufeff{}", "empty": ""}
    for name, text in good.items():
        yield f"json-good-{name}", case("format-v1 §1.3", "canonical JSON", "json", {"hex": text.encode().hex()}, ok())
    for name, text in bad.items():
        given = {"hex": text.encode().hex()}
        yield f"json-bad-{name}", case("format-v1 §1.3", "not canonical", "json", given, refusal("malformed"))
    yield "b64-good", case("format-v1 §1.4", "base64url", "b64", {"text": "-_8B"}, ok(hex="fbff01"))
    for name, text in {
        "padded": "AQ==",
        "unused-bits": "AR",
        "standard-alphabet": "+/8B",
        "blank": "AQ ",
        "one-char": "A",
    }.items():
        yield f"b64-bad-{name}", case("format-v1 §1.4", "another spelling", "b64", {"text": text}, refusal("malformed"))
    for size in (0, 1, 15, 16, 17):
        padding: Case = {"hex": pattern(size).hex(), "multiple": 16}
        yield f"pad-{size}", case("format-v1 §1.5", "padding", "pad", padding, ok(hex=pad(pattern(size), 16).hex()))
    for name, digits in {
        "none": "00" * 16,
        "odd": "80" + "00" * 14,
        "too-much": "80" + "00" * 31,
        "empty": "",
        "junk": "8001" + "00" * 14,
    }.items():
        padding = {"hex": digits, "multiple": 16}
        yield (
            f"unpad-bad-{name}",
            case("format-v1 §1.5", "not a padding", "unpad", padding, refusal("damaged", "malformed")),
        )

"""A plain document as TOML text: what a shrunken scenario is written with. `tomllib` reads it back as it was."""

import json
from collections.abc import Mapping
from typing import Any

_LINE_MAX = 110


def dump(document: Mapping[str, Any], comment: str = "") -> str:
    """Return a document of texts, numbers, flags, lists, tables and lists of tables as TOML, `comment` above it."""
    lines = [f"# {line}" for line in comment.splitlines()]
    lines += [f"{name} = {_value(value)}" for name, value in document.items() if not _nested(value)]
    for name, value in document.items():
        if isinstance(value, Mapping):
            lines += ["", f"[{name}]", *_pairs(value)]
        elif _nested(value):
            for item in value:
                lines += ["", f"[[{name}]]", *_pairs(item)]
    return "\n".join(lines) + "\n"


def _nested(value: object) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, list) and bool(value) and isinstance(value[0], Mapping))


def _pairs(table: Mapping[str, Any]) -> list[str]:
    return [f"{name} = {_value(value)}" for name, value in table.items()]


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{name} = {_value(inner)}" for name, inner in value.items()) + " }"
    if isinstance(value, list):
        items = [_value(item) for item in value]
        flat = ", ".join(items)
        return f"[{flat}]" if len(flat) < _LINE_MAX else "[\n" + "".join(f"    {item},\n" for item in items) + "]"
    return json.dumps(value)  # TOML's basic strings, numbers and flags are JSON's

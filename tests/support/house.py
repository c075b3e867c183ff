"""The house rules as functions: a parsed module in, the lines that break the rule out.

They see what import contracts cannot: calls, comparisons, comments, sizes. `tests/project/test_house_rules.py` runs
each on a planted example first, then on the whole tree, and holds the exceptions with their reasons.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"

PURE = ("core", "crypto", "server/wire", "server/model", "server/authz")
_SECRET_VALUE = re.compile(
    r"(^|_)(digest|hexdigest|signature|mac|hmac|header_tag|auth_tag|secret|secret_key|password|passphrase)$"
)
_SECRET_OPTION = re.compile(r"mnemonic|passphrase|password|secret|token|words")
_INDIRECT_OPTION = re.compile(r"-(file|command|stdin|out)$")
# What is waived, and the reason behind it after `#`, `-` or `(`.
_WAIVER = re.compile(
    r"#\s*(noqa|type:\s*ignore|pragma: no (?:cover|branch))(:\s*[A-Z0-9, ]+[0-9]|\[[a-z0-9, -]+\])?(.*)$"
)
_REASON = re.compile(r"^\s+(#|-|\().{6,}")


@dataclass(frozen=True)
class Module:
    """One Python file: where it lies below src/cybous3, and its text."""

    name: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The parsed file."""
        return ast.parse(self.text)

    @property
    def generated(self) -> bool:
        """Whether a tool wrote the file: its size is nobody's style."""
        return "generated" in self.text[:400].lower() and "/generated/" in self.name


@cache
def modules() -> tuple[Module, ...]:
    """Return every module of the package, read and parsed once."""
    base = SOURCE / "cybous3"
    return tuple(
        Module(path.relative_to(base).as_posix(), path.read_text(encoding="utf-8"))
        for path in sorted(base.rglob("*.py"))
    )


def _called(node: ast.expr) -> str:
    """Return the last name of what is called or read: `digest` of `hasher.digest()`."""
    if isinstance(node, ast.Call):
        return _called(node.func)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def compared_secrets(module: Module) -> Iterator[int]:
    """Digests, signatures and secrets are compared by hmac.compare_digest, in constant time; literals may be `==`."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Compare) and any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops):
            sides = [node.left, *node.comparators]
            literal = any(isinstance(side, ast.Constant) for side in sides)
            if not literal and any(_SECRET_VALUE.search(_called(side)) for side in sides):
                yield node.lineno


def swallowed_errors(module: Module) -> Iterator[int]:
    """No bare except, and nothing that suppresses every error there is."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ExceptHandler):
            silent = all(isinstance(step, ast.Pass) for step in node.body)
            if node.type is None or (silent and _called(node.type) in {"Exception", "BaseException"}):
                yield node.lineno
        if isinstance(node, ast.Call) and _called(node) == "suppress":
            yield from (node.lineno for argument in node.args if _called(argument) in {"Exception", "BaseException"})


def impure_calls(module: Module) -> Iterator[int]:
    """Pure packages neither open files nor ask the clock nor speak."""
    if not module.name.startswith(tuple(f"{folder}/" for folder in PURE)):
        return
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Call):
            continue
        plain = isinstance(node.func, ast.Name) and node.func.id in {"open", "print", "input", "__import__"}
        clock = isinstance(node.func, ast.Attribute) and node.func.attr in {"now", "utcnow", "today"}
        if plain or (clock and _called(node.func.value) in {"datetime", "date"}):  # type: ignore[attr-defined]  # narrowed by `clock`
            yield node.lineno


_FILE_CALLS = {"rename", "renames", "replace", "link", "fsync", "fdatasync", "sync", "truncate", "ftruncate", "pwrite"}
_FILE_FLAGS = {"O_CREAT", "O_WRONLY", "O_RDWR"}
_FILE_METHODS = {"write_text", "write_bytes", "touch", "hardlink_to", "mkstemp", "NamedTemporaryFile"}


def raw_file_calls(module: Module) -> Iterator[int]:
    """Files are made, named and synced through cybous3.disk, whose promises are written down and put to the test."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and node.attr in _FILE_FLAGS:
            yield node.lineno
        if isinstance(node, ast.Call) and (_of_os(node) or _of_a_path(node) or _opens_for_writing(node)):
            yield node.lineno


def _of_os(call: ast.Call) -> bool:
    function = call.func
    return isinstance(function, ast.Attribute) and _called(function.value) == "os" and function.attr in _FILE_CALLS


def _of_a_path(call: ast.Call) -> bool:
    """Whether this is a method of Path that changes a file; `str.replace` and `Files.rename` take two arguments."""
    if not isinstance(call.func, ast.Attribute):
        return False
    one = len(call.args) == 1 and not call.keywords
    return call.func.attr in _FILE_METHODS or (one and call.func.attr in {"replace", "rename"})


def _opens_for_writing(call: ast.Call) -> bool:
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    modes = [each.value for each in given if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    return _called(call) in {"open", "FileIO"} and any(re.fullmatch(r"[rwaxbt+]*[wax+][bt+]*", mode) for mode in modes)


def dynamic_imports(module: Module) -> Iterator[int]:
    """Nobody imports by a computed name: no contract would see it."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and _called(node) in {"import_module", "__import__"}:
            yield node.lineno


def unreasoned_waivers(module: Module) -> Iterator[int]:
    """Each noqa, type: ignore and pragma names what it waives and says why: behind it, or in a comment above.

    Neighbouring lines that waive the same thing need one reason, in the first of them.
    """
    above, reasoned = "", ""
    for number, line in enumerate(module.text.splitlines(), 1):
        found = _WAIVER.search(line)
        if found:
            what = f"{found[1]}{found[2]}"
            named = bool(found[2]) or found[1].startswith("pragma")
            if named and (_REASON.match(found[3]) or above.lstrip().startswith("#") or reasoned == what):
                reasoned = what
            else:
                yield number
        else:
            reasoned = ""
        above = line


def long_functions(module: Module, limit: int = 60) -> Iterator[tuple[str, int]]:
    """Yield name and length of each function of more than `limit` lines."""
    if module.generated:
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            size = (node.end_lineno or node.lineno) - node.lineno + 1
            if size > limit:
                yield f"{module.name}:{node.name}", size


def init_imports(module: Module) -> Iterator[int]:
    """Yield the import lines of an `__init__.py`."""
    if module.name.endswith("__init__.py"):
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                yield node.lineno


def is_secret_option(name: str) -> bool:
    """Whether an option of this name takes a secret itself, rather than the place where one is found."""
    return bool(_SECRET_OPTION.search(name)) and not _INDIRECT_OPTION.search(name)

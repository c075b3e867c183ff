"""The house rules hold, and each of them can fail: every rule meets a planted example before it meets the tree."""

import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib.util import find_spec

import click
import pytest

from tests.support import house
from tests.support.house import Module
from tools.generate_cli_reference import contexts

Rule = Callable[[Module], Iterator[int]]

# Exceptions: where, and why it is right there. An entry that excuses nothing fails.
EXCUSED: dict[Rule, dict[str, str]] = {
    house.compared_secrets: {
        "client/keys/kernel.py": "reads back what this process has just stored; nobody else can time it",
        "client/keys/state.py": "the digest of a public document, compared with our own note of it",
    },
    house.swallowed_errors: {},
    house.impure_calls: {},
    house.dynamic_imports: {
        "client/keys/oskeyring.py": "keyring chooses its backend while it is imported, and may fail there in any way",
        "lab/bench/extras.py": "libraries of the extra `bench` are asked for by name, and a missing one has a hint",
        "cli/shell.py": "command groups are imported when asked for, from one literal table; cli may import everything",
    },
    house.unreasoned_waivers: {
        "client/transfer/download.py": "SLF001: a resumed download is the downloader's other half, in the same file",
        "client/transfer/upload.py": "SLF001: likewise for uploads",
        "lab/integration/store_checks.py": "misc: mypy cannot infer a lambda whose default argument binds the loop",
        "server/admin/metrics.py": "no-untyped-call: prometheus_client is not annotated there",
    },
}
# Where files are made without cybous3.disk: a module, or a folder with all in it, and why.
OWN_FILE_CALLS: dict[str, str] = {
    "disk/": "this is the room",
    "lab/": "measures and breaks from outside; keeps nothing that a person relies on",
    "cli/": "reports of runs, and the server's settings, which a person writes",
    "server/meta/sqlite/log.py": "SQLite's own log: its space, and what is written again after a failed sync",
    "server/meta/sqlite/lock.py": "two empty files at which processes wait to be woken; the room's lock only tries",
    "server/app/discovery.py": "who runs where: true only while it runs, written anew at every start",
    "server/app/control.py": "the log of a server that was started, and which ports one had: a wish, not a promise",
    "server/app/logs.py": "a log",
    "client/transfer/download.py": "bytes of a person's own file, from several threads; its name goes through the room",
    "client/sync/folders.py": "a restored tree waits for all disks at once, at its end",
    "client/sync/moving.py": "writes to the null device",
}
LONG_FUNCTIONS: dict[str, str] = {}
LONG_FILES: dict[str, str] = {}
FILE_LINES_MAX = 600

# rule, a module that breaks it, and one beside it that does not
EXAMPLES: list[tuple[Rule, str, str]] = [
    (house.compared_secrets, "ok = mine.digest() == theirs", "ok = compare_digest(mine.digest(), theirs)"),
    (house.compared_secrets, "ok = claim.signature != expected", "ok = len(signature) == 32"),
    (house.swallowed_errors, "try:\n    f()\nexcept:\n    log()", "try:\n    f()\nexcept OSError:\n    pass"),
    (
        house.swallowed_errors,
        "try:\n    f()\nexcept Exception:\n    pass",
        "try:\n    f()\nexcept Exception:\n    raise",
    ),
    (house.swallowed_errors, "with suppress(Exception):\n    f()", "with suppress(OSError):\n    f()"),
    (house.impure_calls, "open('x')", "stream.open('x')"),
    (house.impure_calls, "datetime.datetime.now()", "datetime.fromtimestamp(0)"),
    (house.raw_file_calls, "os.replace(a, b)", "files.rename(a, b)"),
    (house.raw_file_calls, "os.fsync(fd)", "files.sync(fd)"),
    (house.raw_file_calls, "Path(a).replace(b)", "text.replace(a, b)"),
    (house.raw_file_calls, "path.rename(other)", "moment.replace(tzinfo=UTC)"),
    (house.raw_file_calls, "path.write_bytes(b'')", "path.read_bytes()"),
    (house.raw_file_calls, "open(path, 'w')", "open(path, 'rb')"),
    (house.raw_file_calls, "path.open(mode='r+b')", "path.open('rb')"),
    (house.raw_file_calls, "flags = os.O_RDWR", "flags = os.O_RDONLY"),
    (house.dynamic_imports, "importlib.import_module(name)", "import module"),
    (house.unreasoned_waivers, "x = 1  # noqa", "x = 1  # noqa: E501  # the line is a URL"),
    (house.unreasoned_waivers, "x = 1  # noqa: E501", "# The line is a URL.\nx = 1  # noqa: E501"),
    (
        house.unreasoned_waivers,
        "x = 1  # noqa: E501\ny = 2  # noqa: E501",
        "x = 1  # noqa: E501  (a URL)\ny = 2  # noqa: E501",
    ),
    (house.unreasoned_waivers, "x = 1  # noqa: E501 -", "x = 1  # a noqa is a promise"),
    (house.unreasoned_waivers, "x = 1  # type: ignore[attr]", "x = 1  # type: ignore[attr]  # no stubs for it"),
    (house.unreasoned_waivers, "x = 1  # pragma: no cover", "x = 1  # pragma: no cover - runs on Windows only"),
]


@pytest.mark.parametrize(("rule", "bad", "good"), EXAMPLES, ids=lambda value: getattr(value, "__name__", ""))
def test_each_rule_finds_its_fault_and_nothing_else(rule: Rule, bad: str, good: str) -> None:
    assert list(rule(Module("core/planted.py", bad)))
    assert not list(rule(Module("core/planted.py", good)))


@pytest.mark.parametrize("rule", EXCUSED, ids=lambda rule: rule.__name__)
def test_the_tree_keeps_the_rule(rule: Rule) -> None:
    """No module breaks it, the excused apart; and each excuse is still needed."""
    broken = {module.name: list(rule(module)) for module in house.modules()}
    found = {name: lines for name, lines in broken.items() if lines}
    excused = EXCUSED[rule]
    assert {name: lines for name, lines in found.items() if name not in excused} == {}, rule.__doc__
    assert excused.keys() <= found.keys(), "an excuse that excuses nothing"


def test_files_are_made_in_one_room() -> None:
    """Whoever makes a file elsewhere is named above, with the reason; a reason without such a call goes."""
    found = {module.name for module in house.modules() if list(house.raw_file_calls(module))}
    allowed = {name: place for name in found for place in OWN_FILE_CALLS if name.startswith(place)}
    assert found - allowed.keys() == set(), house.raw_file_calls.__doc__
    assert OWN_FILE_CALLS.keys() - allowed.values() == set(), "a reason that excuses nothing"


def test_functions_stay_short() -> None:
    """A function of more than 60 lines needs a reason in LONG_FUNCTIONS; a reason without a function goes."""
    assert list(house.long_functions(Module("core/planted.py", "def f():\n" + "    x = 1\n" * 60))) == [
        ("core/planted.py:f", 61)
    ]
    found = {name: size for module in house.modules() for name, size in house.long_functions(module)}
    assert found.keys() == LONG_FUNCTIONS.keys(), found


def test_files_stay_short() -> None:
    found = {
        module.name: lines
        for module in house.modules()
        if not module.generated and (lines := module.text.count("\n")) > FILE_LINES_MAX
    }
    assert found.keys() == LONG_FILES.keys(), found


def test_containers_import_nothing() -> None:
    """Contracts do not look into a container's own __init__.py, so there is nothing in it to look at."""
    packages = {module.name.removesuffix("/__init__.py") for module in house.modules() if "__init__" in module.name}
    containers = {name.rsplit("/", 1)[0] for name in packages if "/" in name} | {"__init__.py"}
    broken = [
        module.name
        for module in house.modules()
        if module.name.removesuffix("/__init__.py") in containers and list(house.init_imports(module))
    ]
    assert broken == []
    assert {"server", "client", "server/meta"} <= containers


def test_every_folder_of_code_is_a_package() -> None:
    folders = {path.parent for path in (house.SOURCE / "cybous3").rglob("*.py")}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_no_option_takes_a_secret() -> None:
    """Arguments are seen by everyone on the machine: options name the place of a secret, never the secret."""
    excused = {
        "cybs3 keys create --words",  # a number of words
        # Set-ups of tests hand out keys that are known anyway; "-" reads standard input.
        "swifts3 keys add --secret-key",
        "swifts3 users add --secret-key",
    }
    takers = {
        f"{context.command_path} {name}"
        for context in contexts()
        for option in context.command.params
        if isinstance(option, click.Option) and not option.is_flag
        for name in option.opts
        if house.is_secret_option(name)
    }
    assert takers == excused
    assert house.is_secret_option("--secret-key")
    assert not house.is_secret_option("--mnemonic-file")


def test_contracts_name_real_modules() -> None:
    """A misspelt external would make a contract pass in silence."""
    settings = tomllib.loads((house.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    named = {name for contract in contracts for name in contract.get("forbidden_modules", [])}
    elsewhere = {"uvloop"} if sys.platform == "win32" else set()
    assert sorted(name for name in named - elsewhere if find_spec(name) is None) == []


IMPORT_EVERYTHING = """
import pkgutil, sys
import cybous3.server
for module in pkgutil.walk_packages(cybous3.server.__path__, "cybous3.server."):
    __import__(module.name)
import cybous3.cli.swifts3, cybous3.cli.swifts3_commands
print(*sorted(name for name in sys.modules if name.startswith("cybous3.")))
"""


def test_a_running_server_never_loads_what_opens_the_sealed() -> None:
    """Zero knowledge at run time: with every module of the server loaded, neither client nor crypto is there."""
    done = subprocess.run([sys.executable, "-c", IMPORT_EVERYTHING], check=True, capture_output=True, text=True)
    loaded = done.stdout.split()
    assert "cybous3.server.app" in loaded
    assert [name for name in loaded if name.startswith(("cybous3.client", "cybous3.crypto"))] == []

"""What the code imports is what the project declares, and each declared package has its reason."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions

from tests.support import house

ADR = "docs/adr/0002-dependencies.md"


def declared() -> set[str]:
    """Return the names of the distributions that pyproject.toml asks for."""
    project = tomllib.loads((house.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {re.split(r"[<>=~!;\[ ]", requirement)[0].lower() for requirement in project["dependencies"]}


def imported() -> set[str]:
    """Return the names of the distributions that the package imports, wherever the import stands."""
    roots: set[str] = set()
    for module in house.modules():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Import):
                roots |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                roots.add(node.module.split(".")[0])
    foreign = roots - set(sys.stdlib_module_names) - {"cybous3"}
    owners = packages_distributions()
    return {owners[root][0].lower().replace("_", "-") for root in foreign if root in owners}


def test_everything_imported_is_declared() -> None:
    """A package that is only there because a tool needs it would be missing on a user's machine."""
    by_name = {"keyring"}  # imported through importlib: see EXCUSED in test_house_rules.py
    assert imported() | by_name == declared()


def test_every_dependency_has_its_reason() -> None:
    text = (house.ROOT / ADR).read_text(encoding="utf-8")
    cells = {
        name for row in re.findall(r"^\| ([^|]+) \|", text, re.MULTILINE) for name in re.findall(r"[a-z0-9-]+", row)
    }
    assert declared() - cells == set()

"""The specification and the tests hold each other: every numbered rule is cited, every citation is a rule."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RULE = re.compile(r"\*\*\[([FKN]-\d+)\]\*\*")
CITED = re.compile(r"\[([FKN]-\d+)\]")
SECTION = re.compile(r"(format-v1|key-hierarchy\.md|names\.md) §(\d+(?:\.\d+)?)")


def rules() -> list[str]:
    pages = sorted((ROOT / "docs" / "spec").glob("*.md"))
    return [number for page in pages for number in RULE.findall(page.read_text("utf-8"))]


def test_every_numbered_rule_is_cited_by_a_test() -> None:
    tests = [path for path in (ROOT / "tests" / "crypto").glob("test_*.py") if path != Path(__file__)]
    cited = {number for path in tests for number in CITED.findall(path.read_text("utf-8"))}
    assert set(rules()) == cited


def test_rules_are_numbered_once_and_without_gaps() -> None:
    for letter in "FKN":
        numbers = [int(number[2:]) for number in rules() if number.startswith(letter)]
        assert sorted(numbers) == list(range(1, len(numbers) + 1))


def test_the_code_cites_sections_that_exist() -> None:
    pages = {"format-v1": "format-v1.md", "key-hierarchy.md": "key-hierarchy.md", "names.md": "names.md"}
    headings = {
        name: set(
            re.findall(r"^#+ (\d+(?:\.\d+)?)\.? ", (ROOT / "docs" / "spec" / page).read_text("utf-8"), re.MULTILINE)
        )
        for name, page in pages.items()
    }
    cited = 0
    for path in (ROOT / "src" / "cybous3" / "crypto").glob("*.py"):
        for name, section in SECTION.findall(path.read_text("utf-8")):
            assert section in headings[name], f"{path.name} cites {name} §{section}"
            cited += 1
    assert cited > 30

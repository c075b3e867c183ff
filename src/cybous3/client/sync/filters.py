"""Which paths of a tree take part: include and exclude patterns.

A path takes part when no exclude pattern matches it and, if there are include patterns, at least one of them does.
The order of the options never matters. Patterns have gitignore syntax and are matched against the path relative to the
tree, so `.git` excludes a folder of that name and nothing that merely contains these letters.
"""

from collections.abc import Sequence

from pathspec import GitIgnoreSpec

from cybous3.core.errors import CybousError


class BadPattern(CybousError):
    """A pattern cannot be read."""

    exit_code = 2


class Filter:
    """The patterns of one run."""

    def __init__(self, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        self._include = _compile(include)
        self._exclude = _compile(exclude)

    @property
    def takes_everything(self) -> bool:
        """Whether there are no patterns at all."""
        return self._include is None and self._exclude is None

    def takes(self, path: str) -> bool:
        """Whether the file at `path` (relative, "/" between names) takes part."""
        if self._exclude is not None and self._exclude.match_file(path):
            return False
        return self._include is None or self._include.match_file(path)

    def prunes(self, folder: str) -> bool:
        """Whether nothing below `folder` can take part, so that it need not be read."""
        return self._exclude is not None and self._exclude.match_file(folder + "/")


def _compile(patterns: Sequence[str]) -> GitIgnoreSpec | None:
    if not patterns:
        return None
    for pattern in patterns:
        if pattern.startswith("!"):
            raise BadPattern(f"the pattern {pattern!r} begins with '!'", hint="use --include for what is to take part")
    try:
        return GitIgnoreSpec.from_lines(patterns)
    except ValueError as error:
        raise BadPattern(f"a pattern cannot be read: {error}", hint="patterns have gitignore syntax") from error

"""From a page to a file: the ending of its name says how it is drawn."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from cybous3.core.errors import CybousError
from cybous3.lab.bench.plots import png
from cybous3.lab.bench.plots.chart import Page
from cybous3.lab.bench.plots.page import render


class UnknownPicture(CybousError):
    """A file name does not end in one of the kinds that can be drawn."""

    exit_code = 2


def _html(page: Page, path: Path) -> None:
    path.write_text(render(page), encoding="utf-8")


_KINDS: Final[dict[str, Callable[[Page, Path], None]]] = {".html": _html, ".png": png.write}


def check(path: Path) -> Path:
    """Return the path if a page can be drawn to it, so that a wrong name ends a command before it measures."""
    if path.suffix.lower() not in _KINDS:
        raise UnknownPicture(f"cannot draw {path.name!r}", hint="name a file that ends in .html or .png")
    return path


def write(page: Page, path: Path) -> None:
    """Draw the page to `path`, whose ending says how. Raises UnknownPicture, OSError."""
    _KINDS[check(path).suffix.lower()](page, path)

"""The scenarios that come with the program, by name: the files in `scenarios/`."""

from importlib.resources import files
from pathlib import Path
from typing import Final

from cybous3.lab.chaos.description import Catalogue
from cybous3.lab.chaos.errors import BadScenario
from cybous3.lab.chaos.scenario import Scenario, read

_FOLDER: Final = "scenarios"
_SUFFIX: Final = ".toml"


def names() -> list[str]:
    """Return the names, in order."""
    folder = files("cybous3.lab.chaos") / _FOLDER
    return sorted(entry.name.removesuffix(_SUFFIX) for entry in folder.iterdir() if entry.name.endswith(_SUFFIX))


def text(name_or_path: str) -> str:
    """Return a scenario's text: of a file, or of one that comes with the program. Raises BadScenario."""
    if name_or_path in names():
        entry = files("cybous3.lab.chaos") / _FOLDER / f"{name_or_path}{_SUFFIX}"
        return entry.read_text("utf-8")
    try:
        return Path(name_or_path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadScenario(
            f"{name_or_path!r} is neither a scenario that comes with the program nor a file that can be read: {error}",
            hint=f"there are {', '.join(names())}",
        ) from error


def load(name_or_path: str, catalogue: Catalogue, *, seed: int | None = None) -> Scenario:
    """Return a scenario, read. Raises BadScenario."""
    return read(text(name_or_path), catalogue, seed=seed)

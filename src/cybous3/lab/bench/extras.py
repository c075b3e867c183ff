"""The libraries of the extra `bench`, imported when one is needed, so that nobody else pays for them or misses them."""

from importlib import import_module
from typing import Any

from cybous3.core.errors import CybousError


class ExtraMissing(CybousError):
    """A library that only benchmarks need is not installed."""

    exit_code = 1


def need(name: str) -> Any:  # noqa: ANN401  # a module; none of these ships types that callers could use
    """Import and return a module of the extra: `need("scipy.stats")`. Raises ExtraMissing where it is not there."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise ExtraMissing(f"{name} is not installed", hint='pip install "cybous3[bench]"') from error

"""The version, read without importing anything heavy."""


def version() -> str:
    """Return the version of the installed distribution."""
    from importlib.metadata import version as installed  # noqa: PLC0415  # costs 10 ms, wanted by one command

    return installed("cybous3")


def version_line(program: str) -> str:
    """Return what `program --version` prints."""
    return f"{program} {version()}"

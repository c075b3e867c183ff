"""The entry point of `swifts3`; its commands are in `swifts3_commands`.

`--version` is answered before anything is imported: it is what scripts and installers ask for most.
"""

import sys


def main() -> None:
    """Run `swifts3` on the process's own arguments and end the process with the documented exit code."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        from cybous3.cli.version import version_line  # noqa: PLC0415  # the fast path imports nothing else

        sys.stdout.write(version_line("swifts3") + "\n")
        return
    from cybous3.cli.shell import run  # noqa: PLC0415  # after the fast path
    from cybous3.cli.swifts3_commands import swifts3  # noqa: PLC0415  # likewise

    sys.exit(run("swifts3", sys.argv[1:], swifts3))


if __name__ == "__main__":
    main()

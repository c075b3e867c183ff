"""The entry point of `cybs3`.

`--version` is answered before anything is imported: it is what scripts, prompts and installers ask for most.
"""

import gc
import sys

_COLLECT_EVERY = 20_000


def main() -> None:
    """Run `cybs3` on the process's own arguments and end the process with the documented exit code."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        from cybous3.cli.version import version_line  # noqa: PLC0415  # the fast path imports nothing else

        sys.stdout.write(version_line("cybs3") + "\n")
        return
    # A thread that returns from a native call waits up to this long for the interpreter; the default of 5 ms
    # throttles encryption beside any busy Python thread.
    sys.setswitchinterval(0.0005)
    # Imports and the rows of a large tree stay: a collector that looks through them every 700 objects finds nothing.
    gc.set_threshold(_COLLECT_EVERY, 10, 10)
    from cybous3.cli.shell import run  # noqa: PLC0415  # after the fast path

    sys.exit(run("cybs3", sys.argv[1:]))


if __name__ == "__main__":
    main()

"""The frame around every `cybs3` command: which groups there are, how errors end, what is imported when.

A group's module is imported when one of its commands is asked for, so that what a person waits for is what they use.
"""

import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple

import click

from cybous3.cli.output import Out
from cybous3.core.errors import CybousError

INTERRUPTED = 130  # 128 + SIGINT, as shells have it
READER_LEFT = 141  # 128 + SIGPIPE: a pipe's reader ended before all was written


class Entry(NamedTuple):
    """One line of the command table: where the command lives, and what `--help` says of it."""

    target: str
    summary: str


# docs/reference/cli.md is generated from these commands; a test keeps it complete.
COMMANDS: dict[str, Entry] = {
    "buckets": Entry("cybous3.cli.buckets:group", "List, create and delete buckets."),
    "chaos": Entry("cybous3.cli.chaos:group", "Break what is yours, for real, and judge what survived."),
    "files": Entry("cybous3.cli.files:group", "Store and fetch single files, encrypted."),
    "folders": Entry("cybous3.cli.folders:group", "Store, fetch, synchronise and verify whole trees."),
    "keys": Entry("cybous3.cli.keys:group", "Create, check and rotate keys."),
    "login": Entry("cybous3.cli.login:login", "Unlock this machine with your words."),
    "logout": Entry("cybous3.cli.login:logout", "Forget the unlocked keys of this machine."),
    "performance": Entry("cybous3.cli.performance:group", "Measure speed, honestly, and compare it."),
    "server": Entry("cybous3.cli.server:group", "Run a local S3 server."),
    "test": Entry("cybous3.cli.test:group", "Prove client and server against each other."),
    "vaults": Entry("cybous3.cli.vaults:group", "Add, choose and inspect vaults."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported on first use. `table` names them; the whole program's is COMMANDS."""

    def __init__(self, *args: Any, table: Mapping[str, Entry] = COMMANDS, **kwargs: Any) -> None:  # noqa: ANN401  # click's
        super().__init__(*args, **kwargs)
        self._table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the table, whether imported or not."""
        del ctx
        return sorted(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command of the table."""
        del ctx
        entry = self._table.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.target.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command list from the table, importing nothing."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._table[name].summary) for name in sorted(self._table)])


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--vault", metavar="NAME", envvar="CYBS3_VAULT", help="The vault to work on (default: the selected one).")
@click.option("--json", "as_json", is_flag=True, help="Write results as JSON.")
@click.option("--quiet", "-q", is_flag=True, help="Write nothing but results and errors.")
@click.version_option(package_name="cybous3", prog_name="cybs3", message="%(prog)s %(version)s")
@click.pass_context
def cybs3(ctx: click.Context, vault: str | None, as_json: bool, quiet: bool) -> None:  # noqa: FBT001  # click passes by name
    """Zero-knowledge storage: files are encrypted here before they go anywhere."""
    ctx.obj = {"vault": vault, "as_json": as_json, "quiet": quiet}


def run(program: str, args: Sequence[str], command: click.Command = cybs3) -> int:  # noqa: PLR0911  # one return for each way to end
    """Run `command` and return its exit code; whatever goes wrong ends in one sentence, never in a traceback."""
    out = Out(as_json="--json" in args)
    _let_terminate_unwind()
    try:
        code: Any = command.main(list(args), prog_name=program, standalone_mode=False)
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except (click.Abort, KeyboardInterrupt):
        out.error(program, _Interrupted("interrupted", hint="run the command again to continue where it stopped"))
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except CybousError as error:
        out.error(program, error)
        return error.exit_code
    except SystemExit:
        # How click ends when whoever read our output has gone; the interpreter's own flush must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_LEFT
    except OSError as error:
        out.error(program, _local_problem(error))
        return LocalProblem.exit_code
    except Exception as error:  # noqa: BLE001  # the last line of defence: no traceback reaches a person
        return _unexpected(program, out, error)
    return code if isinstance(code, int) else 0


class _Interrupted(CybousError):
    exit_code = INTERRUPTED


class LocalProblem(CybousError):
    """The local file system or machine refused: full, no permission, not a directory."""

    exit_code = 30


def _local_problem(error: OSError) -> LocalProblem:
    where = f"{error.filename}: " if error.filename else ""
    return LocalProblem(f"{where}{(error.strerror or str(error)).lower()}")


def _unexpected(program: str, out: Out, error: Exception) -> int:
    if os.environ.get("CYBS3_DEBUG"):
        raise error
    problem = CybousError(
        f"unexpected {type(error).__name__}: {error}", hint="this is a defect; CYBS3_DEBUG=1 shows where it happened"
    )
    out.error(program, problem)
    return problem.exit_code


def _let_terminate_unwind() -> None:
    """Turn SIGTERM into the same orderly end as Ctrl-C, so that temporary files are removed and journals closed."""

    def interrupt(_signum: int, _frame: object) -> None:
        raise KeyboardInterrupt

    handler: Callable[[int, Any], None] = interrupt
    signal.signal(signal.SIGTERM, handler)

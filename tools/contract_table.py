"""Write docs/design/s3-contract.md: the twenty requirements, tried out on our server and on others.

Usage: tools/contract_table.py [NAME]...    (default: rclone s3rver moto; they are installed where that is missing)

The others are brought up as `cybs3 performance vs` does. They are started once and killed for R3 like ours.
"""

import os
import signal
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen

from cybous3.client.stores.s3.connection import Timeouts
from cybous3.core.sigv4.credentials import Credentials
from cybous3.lab.bench.rivals.install import cache_folder
from cybous3.lab.bench.rivals.port import Place, Program, Rival, Shelf, Unavailable
from cybous3.lab.bench.rivals.process import answers, free_port, spawn, stop
from cybous3.lab.bench.rivals.table import chosen
from cybous3.lab.chaos.caller import Caller, Site
from cybous3.lab.chaos.s3contract.ground import Ground
from cybous3.lab.chaos.s3contract.requirements import REQUIREMENTS
from cybous3.lab.chaos.s3contract.run import CHECKS
from cybous3.lab.chaos.s3contract.table import Result, run, summary

TARGET = Path(__file__).resolve().parents[1] / "docs" / "design" / "s3-contract.md"
BUCKET = "contract"
WORDS = {"pass": "met", "fail": "**not met**", "not testable": "not testable", None: ""}


@dataclass
class Contestant:
    """A server that can be killed and started again over the same data."""

    rival: Rival
    program: Program
    folder: Path
    port: int = field(default_factory=free_port)
    process: "Popen[bytes] | None" = None
    credentials: Credentials = field(
        default_factory=lambda: Credentials("CONTRACTKEY000000000", "contract-" + "0" * 31)
    )

    def start(self) -> None:
        """Start it, the second time over what the first left."""
        place = Place(self.folder, self.port, self.credentials)
        existing = self.folder / "data"
        kept = existing.rename(self.folder / "kept") if existing.exists() else None
        launch = self.rival.launch(self.program, place)
        if kept is not None:
            if existing.exists():
                existing.rmdir()
            kept.rename(existing)
        self.credentials = launch.credentials
        self.process = spawn(launch.command, launch.environment, self.folder / "server.log")
        if not answers(self.process, self.port):
            raise Unavailable(f"{self.rival.name} did not answer")

    def restart(self) -> None:
        """Kill it, and start it again."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.start()


def results_of(rival: Rival, folder: Path) -> tuple[str, list[Result]]:
    """Return the version and every check's outcome."""
    program = rival.provide(Shelf(cache_folder(), install=True, say=print))
    contestant = Contestant(rival, program, folder)
    folder.mkdir()
    contestant.start()
    try:
        site = Site(f"http://127.0.0.1:{contestant.port}", contestant.credentials, timeouts=Timeouts(5.0, 15.0))
        with Caller(site) as caller:
            caller.call("PUT", BUCKET)
        ground = Ground(site, BUCKET, "c/", restart=contestant.restart, restart_kind="kill -9")
        found = []
        for result in run(CHECKS, ground):
            found.append(result)
            print(f"{rival.name:8} {result.requirement:4}{result.verdict:13}{result.name:26} {result.detail[:110]}")
        ground.me.close()
        return program.version, found
    finally:
        if contestant.process is not None:
            stop(contestant.process)


HEAD = """\
# The twenty requirements

<!-- Written by tools/contract_table.py: run it again to renew the page. -->

What a program that trusts an object store with its only copy needs of it, after the list that Elasticsearch keeps for
the stores it can snapshot to. `cybs3 chaos s3-contract --endpoint URL` tries all of it out on any S3 endpoint, those
points included that Elasticsearch's own analyser does not test; it needs no cluster.

The table is of one run of `.venv/bin/python tools/contract_table.py` on one machine, each server with its
defaults, killed and started again for R3. None of it is about power loss: for that there is `cybs3 chaos crash`. A
requirement is not met as soon as one of its checks fails; what failed is told below. s3rver and moto are made as
doubles for tests, and do not claim to be more.
"""


def page(table: dict[str, tuple[str, list[Result]]]) -> str:
    """Return the page."""
    names = list(table)
    lines = [HEAD, "| | requirement | original analyser | " + " | ".join(f"{n} {table[n][0]}" for n in names) + " |"]
    lines.append("| --- | --- | --- |" + " --- |" * len(names))
    verdicts = {name: summary(results) for name, (_, results) in table.items()}
    for number, title, text, original in REQUIREMENTS:
        cells = [WORDS[verdicts[name].get(number)] for name in names]
        lines.append(f"| {number} | {title}: {text} | {original} | " + " | ".join(cells) + " |")
    totals = [f"{sum(v == 'pass' for v in verdicts[name].values())} of {len(REQUIREMENTS)}" for name in names]
    lines.append("| | met | | " + " | ".join(totals) + " |")
    lines += ["", "## What failed, and what cannot be told from outside", ""]
    for name in names:
        lines += [f"### {name}", ""]
        found = [result for result in table[name][1] if result.verdict != "pass"]
        lines += [
            f"- {result.requirement} {result.name}, {result.verdict}: {_plain(result.detail)}" for result in found
        ] or ["Nothing."]
        lines.append("")
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Return text that neither Markdown nor HTML reads anything into; what a run alone knows is left out."""
    return " ".join(text.split()).replace("<", "&lt;").replace("|", "/").replace("*", "\\*")[:300]


def main() -> None:
    """Try out every server, write the page."""
    names = tuple(sys.argv[1:]) or ("rclone", "s3rver", "moto")
    table: dict[str, tuple[str, list[Result]]] = {}
    with tempfile.TemporaryDirectory(prefix="cybs3-contract-") as scratch:
        for rival in chosen(names):
            try:
                table[rival.name] = results_of(rival, Path(scratch) / rival.name)
            except Unavailable as reason:
                print(f"{rival.name}: {reason}")
    TARGET.write_text(page(table), encoding="utf-8")


if __name__ == "__main__":
    main()

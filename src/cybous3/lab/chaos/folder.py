"""The load of kind "folder": a person's tree goes into a vault by `cybs3 folders put`, a process like any other.

It may be killed together with the server. Afterwards the same command must complete, and a machine that knows nothing
but the words must get every file back bit for bit: no corrupt plaintext, no key lost (invariant 8).

Its operations are the objects and parts that it sends, counted on the wire, where they wait at a fault's place: so a
fault finds it in the middle of its tree, however fast the machine is.
"""

import os
import random
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cybous3.client.stores.connect import Access
from cybous3.lab.chaos.errors import CouldNotBegin
from cybous3.lab.chaos.gate import Gate
from cybous3.lab.chaos.load import Record
from cybous3.lab.chaos.plan import content
from cybous3.lab.chaos.proxy.wire import Wire
from cybous3.lab.chaos.scenario import Scenario

_COMMAND: Final = (sys.executable, "-m", "cybous3.cli.cybs3")
_PATIENCE_S: Final = 120.0
_FOREIGN: Final = ("CYBS3_", "AWS_", "XDG_")
_SHARE: Final = 20  # files in a folder
_WRITES: Final = frozenset({"PutObject", "UploadPart"})


@dataclass
class Person:
    """Someone with a home, and the words of a vault."""

    home: Path
    words: str = field(repr=False)
    secret_key: str = field(repr=False)

    @property
    def surroundings(self) -> dict[str, str]:
        """The environment of their commands."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        mine = {
            "HOME": str(self.home),
            "CYBS3_HOME": str(self.home / "cybs3"),
            "CYBS3_PASSPHRASE_FILE": str(self.home / "passphrase"),
            "CYBS3_SECRET_KEY": self.secret_key,
        }
        return clean | mine

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        return subprocess.run(  # noqa: S603  # our own client
            [*_COMMAND, *arguments],
            env=self.surroundings,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )

    def log_in(self, access: Access, bucket: str) -> None:
        """Unlock this home, and add the vault to it. CouldNotBegin when that is refused."""
        self.home.mkdir(parents=True)
        if not self.words:
            self.words = self._must("keys", "create", "--quiet").strip()
        (self.home / "words").write_text(self.words, encoding="utf-8")
        (self.home / "passphrase").write_text(secrets.token_hex(8), encoding="utf-8")
        self._must("login", "--mnemonic-file", str(self.home / "words"))
        key = access.credentials.access_key if access.credentials is not None else ""
        self._must("vaults", "add", "v", "--endpoint", access.endpoint, "--bucket", bucket, "--access-key", key)

    def _must(self, *arguments: str) -> str:
        done = self.run(*arguments)
        if done.returncode:
            said = " ".join(arguments[:2])
            raise CouldNotBegin(f"cybs3 {said} ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout


class FolderLoad:
    """The same face as a crew of clients, and one process behind it. `processes` is where faults find it.

    `access` goes over `wire`.
    """

    def __init__(
        self,
        scenario: Scenario,
        scratch: Path,
        access: Access,
        bucket: str,
        processes: "list[subprocess.Popen[bytes]]",
        wire: Wire,
    ) -> None:
        self._scenario, self._scratch, self._bucket = scenario, scratch, bucket
        self._access, self._processes, self._wire = access, processes, wire
        self._tree = scratch / "tree"
        keys = access.credentials
        self._person = Person(scratch / "home", "", keys.secret_key if keys is not None else "")
        self._thread: threading.Thread | None = None
        self._problem: BaseException | None = None

    def prepare(self) -> None:
        """Make the tree, as the seed has it, and the vault."""
        chance = random.Random(f"{self._scenario.seed}/tree")  # noqa: S311  # a tree that can be made again
        for number in range(self._scenario.load.keys):
            path = self._tree / f"folder-{number // _SHARE}" / f"file {number}.bin"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content(self._scenario.seed, path.name, 1, self._scenario.load.sizes.sample(chance)))
        self._person.log_in(self._access, self._bucket)

    def begin(self, gate: Gate, records: list[Record], clock: Callable[[], float]) -> None:
        """Let the person's command begin; what it sends is counted by `gate`."""
        self._wire.count(_WRITES, gate.enter)
        self._thread = threading.Thread(target=self._put, args=(records, clock), daemon=True, name="load-folder")
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether the command still runs."""
        return self._thread is not None and self._thread.is_alive()

    def join(self, within_s: float) -> bool:
        """Wait for its end; kill it when that does not come. Raises what went wrong with starting it."""
        if self._thread is not None:
            self._thread.join(min(within_s, _PATIENCE_S))
        for process in self._processes:
            if process.poll() is None:
                process.kill()
        if self._problem is not None:
            raise self._problem
        return not self.busy

    def close(self) -> None:
        """Nothing stays open."""

    def _put(self, records: list[Record], clock: Callable[[], float]) -> None:
        try:
            begun = clock()
            process = subprocess.Popen(  # noqa: S603  # our own client
                [*_COMMAND, "folders", "put", str(self._tree), "tree"],
                env=self._person.surroundings,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            self._processes.append(process)
            code = process.wait()
            error = f"exit code {code}" if code else ""
            records.append(Record(0, 0, "folders put", begun, clock() - begun, error, 1))
        except BaseException as error:  # noqa: BLE001  # a defect of the load must end the run, not a thread of it
            self._problem = error

    def finish(self) -> list[str]:
        """Run the command again, fetch everything with the words alone, and return what is wrong."""
        done = self._person.run("folders", "put", str(self._tree), "tree")
        if done.returncode:
            return [f"the second run ended with {done.returncode}: {done.stderr.strip()}"]
        other = Person(self._scratch / "other home", self._person.words, self._person.secret_key)
        other.log_in(self._access, self._bucket)
        back = self._scratch / "back"
        done = other.run("folders", "get", "tree", str(back))
        if done.returncode:
            return [f"the words alone do not bring the tree back: {done.returncode}: {done.stderr.strip()}"]
        return _differences(self._tree, back)


def _differences(wanted: Path, found: Path) -> list[str]:
    names = {path.relative_to(root) for root in (wanted, found) for path in root.rglob("*") if path.is_file()}
    return [
        f"{name} differs"
        for name in sorted(names)
        if not ((wanted / name).is_file() and (found / name).is_file())
        or (wanted / name).read_bytes() != (found / name).read_bytes()
    ]

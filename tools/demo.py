"""The main job in one go: encrypt a real folder into our own S3 server on this machine, and get it back.

`make demo` runs it. It uses the public commands only, in a temporary directory with a home of its own, on a free port,
and leaves nothing behind, whether it ends well, badly or by Ctrl-C.

Usage: tools/demo.py [--large MIB] [--files N] [--keep]
"""

import argparse
import hashlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import psutil

from cybous3.cli.output import human_bytes
from cybous3.client.stores.connect import Access, open_buckets, open_store
from cybous3.client.stores.port import Entry, Store, each_entry
from cybous3.core.sigv4.credentials import Credentials

MIB = 1024 * 1024
PIECE = 4 * MIB
SHOWN_KEYS = 4
SHOWN_BYTES = 48


class Failed(Exception):
    """A step of the demonstration did not do what it promises."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The scratch directory and what lies in it."""

    folder: Path
    root: Credentials

    @property
    def data(self) -> Path:
        """Where the server keeps everything."""
        return self.folder / "server"

    @property
    def passphrase(self) -> Path:
        """A file with the passphrase that opens this home: what a script would have instead of a keyring."""
        return self.folder / "home" / "passphrase"

    @property
    def environment(self) -> dict[str, str]:
        """An environment in which nothing of the person's own is read or written."""
        ours = ("CYBS3_", "SWIFTS3_", "AWS_")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        return clean | {
            "HOME": str(self.folder / "home"),
            "CYBS3_HOME": str(self.folder / "home" / "cybs3"),
            "CYBS3_PASSPHRASE_FILE": str(self.passphrase),
            "SWIFTS3_STATE_DIR": str(self.folder / "home" / "swifts3"),
            "SWIFTS3_ROOT_ACCESS_KEY": self.root.access_key,
            "SWIFTS3_ROOT_SECRET_KEY": self.root.secret_key,
        }

    def cybs3(self, *arguments: str) -> str:
        """Run a command as a person would, show it, and return what it printed."""
        print(f"  $ cybs3 {' '.join(self.short(argument) for argument in arguments)}")
        done = self.call(*arguments)
        if done.returncode:
            raise Failed(f"exit code {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command, whatever its exit code."""
        command = [sys.executable, "-m", "cybous3.cli.cybs3", *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)

    def short(self, argument: str) -> str:
        """Return an argument without the long name of the scratch directory."""
        return argument.replace(str(self.folder) + os.sep, "")


def end_commands() -> None:
    """End what still runs: a Ctrl-C between the start of a command and its return leaves one that nobody waits for."""
    own = psutil.Process()
    with suppress(psutil.NoSuchProcess):
        for command in own.children():
            command.suspend()  # so that it starts no helper while they are looked for
    running = own.children(recursive=True)
    for process in running:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(running, timeout=10)


def heading(text: str) -> None:
    """Announce a step."""
    print(f"\n{text}")


@contextmanager
def stage(*, keep: bool) -> Iterator[Stage]:
    """Yield a scratch directory; whatever happens, the server is stopped and the directory removed."""
    folder = Path(tempfile.mkdtemp(prefix="cybous3-demo-")).resolve()
    (folder / "home").mkdir()
    scene = Stage(folder, Credentials("DEMO" + secrets.token_hex(8).upper(), secrets.token_urlsafe(30)))
    try:
        yield scene
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not break off the clearing up
        end_commands()
        scene.call("server", "stop")  # does nothing when the story has reached its own end
        if keep:
            print(f"    kept: {folder}")
        else:
            shutil.rmtree(folder)


def free_port() -> int:
    """Return a port of this machine that nobody uses right now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def make_tree(target: Path, files_max: int) -> tuple[int, int]:
    """Copy the sources of Python's standard library; return the number of files and of bytes."""
    source = Path(sysconfig.get_path("stdlib"))
    count = size = 0
    for path in sorted(source.rglob("*.py")):
        relative = path.relative_to(source)
        if {"site-packages", "dist-packages", "__pycache__"} & set(relative.parts) or not path.is_file():
            continue
        if count == files_max:
            break
        copy = target / relative
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        count += 1
        size += copy.stat().st_size
    return count, size


def make_large(target: Path, mib: int) -> int:
    """Write a file of random bytes, which no compression can help with; return its size."""
    with target.open("wb") as file:
        for _ in range(mib * MIB // PIECE):
            file.write(os.urandom(PIECE))
    return target.stat().st_size


def digest(path: Path) -> str:
    """Return a file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below a folder, by its relative name."""
    return {path.relative_to(folder).as_posix(): digest(path) for path in folder.rglob("*") if path.is_file()}


def timed(scene: Stage, size: int, *arguments: str) -> None:
    """Run a transfer and say how fast it was."""
    start = time.monotonic()
    scene.cybs3(*arguments)
    seconds = time.monotonic() - start
    print(f"    {human_bytes(size)} in {seconds:.1f} s: {human_bytes(int(size / seconds))}/s")


def printable(data: bytes) -> str:
    """Return bytes as a hex dump shows them: letters where there are any, dots elsewhere."""
    return "".join(c if c.isascii() and c.isprintable() else "." for c in data.decode("latin-1"))


def show_server_side(scene: Stage, access: Access, names: set[str]) -> None:
    """Look at the bucket with the server's own root key, as its owner could; fail if anything can be read."""
    (bucket,) = open_buckets(access).list_buckets()
    with closing(open_store(access, bucket.name)) as store:
        entries = [entry for entry in each_entry(store) if ".cybs3/" not in entry.key]
        print_entries(store, entries)
    leaks = [name for name in names if any(name in entry.key for entry in entries)]
    leaks += [f"content in {path.name}" for path in scene.data.rglob("*") if path.is_file() and is_legible(path)]
    if leaks:
        raise Failed(f"the server can read: {leaks[:3]}")
    print("    No name of the tree is in a key, and no line of Python in the server's whole data directory.")


def print_entries(store: Store, entries: Sequence[Entry]) -> None:
    """Print the largest object and the first of the others as the server has them: key, size, first bytes."""
    print(f"    {len(entries)} objects, {human_bytes(sum(entry.size for entry in entries))}, among them:")
    largest = max(entries, key=lambda entry: entry.size)
    for entry in [largest, *(entry for entry in entries if entry is not largest)][:SHOWN_KEYS]:
        with store.get(entry.key, length=SHOWN_BYTES) as download:
            first = download.read()
        print(f"    {entry.size:>11,} bytes  {entry.key[:58]}{'…' if len(entry.key) > 58 else ''}")  # noqa: PLR2004  # a line's width
        print(f"                       {printable(first)}")


LEGIBLE = (b"import sys", b"def __init__", b"raise ValueError", b"asyncio", b"unittest")


def is_legible(path: Path) -> bool:
    """Whether a file of the server holds text that stands in thousands of places of the tree."""
    content = path.read_bytes() if path.stat().st_size < 64 * MIB else b""
    return any(word in content for word in LEGIBLE)


def run(scene: Stage, large_mib: int, files_max: int) -> None:
    """Tell the whole story; raises Failed at the first promise that is not kept."""
    tree, large = scene.folder / "python-sources", scene.folder / "large.bin"
    heading("1. A real folder and one large file")
    count, size = make_tree(tree, files_max)
    large_size = make_large(large, large_mib)
    print(f"    the sources of Python's standard library: {count:,} files, {human_bytes(size)}")
    print(f"    random bytes: {human_bytes(large_size)}")

    heading("2. Our own S3 server, on a free port of this machine")
    port = free_port()
    listen = ("--listen", f"127.0.0.1:{port}", "--admin-listen", f"127.0.0.1:{free_port()}")
    scene.cybs3("server", "start", "--data", str(scene.data), *listen)

    heading("3. Recovery words, and a vault that only they open")
    words = scene.folder / "home" / "words"
    words.write_text(scene.cybs3("keys", "create", "--quiet"), encoding="utf-8")
    scene.passphrase.write_text(secrets.token_hex(8), encoding="utf-8")
    scene.cybs3("login", "--mnemonic-file", str(words), "--passphrase-file", str(scene.passphrase))
    scene.cybs3("vaults", "local")

    heading("4. Encrypt and store")
    timed(scene, size, "folders", "put", str(tree), "python")
    timed(scene, large_size, "files", "put", str(large), "large.bin")

    heading("5. What the server sees")
    show_server_side(scene, Access(f"http://127.0.0.1:{port}", scene.root), {path.name for path in tree.rglob("*.py")})

    heading("6. Fetch and decrypt, elsewhere")
    back = scene.folder / "restored"
    timed(scene, size, "folders", "get", "python", str(back))
    timed(scene, large_size, "files", "get", "large.bin", str(scene.folder / "large.back"))

    heading("7. Compare every byte")
    if digests(tree) != digests(back) or digest(large) != digest(scene.folder / "large.back"):
        raise Failed("what came back is not what was stored")
    print(f"    {count + 1:,} files, {human_bytes(size + large_size)}: the same, byte for byte")

    heading("8. Stop the server")
    scene.cybs3("server", "stop")


def interrupt(_signal: int, _frame: FrameType | None) -> None:
    """End as Ctrl-C does, so that everything is cleaned up."""
    raise KeyboardInterrupt


NEXT = """
What to try next
    .venv/bin/cybs3 server start     a server that stays
    .venv/bin/cybs3 keys create      your own words; then: login, vaults local, folders put
    .venv/bin/cybs3 test integration client and server against each other, check by check
    README.md                        the tour, and the threat model in ten lines
"""


def main() -> int:
    """Run the demonstration and return 0, or say in one sentence what failed."""
    parser = argparse.ArgumentParser(description="Encrypt a real folder into our own S3 server, and get it back.")
    parser.add_argument("--large", type=int, default=256, metavar="MIB", help="size of the large file (256)")
    parser.add_argument("--files", type=int, default=1_000_000, metavar="N", help="at most so many small files (all)")
    parser.add_argument("--keep", action="store_true", help="keep the scratch directory, to look around")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, interrupt)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a text stream, also when it is a pipe
    start = time.monotonic()
    try:
        with stage(keep=options.keep) as scene:
            run(scene, options.large, options.files)
    except Failed as problem:
        print(f"demo failed: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; nothing is left behind", file=sys.stderr)
        return 130
    print(f"\nDone in {time.monotonic() - start:.0f} s. The server is stopped and nothing is left behind.")
    print(NEXT)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

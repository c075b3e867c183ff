"""What is counted: one row for each operation, what must be there before it, and what of it is left to chance.

A row's `before` is not counted; `act` is. Both get the number of the repetition, so that each works on keys of its own.
`loose` names the counters (by prefix) that depend on how the kernel cuts a stream into pieces or on which thread comes
first: they are shown and do not gate. Everything else is the same each time.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from cybous3.lab.bench.counters.caller import Answer, Caller
from cybous3.lab.bench.counters.subject import Client

KIB: Final = 1024
MIB: Final = 1024 * KIB
BUCKET: Final = "/counted"
LISTED: Final = 1000
FOLDER_FILES: Final = 10

ServerStep = Callable[[Caller, int], None]
ClientStep = Callable[[Client, int], None]
ClientAct = Callable[[Client, int], list[str]]

# How much room the disk has is looked up anew once a second.
CLOCK: Final = ("files.statvfs", "sql.pragma")
# A body that comes or goes in several pieces: how many is decided by socket buffers and scheduling.
PIECES: Final = (
    *CLOCK,
    *("calls.", "files.write", "files.pread", "files.sendfile"),
    *(
        "kernel.read",
        "kernel.write",
        "kernel.pwrite",
        "kernel.recv",
        "kernel.send",
        "kernel.sendfile",
        "kernel.ioctl",
        "kernel.sync_file_range",
    ),
)
# What a program looks up at its start depends on the home it finds, and on the length of its path.
START: Final = (
    *("calls.", "hash.sha256_bytes", "files.stat", "files.lstat", "files.access", "files.utime", "files.mkdir"),
    *("files.close", "files.fstat", "files.scandir"),
)


# Threads of one transfer may derive the same key twice, share a connection that is free just then, and what they note
# is committed in groups, as it comes.
THREADS: Final = (*START, "aead.keys", "hash.hmac", "hash.sha384", "http.connections", "sql.begin", "sql.commit")


def _nothing(_: Caller | Client, __: int) -> None:
    """Prepare nothing."""


@dataclass(frozen=True, slots=True)
class ServerScenario:
    """One operation of the server, from one connection."""

    name: str
    act: ServerStep
    before: ServerStep = _nothing
    loose: tuple[str, ...] = CLOCK
    settled: bool = False  # nothing was written since the last read: SQLite takes the same locks each time
    cached_reads: bool = False  # goes another way where a file system cannot tell what is cached (RWF_NOWAIT)


@dataclass(frozen=True, slots=True)
class ClientScenario:
    """One command of the client; `act` returns its arguments."""

    name: str
    act: ClientAct
    before: ClientStep = _nothing
    loose: tuple[str, ...] = START


def put(name: str, size: int) -> ServerStep:
    """Return a step that stores an object of `size` bytes."""
    body = b"\x5a" * size

    def step(caller: Caller, number: int) -> None:
        caller.call("PUT", f"{BUCKET}/{name}-{number:03}", body=body)

    return step


def ask(method: str, name: str, query: str = "", **headers: str) -> ServerStep:
    """Return a step that sends a request without a body for an object that `put` stored."""
    fields = {field.replace("_", "-"): text for field, text in headers.items()}

    def step(caller: Caller, number: int) -> None:
        caller.call(method, f"{BUCKET}/{name}-{number:03}", query, headers=fields)

    return step


def both(first: ServerStep, second: ServerStep) -> ServerStep:
    """Return the two steps as one."""

    def step(caller: Caller, number: int) -> None:
        first(caller, number)
        second(caller, number)

    return step


def _done(_: Answer) -> None:
    """Drop an answer: that it came is all that counts."""


def list_page(caller: Caller, _: int) -> None:
    """List one full page."""
    caller.call("GET", BUCKET, f"list-type=2&max-keys={LISTED}&prefix=listed%2F")


def copy(caller: Caller, number: int) -> None:
    """Copy an object within the bucket."""
    source = {"x-amz-copy-source": f"{BUCKET}/source-{number:03}"}
    caller.call("PUT", f"{BUCKET}/copy-{number:03}", headers=source)


def multipart(caller: Caller, number: int) -> None:
    """Upload an object in two parts of 5 MiB."""
    path = f"{BUCKET}/parts-{number:03}"
    started = caller.call("POST", path, "uploads=").body.decode()
    upload = quote(started.partition("<UploadId>")[2].partition("</UploadId>")[0], safe="")
    etags = [
        caller.call("PUT", path, f"partNumber={part}&uploadId={upload}", b"\x5a" * (5 * MIB)).headers["etag"]
        for part in (1, 2)
    ]
    rows = "".join(
        f"<Part><PartNumber>{part}</PartNumber><ETag>{etag}</ETag></Part>" for part, etag in enumerate(etags, 1)
    )
    body = f"<CompleteMultipartUpload>{rows}</CompleteMultipartUpload>".encode()
    caller.call("POST", path, f"uploadId={upload}", body)


SERVER: Final[tuple[ServerScenario, ...]] = (
    ServerScenario("PUT 4 KiB", put("inline", 4 * KIB)),
    ServerScenario("PUT 4 KiB over another", put("over", 4 * KIB), before=put("over", 4 * KIB)),
    ServerScenario("PUT 64 KiB", put("file", 64 * KIB), loose=PIECES),
    ServerScenario(
        "PUT 64 KiB over another", put("file-over", 64 * KIB), before=put("file-over", 64 * KIB), loose=PIECES
    ),
    ServerScenario("PUT 16 MiB", put("large", 16 * MIB), loose=PIECES),
    ServerScenario("GET 4 KiB, first time", ask("GET", "fresh"), before=put("fresh", 4 * KIB)),
    ServerScenario(
        "GET 4 KiB again", ask("GET", "known"), before=both(put("known", 4 * KIB), ask("GET", "known")), settled=True
    ),
    ServerScenario(
        "GET 4 KiB, same bytes again",
        lambda caller, _: _done(caller.again()),
        before=both(put("same", 4 * KIB), ask("GET", "same")),
        settled=True,
    ),
    ServerScenario("GET 64 KiB", ask("GET", "read"), before=put("read", 64 * KIB), loose=PIECES, cached_reads=True),
    ServerScenario("GET 16 MiB", ask("GET", "stream"), before=put("stream", 16 * MIB), loose=PIECES),
    ServerScenario(
        "GET 1 KiB of 64 KiB",
        ask("GET", "part", range="bytes=1024-2047"),
        before=put("part", 64 * KIB),
        cached_reads=True,
    ),
    ServerScenario("HEAD", ask("HEAD", "looked"), before=put("looked", 4 * KIB)),
    ServerScenario("LIST a page of 1,000", list_page, settled=True),
    ServerScenario("DELETE 4 KiB", ask("DELETE", "gone"), before=put("gone", 4 * KIB)),
    ServerScenario("DELETE 64 KiB", ask("DELETE", "gone-file"), before=put("gone-file", 64 * KIB)),
    ServerScenario("CopyObject 4 KiB", copy, before=put("source", 4 * KIB)),
    ServerScenario("multipart 2 x 5 MiB", multipart, loose=PIECES),
)


def prepare(callers: Sequence[Caller], keys: int = LISTED + 1) -> None:
    """Make what all scenarios of the server share: a bucket, and one key more than a page holds, so that it is cut."""
    callers[0].call("PUT", BUCKET)

    def fill(share: int) -> None:
        for number in range(share, keys, len(callers)):
            callers[share].call("PUT", f"{BUCKET}/listed/{number:05}")

    with ThreadPoolExecutor(len(callers)) as pool:
        list(pool.map(fill, range(len(callers))))


def write_file(size: int) -> ClientStep:
    """Return a step that writes a local file of `size` bytes."""

    def step(client: Client, number: int) -> None:
        (client.home / f"file-{size}-{number}").write_bytes(bytes(range(256)) * (size // 256))

    return step


def put_file(size: int) -> ClientAct:
    """Return the command that stores the file of `write_file`."""
    return lambda client, number: ["files", "put", str(client.home / f"file-{size}-{number}"), f"f-{size}-{number}"]


def store_file(size: int) -> ClientStep:
    """Return a step that writes and stores a file."""

    def step(client: Client, number: int) -> None:
        write_file(size)(client, number + 100)
        client.run(*put_file(size)(client, number + 100), "--quiet")

    return step


def get_file(size: int) -> ClientAct:
    """Return the command that fetches the file of `store_file`."""
    return lambda client, number: [
        "files",
        "get",
        f"f-{size}-{number + 100}",
        str(client.home / f"back-{size}-{number}"),
    ]


def write_folder(client: Client, number: int) -> None:
    """Write a folder of ten files of 4 KiB."""
    folder = client.home / f"tree-{number}"
    folder.mkdir()
    for one in range(FOLDER_FILES):
        (folder / f"{one:02}").write_bytes(bytes((one,)) * 4 * KIB)


def folder_command(verb: str) -> ClientAct:
    """Return the command that puts or syncs the folder of `write_folder`."""
    return lambda client, number: ["folders", verb, str(client.home / f"tree-{number}"), f"tree-{number}"]


def synced_folder(client: Client, number: int) -> None:
    """Write a folder and sync it once."""
    write_folder(client, number + 100)
    client.run(*folder_command("sync")(client, number + 100), "--quiet")


CLIENT: Final[tuple[ClientScenario, ...]] = (
    ClientScenario("files put 4 KiB", put_file(4 * KIB), write_file(4 * KIB)),
    ClientScenario("files get 4 KiB", get_file(4 * KIB), store_file(4 * KIB)),
    ClientScenario("files put 9 MiB", put_file(9 * MIB), write_file(9 * MIB), THREADS),
    ClientScenario("files get 9 MiB", get_file(9 * MIB), store_file(9 * MIB), THREADS),
    ClientScenario("folders put 10 files", folder_command("put"), write_folder, THREADS),
    ClientScenario(
        "folders sync, unchanged",
        lambda client, number: folder_command("sync")(client, number + 100),
        synced_folder,
        THREADS,
    ),
)

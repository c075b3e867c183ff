"""Checks of the whole: what the client seals, the server keeps, and what neither a thief nor a liar gets out of it."""

import io
import os
from typing import Any

from cybous3.client.keys.errors import Rollback
from cybous3.client.stores.errors import ConnectionLost
from cybous3.client.stores.port import Part, each_entry
from cybous3.client.sync.filters import Filter
from cybous3.client.sync.folders import How
from cybous3.client.transfer.errors import Conflict, NotFoundHere
from cybous3.client.transfer.files import Listed
from cybous3.client.vault.opening import SeedSecret
from cybous3.crypto.errors import CannotOpen, CannotUnlock, CryptoError
from cybous3.lab.integration.bench import Bench, Machine
from cybous3.lab.integration.run import Check, expect, must_raise

MIB = 1024 * 1024
SEGMENT_PLAIN = MIB - 32
CANARY = b"CANARY-7f3a9c-must-never-be-seen-in-clear"


def made_and_opened(bench: Bench) -> str:
    """The words alone open the vault on a machine that has never seen it; other words do not."""
    bench.alice.create()
    newcomer = bench.machine("newcomer")
    newcomer.open()
    expect(newcomer.vault.vault_id == bench.alice.vault.vault_id, "another vault was opened")
    stranger = bench.machine("stranger", seed=os.urandom(64))
    must_raise(CannotUnlock, stranger.open)
    return f"vault {bench.alice.vault.vault_id.hex()[:8]}, generation {bench.alice.vault.generation}"


def files_of_all_sizes(bench: Bench) -> str:
    """Files around every boundary come back bit for bit."""
    sizes = [0, 1, SEGMENT_PLAIN - 1, SEGMENT_PLAIN, SEGMENT_PLAIN + 1, 8 * SEGMENT_PLAIN, 20 * MIB + 3]
    source, target = bench.scratch / "source", bench.scratch / "target"
    for size in sizes:
        data = os.urandom(size)
        source.write_bytes(data)
        bench.alice.up.put_file(source, f"sizes/{size}")
        bench.alice.down.get_file(f"sizes/{size}", target)
        expect(target.read_bytes() == data, f"{size} bytes came back different")
    return f"{len(sizes)} sizes, 0 bytes to 20 MiB"


def streams(bench: Bench) -> str:
    """A stream of unknown length is stored in parts, and any range of it can be read."""
    data = os.urandom(18 * MIB + 5)
    bench.alice.up.put_stream(io.BytesIO(data), "stream")
    out = io.BytesIO()
    bench.alice.down.stream("stream", out)
    expect(out.getvalue() == data, "the stream came back different")
    out = io.BytesIO()
    bench.alice.down.stream("stream", out, start=SEGMENT_PLAIN - 5, length=10)
    expect(out.getvalue() == data[SEGMENT_PLAIN - 5 :][:10], "a range across segments differs")
    return "18 MiB in parts; a range across segments"


def nothing_legible(bench: Bench) -> str:
    """Neither names nor contents nor what a person attached can be read in the bucket."""
    bench.alice.up.put_stream(io.BytesIO(CANARY * 1000), f"{CANARY.decode()}/{CANARY.decode()}.txt")
    seen = 0
    for entry in each_entry(bench.store):
        info = bench.store.head(entry.key)
        hay = entry.key.encode() + repr(sorted(info.metadata.items())).encode() + bench.stored(entry.key)
        expect(CANARY not in hay, f"the canary can be read in {entry.key!r}")
        seen += 1
    return f"{seen} objects searched"


def names_come_back(bench: Bench) -> str:
    """Names in any script, long ones too, are listed as they were given."""
    paths = {"names/ümläut.txt", "names/日本/🗝.bin", "names/" + "long" * 45 + "/x", "names/sp ace+&=?"}
    for path in paths:
        bench.alice.up.put_stream(io.BytesIO(path.encode()), path)
    listed = {item.path for item in bench.alice.files.list("names", recursive=True) if isinstance(item, Listed)}
    expect(listed == paths, f"listed {sorted(listed)}")
    return f"{len(paths)} names"


def flipped_bits(bench: Bench) -> str:
    """A flipped bit anywhere is found, and no file appears."""
    key = _planted(bench, "flip", 3 * MIB)
    stored, target = bench.stored(key), bench.scratch / "flip-target"
    places = [6, 20, 60, 200, 400, len(stored) // 2, len(stored) - 100, len(stored) - 1]
    for place in places:
        bench.lie(key, stored[:place] + bytes([stored[place] ^ 0x80]) + stored[place + 1 :])
        must_raise(CryptoError, lambda: bench.alice.down.get_file("flip", target))
        expect(not target.exists(), "a damaged file appeared")
    bench.lie(key, stored)
    bench.alice.down.get_file("flip", target)
    return f"{len(places)} places, header to footer"


def cut_objects(bench: Bench) -> str:
    """A truncated object is found wherever it was cut."""
    key = _planted(bench, "cut", 3 * MIB)
    stored, target = bench.stored(key), bench.scratch / "cut-target"
    cuts = [1, 44, 300, MIB, len(stored) - MIB, len(stored) - 92, len(stored) - 1]
    for cut in cuts:
        bench.lie(key, stored[:cut])
        must_raise(CryptoError, lambda: bench.alice.down.get_file("cut", target))
        expect(not target.exists(), "a truncated file appeared")
    bench.lie(key, stored)
    return f"{len(cuts)} cuts"


def swapped_objects(bench: Bench) -> str:
    """Two objects that changed places open under neither name."""
    a, b = _planted(bench, "swap/a", 100), _planted(bench, "swap/b", 100)
    data, metadata = bench.stored(a), dict(bench.store.head(a).metadata)
    bench.lie(b, data, metadata)
    must_raise(CannotOpen, lambda: bench.alice.down.get_file("swap/b", bench.scratch / "swapped"))
    expect(not (bench.scratch / "swapped").exists(), "a swapped file appeared")
    return "refused"


def rolled_back(bench: Bench) -> str:
    """An older state of a file is noticed by a machine that has seen the newer one."""
    key = _planted(bench, "rollback", 100)
    old, metadata = bench.stored(key), dict(bench.store.head(key).metadata)
    _planted(bench, "rollback", 100)
    bench.lie(key, old, metadata)
    must_raise(Rollback, lambda: bench.alice.files.stat("rollback"))
    return "noticed"


def copied_and_deleted(bench: Bench) -> str:
    """A copy opens under its own name without its bytes having travelled; a deleted file is gone."""
    _planted(bench, "copy/from", 2 * MIB)
    copied = bench.alice.files.copy("copy/from", "copy/to")
    expect(copied.size == 2 * MIB, "the copy has another size")
    bench.alice.files.delete("copy/from")
    must_raise(NotFoundHere, lambda: bench.alice.files.stat("copy/from"))
    return "2 MiB copied inside the store"


def two_writers(bench: Bench) -> str:
    """Who writes over what somebody else wrote meanwhile is told, and nothing is lost."""
    _planted(bench, "shared", 10)
    other = bench.machine("other")
    other.open()
    other.up.put_stream(io.BytesIO(b"theirs"), "shared")
    must_raise(Conflict, lambda: bench.alice.up.put_stream(io.BytesIO(b"mine"), "shared"))
    out = io.BytesIO()
    other.down.stream("shared", out)
    expect(out.getvalue() == b"theirs", "the other's bytes are lost")
    return "conflict told"


def trees(bench: Bench) -> str:
    """A tree comes back alike, and storing it again moves nothing."""
    root, back = bench.scratch / "tree", bench.scratch / "back"
    for number in range(60):
        path = root / f"d{number % 7}" / f"file-{number}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(number * 977))
    how = How(Filter())
    first = bench.alice.folders.push(root, "tree", how)
    again = bench.alice.folders.push(root, "tree", how)
    expect((len(first.uploaded), again.uploaded, again.same) == (60, [], 60), "the second run moved something")
    bench.alice.folders.pull(back, "tree", how)
    report = bench.alice.folders.verify(back, "tree", how, read=True)
    expect(not report.failed and report.same == 60, "the restored tree differs")
    return "60 files; second run moved 0"


def resumed(bench: Bench) -> str:
    """An upload whose connection broke goes on with the parts that are missing."""
    path = bench.scratch / "large"
    path.write_bytes(os.urandom(40 * MIB))
    broken = _Breaking(bench.store, after=3)
    machine = bench.machine("resume", store=broken)
    machine.open()
    must_raise(ConnectionLost, lambda: machine.up.put_file(path, "large"))
    before, broken.after = broken.sent, 10**6
    machine.up.put_file(path, "large")
    expect(broken.sent - before < 5, f"{broken.sent - before} parts were sent again")
    target = bench.scratch / "large-back"
    machine.down.get_file("large", target)
    expect(target.read_bytes() == path.read_bytes(), "the resumed file differs")
    return f"{before} parts before the break, {broken.sent - before} after"


def rotated(bench: Bench) -> str:
    """After a key rotation new files use the new epoch, and old ones still open."""
    _planted(bench, "epoch/old", 50)
    alice: Machine = bench.alice
    alice.vault = alice.keeper.change(
        alice.vault,
        [SeedSecret(bench.seed)],
        lambda vault: vault.rotate_epoch(created=0, entropy=os.urandom),
    )
    key = _planted(bench, "epoch/new", 50)
    entry = bench.store.head(key).metadata["cybs3"]
    expect(entry.startswith(f"1.{alice.vault.keyset.primary[0]}."), "the new file is wrapped under an old epoch")
    alice.files.stat("epoch/old")
    return f"epoch {alice.vault.keyset.primary[0]}"


def _planted(bench: Bench, path: str, size: int) -> str:
    """Store random bytes and return the object's key."""
    return bench.alice.up.put_stream(io.BytesIO(os.urandom(size)), path).key


class _Breaking:
    """A store whose connection breaks after some parts."""

    def __init__(self, inner: Any, after: int) -> None:  # noqa: ANN401  # stands in for any store
        self._inner = inner
        self.after = after
        self.sent = 0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # passes everything else on
        return getattr(self._inner, name)

    def upload_part(self, key: str, upload_id: str, number: int, body: Any) -> Part:  # noqa: ANN401  # passed on
        """Send the part, or break."""
        if self.sent >= self.after:
            raise ConnectionLost("the connection was broken on purpose")
        self.sent += 1
        part: Part = self._inner.upload_part(key, upload_id, number, body)
        return part


CHECKS: list[tuple[str, Check]] = [
    ("vault made, opened by its words", made_and_opened),
    ("files of all sizes", files_of_all_sizes),
    ("streams and ranges", streams),
    ("nothing legible in the bucket", nothing_legible),
    ("names in any script", names_come_back),
    ("flipped bits found", flipped_bits),
    ("truncation found", cut_objects),
    ("swapped objects refused", swapped_objects),
    ("rollback noticed", rolled_back),
    ("copy and delete", copied_and_deleted),
    ("two writers", two_writers),
    ("trees", trees),
    ("broken upload resumed", resumed),
    ("key rotation", rotated),
]

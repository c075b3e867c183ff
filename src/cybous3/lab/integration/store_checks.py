"""Checks of the endpoint as the client needs it: what `client.stores.port` promises, kept by a server over the wire."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from cybous3.client.stores.errors import (
    AlreadyExists,
    BadCredentials,
    Denied,
    NoSuchUpload,
    NotFound,
    PreconditionFailed,
    StoreError,
)
from cybous3.client.stores.port import each_entry
from cybous3.core.sigv4.credentials import Credentials
from cybous3.lab.integration.bench import Bench
from cybous3.lab.integration.run import Check, expect, must_raise

MIB = 1024 * 1024
AWKWARD = [
    "plain.txt",
    "with space+plus",
    "ümläut/日本語",
    "a//b",
    "..",
    "dot/./dot",
    "q?&=#%25",
    "tab\there",
    "🗝",
    "end/",
]
PAGED = 1005


def bucket_is_listed(bench: Bench) -> str:
    """The bucket that was just made exists and is listed."""
    expect(bench.buckets.has_bucket(bench.bucket), "the new bucket does not exist")
    names = [bucket.name for bucket in bench.buckets.list_buckets()]
    expect(bench.bucket in names, "the new bucket is not listed")
    must_raise(AlreadyExists, lambda: bench.buckets.create_bucket(bench.bucket))
    return f"{len(names)} buckets; making it again is refused"


def small_objects(bench: Bench) -> str:
    """Objects of 0 bytes to 1 MiB come back as they went."""
    for size in (0, 1, 4096, 65_537, MIB):
        data = os.urandom(size)
        written = bench.store.put(f"small/{size}", data, metadata={"note": "kept"})
        expect(bench.stored(f"small/{size}") == data, f"{size} bytes came back different")
        info = bench.store.head(f"small/{size}")
        expect((info.size, info.etag, info.metadata.get("note")) == (size, written.etag, "kept"), "HEAD says otherwise")
    return "0, 1, 4 KiB, 64 KiB + 1, 1 MiB"


def awkward_keys(bench: Bench) -> str:
    """Keys with any characters are kept apart and listed as they are."""
    for number, key in enumerate(AWKWARD):
        bench.store.put("odd/" + key, str(number).encode())
    listed = {entry.key for entry in each_entry(bench.store, "odd/")}
    expect(listed == {"odd/" + key for key in AWKWARD}, f"listed {sorted(listed)}")
    for number, key in enumerate(AWKWARD):
        expect(bench.stored("odd/" + key) == str(number).encode(), f"{key!r} holds another's bytes")
    return f"{len(AWKWARD)} keys"


def ranges(bench: Bench) -> str:
    """Byte ranges give exactly the bytes asked for."""
    data = os.urandom(300_000)
    bench.store.put("range", data)
    for start, length in ((0, 1), (1, 70_000), (299_999, 1), (299_990, 100)):
        with bench.store.get("range", start=start, length=length) as part:
            expect(part.read() == data[start : start + length], f"{length} bytes from {start} differ")
    return "first, middle, last, across the end"


def absence(bench: Bench) -> str:
    """What is not there is not found; deleting it succeeds."""
    must_raise(NotFound, lambda: bench.store.head("nothing"))
    must_raise(NotFound, lambda: bench.store.get("nothing"))
    bench.store.delete("nothing")
    return "HEAD, GET, DELETE"


def create_once(bench: Bench) -> str:
    """Of many concurrent conditional creations exactly one wins, and its bytes are what is there."""

    def attempt(number: int) -> bool:
        try:
            bench.store.put("once", str(number).encode(), absent=True)
        except PreconditionFailed:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        won = [number for number, ok in enumerate(pool.map(attempt, range(32))) if ok]
    expect(len(won) == 1, f"{len(won)} of 32 writers won")
    expect(bench.stored("once") == str(won[0]).encode(), "the loser's bytes are there")
    return "32 writers, 1 winner"


def replace_only_the_known(bench: Bench) -> str:
    """If-Match refuses to replace a state the writer has not seen."""
    first = bench.store.put("match", b"1")
    second = bench.store.put("match", b"2", if_match=first.etag)
    must_raise(PreconditionFailed, lambda: bench.store.put("match", b"3", if_match=first.etag))
    expect(bench.stored("match") == b"2", "a refused write changed the object")
    expect(bench.store.head("match").etag == second.etag, "the ETag moved")
    return "stale ETag refused"


def pages(bench: Bench) -> str:
    """A listing of more than a page is complete, ordered, and free of repetitions."""
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: bench.store.put(f"page/{number:05}", b""), range(PAGED)))
    listed = [entry.key for entry in each_entry(bench.store, "page/")]
    expect(listed == [f"page/{number:05}" for number in range(PAGED)], f"{len(listed)} of {PAGED} keys listed")
    return f"{PAGED} keys"


def folders_in_listings(bench: Bench) -> str:
    """A delimiter rolls keys up into common prefixes."""
    for key in ("tree/a", "tree/b/1", "tree/b/2", "tree/c/d/e", "tree/z"):
        bench.store.put(key, b"")
    page = bench.store.list("tree/", delimiter="/")
    expect([entry.key for entry in page.entries] == ["tree/a", "tree/z"], "wrong files")
    expect(list(page.prefixes) == ["tree/b/", "tree/c/"], "wrong folders")
    return "2 files, 2 folders"


def delete_many(bench: Bench) -> str:
    """Many objects go with one request; missing ones do not matter."""
    keys = [entry.key for entry in bench.store.list("page/", limit=1000).entries]
    failures = bench.store.delete_many([*keys[:999], "page/never-was"])
    expect(not failures, f"{len(failures)} deletions failed")
    left = len(list(each_entry(bench.store, "page/")))
    expect(left == PAGED - 999, f"{left} are left")
    return "1,000 keys in one request"


def copies(bench: Bench) -> str:
    """A copy inside the store keeps the bytes and takes new metadata, onto itself as well."""
    data = os.urandom(100_000)
    bench.store.put("from", data, metadata={"v": "1"})
    bench.store.copy("from", "to", metadata={"v": "2"})
    bench.store.copy("from", "from", metadata={"v": "3"})
    expect(bench.stored("to") == data == bench.stored("from"), "the bytes differ")
    found = [bench.store.head(key).metadata.get("v") for key in ("to", "from")]
    expect(found == ["2", "3"], f"metadata are {found}")
    return "to another key, and onto itself"


def multipart(bench: Bench) -> str:
    """Parts sent out of order join in order, and nothing is visible before."""
    parts = [os.urandom(5 * MIB), os.urandom(5 * MIB + 1), os.urandom(17)]
    upload = bench.store.create_upload("multi", metadata={"m": "1"})
    sent = [bench.store.upload_part("multi", upload, number, parts[number - 1]) for number in (3, 1, 2)]
    must_raise(NotFound, lambda: bench.store.head("multi"))
    listed = bench.store.list_parts("multi", upload)
    expect([part.number for part in listed] == [1, 2, 3], "the parts are listed otherwise")
    bench.store.complete_upload("multi", upload, sorted(sent, key=lambda part: part.number))
    expect(bench.stored("multi") == b"".join(parts), "the whole differs from its parts")
    expect(bench.store.head("multi").metadata.get("m") == "1", "the metadata are lost")
    return "3 parts, 10 MiB"


def aborted(bench: Bench) -> str:
    """An aborted upload leaves nothing."""
    upload = bench.store.create_upload("aborted")
    bench.store.upload_part("aborted", upload, 1, b"x")
    bench.store.abort_upload("aborted", upload)
    must_raise(NoSuchUpload, lambda: bench.store.upload_part("aborted", upload, 2, b"y"))
    must_raise(NotFound, lambda: bench.store.head("aborted"))
    expect(not list(bench.store.list_uploads("aborted")), "the upload is still listed")
    return "no object, no upload"


def strangers(bench: Bench) -> str:
    """Who has no key, or a wrong one, gets nothing and changes nothing."""
    bench.store.put("private", b"secret")
    key = "" if bench.access.credentials is None else bench.access.credentials.access_key
    nobody = bench.as_someone(None)
    forger = bench.as_someone(Credentials(key, "not-the-secret-of-this-key-at-all-0000000"))
    for store in (nobody, forger):
        must_raise((Denied, BadCredentials), lambda store=store: store.get("private"))  # type: ignore[misc]
        must_raise((Denied, BadCredentials), lambda store=store: store.put("private", b"mine"))  # type: ignore[misc]
        must_raise((Denied, BadCredentials), lambda store=store: store.list())  # type: ignore[misc]
        store.close()
    expect(bench.stored("private") == b"secret", "a stranger changed the object")
    return "anonymous and forged: read, write, list refused"


def wrong_part(bench: Bench) -> str:
    """Completing with a part that is not the one uploaded is refused, and what was there stays."""
    bench.store.put("sound", b"before")
    upload = bench.store.create_upload("sound")
    part = bench.store.upload_part("sound", upload, 1, b"after")
    wrong = replace(part, etag="0" * 32, crc32=None)
    must_raise(StoreError, lambda: bench.store.complete_upload("sound", upload, [wrong]))
    bench.store.abort_upload("sound", upload)
    expect(bench.stored("sound") == b"before", "a refused completion changed the object")
    return "refused, nothing changed"


CHECKS: list[tuple[str, Check]] = [
    ("bucket made and listed", bucket_is_listed),
    ("small objects", small_objects),
    ("awkward keys", awkward_keys),
    ("byte ranges", ranges),
    ("absence", absence),
    ("create exactly once", create_once),
    ("replace only what is known", replace_only_the_known),
    ("listing beyond a page", pages),
    ("folders in listings", folders_in_listings),
    ("delete many", delete_many),
    ("copy inside the store", copies),
    ("multipart", multipart),
    ("multipart aborted", aborted),
    ("multipart with a wrong part", wrong_part),
    ("strangers stay out", strangers),
]

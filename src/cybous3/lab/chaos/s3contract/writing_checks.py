"""R9 to R16: writes of every kind, whole or not at all."""

import threading
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from cybous3.client.stores.errors import ConnectionLost, ServerFailed
from cybous3.core.uri import uri_encode
from cybous3.lab.chaos.caller import Answer, Caller
from cybous3.lab.chaos.s3contract.ground import MIB, PART, Ground, Untestable, expect_same, must, noise, part_of
from cybous3.lab.chaos.s3contract.table import Check
from cybous3.lab.integration.run import Broken, expect


def creates_and_replaces(ground: Ground) -> str:
    """PUT makes an object and replaces it, body, metadata and type together."""
    ground.put("replaced", b"first", ("x-amz-meta-v", "1"), ("content-type", "text/one"))
    ground.put("replaced", b"second", ("x-amz-meta-w", "2"), ("content-type", "text/two"))
    found = must(ground.get("replaced"), "GET")
    said = tuple(found.headers.get(name) for name in ("x-amz-meta-v", "x-amz-meta-w", "content-type"))
    expect(said == (None, "2", "text/two"), f"after replacing, the headers are {said}")
    expect_same(found.body, b"second", "the replaced object")
    return "body, metadata, type"


def usual_headers(ground: Ground) -> str:
    """The storage class STANDARD and the ACL private, which many clients send, are taken."""
    ground.put("headers", b"x", ("x-amz-storage-class", "STANDARD"))
    ground.put("headers", b"y", ("x-amz-acl", "private"))
    ground.holds("headers", b"y", "after usual headers")
    return "storage class, ACL"


def conditional_puts(ground: Ground) -> str:
    """If-None-Match: * writes onto nothing only, If-Match onto the known state only; both do write when they hold."""
    first = ground.put("conditional", b"1", ("if-none-match", "*"))
    must(ground.me.call("PUT", ground.at("conditional"), (), [("if-none-match", "*")], b"x"), "If-None-Match", 409, 412)
    ground.put("conditional", b"2", ("if-match", f'"{first}"'))
    must(ground.me.call("PUT", ground.at("conditional"), (), [("if-match", f'"{first}"')], b"x"), "If-Match", 409, 412)
    ground.holds("conditional", b"2", "a refused write changed the object")
    answer = ground.me.call("PUT", ground.at("never-was"), (), [("if-match", f'"{first}"')], b"x")
    must(answer, "If-Match onto nothing", 404, 409, 412)
    ground.absent("never-was", "If-Match onto nothing made an object")
    return "both conditions, holding and not"


def largest_put(ground: Ground) -> str:
    """5 GiB in one request."""
    del ground
    raise Untestable("5 GiB is more than this run sends")


def joined_parts(ground: Ground) -> str:
    """Parts sent at once and out of order join in order; one that is sent again replaces the first."""
    upload = ground.begin_upload("joined")
    bodies = [noise(PART), noise(PART + 1), noise(17)]
    ground.put_part("joined", upload, 2, b"to be replaced")

    def send(number: int) -> tuple[int, str]:
        with ground.other() as other:
            return number, ground.put_part("joined", upload, number, bodies[number - 1], other)

    with ThreadPoolExecutor(3) as pool:
        parts = sorted(pool.map(send, (3, 1, 2)))
    must(ground.complete("joined", upload, parts), "CompleteMultipartUpload")
    ground.holds("joined", b"".join(bodies), "the whole of three parts")
    expect(not ground.uploads("joined"), "a completed upload is still listed")
    return "3 parts, 10 MiB"


def refused_completions(ground: Ground) -> str:
    """A part that is too small, wrong, missing or out of order is refused, and what was there stays."""
    ground.put("refused", b"before")
    upload = ground.begin_upload("refused")
    one, two = (ground.put_part("refused", upload, number, b"small") for number in (1, 2))
    attempts = {
        "too small": [(1, one), (2, two)],
        "wrong": [(1, "0" * 32)],
        "missing": [(3, one)],
        "out of order": [(2, two), (1, one)],
    }
    for what, parts in attempts.items():
        answer = ground.complete("refused", upload, parts)
        expect(answer.status // 100 == 4 or answer.code, f"a part {what} is answered {answer}")  # refusal
        ground.holds("refused", b"before", f"a part {what} changed the object")
    must(ground.me.call("DELETE", ground.at("refused"), (("uploadId", upload),)), "AbortMultipartUpload", 204)
    return ", ".join(attempts)


def part_numbers(ground: Ground) -> str:
    """Part numbers are 1 to 10,000."""
    upload = ground.begin_upload("numbers")
    etag = ground.put_part("numbers", upload, 10_000, b"last")
    for number in (0, 10_001):
        answer = ground.me.call("PUT", ground.at("numbers"), part_of(number, upload), (), b"x")
        expect(answer.status == 400, f"part {number} is answered {answer}")
    must(ground.complete("numbers", upload, [(10_000, etag)]), "CompleteMultipartUpload")
    ground.holds("numbers", b"last", "an upload of part 10,000")
    return "10,000 taken; 0 and 10,001 refused"


def seen_at_once(ground: Ground) -> str:
    """Write, overwrite, change under a condition, delete: each is seen by another connection at once."""
    count = ground.rounds(20)
    with ground.other() as other:
        for number in range(count):
            body = f"{number}".encode()
            etag = ground.put("seen", body)
            expect_same(must(other.call("GET", ground.at("seen")), "GET").body, body, "another connection, after a PUT")
            ground.put("seen", body + b"!", ("if-match", f'"{etag}"'))
            found = must(other.call("GET", ground.at("seen")), "GET")
            expect_same(found.body, body + b"!", "another connection, after an exchange")
            must(ground.me.call("DELETE", ground.at("seen")), "DELETE")
            must(other.call("HEAD", ground.at("seen")), "HEAD from another connection, after a DELETE", 404)
    return f"{count} rounds of four"


def old_or_new(ground: Ground) -> str:
    """Readers of an object that is overwritten all the time get all of one state, with its own ETag, or an error."""
    states = {ground.put("atomic", body): body for body in (noise(MIB), noise(MIB), noise(MIB // 2))}
    bodies, stop, seen = list(states.values()), threading.Event(), Counter[str]()

    def read() -> None:
        with ground.other() as other:
            while not stop.is_set():
                seen[_one_state(other, ground, states)] += 1

    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(read) for _ in range(4)]
        try:
            for number in range(ground.rounds(40)):
                ground.put("atomic", bodies[number % len(bodies)])
        finally:
            stop.set()
        for reader in readers:
            reader.result()
    expect(seen["whole"] > 0, "no read succeeded")
    return f"{seen['whole']} reads whole and {seen['broken off']} broken off, during {ground.rounds(40)} overwrites"


def _one_state(other: Caller, ground: Ground, states: Mapping[str, bytes]) -> str:
    try:
        found = must(other.call("GET", ground.at("atomic")), "GET")
    except (ConnectionLost, ServerFailed):
        return "broken off"
    if states.get(found.etag) != found.body:
        raise Broken(f"{len(found.body)} bytes that are no state of the object with the ETag {found.etag}")
    return "whole"


def aborted_uploads(ground: Ground) -> str:
    """An aborted upload leaves no object and no upload, and its parts cannot be completed."""
    upload = ground.begin_upload("aborted")
    etag = ground.put_part("aborted", upload, 1, b"x")
    must(ground.me.call("DELETE", ground.at("aborted"), (("uploadId", upload),)), "AbortMultipartUpload", 204)
    answer = ground.complete("aborted", upload, [(1, etag)])
    expect(answer.code == "NoSuchUpload", f"completing an aborted upload is answered {answer}")
    ground.absent("aborted", "an aborted upload left an object")
    expect(not ground.uploads("aborted"), "an aborted upload is still listed")
    return "no object, no upload"


def aborted_while_completing(ground: Ground) -> str:
    """Of a completion and an abort at the same moment one wins: an object, or a refusal and no object."""
    completed = 0
    for number in range(ground.rounds(10)):
        name = f"contest-{number}"
        done = contest(ground, name)
        if done.ok and not done.code:
            completed += 1
            ground.holds(name, b"body", "a completed upload")
        else:
            ground.absent(name, "an upload that was not completed")
        expect(not ground.uploads(name), "the upload is still listed")
    return f"{completed} of {ground.rounds(10)} completed"


def told_of_the_abort(ground: Ground) -> str:
    """A completion that loses against an abort is told NoSuchUpload, by its status or inside an answer of 200."""
    refused = 0
    for number in range(ground.rounds(20)):
        done = contest(ground, f"told-{number}")
        if not done.ok or done.code:
            refused += 1
            expect(done.code == "NoSuchUpload", f"a completion that lost against an abort is answered {done}")
    return f"{refused} of {ground.rounds(20)} lost"


def contest(ground: Ground, name: str) -> Answer:
    """Complete and abort an upload at the same moment, and return the completion's answer."""
    upload = ground.begin_upload(name)
    parts = [(1, ground.put_part(name, upload, 1, b"body"))]
    with ground.other() as one, ground.other() as two, ThreadPoolExecutor(2) as pool:
        completing = pool.submit(ground.complete, name, upload, parts, one)
        aborting = pool.submit(two.call, "DELETE", ground.at(name), (("uploadId", upload),))
        must(aborting.result(), "AbortMultipartUpload", 204, 200, 404)
        return completing.result()


def invisible_under_way(ground: Ground) -> str:
    """While half of a body has been sent there is nothing; over an old object there is the old; then all of the new."""
    body = noise(500_000)
    for name, old in (("way-new", None), ("way-old", b"old")):
        if old is not None:
            ground.put(name, old)
        with ground.other() as other:
            connection = other.send("PUT", ground.at(name), (), (), body, cut=250_000)
            time.sleep(0.1)
            if old is None:
                ground.absent(name, "half of a body is visible")
                expect(name not in ground.keys("way-"), "half of a body is listed")
            else:
                ground.holds(name, old, "while it is replaced")
            connection.send(body[250_000:], ())
            status = connection.receive_head("PUT").status
        expect(status == 200, f"a slow PUT is answered {status}")
        ground.holds(name, body, "after it was replaced")
    return "new and over an old object"


def parts_invisible(ground: Ground) -> str:
    """Parts are no object before they are completed."""
    upload = ground.begin_upload("pieces")
    etag = ground.put_part("pieces", upload, 1, b"piece")
    ground.absent("pieces", "a part is visible as an object")
    expect("pieces" not in ground.keys("pieces"), "a part is listed as an object")
    must(ground.complete("pieces", upload, [(1, etag)]), "CompleteMultipartUpload")
    ground.holds("pieces", b"piece", "after completion")
    return "not read, not listed"


def _source(ground: Ground, name: str) -> tuple[str, str]:
    return "x-amz-copy-source", uri_encode(ground.at(name), safe_slash=True)


def copied_objects(ground: Ground) -> str:
    """A copy has the bytes, and the metadata of the source or new ones, as asked; onto itself with new ones too."""
    body = noise(100_000)
    ground.put("copy ü/from", body, ("x-amz-meta-v", "1"))
    replaced = [("x-amz-metadata-directive", "REPLACE"), ("x-amz-meta-v", "2")]
    for name, more, wanted in (("copy-kept", [], "1"), ("copy-new", replaced, "2"), ("copy ü/from", replaced, "2")):
        answer = ground.me.call("PUT", ground.at(name), (), [_source(ground, "copy ü/from"), *more])
        must(answer, f"CopyObject onto {name}")
        found = must(ground.get(name), "GET")
        expect_same(found.body, body, f"the copy {name}")
        said = found.headers.get("x-amz-meta-v")
        expect(said == wanted, f"the copy {name} has the metadata {said!r}, not {wanted!r}")
    return "kept, replaced, onto itself"


def refused_copies(ground: Ground) -> str:
    """A copy of nothing is 404; one whose source has another ETag is 412; neither makes an object."""
    ground.put("copy-source", b"x")
    wrong = ("x-amz-copy-source-if-match", '"0"')
    must(ground.me.call("PUT", ground.at("no-copy"), (), [_source(ground, "never-was")]), "a copy of nothing", 404)
    answer = ground.me.call("PUT", ground.at("no-copy"), (), [_source(ground, "copy-source"), wrong])
    must(answer, "a copy under a condition that fails", 412)
    ground.absent("no-copy", "a refused copy made an object")
    return "missing source, changed source"


def copied_parts(ground: Ground) -> str:
    """A part is made from all of an object or from some of its bytes; bytes it does not have are refused."""
    body = noise(PART + 100)
    ground.put("part-source", body)
    upload = ground.begin_upload("part-copy")
    etags = []
    for number, span in ((1, None), (2, "bytes=10-1009")):
        more = [] if span is None else [("x-amz-copy-source-range", span)]
        headers = [_source(ground, "part-source"), *more]
        answer = must(ground.me.call("PUT", ground.at("part-copy"), part_of(number, upload), headers), "UploadPartCopy")
        etags.append((number, (answer.document("CopyPartResult").findtext("ETag") or "").strip('"')))
    beyond = [_source(ground, "part-source"), ("x-amz-copy-source-range", f"bytes=0-{len(body)}")]
    answer = ground.me.call("PUT", ground.at("part-copy"), part_of(3, upload), beyond)
    expect(answer.status in {400, 416}, f"a range beyond the source is answered {answer}")
    must(ground.complete("part-copy", upload, etags), "CompleteMultipartUpload")
    ground.holds("part-copy", body + body[10:1010], "an object of copied parts")
    return "whole, range, range beyond"


def huge_copies(ground: Ground) -> str:
    """Sources above 5 GiB."""
    del ground
    raise Untestable("a source above 5 GiB is more than this run makes; the same request is tested on a small one")


CHECKS = [
    Check("R1", "told of an abort", told_of_the_abort),
    Check("R9", "creates and replaces", creates_and_replaces),
    Check("R9", "usual headers", usual_headers),
    Check("R9", "conditions", conditional_puts),
    Check("R9", "5 GiB", largest_put),
    Check("R10", "joined parts", joined_parts),
    Check("R10", "refused completions", refused_completions),
    Check("R10", "part numbers", part_numbers),
    Check("R11", "seen at once", seen_at_once),
    Check("R12", "old or new", old_or_new),
    Check("R13", "aborted uploads", aborted_uploads),
    Check("R13", "aborted while completing", aborted_while_completing),
    Check("R14", "invisible under way", invisible_under_way),
    Check("R14", "parts are no object", parts_invisible),
    Check("R15", "copies", copied_objects),
    Check("R15", "refused copies", refused_copies),
    Check("R16", "parts from objects", copied_parts),
    Check("R16", "above 5 GiB", huge_copies),
]

"""R1, R6, R7, R8: what a reader is told."""

import random
import time

from cybous3.lab.chaos.caller import Caller
from cybous3.lab.chaos.s3contract.ground import MIB, Ground, expect_same, must, noise, part_of
from cybous3.lab.chaos.s3contract.table import Check
from cybous3.lab.integration.run import expect


def missing_objects(ground: Ground) -> str:
    """GET, HEAD and a range of what is not there are 404; deleting it succeeds."""
    found = must(ground.get("never-was"), "GET of nothing", 404)
    expect(found.code == "NoSuchKey", f"GET of nothing is told {found.code or 'no code'}, not NoSuchKey")
    must(ground.get("never-was", ("range", "bytes=0-1")), "a range of nothing", 404)
    must(ground.me.call("HEAD", ground.at("never-was")), "HEAD of nothing", 404)
    must(ground.me.call("DELETE", ground.at("never-was")), "DELETE of nothing", 204)
    return "404 NoSuchKey; DELETE is 204"


def missing_uploads(ground: Ground) -> str:
    """An upload that was aborted is NoSuchUpload for parts, completion and listing."""
    upload = ground.begin_upload("gone")
    etag = ground.put_part("gone", upload, 1, b"x")
    query = (("uploadId", upload),)
    must(ground.me.call("DELETE", ground.at("gone"), query), "AbortMultipartUpload", 204)
    answers = {
        "UploadPart": ground.me.call("PUT", ground.at("gone"), part_of(2, upload), (), b"y"),
        "ListParts": ground.me.call("GET", ground.at("gone"), query),
        "CompleteMultipartUpload": ground.complete("gone", upload, [(1, etag)]),
    }
    for what, answer in answers.items():
        must(answer, f"{what} of an aborted upload", 404, 200)
        expect(answer.code == "NoSuchUpload", f"{what} of an aborted upload is told {answer}, not NoSuchUpload")
    return "UploadPart, ListParts, Complete"


def failed_conditions(ground: Ground) -> str:
    """A condition that does not hold is 409 or 412 on a write, 412 or 304 on a read."""
    etag = ground.put("conditions", b"1")
    must(ground.me.call("PUT", ground.at("conditions"), (), [("if-none-match", "*")], b"2"), "If-None-Match", 409, 412)
    must(ground.me.call("PUT", ground.at("conditions"), (), [("if-match", '"0"')], b"2"), "If-Match", 409, 412)
    must(ground.get("conditions", ("if-match", '"0"')), "GET If-Match", 412)
    must(ground.get("conditions", ("if-none-match", f'"{etag}"')), "GET If-None-Match", 304)
    ground.holds("conditions", b"1", "a refused write changed the object")
    return "PUT and GET"


def whole_stream(ground: Ground) -> str:
    """A body comes whole, with its length and its ETag, and the ETag stays while the object does."""
    body = noise(3 * MIB + 17)
    etag = ground.put("stream", body)
    for _ in range(2):
        found = must(ground.get("stream"), "GET")
        expect_same(found.body, body, "the stream differs")
        length = found.headers.get("content-length")
        expect(length == str(len(body)), f"Content-Length is {length}, not {len(body)}")
        expect(found.etag == etag, f"the ETag was {etag} and is {found.etag}")
    return "3 MiB"


def resumed(ground: Ground) -> str:
    """A broken download goes on with If-Match on the first ETag, and is refused when the object has changed."""
    body = noise(MIB)
    etag = ground.put("resumed", body)
    with ground.other() as other:
        connection = other.send("GET", ground.at("resumed"))
        connection.receive_head("GET")
        first = bytearray(1000)
        count = connection.readinto(memoryview(first))
    rest = ("range", f"bytes={count}-")
    found = must(ground.get("resumed", rest, ("if-match", f'"{etag}"')), "the rest with If-Match", 206)
    expect_same(bytes(first[:count]) + found.body, body, "the two pieces do not make the object")
    ground.put("resumed", noise(MIB))
    must(ground.get("resumed", rest, ("if-match", f'"{etag}"')), "the rest of an object that changed", 412)
    return f"after {count} bytes"


def head_without_body(ground: Ground) -> str:
    """HEAD says length and ETag and sends no body: the next answer on the connection begins at once."""
    body = noise(5000)
    etag = ground.put("head", body, ("x-amz-meta-note", "kept"))
    with ground.other() as caller:
        for _ in range(3):
            found = must(caller.call("HEAD", ground.at("head")), "HEAD")
            said = (found.headers.get("content-length"), found.etag, found.headers.get("x-amz-meta-note"))
            expect(said == (str(len(body)), etag, "kept"), f"HEAD says {said}")
            must(caller.call("HEAD", ground.at("never-was")), "HEAD of nothing", 404)
        expect_same(must(caller.call("GET", ground.at("head")), "GET").body, body, "GET after HEADs differs")
    return "present and missing, on one connection"


def head_is_cheap(ground: Ground) -> str:
    """HEAD of a large object takes no longer than a few HEADs of a small one (times as told)."""
    ground.put("small", b"x")
    ground.put("large", noise(16 * MIB))
    small, large = (_fastest(ground.me, ground.at(name)) for name in ("small", "large"))
    expect(large < 10 * small + 0.01, f"{large * 1e3:.1f} ms for 16 MiB, {small * 1e3:.1f} ms for a byte")
    return f"{large * 1e3:.2f} ms for 16 MiB, {small * 1e3:.2f} ms for a byte"


def _fastest(caller: Caller, target: str) -> float:
    times = []
    for _ in range(10):
        begun = time.perf_counter()
        must(caller.call("HEAD", target), "HEAD")
        times.append(time.perf_counter() - begun)
    return min(times)


def random_ranges(ground: Ground) -> str:
    """Any first and last byte give exactly these bytes, and say which they are."""
    body, dice = noise(2 * MIB + 3), random.Random(8)  # noqa: S311  # repeatable, no secret
    ground.put("ranges", body)
    size, count = len(body), ground.rounds(40)
    for _ in range(count):
        first = dice.randrange(size)
        last = min(size - 1, first + dice.choice([0, 1, 100, 4095, 65536, size]))
        found = must(ground.get("ranges", ("range", f"bytes={first}-{last}")), f"bytes={first}-{last}", 206)
        expect_same(found.body, body[first : last + 1], f"bytes={first}-{last}")
        said = found.headers.get("content-range")
        expect(said == f"bytes {first}-{last}/{size}", f"Content-Range is {said!r} for {first}-{last} of {size}")
    return f"{count} ranges of 2 MiB"


def edges_of_ranges(ground: Ground) -> str:
    """Open, suffix and overlong ranges are cut at the object's end; one that begins behind it is 416."""
    ground.put("edges", b"0123456789")
    wanted = {"bytes=7-": b"789", "bytes=-3": b"789", "bytes=5-999": b"56789", "bytes=0-0": b"0", "bytes=-99": None}
    for text, right in wanted.items():
        found = must(ground.get("edges", ("range", text)), text, 206)
        expect_same(found.body, b"0123456789" if right is None else right, text)
    must(ground.get("edges", ("range", "bytes=10-20")), "a range behind the end", 416)
    return "open, suffix, overlong, behind the end"


CHECKS = [
    Check("R1", "missing objects", missing_objects),
    Check("R1", "missing uploads", missing_uploads),
    Check("R1", "failed conditions", failed_conditions),
    Check("R6", "whole stream", whole_stream),
    Check("R6", "resumed download", resumed),
    Check("R7", "no body", head_without_body),
    Check("R7", "cheap", head_is_cheap),
    Check("R8", "random ranges", random_ranges),
    Check("R8", "edges", edges_of_ranges),
]

"""R2, R3, R4, R5: what must not be believed, and what must survive."""

import base64
import hashlib
import itertools
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from cybous3.client.stores.errors import ConnectionLost, ServerFailed, Unreachable
from cybous3.core.clock import amz_date
from cybous3.core.sigv4.credentials import Credentials
from cybous3.core.sigv4.payload import PayloadMode
from cybous3.core.sigv4.sign import presign, sign_headers
from cybous3.lab.chaos.caller import Answer, Caller, Edit, Fields, setting
from cybous3.lab.chaos.s3contract.ground import MIB, Ground, Untestable, expect_same, must, noise, part_of
from cybous3.lab.chaos.s3contract.table import Check
from cybous3.lab.integration.run import Broken, expect

_NOW = "x-amz-date"


def round_trips(ground: Ground) -> str:
    """Bodies of many sizes come back as they went, every byte value among them."""
    sizes = [0, 1, 255, 4096, 65_535, 65_537, MIB + 1, 5 * MIB + 7]
    for size in sizes:
        body = (bytes(range(256)) + noise(size))[:size] if size < MIB else noise(size)
        ground.put(f"sizes/{size}", body)
        ground.holds(f"sizes/{size}", body, f"{size} bytes")
    return f"{len(sizes)} sizes from 0 to 5 MiB"


def stays_the_same(ground: Ground) -> str:
    """What is read again and again, on several connections, stays the same while its neighbours change."""
    body = noise(300_000)
    ground.put("stable", body)
    for number in range(ground.rounds(20)):
        ground.put(f"neighbour-{number % 3}", noise(1000))
        with ground.other() as other:
            expect_same(must(other.call("GET", ground.at("stable")), "GET").body, body, "the object changed by itself")
    return f"{ground.rounds(20)} reads"


def wrong_digests(ground: Ground) -> str:
    """A body that is not what its request says it is (Content-MD5, SHA-256, CRC32) is refused and leaves the old."""
    ground.put("digests", b"right")
    wrong_md5 = base64.b64encode(hashlib.md5(b"other", usedforsecurity=False).digest()).decode()
    attempts: dict[str, tuple[Fields, Edit | None]] = {
        "Content-MD5": ([("content-md5", wrong_md5)], None),
        "x-amz-checksum-crc32": ([("x-amz-checksum-crc32", "AAAAAA==")], None),
        "x-amz-content-sha256": ([], setting("x-amz-content-sha256", "0" * 64)),
    }
    for name, (headers, edit) in attempts.items():
        answer = ground.me.call("PUT", ground.at("digests"), (), headers, b"wrong", edit=edit)
        expect(answer.status in {400, 403}, f"a wrong {name} is answered {answer}")
        ground.holds("digests", b"right", f"a body with a wrong {name} was stored")
    return ", ".join(attempts)


def _needs_restart(ground: Ground) -> Callable[[], None]:
    if ground.restart is None:
        raise Untestable("nobody can take this server down from here: give --restart-command")
    return ground.restart


def survives_restart(ground: Ground) -> str:
    """Objects, a multipart object and a deletion that were acknowledged are so after the server went down hard."""
    restart = _needs_restart(ground)
    bodies = {f"kept/{size}": noise(size) for size in (10, 20_000, MIB)}
    for name, body in bodies.items():
        ground.put(name, body)
    upload, part = ground.begin_upload("kept/parts"), noise(200_000)
    etag = ground.put_part("kept/parts", upload, 1, part)
    must(ground.complete("kept/parts", upload, [(1, etag)]), "CompleteMultipartUpload")
    ground.put("kept/deleted", b"x")
    must(ground.me.call("DELETE", ground.at("kept/deleted")), "DELETE")
    restart()
    for name, body in {**bodies, "kept/parts": part}.items():
        ground.holds(name, body, f"{name} after the restart")
    ground.absent("kept/deleted", "what was deleted is back after the restart")
    return f"5 objects, {ground.restart_kind}"


class Writers:
    """Clients that write until they are stopped. `begun` are all writes that may have arrived."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.begun: dict[str, bytes] = {}
        self.acknowledged: dict[str, bytes] = {}
        self.stop = threading.Event()

    def write(self, writer: int) -> None:
        """Write one object after the other."""
        with self._ground.other() as caller:
            for number in itertools.takewhile(lambda _: not self.stop.is_set(), itertools.count()):
                self._one(caller, f"load/{writer}/{number}", noise(secrets.choice([100, 5000, 60_000])))

    def _one(self, caller: Caller, name: str, body: bytes) -> None:
        self.begun[name] = body
        try:
            if caller.call("PUT", self._ground.at(name), (), (), body).ok:
                self.acknowledged[name] = body
        except (ConnectionLost, ServerFailed):
            time.sleep(0.01)
        except Unreachable:  # it was never sent
            del self.begun[name]
            time.sleep(0.05)


def survives_under_load(ground: Ground) -> str:
    """Of writes under way when it goes down, the acknowledged are there whole; the others are whole or absent."""
    restart, writers = _needs_restart(ground), Writers(ground)
    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(writers.write, writer) for writer in range(8)]
        try:
            time.sleep(0.5)
            restart()
        finally:
            writers.stop.set()
        for one in running:
            one.result()
    for name, body in writers.acknowledged.items():
        ground.holds(name, body, f"an acknowledged write, {name}, after the restart")
    others = writers.begun.keys() - writers.acknowledged.keys()
    for name in others:
        found = ground.get(name)
        if found.ok:
            expect_same(found.body, writers.begun[name], f"an unacknowledged write, {name}, is there in part")
    return f"{len(writers.acknowledged)} acknowledged, {len(others)} not, {ground.restart_kind}"


def power_loss(ground: Ground) -> str:
    """What was acknowledged survives power loss: only whoever can cut the power, or the system calls, sees it."""
    del ground
    raise Untestable("a power cut cannot be made by requests: for our own server, cybs3 chaos crash --mode power does")


def half_a_body(ground: Ground) -> str:
    """A PUT whose connection breaks after half of the body leaves nothing, and what was there before stays."""
    body = noise(400_000)
    ground.put("half-old", b"old")
    for name in ("half-new", "half-old"):
        for cut in (0, 1, 100_000, 399_999):
            with ground.other() as other:
                other.send("PUT", ground.at(name), (), (), body, cut=cut)
    _settle(ground)
    ground.absent("half-new", "half of a body became an object")
    ground.holds("half-old", b"old", "half of a body replaced an object")
    expect("half-new" not in ground.keys("half-"), "half of a body is listed")
    return "8 cuts, new and over an old object"


def half_a_part(ground: Ground) -> str:
    """A part whose connection breaks is not there; a completing request cut in the middle completes nothing."""
    upload = ground.begin_upload("half-part")
    etag = ground.put_part("half-part", upload, 1, b"whole")
    document = b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>"
    with ground.other() as other:
        other.send("PUT", ground.at("half-part"), part_of(2, upload), (), noise(100_000), cut=50_000)
    with ground.other() as other:
        other.send("POST", ground.at("half-part"), (("uploadId", upload),), (), document, cut=40)
    _settle(ground)
    root = must(ground.me.call("GET", ground.at("half-part"), (("uploadId", upload),)), "ListParts").document(
        "ListPartsResult", "ListPartsResponse"
    )
    parts = [item.findtext("PartNumber") for item in root.iter("Part")]
    expect(parts == ["1"], f"the parts listed are {parts}")
    ground.absent("half-part", "half of a completing request completed the upload")
    must(ground.complete("half-part", upload, [(1, etag)]), "CompleteMultipartUpload")
    ground.holds("half-part", b"whole", "the upload after the cuts")
    return "a part and a completion"


def cut_downloads(ground: Ground) -> str:
    """Readers that go away in the middle take nothing from those that come after them."""
    body = noise(4 * MIB)
    ground.put("cut-download", body)
    for _ in range(ground.rounds(5)):
        with ground.other() as other:
            connection = other.send("GET", ground.at("cut-download"))
            connection.receive_head("GET")
            connection.readinto(memoryview(bytearray(1000)))
    ground.holds("cut-download", body, "after broken downloads")
    return f"{ground.rounds(5)} broken off, then whole"


def answer_never_read(ground: Ground) -> str:
    """A write whose answer nobody reads has happened or not, and is whole; repeating it is harmless."""
    body = noise(100_000)
    for number in range(ground.rounds(5)):
        name = f"unread-{number}"
        with ground.other() as other:
            other.send("PUT", ground.at(name), (), (), body)
        found = ground.get(name)
        if found.ok:
            expect_same(found.body, body, "a write whose answer nobody read is there in part")
        ground.put(name, body)
        ground.holds(name, body, "the same write again")
    return f"{ground.rounds(5)} writes"


def _settle(ground: Ground) -> None:
    """Give the server a moment to notice that a connection has gone; then use it."""
    time.sleep(0.2)
    must(ground.me.call("HEAD", ground.bucket), "HEAD of the bucket")


def _refused(ground: Ground, what: str, answer: Answer) -> None:
    if answer.status not in (400, 401, 403):
        raise Broken(f"{what} is answered {answer}")
    ground.holds("guarded", b"mine", f"{what} changed the object")


def forged_signatures(ground: Ground) -> str:
    """A wrong secret, an unknown key, no signature at all: each is refused for reading and for writing."""
    ground.put("guarded", b"mine")
    known = ground.site.credentials or Credentials("", "")
    strangers = {
        "a wrong secret": Credentials(known.access_key, "not-the-secret-" + "0" * 25, known.session_token),
        "an unknown key": Credentials("NOBODYSKEY0000000000", "x" * 40),
        "no signature": None,
    }
    for what, credentials in strangers.items():
        with Caller(replace(ground.site, credentials=credentials)) as stranger:
            _refused(ground, f"GET with {what}", stranger.call("GET", ground.at("guarded")))
            _refused(ground, f"PUT with {what}", stranger.call("PUT", ground.at("guarded"), (), (), b"theirs"))
    return ", ".join(strangers)


def altered_requests(ground: Ground) -> str:
    """A request that was changed after it was signed is refused: a header, its date, its body."""
    ground.put("guarded", b"mine")
    meta = [("x-amz-meta-a", "1")]
    alterations: dict[str, Edit] = {
        "a header": setting("x-amz-meta-a", "2"),
        "the date": setting(_NOW, amz_date(time.time() - 60)),
        "the signature": _flipped,
    }
    for what, edit in alterations.items():
        answer = ground.me.call("PUT", ground.at("guarded"), (), meta, b"theirs", edit=edit)
        _refused(ground, f"PUT with {what} altered", answer)
    other_body = hashlib.sha256(b"another").hexdigest()
    answer = ground.me.call(
        "PUT", ground.at("guarded"), (), (), b"theirs", edit=lambda fields: _resigned(ground, fields, other_body)
    )
    _refused(ground, "PUT with another body than was signed", answer)
    return f"{', '.join(alterations)}, the body"


def _flipped(fields: Fields) -> Fields:
    """Change the last digit of the signature."""
    return [(n, v[:-1] + ("0" if v[-1] != "0" else "1")) if n == "authorization" else (n, v) for n, v in fields]


def _resigned(ground: Ground, fields: Fields, digest: str, when: float | None = None) -> Fields:
    """Sign a PUT of the guarded object anew, for another body or at another time."""
    kept = [(n, v) for n, v in fields if n not in {"authorization", _NOW, "x-amz-content-sha256"}]
    path = ground.me.endpoint.path(ground.bucket, ground.at("guarded").partition("/")[2])
    moment = time.time() if when is None else when
    keys = ground.site.credentials or Credentials("", "")
    return [*kept, *sign_headers("PUT", path, "", kept, digest, keys, ground.site.region, "s3", moment)]


def old_requests(ground: Ground) -> str:
    """A request signed an hour ago, or an hour ahead, is refused although its signature is right."""
    ground.put("guarded", b"mine")
    digest = PayloadMode.UNSIGNED.value
    for hours in (-1, 1):
        when = time.time() + 3600 * hours
        answer = ground.me.call(
            "PUT",
            ground.at("guarded"),
            (),
            (),
            b"theirs",
            edit=lambda fields, when=when: _resigned(ground, fields, digest, when),  # type: ignore[misc]  # mypy cannot infer a lambda whose default argument binds the loop
        )
        _refused(ground, f"a request signed {hours:+} h from now", answer)
    return "one hour back, one ahead"


def presigned(ground: Ground) -> str:
    """A presigned URL works for whom it was made and as long as it says, and not for another key."""
    ground.put("guarded", b"mine")
    keys = ground.site.credentials or Credentials("", "")
    endpoint, key = ground.me.endpoint, ground.at("guarded").partition("/")[2]
    path, now = endpoint.path(ground.bucket, key), time.time()

    def ask(when: float, path_asked: str) -> int:
        query = presign("GET", endpoint.authority(), path, "", keys, ground.site.region, 60, when)
        return _bare(ground, path_asked, query)

    expect(ask(now, path) == 200, f"a presigned URL is answered {ask(now, path)}")
    expect(ask(now - 3600, path) in {400, 401, 403}, f"an expired presigned URL is answered {ask(now - 3600, path)}")
    elsewhere = ask(now, path + "x")
    expect(elsewhere in {400, 401, 403}, f"a presigned URL of another key is answered {elsewhere}")
    return "good, expired, of another key"


def _bare(ground: Ground, path: str, query: str) -> int:
    """GET a raw path and query without any header of ours, and return the status."""
    from cybous3.client.stores.s3.connection import connect  # noqa: PLC0415  # the one request that is not signed
    from cybous3.client.stores.s3.pool import tls_context  # noqa: PLC0415  # likewise

    endpoint = ground.me.endpoint
    connection = connect(endpoint, endpoint.host, tls_context(endpoint, None), ground.site.timeouts)
    try:
        connection.send(f"GET {path}?{query} HTTP/1.1\r\nhost: {endpoint.authority()}\r\n\r\n".encode(), ())
        return connection.receive_head("GET").status
    finally:
        connection.close()


def session_tokens(ground: Ground) -> str:
    """A session token that nobody gave out is refused; ones that somebody did need their service."""
    ground.put("guarded", b"mine")
    keys = ground.site.credentials or Credentials("", "")
    if keys.session_token is not None:
        return "this very run uses temporary credentials"
    with Caller(replace(ground.site, credentials=replace(keys, session_token="made-up"))) as forger:  # noqa: S106  # made up
        answer = forger.call("PUT", ground.at("guarded"), (), (), b"theirs")
    _refused(ground, "PUT with a made-up session token", answer)
    return "made-up token refused"


def web_identity(ground: Ground) -> str:
    """Web identities are exchanged for temporary credentials by another service."""
    del ground
    raise Untestable("it needs the service that exchanges identities for credentials")


CHECKS = [
    Check("R2", "round trips", round_trips),
    Check("R2", "stays the same", stays_the_same),
    Check("R2", "wrong digests", wrong_digests),
    Check("R3", "after a restart", survives_restart),
    Check("R3", "under load", survives_under_load),
    Check("R3", "power loss", power_loss),
    Check("R4", "half a body", half_a_body),
    Check("R4", "half a part", half_a_part),
    Check("R4", "cut downloads", cut_downloads),
    Check("R4", "answer never read", answer_never_read),
    Check("R5", "forged signatures", forged_signatures),
    Check("R5", "altered requests", altered_requests),
    Check("R5", "old requests", old_requests),
    Check("R5", "presigned URLs", presigned),
    Check("R5", "session tokens", session_tokens),
    Check("R5", "web identity", web_identity),
]

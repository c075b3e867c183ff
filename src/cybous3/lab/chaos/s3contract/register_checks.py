"""R20: one key as a register, changed by compare and exchange: by conditional writes (A), by multipart uploads (B)."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from cybous3.lab.chaos.linear.race import race
from cybous3.lab.chaos.linear.record import Plan
from cybous3.lab.chaos.linear.run import histories
from cybous3.lab.chaos.s3contract.consensus import Contender, Ending
from cybous3.lab.chaos.s3contract.ground import Ground, must
from cybous3.lab.chaos.s3contract.table import Check
from cybous3.lab.integration.run import Broken, expect

_NO_DELETE_CONDITION = ("get", "head", "put", "put match", "put absent", "delete")


def stable_etags(ground: Ground) -> str:
    """PUT, GET, HEAD and a completion name one state of an object by one ETag, and another state by another."""
    first = ground.put("etags", b"1")
    upload = ground.begin_upload("etags-parts")
    part = ground.put_part("etags-parts", upload, 1, b"1")
    done = must(ground.complete("etags-parts", upload, [(1, part)]), "CompleteMultipartUpload")
    said = (done.document("CompleteMultipartUploadResult").findtext("ETag") or "").strip('"')
    for name, etag in (("etags", first), ("etags-parts", said)):
        found = {must(ground.get(name), "GET").etag, must(ground.me.call("HEAD", ground.at(name)), "HEAD").etag}
        expect(found == {etag}, f"{name} was written as {etag} and is read as {sorted(found)}")
    expect(ground.put("etags", b"2") != first, "two states have one ETag")
    return "PUT, Complete, GET, HEAD"


def one_winner(ground: Ground) -> str:
    """Of many writers with the same condition exactly one wins each round, and its bytes are there."""
    found = race(ground.site, ground.at("race"), writers=32, rounds=ground.rounds(10))
    expect(not found.odd, "; ".join(found.odd[:3]))
    return f"{found.rounds} rounds of {found.writers} writers"


def linearizable(ground: Ground) -> str:
    """Concurrent reads and conditional writes on a few keys are answered as if they had come one after the other."""
    plan = Plan(ground.bucket, f"{ground.prefix}linear/", actions=_NO_DELETE_CONDITION)
    judged = list(histories(ground.site, plan, ground.rounds(3)))
    wrong = next((one for one in judged if not one.passed), None)
    if wrong is not None:
        raise Broken(" / ".join(line.strip() for line in wrong.why[:6]))
    return f"{len(judged)} histories of {judged[0].operations} operations"


def create_once(ground: Ground) -> str:
    """Plain writes of new keys with fail-if-exists: of two that write the same key one is told, and the first stays."""
    count = ground.rounds(20)

    def create(writer: int) -> list[bool]:
        with ground.other() as other:
            won = []
            for number in range(count):
                target, body = ground.at(f"once/{number}"), f"{writer}".encode()
                answer = other.call("PUT", target, (), [("if-none-match", "*")], body)
                must(answer, "If-None-Match", 200, 409, 412)
                won.append(answer.ok)
            return won

    with ThreadPoolExecutor(4) as pool:
        tables = list(pool.map(create, range(4)))
    for number in range(count):
        winners = [writer for writer, won in enumerate(tables) if won[number]]
        expect(len(winners) == 1, f"{len(winners)} of 4 writers made the same key")
        ground.holds(f"once/{number}", f"{winners[0]}".encode(), "the loser's bytes are there")
    return f"4 writers, {count} keys"


def uploads_listed(ground: Ground) -> str:
    """Uploads are listed by the key's prefix as soon as they are begun, and no more as soon as they are aborted."""
    for _ in range(ground.rounds(10)):
        with ground.other() as other:
            mine = ground.begin_upload("uploads/one")
            theirs = ground.begin_upload("uploads/one", other)
            beside = ground.begin_upload("uploads/two")
            expect(set(ground.uploads("uploads/one", other)) == {mine, theirs}, "uploads begun are not all listed")
            for name, upload in (("uploads/one", mine), ("uploads/one", theirs), ("uploads/two", beside)):
                must(other.call("DELETE", ground.at(name), (("uploadId", upload),)), "AbortMultipartUpload", 204)
            expect(not ground.uploads("uploads/"), "uploads aborted are still listed")
    return f"{ground.rounds(10)} rounds"


def consensus(ground: Ground) -> str:
    """Compare and exchange by multipart uploads: never two winners, and what the winner wrote is there."""
    endings: Counter[Ending] = Counter()
    value: bytes | None = None
    for number in range(ground.rounds(10)):
        crowd = [Contender(ground, ground.other(), "consensus", f"{number}.{i}".encode(), value) for i in range(6)]
        with ThreadPoolExecutor(len(crowd)) as pool:
            ended = list(pool.map(Contender.run, crowd))
        for one in crowd:
            one.caller.close()
        endings.update(ended)
        winners = [one.value for one, ending in zip(crowd, ended, strict=True) if ending == "won"]
        expect(len(winners) <= 1, f"{len(winners)} winners in one round")
        expect("stuck" not in ended, "an aborted upload stayed in the listing")
        value = winners[0] if winners else value
        found = ground.get("consensus")
        expect((found.body if found.ok else None) == value, "the register holds something else than the winner wrote")
    alone = Contender(ground, ground.me, "consensus", b"at last", value)
    expect(alone.run() == "won", "a lone contender does not win")
    expect(not ground.uploads("consensus"), "uploads are left over")
    return f"{endings['won']} won, {endings['lost']} lost in {ground.rounds(10)} rounds of 6"


def wrong_expectation(ground: Ground) -> str:
    """Who expects what is no longer there does not win, alone or not, by either path."""
    etag = ground.put("expected", b"new")
    stale = Contender(ground, ground.me, "expected", b"mine", b"old")
    expect(stale.run() == "lost", "multipart: a stale expectation won")
    ground.holds("expected", b"new", "multipart: a stale expectation changed the register")
    ground.put("expected", b"newer", ("if-match", f'"{etag}"'))
    answer = ground.me.call("PUT", ground.at("expected"), (), [("if-match", f'"{etag}"')], b"mine")
    must(answer, "If-Match on a past state", 409, 412)
    expect(replace(stale, expected=b"newer", value=b"done").run() == "won", "multipart: a right expectation lost")
    ground.holds("expected", b"done", "the register after it")
    return "stale by both, right by both"


CHECKS = [
    Check("R20", "A: stable ETags", stable_etags),
    Check("R20", "A: one winner", one_winner),
    Check("R20", "A: linearizable", linearizable),
    Check("R20", "A: create once", create_once),
    Check("R20", "B: uploads listed", uploads_listed),
    Check("R20", "B: consensus", consensus),
    Check("R20", "stale expectations", wrong_expectation),
]

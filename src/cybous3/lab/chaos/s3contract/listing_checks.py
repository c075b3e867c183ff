"""R17, R18, R19: listings that are complete, and deletions of many."""

import base64
import hashlib
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote

from cybous3.core.uri import Pairs
from cybous3.lab.chaos.caller import Answer, Caller
from cybous3.lab.chaos.s3contract.ground import Ground, must
from cybous3.lab.chaos.s3contract.table import Check
from cybous3.lab.integration.run import expect

PAGED = 1005
_WRITERS = 16


def each_write_listed(ground: Ground) -> str:
    """After each acknowledged PUT the key is listed, after each DELETE it is not, on another connection."""
    count = ground.rounds(20)
    with ground.other() as other:
        for number in range(count):
            name = f"prompt/{number}"
            ground.put(name, b"x")
            expect(name in ground.keys("prompt/", other), f"{name} is written and not listed")
            if number % 2:
                must(ground.me.call("DELETE", ground.at(name)), "DELETE")
                expect(name not in ground.keys("prompt/", other), f"{name} is deleted and still listed")
    return f"{count} writes, {count // 2} deletions"


def listed_while_written(ground: Ground) -> str:
    """Whatever was there before a listing began, and is not touched, is in it, however much is written meanwhile."""
    fixed = {f"busy/fixed-{number:03}" for number in range(50)}
    _fill(ground, sorted(fixed))

    def write(writer: int) -> None:
        with ground.other() as other:
            for number in range(30):
                target = ground.at(f"busy/moving-{writer}-{number % 5}")
                must(other.call("PUT" if number % 2 else "DELETE", target), "a write beside")

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(write, writer) for writer in range(4)]
        listings = 0
        while listings == 0 or not all(one.done() for one in running):
            missing = fixed - set(ground.keys("busy/"))
            expect(not missing, f"{len(missing)} of {len(fixed)} keys are missing from a listing")
            listings += 1
        for one in running:
            one.result()
    return f"{listings} listings beside 120 writes"


def many_pages(ground: Ground) -> str:
    """More than 1,000 keys come in pages, in order, each once; the first page says that there is more."""
    names = [f"pages/{number:05}" for number in range(PAGED)]
    _fill(ground, names)
    root = _list(ground, ("prefix", ground.prefix + "pages/")).document("ListBucketResult")
    first = len(list(root.iter("Contents")))
    expect(root.findtext("IsTruncated") == "true", "the first page of 1,005 keys says that it is all")
    expect(first <= 1000, f"the first page holds {first} keys")  # S3's largest page
    found = ground.keys("pages/")
    expect(found == names, f"{len(found)} keys in pages, {len(set(found))} different, of {PAGED}")
    return f"{PAGED} keys"


def small_pages(ground: Ground) -> str:
    """With max-keys, prefix and delimiter every key and every folder comes once, in the order of their bytes."""
    names = ["tree/a", "tree/b/1", "tree/b/2", "tree/c/d/e", "tree/z"]
    _fill(ground, names)
    for limit in (1, 2, 1000):
        found: list[str] = []
        more: Pairs = ()
        while True:
            base: Pairs = (("prefix", ground.prefix + "tree/"), ("delimiter", "/"), ("max-keys", str(limit)))
            root = _list(ground, *base, *more).document("ListBucketResult")
            page = [item.findtext("Key") or "" for item in root.iter("Contents")]
            page += [item.findtext("Prefix") or "" for item in root.iter("CommonPrefixes")]
            expect(len(page) <= limit, f"a page of {limit} holds {len(page)}")
            found += sorted(page)
            if root.findtext("IsTruncated") != "true":
                break
            more = (("continuation-token", root.findtext("NextContinuationToken") or ""),)
        right = [ground.prefix + name for name in ("tree/a", "tree/b/", "tree/c/", "tree/z")]
        expect(found == right, f"with {limit} to a page: {[name.removeprefix(ground.prefix) for name in found]}")
    return "3 sizes of pages"


def begins_behind(ground: Ground) -> str:
    """start-after begins behind its key, whether there is such a key or not."""
    _fill(ground, [f"behind/{letter}" for letter in "aceg"])
    for after, right in (("c", "eg"), ("d", "eg"), ("", "aceg"), ("g", "")):
        query = (("prefix", ground.prefix + "behind/"), ("start-after", f"{ground.prefix}behind/{after}"))
        root = _list(ground, *query).document("ListBucketResult")
        found = "".join((item.findtext("Key") or "")[-1] for item in root.iter("Contents"))
        expect(found == right, f"behind {after!r} comes {found!r}, not {right!r}")
    return "present, absent, first, last"


def any_key(ground: Ground) -> str:
    """Keys of any characters are listed as they are; with encoding-type=url they are encoded."""
    names = ["odd/ü", "odd/a b", "odd/a+b", "odd/a&<b>", "odd/日本", "odd/100%", "odd/x'y\"z"]
    _fill(ground, names)
    expect(sorted(ground.keys("odd/")) == sorted(names), f"listed: {ground.keys('odd/')}")
    root = _list(ground, ("prefix", ground.prefix + "odd/"), ("encoding-type", "url")).document("ListBucketResult")
    found = {
        unquote((item.findtext("Key") or "").replace("+", " ")).removeprefix(ground.prefix)
        for item in root.iter("Contents")
    }
    expect(found == set(names), f"encoded: {sorted(found)}")
    return f"{len(names)} keys"


def thousand_at_once(ground: Ground) -> str:
    """1,000 keys go with one request, the missing among them too, and the listing afterwards is empty of them."""
    names = [f"bulk/{number:04}" for number in range(300)]
    _fill(ground, names)
    answer = must(_delete_many(ground.me, ground, [*names, *(f"bulk/never-{n}" for n in range(700))]), "DeleteObjects")
    root = answer.document("DeleteResult")
    gone, errors = len(list(root.iter("Deleted"))), len(list(root.iter("Error")))
    expect((gone, errors) == (1000, 0), f"{gone} deleted and {errors} errors, of 1,000")
    left = ground.keys("bulk/")
    expect(not left, f"{len(left)} keys are left")
    return "300 present, 700 missing"


def deleted_by_many(ground: Ground) -> str:
    """Clients that delete the same keys at once all succeed, and nothing is left."""
    names = [f"shared/{number:03}" for number in range(100)]
    _fill(ground, names)

    def remove(_: int) -> int:
        with ground.other() as other:
            answer = must(_delete_many(other, ground, names), "DeleteObjects")
            return len(list(answer.document("DeleteResult").iter("Error")))

    with ThreadPoolExecutor(6) as pool:
        errors = sum(pool.map(remove, range(6)))
    expect(errors == 0, f"{errors} keys could not be deleted because somebody else did")
    expect(not ground.keys("shared/"), f"{len(ground.keys('shared/'))} keys are left")
    return "6 clients, 100 keys"


def quietly(ground: Ground) -> str:
    """Quiet mode tells only errors; a body that is not what its digest says is refused."""
    _fill(ground, ["quiet/a", "quiet/b"])
    body = _document(ground, ["quiet/a"], quiet=True)
    wrong = [("content-md5", base64.b64encode(b"0" * 16).decode())]
    refused = ground.me.call("POST", ground.bucket, (("delete", None),), wrong, body)
    expect(refused.status == 400, f"a wrong Content-MD5 is answered {refused}")
    expect(ground.keys("quiet/") == ["quiet/a", "quiet/b"], "a refused request deleted something")
    answer = must(_delete_many(ground.me, ground, ["quiet/a"], quiet=True), "DeleteObjects")
    expect(not list(answer.document("DeleteResult").iter("Deleted")), "quiet mode tells what was deleted")
    expect(ground.keys("quiet/") == ["quiet/b"], "the wrong keys are left")
    return "quiet, wrong digest"


def _list(ground: Ground, *query: tuple[str, str | None]) -> Answer:
    return must(ground.me.call("GET", ground.bucket, (("list-type", "2"), *query)), "ListObjectsV2")


def _fill(ground: Ground, names: list[str]) -> None:
    def put(writer: int) -> None:
        with ground.other() as other:
            for name in names[writer::_WRITERS]:
                must(other.call("PUT", ground.at(name), (), (), b"x"), "PUT")

    with ThreadPoolExecutor(_WRITERS) as pool:
        list(pool.map(put, range(_WRITERS)))


def _document(ground: Ground, names: list[str], *, quiet: bool) -> bytes:
    objects = "".join(f"<Object><Key>{ground.prefix}{name}</Key></Object>" for name in names)
    return f"<Delete>{objects}<Quiet>{str(quiet).lower()}</Quiet></Delete>".encode()


def _delete_many(caller: Caller, ground: Ground, names: list[str], *, quiet: bool = False) -> Answer:
    body = _document(ground, names, quiet=quiet)
    digest = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
    return caller.call("POST", ground.bucket, (("delete", None),), [("content-md5", digest)], body)


CHECKS = [
    Check("R17", "each write listed", each_write_listed),
    Check("R17", "listed while written", listed_while_written),
    Check("R18", "beyond 1,000 keys", many_pages),
    Check("R18", "small pages", small_pages),
    Check("R18", "start-after", begins_behind),
    Check("R18", "any key", any_key),
    Check("R19", "a thousand at once", thousand_at_once),
    Check("R19", "deleted by many", deleted_by_many),
    Check("R19", "quiet", quietly),
]

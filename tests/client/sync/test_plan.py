from hypothesis import given
from hypothesis import strategies as st

from cybous3.client.sync.plan import Known, Plan, RemoteFile, plan_pull, plan_push
from cybous3.client.sync.scan import LocalFile

STORED = 270 + 32 + 192  # what an ordinary object adds to a short plaintext


def here(path: str, size: int = 1, mtime_ns: int = 5) -> LocalFile:
    return LocalFile(path, size, mtime_ns, 0o644)


def there(path: str, size: int = 1, etag: str = "e1") -> RemoteFile:
    return RemoteFile(path, "key-of-" + path, etag, STORED + size)


def verbs(plan: Plan) -> dict[str, str]:
    return {step.path: step.verb for step in plan.steps}


def test_push_uploads_what_is_missing_and_keeps_what_memory_vouches_for() -> None:
    known = {"same": Known(1, 5, "e1")}
    plan = plan_push([here("new"), here("same")], {"same": there("same")}, known)
    assert verbs(plan) == {"new": "upload", "same": "same"}


def test_push_uploads_what_changed_here() -> None:
    known = {"touched": Known(1, 4, "e1"), "grown": Known(1, 5, "e1")}
    plan = plan_push(
        [here("touched"), here("grown", size=2)], {"touched": there("touched"), "grown": there("grown")}, known
    )
    assert verbs(plan) == {"touched": "upload", "grown": "upload"}
    assert plan.bytes_of("upload") == 3


def test_push_looks_closer_where_memory_does_not_vouch() -> None:
    """Equal sizes prove nothing: neither on a new machine nor after another machine wrote."""
    remote = {"unknown": there("unknown"), "rewritten": there("rewritten", etag="e2")}
    plan = plan_push([here("unknown"), here("rewritten")], remote, {"rewritten": Known(1, 5, "e1")})
    assert verbs(plan) == {"unknown": "compare", "rewritten": "compare"}


def test_push_deletes_only_when_asked_and_only_what_takes_part() -> None:
    remote = {"gone": there("gone"), "excluded": there("excluded")}
    assert plan_push([], remote, {}).steps == []
    plan = plan_push([], remote, {}, delete=True, covers=lambda path: path != "excluded")
    assert verbs(plan) == {"gone": "delete"}


def test_pull_mirrors_push() -> None:
    remote = {p: there(p) for p in ("new", "same", "changed", "unknown")} | {"short": there("short", size=9)}
    local = [here("same"), here("changed"), here("unknown"), here("short"), here("gone")]
    known = {"same": Known(1, 5, "e1"), "changed": Known(1, 5, "e0")}
    plan = plan_pull(local, remote, known, delete=True, covers=lambda path: path != "new")
    assert verbs(plan) == {
        "changed": "download",
        "same": "same",
        "short": "download",
        "unknown": "compare",
        "gone": "delete",
    }
    assert [s.path for s in plan.of("delete")] == ["gone"]
    assert verbs(plan_pull([], {"new": there("new")}, {})) == {"new": "download"}


files = st.dictionaries(st.sampled_from("abcdef"), st.tuples(st.integers(0, 2), st.integers(0, 2)))


@given(files, files, st.booleans())
def test_every_path_is_decided_once_and_a_second_run_finds_nothing(
    locals_: dict[str, tuple[int, int]], remotes: dict[str, tuple[int, int]], delete: bool
) -> None:
    local = [here(path, size, mtime) for path, (size, mtime) in locals_.items()]
    remote = {path: there(path, size, f"e{tag}") for path, (size, tag) in remotes.items()}
    plan = plan_push(local, remote, {}, delete=delete)
    paths = [step.path for step in plan.steps]
    assert len(paths) == len(set(paths))
    assert set(paths) == set(locals_) | (set(remotes) if delete else set())
    # Do it, note it, plan again.
    after = {f.path: there(f.path, f.size, "done") for f in local}
    known = {f.path: Known(f.size, f.mtime_ns, "done") for f in local}
    assert {s.verb for s in plan_push(local, after, known, delete=delete).steps} <= {"same"}

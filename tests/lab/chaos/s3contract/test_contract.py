"""Our server meets all twenty requirements; one that lies is told so; nothing is left behind, nothing is invented."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from cybous3.lab.chaos.caller import Answer, Caller, Edit, Site
from cybous3.lab.chaos.errors import BadScenario
from cybous3.lab.chaos.host import Host, hosted
from cybous3.lab.chaos.s3contract.ground import Ground, Untestable, expect_same, must
from cybous3.lab.chaos.s3contract.requirements import BY_ID, REQUIREMENTS
from cybous3.lab.chaos.s3contract.run import CHECKS, chosen
from cybous3.lab.chaos.s3contract.table import Check, Result, run, summary, verdict_of
from cybous3.lab.integration.run import Broken

QUICK = "R1,R4,R5,R6,R9,R13,R14,R15,R19"


def failures(results: list[Result]) -> set[str]:
    return {f"{result.name}: {result.detail}" for result in results if result.verdict == "fail"}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with hosted(tmp_path_factory.mktemp("contract") / "server") as running:
        with Caller(running.site) as caller:
            assert caller.call("PUT", "contract").ok
        yield running


@pytest.fixture
def ground(host: Host) -> Iterator[Ground]:
    made = Ground(host.site, "contract", "ground/")
    yield made
    made.me.close()


def test_the_twenty_are_all_looked_at() -> None:
    """Every requirement has a check that can pass, and every check belongs to one."""
    assert [requirement.id for requirement in REQUIREMENTS] == [f"R{number}" for number in range(1, 21)]
    assert {check.requirement for check in CHECKS} == BY_ID.keys()
    assert len({(check.requirement, check.name) for check in CHECKS}) == len(CHECKS) > 50


def test_our_server_meets_the_quick_ones(ground: Ground) -> None:
    results = list(run(chosen(QUICK), ground))
    assert failures(results) == set()
    assert summary(results) == dict.fromkeys(QUICK.split(","), "pass")


@pytest.mark.slow
def test_our_server_meets_all_of_them(host: Host) -> None:
    def restart() -> None:
        host.kill()
        host.start()

    ground = Ground(host.site, "contract", "all/", restart=restart, restart_kind="kill -9")
    results = list(run(CHECKS, ground))
    ground.me.close()
    assert failures(results) == set()
    assert set(summary(results).values()) == {"pass"}
    unseen = [result.name for result in results if result.verdict == "not testable"]
    assert unseen == ["web identity", "5 GiB", "above 5 GiB", "power loss"]


class Liar(Caller):
    """A client between the check and the server that plays the lying server's part: it changes answers and requests."""

    lie = ""

    def call(
        self,
        method: str,
        target: str = "",
        query: tuple[tuple[str, str | None], ...] = (),
        headers: object = (),
        body: bytes = b"",
        *,
        edit: Edit | None = None,
    ) -> Answer:
        asked = [] if self.lie == "no conditions" else list(headers)  # type: ignore[call-overload]  # fields, as they come
        answer = super().call(method, target, query, asked, body, edit=edit)
        if self.lie == "rot" and method == "GET" and len(answer.body) > 1000:
            return replace(answer, body=answer.body[:900] + b"!" + answer.body[901:])
        if self.lie == "no code" and answer.status == 404:
            return replace(answer, body=b"")
        if self.lie == "short pages" and dict(query).get("list-type"):
            return replace(answer, body=answer.body.replace(b"<Contents><Key>", b"<Hidden><Key>", 1))
        return answer


LIES = {"rot": ("R2", "R6", "R8"), "no code": ("R1",), "no conditions": ("R9", "R1"), "short pages": ("R17", "R18")}


@pytest.mark.parametrize("lie", LIES)
def test_a_server_that_lies_fails(host: Host, monkeypatch: pytest.MonkeyPatch, lie: str) -> None:
    monkeypatch.setattr(Liar, "lie", lie)
    monkeypatch.setattr(Ground, "other", lambda self: Liar(self.site))
    ground = Ground(host.site, "contract", f"lies/{lie}/")
    ground.me = Liar(host.site)
    failed = set()
    for number in LIES[lie]:
        results = list(run(chosen(number), ground))
        failed.add(verdict_of(results, BY_ID[number]))
    ground.me.close()
    assert failed == {"fail"}


def test_who_does_not_check_signatures_fails(host: Host) -> None:
    """Seen from an endpoint that takes everybody: anonymous requests that succeed are a failure of R5."""
    open_site = Site(host.site.endpoint, host.site.credentials)
    ground = Ground(open_site, "contract", "open/")

    def everybody(inner: Ground) -> str:
        answer = must(inner.me.call("HEAD", inner.bucket), "HEAD", 403)
        return str(answer)

    (result,) = run([Check("R5", "everybody", everybody)], ground)
    ground.me.close()
    assert (result.verdict, result.detail) == ("fail", "HEAD is answered 200, not 403")


def test_outcomes_of_a_check(ground: Ground) -> None:
    """A check passes by returning; it fails by raising anything; why it cannot be told is kept."""

    def untestable(_: Ground) -> str:
        raise Untestable("no way in")

    def broken(_: Ground) -> str:
        raise ValueError

    checks = [Check("R1", "a", lambda _: "done"), Check("R1", "b", untestable), Check("R2", "c", broken)]
    found = [(result.verdict, result.detail) for result in run(checks, ground)]
    assert found == [("pass", "done"), ("not testable", "no way in"), ("fail", "ValueError")]


def test_a_requirement_follows_from_its_checks() -> None:
    def result(number: str, verdict: str) -> Result:
        return Result(number, "x", verdict, "", 0.0)  # type: ignore[arg-type]  # the words of the table below

    table = {("pass", "not testable"): "pass", ("pass", "fail"): "fail", ("not testable",): "not testable", (): None}
    for verdicts, wanted in table.items():
        assert verdict_of([result("R1", verdict) for verdict in verdicts], BY_ID["R1"]) == wanted
    assert summary([result("R9", "pass"), result("R2", "fail")]) == {"R2": "fail", "R9": "pass"}


def test_choosing() -> None:
    assert {check.requirement for check in chosen("r9, R20")} == {"R9", "R20"}
    assert len(chosen(None)) == len(CHECKS)
    for wrong in ("R21", "R9,x", ","):
        with pytest.raises(BadScenario, match="no requirement is called"):
            chosen(wrong)


def test_differences_are_placed() -> None:
    with pytest.raises(Broken, match="3 bytes instead of 4, different from byte 1"):
        expect_same(b"axc", b"abcd", "the object")
    with pytest.raises(Broken, match="different from byte 2"):
        expect_same(b"ab", b"abc", "the object")


def test_thorough_is_more(ground: Ground) -> None:
    assert (ground.rounds(10), replace(ground, thorough=True).rounds(10)) == (10, 50)

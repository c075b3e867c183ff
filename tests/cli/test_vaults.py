"""Vaults: adding, finding again on a new machine, choosing, inspecting, forgetting."""

import json
import secrets
import shutil
from pathlib import Path

import pytest

from cybous3.client.stores.connect import open_buckets, open_store
from cybous3.client.stores.port import each_entry
from cybous3.crypto.vault import document_key
from tests.client.stores.s3.test_server import access
from tests.support.server import Server, free_port
from tests.support.shell import Shell, log_in

pytestmark = pytest.mark.e2e


def bucket_name() -> str:
    return f"cli-{secrets.token_hex(6)}"


def place(server: Server, bucket: str, *more: str) -> list[str]:
    return ["--endpoint", server.endpoint, "--bucket", bucket, "--access-key", server.root.access_key, *more]


@pytest.fixture
def person(shell: Shell, server: Server) -> Shell:
    """Give somebody who is logged in and has the server's key in the environment."""
    log_in(shell)
    shell.patch.setenv("CYBS3_SECRET_KEY", server.root.secret_key)
    return shell


def test_an_empty_place_gets_a_vault_and_a_full_one_is_opened(person: Shell, server: Server) -> None:
    bucket = bucket_name()
    made = person.json("vaults", "add", "one", *place(server, bucket, "--create-bucket", "--prefix", "a/b/"))
    assert (made["created"], made["generation"], made["prefix"], made["names"]) == (True, 1, "a/b", "encrypted")
    found = person.json("vaults", "add", "two", *place(server, bucket, "--prefix", "a/b"))
    assert (found["created"], found["vault_id"], found["names"]) == (False, made["vault_id"], "encrypted")
    other = person.ok("vaults", "add", "three", *place(server, bucket, "--prefix", "a/c", "--names", "plain"))
    assert other.startswith("made a new vault: three at ")


def test_how_a_vault_writes_names_is_settled_when_it_is_made(person: Shell, server: Server) -> None:
    at = place(server, bucket_name(), "--create-bucket")
    person.ok("vaults", "add", "one", *at, "--names", "plain")
    assert "writes names plain" in person.fails(2, "vaults", "add", "two", *at, "--names", "encrypted")
    assert [vault["name"] for vault in person.json("vaults", "list")] == ["one"]
    assert person.json("vaults", "add", "two", *at)["names"] == "plain"
    assert person.json("vaults", "add", "three", *at, "--names", "plain")["names"] == "plain"


def test_vaults_are_not_nested(person: Shell, server: Server) -> None:
    bucket = bucket_name()
    person.ok("vaults", "add", "one", *place(server, bucket, "--create-bucket", "--prefix", "p/q"))
    assert "around this place" in person.fails(22, "vaults", "add", "in", *place(server, bucket, "--prefix", "p/q/sub"))
    assert "inside this place" in person.fails(22, "vaults", "add", "out", *place(server, bucket))
    assert "at 'p/q'" in person.fails(22, "vaults", "add", "out", *place(server, bucket, "--prefix", "p"))
    assert not person.json("vaults", "add", "same", *place(server, bucket, "--prefix", "p/q"))["created"]
    assert person.json("vaults", "add", "beside", *place(server, bucket, "--prefix", "p/q2"))["created"]
    store = open_store(access(server), bucket)
    assert {entry.key for entry in each_entry(store)} == {document_key("p/q", 1), document_key("p/q2", 1)}
    store.close()


def test_a_place_that_is_not_empty_is_mentioned(person: Shell, server: Server) -> None:
    bucket = bucket_name()
    person.ok("buckets", "create", bucket, *place(server, bucket)[:2], *place(server, bucket)[4:])
    store = open_store(access(server), bucket)
    store.put("photo", b"x")
    store.close()
    done = person("vaults", "add", "one", *place(server, bucket))
    assert (done.code, "other objects lie at this place" in done.err) == (0, True)
    assert "other objects" not in person("vaults", "add", "two", *place(server, bucket)).err


def test_a_new_machine_needs_place_credentials_and_words(person: Shell, server: Server) -> None:
    bucket = bucket_name()
    made = person.json("vaults", "add", "one", *place(server, bucket, "--create-bucket"))
    person.patch.setenv("CYBS3_HOME", str(person.home / "new machine"))
    person.fails(10, "vaults", "list")
    words = ("--mnemonic-file", str(person.home / "words"))
    found = person.json("vaults", "add", "again", *place(server, bucket), *words)
    assert (found["created"], found["vault_id"]) == (False, made["vault_id"])
    person.patch.setenv("CYBS3_HOME", str(person.home / "stranger"))
    other = person.ok("keys", "create").encode()
    assert "cannot unlock" in person.fails(
        10, "vaults", "add", "x", *place(server, bucket), "--mnemonic-file", "-", given=other
    )
    assert person.ok("vaults", "list", "--json", "--mnemonic-file", "-", given=other) == "[]\n"


def test_secrets_may_come_from_standard_input_or_a_file(person: Shell, server: Server) -> None:
    bucket = bucket_name()
    person.ok("vaults", "add", "one", *place(server, bucket, "--create-bucket"))
    person.patch.delenv("CYBS3_SECRET_KEY")
    secret = server.root.secret_key.encode()
    person.ok("vaults", "add", "two", *place(server, bucket), given=secret + b"\n")
    Path("secret").write_bytes(secret)
    person.ok("vaults", "add", "three", *place(server, bucket, "--secret-key-file", "secret"))
    person.fails(2, "vaults", "add", "four", *place(server, bucket))
    for path in (person.home / "cybs3").rglob("*"):
        assert path.is_dir() or secret not in path.read_bytes()


def test_vaults_are_listed_selected_and_forgotten(person: Shell, server: Server) -> None:
    bucket = bucket_name()
    person.ok("vaults", "add", "one", *place(server, bucket, "--create-bucket", "--prefix", "o"))
    person.ok("vaults", "add", "two", *place(server, bucket, "--prefix", "p", "--no-select"))
    listed = person.json("vaults", "list")
    assert [(vault["name"], vault["selected"]) for vault in listed] == [("one", True), ("two", False)]
    assert server.root.secret_key not in json.dumps(listed)
    assert "*  one " in person.ok("vaults", "list")
    person.ok("vaults", "select", "two")
    assert [vault["selected"] for vault in person.json("vaults", "list")] == [False, True]
    assert "known vaults: one, two" in person.fails(3, "vaults", "select", "three")
    assert "already" in person.fails(22, "vaults", "add", "one", *place(server, bucket, "--prefix", "o"))
    assert "stays in the bucket" in person.ok("vaults", "delete", "one")
    person.fails(3, "vaults", "delete", "one")
    again = person.json("vaults", "add", "one", *place(server, bucket, "--prefix", "o"))
    assert not again["created"]


def test_purging_deletes_what_is_below_the_prefix_and_nothing_else(person: Shell, server: Server) -> None:
    bucket = bucket_name()
    person.ok("vaults", "add", "one", *place(server, bucket, "--create-bucket", "--prefix", "p"))
    store = open_store(access(server), bucket)
    store.put("p/file", b"x")
    store.put("p2/other", b"x")
    store.create_upload("p/unfinished")
    assert person("vaults", "delete", "one", "--purge", given=b"n\n").code == 130
    shown = person.json("vaults", "delete", "one", "--purge", "--yes")
    assert shown == {"deleted": "one", "purged": True, "objects_deleted": 2}
    assert [entry.key for entry in each_entry(store)] == ["p2/other"]
    assert list(store.list_uploads()) == []
    store.close()
    assert person.json("vaults", "add", "one", *place(server, bucket, "--prefix", "p"))["created"]


def test_status_tells_all_there_is(person: Shell, server: Server) -> None:
    person.ok("vaults", "add", "one", *place(server, bucket_name(), "--create-bucket"))
    shown = person.json("vaults", "status")
    assert (shown["reachable"], shown["opened"], shown["generation"]) == (True, True, 1)
    assert abs(shown["clock_skew_s"]) < 5
    assert [slot["kind"] for slot in shown["slots"]] == ["mnemonic"]
    text = person.ok("vaults", "status", "one")
    for word in ("reachable in", "clock skew", "generation 1", "epoch 1: primary", "slot mnemonic"):
        assert word in text


def test_status_looks_at_the_buckets_own_document(person: Shell, server: Server) -> None:
    bucket = bucket_name()
    person.ok("vaults", "add", "one", *place(server, bucket, "--create-bucket"))
    assert person.json("vaults", "status")["document"] == "ok"
    store = open_store(access(server), bucket)
    store.put(document_key("", 1), b"{ruined")
    done = person("vaults", "status", "--json")
    shown = json.loads(done.out)
    assert (done.code, shown["opened"], shown["document"]) == (11, True, "damaged")
    assert "keys rotate" in shown["error"]["hint"]
    assert "vault document in the bucket: damaged" in person("vaults", "status").out
    person.patch.setenv("CYBS3_HOME", str(person.home / "new machine"))
    words = ("--mnemonic-file", str(person.home / "words"))
    person.fails(11, "vaults", "add", "one", *place(server, bucket), *words)
    person.patch.setenv("CYBS3_HOME", str(person.home / "cybs3"))
    person.ok("keys", "rotate")
    assert person.json("vaults", "status")["document"] == "ok"
    store.close()


def test_status_of_what_is_away_is_told_with_the_exit_code_of_the_reason(person: Shell, own_server: Server) -> None:
    own_server.start()
    person.patch.setenv("CYBS3_SECRET_KEY", own_server.root.secret_key)
    person.ok("vaults", "add", "one", *place(own_server, "bucket", "--create-bucket"))
    own_server.stop()
    done = person("vaults", "status", "--json")
    shown = json.loads(done.out)
    assert (done.code, shown["reachable"], shown["opened"], shown["error"]["exit_code"]) == (20, False, False, 20)
    done = person("vaults", "status")
    assert done.code == 20
    assert "cannot reach" in done.err


def test_places_that_cannot_be_are_told(person: Shell, server: Server) -> None:
    bucket = bucket_name()
    assert "buckets create" in person.fails(3, "vaults", "add", "one", *place(server, bucket))
    person.fails(2, "vaults", "add", "a b", *place(server, bucket))
    person.fails(2, "vaults", "add", "one", *place(server, bucket, "--prefix", "a//b"))
    nowhere = ("--endpoint", "http://127.0.0.1:1", "--bucket", "b", "--access-key", "AK")
    assert "is the server running" in person.fails(20, "vaults", "add", "one", *nowhere)
    plain = ("--endpoint", server.endpoint.removeprefix("http://"), "--bucket", bucket, "--access-key", "AK")
    assert f"write {server.endpoint} if it has no TLS" in person.fails(20, "vaults", "add", "one", *plain)
    person.fails(1, "vaults", "add", "one", "--endpoint", "ftp://h", "--bucket", "b", "--anonymous")
    person.patch.setenv("CYBS3_SECRET_KEY", "not-the-secret-at-all")
    assert "secret" in person.fails(21, "vaults", "add", "one", *place(server, bucket))
    assert person.json("vaults", "list") == []


def test_a_vault_put_back_to_an_older_state_is_noticed(person: Shell, server: Server) -> None:
    bucket = bucket_name()
    person.ok("vaults", "add", "one", *place(server, bucket, "--create-bucket"))
    person.ok("keys", "rotate")
    store = open_store(access(server), bucket)
    store.delete(document_key("", 2))
    assert "generation 1" in person.fails(12, "vaults", "status")
    assert "--accept-rollback" in person.fails(12, "keys", "rotate")
    person.ok("vaults", "status", "--accept-rollback")
    assert person.json("keys", "rotate")["generation"] == 2
    store.delete_many([document_key("", 1), document_key("", 2)])
    assert "no vault at this place" in person.fails(3, "vaults", "status")
    assert list(each_entry(store)) == []
    store.close()


def test_local_needs_nothing_but_a_running_server(shell: Shell, own_server: Server) -> None:
    shell.patch.setenv("SWIFTS3_STATE_DIR", str(own_server.folder / "state"))
    assert "cybs3 server start" in shell.fails(3, "vaults", "local")
    own_server.start()
    assert "--mnemonic-out" in shell.fails(10, "vaults", "local")
    shown = shell.json("vaults", "local", "--mnemonic-out", "words")
    assert (shown["name"], shown["bucket"], shown["created"]) == ("local", "cybs3-local", True)
    assert shown["access_key"] != own_server.root.access_key
    shell.patch.setenv("CYBS3_MNEMONIC_FILE", "words")
    assert shell.json("vaults", "status")["opened"]

    # The key reaches this bucket and no other.
    with_root = open_buckets(access(own_server))
    with_root.create_bucket("another")
    with_root.close()
    assert [bucket["name"] for bucket in shell.json("buckets", "list")] == ["cybs3-local"]
    shell.fails(21, "buckets", "create", "more")

    # Again, after the server has moved: the same vault, the same key, the new address.
    own_server.stop()
    own_server.port = free_port()
    own_server.start()
    again = shell.json("vaults", "local", "--data", str(own_server.data))
    assert (again["created"], again["vault_id"]) == (False, shown["vault_id"])
    assert (again["access_key"], again["endpoint"]) == (shown["access_key"], own_server.endpoint)
    assert "another" in shell.fails(2, "vaults", "local", "--bucket", "another-bucket")

    # Set up anew under the same address: the old key is nobody's, and the vault is gone, which is told.
    own_server.stop()
    shutil.rmtree(own_server.data)
    own_server.start()
    assert "no vault" in shell.fails(3, "vaults", "local")
    shell.ok("vaults", "delete", "local")
    assert shell.json("vaults", "local")["created"]
    shell.ok("logout")
    own_server.stop()
    assert "no server runs on" in shell.fails(3, "vaults", "local", "--data", str(own_server.data))


def test_new_words_are_shown_to_a_person_once(shell: Shell, own_server: Server) -> None:
    own_server.start()
    shell.patch.setenv("SWIFTS3_STATE_DIR", str(own_server.folder / "state"))
    shell.patch.setattr("cybous3.cli.output.Out.interactive", True)
    done = shell("vaults", "local", "mine")
    assert done.code == 0
    assert "recovery words" in done.err
    words = next(line.strip() for line in done.err.splitlines() if len(line.split()) == 24)
    assert words not in done.out
    shell.ok("logout")
    again = json.loads(shell.ok("vaults", "status", "--json", "--mnemonic-file", "-", given=words.encode()))
    assert (again["name"], again["opened"]) == ("mine", True)


def test_several_servers_make_a_choice_needed(shell: Shell, own_server: Server, server: Server) -> None:
    del server
    second = Server(own_server.folder.parent / "second")
    for each in (own_server, second):
        each.start()
    shell.patch.setenv("SWIFTS3_STATE_DIR", str(own_server.folder / "state"))
    for entry in (second.folder / "state").glob("*.json"):
        shutil.copy(entry, own_server.folder / "state")
    assert "--data" in shell.fails(3, "vaults", "local")
    second.stop()

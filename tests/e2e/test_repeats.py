"""A request that comes again byte for byte is answered from memory, and never with what was true before.

Every test asks over many connections to two workers, so that each worker has answered the same bytes before.
"""

import http.client
import re
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cybous3.core.sigv4.credentials import Credentials
from cybous3.core.sigv4.payload import PayloadMode
from cybous3.core.sigv4.sign import presign, sign
from tests.support.server import Key, Server, swifts3

pytestmark = pytest.mark.e2e

CONNECTIONS = 12  # that all of them meet the same one of two workers: 1 in 2,048
Answer = tuple[int, dict[str, str], bytes]


class Talk:
    """Connections that say exactly the bytes they are given."""

    def __init__(self, server: Server, count: int = CONNECTIONS) -> None:
        self.socks = [socket.create_connection(("127.0.0.1", server.port), timeout=20) for _ in range(count)]
        self.files = [sock.makefile("rb") for sock in self.socks]

    def say(self, number: int, data: bytes) -> Answer:
        self.socks[number].sendall(data)
        return self.hear(number, bodiless=data.startswith(b"HEAD"))

    def hear(self, number: int, *, bodiless: bool = False) -> Answer:
        file = self.files[number]
        status = int(file.readline().split(b" ")[1])
        fields: dict[str, str] = {}
        while (line := file.readline().decode("latin-1").rstrip("\r\n")) != "":
            name, _, value = line.partition(": ")
            assert fields.setdefault(name.lower(), value) == value, "a field came twice"
        length = 0 if bodiless or status == 204 else int(fields.get("content-length", "0"))
        return status, fields, file.read(length)

    def everywhere(self, data: bytes, times: int = 2) -> list[Answer]:
        """Say the same on every connection, in turn."""
        return [self.say(number, data) for _ in range(times) for number in range(len(self.socks))]

    def close(self) -> None:
        for file in self.files:
            file.close()
        for sock in self.socks:
            sock.close()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("repeats"), workers=2)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def talk(pair: Server) -> Iterator[Talk]:
    opened = Talk(pair)
    yield opened
    opened.close()


def head(server: Server, method: str, path: str, *, length: int = 0, key: Key | None = None, **more: str) -> bytes:
    """Return a signed request head."""
    key = key or server.root
    fields = (("host", f"127.0.0.1:{server.port}"), *more.items())
    credentials = Credentials(key.access_key, key.secret_key)
    payload = PayloadMode.UNSIGNED.value
    made = sign(method, path, "", fields, payload, credentials, server.region, time.time())
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in (*fields, *made.headers))]
    return ("\r\n".join([*lines, f"content-length: {length}"]) + "\r\n\r\n").encode()


def put(server: Server, talk: Talk, path: str, body: bytes = b"") -> None:
    status, _, said = talk.say(0, head(server, "PUT", path, length=len(body)) + body)
    assert status == 200, said


def bodies(answers: list[Answer]) -> set[tuple[int, bytes]]:
    return {(status, body) for status, _, body in answers}


def statuses(answers: list[Answer]) -> set[int]:
    return {status for status, _, _ in answers}


def counted(server: Server) -> int:
    """Return how many GetObject the server says that it answered."""
    connection = http.client.HTTPConnection("127.0.0.1", server.admin_port, timeout=10)
    connection.request("GET", "/-/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    found = re.findall(
        r'^swifts3_http_requests_total\{[^}]*operation="GetObject"[^}]*\} ([0-9.e+]+)$', text, re.MULTILINE
    )
    return int(sum(map(float, found)))


def test_what_was_written_or_deleted_is_seen_by_who_asks_again(pair: Server, talk: Talk) -> None:
    put(pair, talk, "/changes")
    get, look = head(pair, "GET", "/changes/k"), head(pair, "HEAD", "/changes/k")
    part = head(pair, "GET", "/changes/k", range="bytes=1-2")
    for body in (b"first", b"other", b"x" * 20_000, b"small"):
        put(pair, talk, "/changes/k", body)
        assert bodies(talk.everywhere(get)) == {(200, body)}
        assert bodies(talk.everywhere(part)) == {(206, body[1:3])}
        assert {fields["content-length"] for _, fields, _ in talk.everywhere(look)} == {str(len(body))}
    assert talk.say(0, head(pair, "DELETE", "/changes/k"))[0] == 204
    assert statuses([*talk.everywhere(get), *talk.everywhere(look), *talk.everywhere(part)]) == {404}
    assert talk.say(0, head(pair, "DELETE", "/changes"))[0] == 204
    assert all(b"NoSuchBucket" in body for _, _, body in talk.everywhere(get))


def test_every_repeat_has_its_own_id_and_is_counted(pair: Server, talk: Talk) -> None:
    put(pair, talk, "/counted")
    put(pair, talk, "/counted/k", b"body")
    time.sleep(0.6)  # counters are published every 0.25 s
    before = counted(pair)
    answers = talk.everywhere(head(pair, "GET", "/counted/k"), times=10)
    time.sleep(0.6)
    assert counted(pair) - before == len(answers)
    assert len({fields["x-amz-request-id"] for _, fields, _ in answers}) == len(answers)


def test_a_link_ends_when_it_says(pair: Server, talk: Talk) -> None:
    put(pair, talk, "/linked")
    put(pair, talk, "/linked/k", b"body")
    host, root = f"127.0.0.1:{pair.port}", pair.root
    began = int(time.time())
    query = presign("GET", host, "/linked/k", "", Credentials(root.access_key, root.secret_key), pair.region, 2, began)
    link = f"GET /linked/k?{query} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    assert bodies(talk.everywhere(link)) == {(200, b"body")}
    time.sleep(max(0.0, began + 2.05 - time.time()))
    assert statuses(talk.everywhere(link)) == {403}


def test_who_was_deleted_is_not_answered_again(pair: Server, talk: Talk) -> None:
    anna = pair.add_user("anna")
    for path, body in (("/annas", b""), ("/annas/k", b"body")):
        assert talk.say(0, head(pair, "PUT", path, length=len(body), key=anna) + body)[0] == 200
    get = head(pair, "GET", "/annas/k", key=anna)
    assert bodies(talk.everywhere(get)) == {(200, b"body")}
    command = swifts3("keys", "delete", anna.access_key, "--data", str(pair.data))
    subprocess.run(command, env=pair.environment, capture_output=True, check=True)
    assert all(b"InvalidAccessKeyId" in body for _, _, body in talk.everywhere(get))


def test_a_shell_that_writes_or_empties_the_log_is_noticed(pair: Server, talk: Talk) -> None:
    """What is remembered is not answered any more; what a foreign hand wrote agrees with no row's sum and is damage."""
    put(pair, talk, "/shell")
    put(pair, talk, "/shell/k", b"before")
    get = head(pair, "GET", "/shell/k")
    assert bodies(talk.everywhere(get)) == {(200, b"before")}
    shell = sqlite3.connect(pair.data / "index.sqlite", timeout=10)
    with shell:
        shell.execute("UPDATE contents SET data = CAST('after!' AS BLOB) WHERE data = CAST('before' AS BLOB)")
    assert statuses(talk.everywhere(get)) == {500}
    shell.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shell.close()
    assert statuses(talk.everywhere(get)) == {500}
    put(pair, talk, "/shell/k", b"later")
    assert bodies(talk.everywhere(get)) == {(200, b"later")}


def test_repeats_come_in_order_and_whole_to_who_sends_ahead_or_half_closes(pair: Server, talk: Talk) -> None:
    put(pair, talk, "/ahead")
    for name in ("a", "b"):
        put(pair, talk, f"/ahead/{name}", name.encode())
    heads = [head(pair, "GET", f"/ahead/{name}") for name in ("a", "b")]
    for one in heads:
        talk.everywhere(one)
    for number in range(CONNECTIONS):
        for one in (*heads, heads[0] + heads[1] + heads[0], heads[1]):
            talk.socks[number].sendall(one)
        talk.socks[number].shutdown(socket.SHUT_WR)
        assert [talk.hear(number)[2] for _ in range(6)] == [b"a", b"b", b"a", b"b", b"a", b"b"]
        assert talk.files[number].read() == b""


def test_a_drain_ends_repeats_between_two_answers(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.start()
    talk = Talk(server, 4)
    put(server, talk, "/drained")
    put(server, talk, "/drained/k", b"body" * 100)
    get = head(server, "GET", "/drained/k")
    ends: list[str] = []

    def ask(number: int) -> None:
        try:
            while True:
                assert talk.say(number, get)[2] == b"body" * 100
        except (IndexError, ConnectionError):  # the end of the file where a status line would stand
            ends.append("closed")

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    server.stop()
    for thread in threads:
        thread.join(10)
    talk.close()
    assert ends == ["closed"] * 4

"""The taps count what goes through them, and change nothing of it. There is no way back: each test has a process."""

import json
import subprocess
import sys
from pathlib import Path

PRELUDE = """
import json, sys
from pathlib import Path
from cybous3.lab.bench.counters import taps
from cybous3.lab.bench.counters.tally import Tally, growth
tally, scratch = Tally(), Path(sys.argv[1])
taps.install(tally, scratch, calls={calls})
{body}
sys.setprofile(None)
print(json.dumps(growth({{}}, tally.snapshot())))
"""


def counted(folder: Path, body: str, *, calls: bool = False) -> dict[str, int]:
    program = PRELUDE.format(body=body, calls=calls)
    done = subprocess.run([sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    counts: dict[str, int] = json.loads(done.stdout)
    counts.pop("files.lstat", None)  # of the coverage measurement, where there is one: it looks up its own files
    return counts


def test_files_and_their_bytes(tmp_path: Path) -> None:
    body = """
import os
fd = os.open(scratch / "a", os.O_RDWR | os.O_CREAT)
assert os.write(fd, b"12345") == 5
assert os.pread(fd, 3, 1) == b"234"
os.fsync(fd); os.fdatasync(fd); os.close(fd)
(scratch / "b").open("w").close()
os.rename(scratch / "b", scratch / "c")
assert len(os.urandom(9)) == 9
"""
    assert counted(tmp_path, body) == {
        **dict.fromkeys(("files.write", "files.pread", "files.fsync", "files.fdatasync", "files.close"), 1),
        "files.rename": 1,
        "files.opened": 2,
        "files.written_bytes": 5,
        "files.read_bytes": 3,
        "random.bytes": 9,
    }


def test_files_outside_the_scratch_folder_are_not_the_program_s(tmp_path: Path) -> None:
    assert counted(tmp_path, "open(taps.__file__).close()") == {}


def test_statements_as_sqlite_runs_them(tmp_path: Path) -> None:
    body = """
import sqlite3
connection = sqlite3.connect(":memory:", isolation_level=None)
connection.execute("CREATE TABLE t (a)")
connection.execute("BEGIN IMMEDIATE")
connection.executemany("INSERT INTO t VALUES (?)", [(1,), (2,), (3,)])
connection.commit()
assert connection.execute("  select sum(a) from t").fetchone() == (6,)
"""
    counts = counted(tmp_path, body)
    assert counts == {"sql.create": 1, "sql.begin": 1, "sql.insert": 3, "sql.commit": 1, "sql.select": 1}


def test_hashes_by_name_and_bytes(tmp_path: Path) -> None:
    body = """
import hashlib, hmac
one = hashlib.md5(b"ab", usedforsecurity=False); one.update(b"c")
assert one.hexdigest() == "900150983cd24fb0d6963f7d28e17f72" and one.digest_size == 16
two = hashlib.sha256(); three = two.copy(); three.update(bytearray(7))
assert three.digest() == hashlib.new("sha256", bytes(7)).digest()
assert len(hmac.digest(b"k", b"m", "sha384")) == 48
"""
    assert counted(tmp_path, body) == {
        "hash.md5": 1,
        "hash.md5_bytes": 3,
        "hash.sha256": 2,
        "hash.sha256_bytes": 7,
        "hash.hmac": 1,
    }


def test_ciphers_by_call_and_bytes(tmp_path: Path) -> None:
    body = """
from cybous3.crypto.primitives import Siv, gcm_open, gcm_seal
sealed = gcm_seal(bytes(32), b"", b"secret", bytes)
assert gcm_open(bytes(32), b"", sealed) == b"secret"
assert gcm_open(bytes(32), b"other", sealed) is None
siv = Siv(bytes(64))
assert siv.open([b"x"], siv.seal([b"x"], b"name")) == b"name"
"""
    counts = counted(tmp_path, body)
    # 6 sealed, 22 opened twice (the second time in vain); 4 sealed and 20 opened with SIV.
    assert counts == {"aead.keys": 4, "aead.encrypt": 2, "aead.decrypt": 3, "aead.bytes": 6 + 22 + 22 + 4 + 20}


def test_a_coroutine_of_ours_is_one_call_however_often_it_waits(tmp_path: Path) -> None:
    body = """
import asyncio
from cybous3.core import clock
exec(compile("async def waits():\\n    for _ in range(5): await asyncio.sleep(0)", clock.__file__, "exec"))
exec(compile("def foreign(): pass", "/elsewhere/foreign.py", "exec"))
asyncio.run(waits())
foreign()
"""
    counts = counted(tmp_path, body, calls=True)
    importing = counted(tmp_path, body.replace("asyncio.run(waits())", ""), calls=True)
    assert counts["calls.core"] - importing.get("calls.core", 0) == 1

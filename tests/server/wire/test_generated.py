"""The generated package is what the generator makes of botocore's model and the overlay, and nobody edited it."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
TOOL = ROOT / "tools" / "generate_operations.py"


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_operations", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def overlay(generator: ModuleType) -> dict[str, Any]:
    read: dict[str, Any] = generator.tomllib.loads(generator.OVERLAY.read_text(encoding="utf-8"))
    return read


def test_what_is_checked_in_is_what_the_generator_makes() -> None:
    done = subprocess.run(
        [sys.executable, str(TOOL), "--check"], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_check_names_what_differs_and_writes_nothing(
    generator: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generator, "outputs", lambda: {Path("a/b.py"): "text\n"})
    monkeypatch.setattr(generator, "ROOT", tmp_path)
    assert generator.main(["--check"]) == 1
    assert capsys.readouterr().out == "differs: a/b.py\n"
    assert list(tmp_path.iterdir()) == []
    assert generator.main([]) == 0
    assert (tmp_path / "a" / "b.py").read_text() == "text\n"
    assert generator.main(["--check"]) == 0


@pytest.mark.parametrize(
    ("table", "row", "complaint"),
    [
        ("permissions", {"GetObjekt": ["object s3:GetObject"]}, r"\[permissions\].*GetObjekt"),
        ("limits", {"max-kays": [0, 1]}, r"\[limits\].*max-kays"),
        ("refuse", {"Nothing": ["x"]}, r"\[refuse\].*Nothing"),
        ("body_max", {"Nothing": 1}, r"\[body_max\].*Nothing"),
    ],
)
def test_an_overlay_that_names_nothing_is_an_error(
    generator: ModuleType, table: str, row: dict[str, Any], complaint: str
) -> None:
    changed = overlay(generator)
    rows = generator.rows_of(changed)
    changed[table] |= row
    with pytest.raises(generator.OverlayError, match=complaint):
        generator.check_overlay(rows, changed)


@pytest.mark.parametrize(
    ("permission", "complaint"),
    [
        ([], "has no permission"),
        (["nowhere s3:X"], "not a permission"),
        (["object s3:X when never"], "no such header group"),
    ],
)
def test_an_operation_without_a_permission_is_an_error(
    generator: ModuleType, permission: list[str], complaint: str
) -> None:
    changed = overlay(generator)
    rows = {row.name: row for row in generator.rows_of(changed)}
    changed["permissions"]["GetObject"] = permission
    with pytest.raises(generator.OverlayError, match=complaint):
        generator.needs_of(rows["GetObject"], changed)


def test_two_rows_that_nothing_tells_apart_are_an_error(generator: ModuleType) -> None:
    changed = overlay(generator)
    changed["select"]["query"] = {}
    with pytest.raises(generator.OverlayError, match="ListBuckets, ListDirectoryBuckets"):
        generator.rows_of(changed)


def test_an_error_of_the_overlay_is_told_without_a_traceback(
    generator: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> dict[Path, str]:
        raise generator.OverlayError("no such thing")

    monkeypatch.setattr(generator, "outputs", broken)
    assert generator.main(["--check"]) == 2
    assert capsys.readouterr().err == "operations_overlay.toml: no such thing\n"


def test_names_are_spelt_as_people_would(generator: ModuleType) -> None:
    names = ("ACL", "SSECustomerKeyMD5", "SSEKMSKeyId", "ChecksumCRC64NVME", "ChecksumXXHASH128", "IfMatch", "MFA")
    assert [generator.snake(name) for name in names] == [
        "acl",
        "sse_customer_key_md5",
        "sse_kms_key_id",
        "checksum_crc64nvme",
        "checksum_xxhash128",
        "if_match",
        "mfa",
    ]

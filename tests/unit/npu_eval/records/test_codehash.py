from __future__ import annotations

from pathlib import Path

import pytest

from npu_eval.records.codehash import code_files, code_sha256

FILES = {"inference.py": "a = 1\n", "npu_eval/x.py": "b = 2\n", "npu_eval/deep/y.py": "c = 3\n"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / "d" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "d" / name).write_text(text)
    return tmp_path / "d"


def test_the_code_is_every_python_file_in_the_order_of_its_path(root: Path) -> None:
    (root / "spec.json").write_text("{}")
    (root / "npu_eval" / "__pycache__").mkdir()
    (root / "npu_eval" / "__pycache__" / "z.cpython-311.pyc").write_text("")
    (root / "folder.py").mkdir()
    assert [p.relative_to(root).as_posix() for p in code_files(root)] == sorted(FILES)


@pytest.mark.parametrize(
    "name",
    ["npu_eval/x.cpython-311-x86_64-linux-gnu.so", "npu_eval/x.abi3.so", "x.so", "libx.so.1", "npu_eval/x.pyc",
     "x.pyd", "x.pyw", "x.pth", "x.zip", "npu_eval/__pycache__/z.py", "torch/__init__.py", "evaluation/json.py"],
)  # fmt: skip
def test_whatever_python_could_import_counts(root: Path, name: str) -> None:
    before = code_sha256(root)
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(b"")
    assert code_sha256(root) != before


def test_the_configuration_of_a_model_counts_as_code(root: Path) -> None:
    before = code_sha256(root)
    (root / "model").mkdir()
    (root / "model/config.json").write_text("{}")
    assert code_sha256(root) != before


def test_the_hash_is_the_same_wherever_the_folder_lies(root: Path, tmp_path: Path) -> None:
    before = code_sha256(root)
    moved = root.rename(tmp_path / "elsewhere")
    assert code_sha256(moved) == before
    (moved / "readme.md").write_text("text is no code")
    assert code_sha256(moved) == before


def test_any_change_of_the_code_changes_the_hash(root: Path) -> None:
    seen = {code_sha256(root)}
    (root / "inference.py").write_text("a = 2\n")
    seen.add(code_sha256(root))
    (root / "new.py").write_text("")
    seen.add(code_sha256(root))
    (root / "new.py").rename(root / "newer.py")
    seen.add(code_sha256(root))
    (root / "npu_eval" / "x.py").unlink()
    seen.add(code_sha256(root))
    assert len(seen) == 5


def test_swapping_two_files_changes_the_hash(root: Path) -> None:
    before = code_sha256(root)
    (root / "inference.py").write_text(FILES["npu_eval/x.py"])
    (root / "npu_eval" / "x.py").write_text(FILES["inference.py"])
    assert code_sha256(root) != before

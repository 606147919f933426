from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from npu_eval.errors import WeightsError
from npu_eval.weights.shards import IN_FOLDERS, is_index, read_index, weights_of

NAME = "model.safetensors.index.json"


def written(folder: Path, places: Any, *files: str) -> Path:
    for file in files:
        (folder / file).write_text(file, encoding="utf-8")
    (folder / NAME).write_text(json.dumps({"metadata": {}, "weight_map": places}), encoding="utf-8")
    return folder / NAME


def test_an_index_stands_for_its_files(tmp_path: Path) -> None:
    path = written(
        tmp_path, {"w": "b.safetensors", "v": "a.safetensors", "u": "b.safetensors"}, "a.safetensors", "b.safetensors"
    )
    index = read_index(path)
    assert [file.name for file in index.files] == ["a.safetensors", "b.safetensors"]
    assert list(index.places) == ["w", "v", "u"]
    assert index.size_bytes == path.stat().st_size + 2 * len("a.safetensors")


def test_its_hash_is_what_a_person_computes(tmp_path: Path) -> None:
    index = read_index(written(tmp_path, {"w": "b.bin", "v": "a.bin"}, "a.bin", "b.bin"))
    lines = subprocess.run(["sha256sum", NAME, "a.bin", "b.bin"], cwd=tmp_path, capture_output=True, check=True).stdout
    assert index.sha256 == hashlib.sha256(lines).hexdigest()
    (tmp_path / "b.bin").write_text("other", encoding="utf-8")
    assert index.sha256 != hashlib.sha256(lines).hexdigest()


@pytest.mark.parametrize("file", ["../x.bin", "/etc/passwd", "a/b.bin", "", ".", "..", "a/../b.bin"])
def test_files_elsewhere_are_refused(tmp_path: Path, file: str) -> None:
    with pytest.raises(WeightsError, match="which is not beside it"):
        read_index(written(tmp_path, {"w": file}))


@pytest.mark.parametrize("places", [None, [], {}, {"w": 3}, "x"])
def test_what_is_no_index(tmp_path: Path, places: Any) -> None:
    with pytest.raises(WeightsError, match="no index of weights: it has no weight_map"):
        read_index(written(tmp_path, places))


def test_a_text_that_is_no_json(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("<html>", encoding="utf-8")
    with pytest.raises(WeightsError, match="no index of weights"):
        read_index(tmp_path / NAME)


def test_files_that_are_absent_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"1 of its 2 files are not beside it: b\.bin; fetch every file"):
        read_index(written(tmp_path, {"w": "a.bin", "v": "b.bin"}, "a.bin"))


def test_which_file_holds_a_folders_weights(tmp_path: Path) -> None:
    assert weights_of(tmp_path) is None
    (tmp_path / "own.safetensors.index.json").touch()
    assert weights_of(tmp_path) == tmp_path / "own.safetensors.index.json"
    (tmp_path / "other.bin.index.json").touch()
    assert weights_of(tmp_path) is None
    for name in reversed(IN_FOLDERS):
        (tmp_path / name).touch()
        assert weights_of(tmp_path) == tmp_path / name


def test_an_index_is_known_by_its_name() -> None:
    assert is_index(Path("a/model.safetensors.index.json"))
    assert not is_index(Path("config.json"))

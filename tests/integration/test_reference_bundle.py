"""A reference bundle made in one tree and used in another, through the real command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from integration.conftest import Run, write_root


def _precision(folder: Path) -> Any:
    return json.loads((folder / "evaluation/records/precision.json").read_text(encoding="utf-8"))


def _verdicts(folder: Path) -> Any:
    return json.loads((folder / "summary.json").read_text(encoding="utf-8"))["verdicts"]


def test_it_gives_what_a_direct_run_gives_and_the_report_says_so(finished: Path, command: Run, tmp_path: Path) -> None:
    there, bundle = write_root(tmp_path / "there"), tmp_path / "carried over"
    made = command("reference", "tiny", "--output", str(bundle), "--json", NPU_DELIVER_ROOT=str(there))
    assert made.returncode == 0, made.stderr
    sha256 = json.loads(made.stdout)["sha256"]
    assert not list(tmp_path.glob(".carried*"))
    folder = finished
    direct, verdicts = _precision(folder), _verdicts(folder)

    used = command("deliver", "tiny", "--reference", str(bundle))
    assert used.returncode == 0, used.stderr
    assert used.stderr.count("kept from") == 2, "only what compares with a reference runs again"
    found = _precision(folder)
    assert found["data"] == direct["data"]
    assert _verdicts(folder) == verdicts
    assert found["provenance"]["reference_bundle"]["sha256"] == sha256
    assert sha256 in (folder / "readme.md").read_text(encoding="utf-8")
    assert f"bundle     sha256 {sha256}" in (folder / "evaluation/logs/precision_eval.log").read_text(encoding="utf-8")
    assert command("verify", str(folder)).returncode == 0
    assert command("audit", str(folder)).returncode == 0
    assert command("deliver", "tiny", "--reference", str(bundle)).stderr.count("kept from") == 3

    again = command("deliver", "tiny")
    assert again.stderr.count("kept from") == 2, "without the bundle the reference is computed here"
    assert _precision(folder)["provenance"]["reference_bundle"] is None


def test_a_bundle_that_does_not_fit_ends_with_one_line_before_anything_runs(
    root: Path, command: Run, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle"
    assert command("reference", "tiny", "--output", str(bundle)).returncode == 0
    spec = root / "tiny" / "spec.yaml"
    asked = yaml.safe_load(spec.read_text(encoding="utf-8"))

    def refused(*arguments: str) -> tuple[int, str]:
        done = command("deliver", "tiny", "--reference", str(bundle), *arguments)
        lines = [line for line in done.stderr.splitlines() if line.startswith("npu-deliver: ")]
        assert len(lines) == 1, done.stderr
        assert "[1/3]" not in done.stderr
        return done.returncode, lines[0].removeprefix("npu-deliver: ")

    def changed(key: str, value: Any) -> None:
        spec.write_text(yaml.safe_dump({**asked, "evaluation": {**asked["evaluation"], key: value}}), encoding="utf-8")

    changed("reference", {"device": "cpu", "dtype": "bfloat16"})
    code, line = refused()
    assert (code, "holds no bfloat16 outputs of 'inputs/blue dot.jpg'" in line) == (9, True)
    changed("criteria", [{**asked["evaluation"]["criteria"][0], "threshold": 0.5}])
    code, line = refused()
    assert (code, "was made under other criteria than the spec's" in line) == (9, True)
    spec.write_text(yaml.safe_dump(asked), encoding="utf-8")
    shutil.copy(root / "tiny/photos/红.png", root / "tiny/photos/new.png")
    code, line = refused()
    assert (code, "the input 'inputs/new.png' is not in the bundle" in line) == (9, True)
    (root / "tiny/photos/new.png").unlink()
    member = bundle / "input-001.safetensors"
    member.write_bytes(member.read_bytes()[:-1] + b"\xff")
    code, line = refused()
    assert (code, "bundle/input-001.safetensors: is altered" in line) == (9, True)
    bundle = tmp_path / "nothing"
    assert refused()[0] == 2


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--device", "npu:0"], 4, "npu:0: a reference is made on a CPU or a GPU"),
        (["--replay", "x"], 2, "--replay: a reference is computed, not replayed"),
        (["--output", "tiny"], 2, "holds something that is no reference bundle"),
    ],
)
def test_what_cannot_make_a_reference(root: Path, command: Run, arguments: list[str], code: int, said: str) -> None:
    done = command("reference", "tiny", *[str(root / a) if a == "tiny" else a for a in arguments])
    assert done.returncode == code
    assert said in done.stderr
    assert (root / "tiny" / "spec.yaml").is_file()

"""Reruns of folders whose makers forge, with real processes on this machine: what they show, and what they find."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import forging
from integration.conftest import Run
from npu_deliver.review import verify

Rerun = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def rerun(command: Run) -> Rerun:
    def run(folder: Path, *options: str) -> tuple[int, dict[str, Any]]:
        done: subprocess.CompletedProcess[str] = command("rerun", str(folder), "--trust", "--json", *options)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    return run


def test_an_honest_folder_is_reproduced_and_its_outputs_are_counted_outside(finished: Path, rerun: Rerun) -> None:
    code, found = rerun(finished)
    assert (code, found["reproduced"], found["code"], found["findings"]) == (0, True, [], 0)
    assert found["ran"]["outputs"] == len(found["outputs"]) == 4
    assert found["ran"]["deviations"] == found["ran"]["altered"] == []
    assert any("left the run as tensors" in line for line in found["shows"])
    assert any("adapter.py is the author's code" in line for line in found["does_not_show"])


def test_a_folder_whose_code_forges_its_records_certifies_nothing(root: Path, rerun: Rerun, tmp_path: Path) -> None:
    folder = forging.forged(root, tmp_path, "local")
    code, found = rerun(folder)
    assert (code, found["reproduced"]) == (8, False)
    assert [(each["file"], each["how"]) for each in found["code"]] == [("npu_eval/agreement/compare.py", "changed")]
    assert found["code"][0]["line"] > 1
    assert not all(o["identical"] for o in found["outputs"] if o["side"] == "candidate")


def test_an_adapter_that_changes_what_is_counted_beside_it_is_found_by_the_tensors(
    root: Path, command: Run, rerun: Rerun
) -> None:
    adapter = root / "tiny/adapter.py"
    adapter.write_text(adapter.read_text(encoding="utf-8") + forging.REACHING, encoding="utf-8")
    assert command("deliver", "tiny", "--budget", "0").returncode in (0, 1)
    folder = root / "tiny/npu_deliverables"
    assert verify.verify(folder).holds  # nothing in the folder itself speaks against it
    code, found = rerun(folder)
    assert code == 8
    assert any("candidate_sha256" in place for place in found["ran"]["deviations"])

"""Folders of strangers that mean harm to whoever reads them: through every command that reads one."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import deliverables
from deliverables import FakeEngine, engine_in_place
from npu_deliver import cli
from npu_deliver.spec.profiles import templates_folder

HOSTILE = "\x1b[31mx\x1b]0;y\x07\r\x9b2J\u202ez\u2028\u200b\u2066\n\x00\x7f"
NAME = HOSTILE.replace("\x00", "")
HIDDEN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
LINT = ("--lang", "en")
COMMANDS = (
    ("verify",), ("verify", "--json"), ("audit", "--bindings"), ("audit", "--json"),
    ("judge", "--criteria", "cann-hf32"), ("judge", "--criteria", "cann-hf32", "--json"),
    ("lint", *LINT), ("lint", *LINT, "--json"), ("lint", *LINT, "--sarif"), ("compare", "FOLDER"),
    ("compare", "FOLDER", "--json"), ("rerun", "--engine", "local"),
)  # fmt: skip


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    for name in ("REPORT_LANG", "NPU_DELIVER_ROOT", "FORCE_COLOR", "GITHUB_ACTIONS", "TRUST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.fixture
def run(monkeypatch, capfd):
    """Run a command on a folder in this process: (exit code, everything that it printed)."""

    def call(command: tuple[str, ...], folder: Path) -> tuple[int, str]:
        first, *options = (str(folder) if word == "FOLDER" else word for word in command)
        monkeypatch.setattr(sys, "argv", ["npu-deliver", first, str(folder), *options])
        capfd.readouterr()
        with engine_in_place(FakeEngine()), pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capfd.readouterr()
        return int(end.value.code or 0), out + err

    return call


def all_strings(value: Any, change: Any) -> Any:
    """A JSON value with each of its texts changed."""
    if isinstance(value, dict):
        return {key: all_strings(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [all_strings(item, change) for item in value]
    return change(value) if isinstance(value, str) else value


def spoil(folder: Path, which: str) -> None:
    """Put what a terminal obeys into a folder: into its texts, its keys, or the names of its files."""
    if which == "names":
        for place in (".", "evaluation/logs", "evaluation/screenshots", "inputs", "npu_eval"):
            (folder / place / f"{NAME}.md").write_text("# x\n", encoding="utf-8")
            (folder / place / f"{NAME}.json").write_text("{", encoding="utf-8")
        (folder / os.fsdecode(b"\xff\x1b.md")).write_text("latency 3 ms, latency 4 ms\n", encoding="utf-8")
        (folder / NAME).symlink_to("/dev/null")
        return
    for path in sorted(folder.rglob("*.json")):
        told = json.loads(path.read_text(encoding="utf-8"))
        if which == "texts":
            told = all_strings(told, lambda text: text + HOSTILE)
        elif which == "prose":  # what nothing is looked up by
            told = all_strings(told, lambda text: text + HOSTILE if " " in text else text)
        elif isinstance(told, dict):
            told = {HOSTILE: 1, **told}
        path.write_text(json.dumps(told, ensure_ascii=False), encoding="utf-8")
    for path in (*folder.rglob("*.md"), *folder.rglob("*.log"), *folder.rglob("requirements.txt")):
        lines = path.read_text(encoding="utf-8").split("\n")
        path.write_text("\n".join(line + HOSTILE.replace("\n", "") for line in lines), encoding="utf-8")


@pytest.mark.parametrize("which", ["names", "texts", "prose", "keys"])
def test_nothing_that_a_terminal_obeys_is_printed(which, folder_on_cpu, run):
    spoil(folder_on_cpu, which)
    for command in COMMANDS:
        code, said = run(command, folder_on_cpu)
        assert code in (0, 1, 2, 8, 9, 10), (command, said)
        assert not HIDDEN.search(said), (command, said)
        assert "Traceback" not in said


def test_the_verifier_that_travels_prints_nothing_that_a_terminal_obeys(folder_on_cpu, monkeypatch, capfd):
    import importlib.util

    file = templates_folder("npu_deliverables") / "verify_deliverable.py"
    spec = importlib.util.spec_from_file_location("verify_deliverable", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for which in ("names", "prose", "texts", "keys"):
        copy = Path(shutil.copytree(folder_on_cpu, folder_on_cpu.parent / which, symlinks=True))
        spoil(copy, which)
        monkeypatch.setattr(sys, "argv", ["verify_deliverable.py", str(copy)])
        assert module.main() == 8
        out, err = capfd.readouterr()
        assert (bool(out), err, HIDDEN.search(out)) == (True, "", None), (which, out)


def test_a_page_a_log_and_a_terminal_show_what_is_hidden_in_a_spec(tmp_path, monkeypatch, capfd):
    root = tmp_path / "models"
    shown = HOSTILE.replace("\n", "").replace("\x00", "")
    model = {key: text + shown for key, text in deliverables.SPEC["model"].items() if key not in ("source", "paper")}
    model |= {key: deliverables.SPEC["model"][key] for key in ("source", "paper")}
    deliverables.write_model(root, model=model)
    job = deliverables.job_of(root)
    deliverables.make(job)
    for path in (*job.output.rglob("*.md"), *job.output.rglob("*.log")):
        text = path.read_text(encoding="utf-8")
        assert not HIDDEN.search(text), path
        assert "\ue000" not in text
    monkeypatch.setattr(sys, "argv", ["npu-deliver", "audit", str(job.output)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    out, err = capfd.readouterr()
    assert end.value.code in (None, 0), out
    assert not HIDDEN.search(out + err)


def test_a_spec_shows_what_is_hidden_in_it_when_it_is_refused(tmp_path, monkeypatch, capfd):
    folder = tmp_path / "models" / "tiny"
    folder.mkdir(parents=True)
    (folder / "spec.yaml").write_text(yaml.safe_dump({HOSTILE: 1, "name": HOSTILE}), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["npu-deliver", "plan", "tiny", "--root", str(folder.parent)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    out, err = capfd.readouterr()
    assert end.value.code == 2
    assert not HIDDEN.search(out + err), err

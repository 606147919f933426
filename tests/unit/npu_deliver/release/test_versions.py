"""A version is its number and its rules: two states of a checkout are told apart by what decides something."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

import deliverables
from npu_deliver import __version__
from npu_deliver.release import versions
from npu_eval.asked.spec import ToolVersion
from npu_eval.jsonio import to_json

ROOTS = (
    "summary",
    "report.render",
    "report.figures",
    "seal.statement",
    "seal.manifest",
    "ledger",
    "staging.stage",
    "plan",
)
"""What derives, draws and writes a deliverable."""


def test_this_version_has_a_number_rules_and_where_it_is_a_checkout_a_commit():
    found = versions.current()
    assert found.version == __version__
    assert len(found.rules_sha256) == 64
    assert versions.is_current(found)
    assert not versions.is_current(None)
    assert versions.named(found).startswith(f"npu-deliver {__version__} (rules {found.rules_sha256[:12]}")


def test_the_rules_are_the_same_in_another_process():
    ask = "from npu_deliver.release import versions; print(versions.current().rules_sha256)"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout.strip() == versions.current().rules_sha256


def test_rules_are_what_judges_words_and_pages_and_not_what_only_looks():
    names = set(versions.rules())
    assert {"npu_eval/records/verdict.py", "npu_deliver/words.py", "npu_deliver/experiments/registry.py",
            "npu_deliver/experiments/precision/section.zh.md.j2",
            "templates/npu_deliverables/readme.zh.md.j2"} <= names  # fmt: skip
    assert not {name for name in names if name.startswith(("npu_deliver/lint/", "npu_deliver/commands/"))}
    assert "npu_deliver/review/verify.py" not in names


def test_nothing_that_makes_a_deliverable_is_left_out_of_the_rules():
    graph = grimp.build_graph("npu_deliver")
    needed = {name for root in ROOTS for name in graph.find_upstream_modules(f"npu_deliver.{root}")}
    assert not [name for name in needed if name.partition(".")[2].replace(".", "/").startswith(tuple(
        part.removesuffix("/").removesuffix(".py") for part in versions._DECIDE_NOTHING))]  # fmt: skip


def test_a_changed_rule_is_another_version(tmp_path, monkeypatch):
    before = versions.rules()
    page = tmp_path / "page.j2"
    page.write_text("x", encoding="utf-8")
    versions.current.cache_clear()
    monkeypatch.setattr(versions, "rules", lambda: before | {"templates/npu_deliverables/readme.en.md.j2": page})
    try:
        changed = versions.current().rules_sha256
        page.write_text("y", encoding="utf-8")
        versions.current.cache_clear()
        assert versions.current().rules_sha256 != changed
    finally:
        versions.current.cache_clear()


def test_a_finished_folder_names_this_version_twice(folder):
    told = versions.told(folder)
    assert told.measured == told.derived == versions.current()
    assert told.ours


@pytest.mark.parametrize("value", [
    None, "0.2.0", 7, [], {"version": "0.2.0"}, {"version": "0.2.0", "rules_sha256": "0" * 63, "commit": ""},
    {"version": "", "rules_sha256": "0" * 64, "commit": ""},
    {"version": "0.2.0\x1b[2J", "rules_sha256": "0" * 64, "commit": ""},
    {"version": "0.2.0", "rules_sha256": "0" * 64, "commit": "a\nb"},
    {"version": "0.2.0", "rules_sha256": "0" * 64, "commit": "", "more": 1},
])  # fmt: skip
def test_what_is_not_written_as_a_version_is_none(folder, value):
    path = folder / "summary.json"
    summary = json.loads(path.read_text(encoding="utf-8")) | {"derived_with": value}
    path.write_text(json.dumps(summary), encoding="utf-8")
    assert versions.told(folder).derived is None
    assert not versions.told(folder).ours
    assert versions.named(None) == "a version of npu-deliver that does not name itself"


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 5000, "\x00", "null"])
def test_a_folder_whose_files_cannot_be_read_names_none(folder, text):
    for name in ("summary.json", "spec.json"):
        (folder / name).write_text(text, encoding="utf-8")
    assert versions.told(folder) == versions.Told(measured=None, derived=None)
    assert versions.said(folder) is None


@pytest.mark.parametrize("name", ["spec.json", "summary.json"])
def test_a_pipe_is_not_waited_for(folder, name):
    (folder / name).unlink()
    os.mkfifo(folder / name)
    assert None in (versions.told(folder).measured, versions.told(folder).derived)


def test_a_version_round_trips_through_the_files(tmp_path):
    deliverables.write_model(tmp_path)
    job = deliverables.job_of(tmp_path)
    other = ToolVersion(version="1.2.3", rules_sha256="ab" * 32, commit="v1.2.3-4-gabc")
    with deliverables.another_version(other):
        deliverables.make(job, pictures=True)
    assert versions.told(job.output) == versions.Told(measured=other, derived=other)
    statement = json.loads((job.output / "statement.intoto.json").read_text(encoding="utf-8"))
    assert statement["predicate"]["configuration"][-1] == {
        "name": "npu-deliver", "digest": {"sha256": "ab" * 32}, "annotations": {"version": "1.2.3"},
    }  # fmt: skip
    assert to_json(other) == json.loads((job.output / "spec.json").read_text(encoding="utf-8"))["measured_with"]


def test_an_installed_package_has_no_commit(monkeypatch, tmp_path):
    monkeypatch.setattr(versions, "__file__", str(tmp_path / "site-packages/npu_deliver/release/versions.py"))
    assert versions._commit() == ""


def test_where_git_does_not_answer_there_is_no_commit(monkeypatch, tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / "pyproject.toml").write_text("", encoding="utf-8")
    monkeypatch.setattr(versions, "__file__", str(tmp_path / "src/npu_deliver/release/versions.py"))
    assert versions._commit() == ""
    monkeypatch.setenv("PATH", str(Path("/nowhere")))
    assert versions._commit() == ""


def test_what_an_editor_leaves_makes_no_other_version(tmp_path, monkeypatch):
    (tmp_path / "__init__.py").touch()
    (tmp_path / ".#units.py").symlink_to("somebody@elsewhere")
    monkeypatch.setattr(versions, "source", lambda package: tmp_path)
    found = versions.rules()
    assert "npu_eval/__init__.py" in found
    assert "npu_eval/.#units.py" not in found

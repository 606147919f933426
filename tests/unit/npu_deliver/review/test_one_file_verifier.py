"""The verifier that travels with a deliverable: one file, Python 3.9, and of one mind with `verify`."""

from __future__ import annotations

import ast
import errno
import importlib.util
import itertools
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import deliverables
from npu_deliver import pipeline
from npu_deliver.release import versions
from npu_deliver.review import tampering, verify
from npu_deliver.seal import statement
from npu_deliver.spec.profiles import templates_folder
from npu_deliver.words import LANGUAGES
from npu_eval.asked.spec import TIERS
from npu_eval.notation import units
from npu_eval.records.stamps import Stamp, stamp_words

FILE = templates_folder("npu_deliverables") / "verify_deliverable.py"


@pytest.fixture(scope="module")
def one_file():
    spec = importlib.util.spec_from_file_location("verify_deliverable", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_is_written_for_python_3_9_and_its_standard_library():
    tree = ast.parse(FILE.read_text(encoding="utf-8"), feature_version=(3, 9))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in imported} <= set(sys.stdlib_module_names)


def _old_python() -> str | None:
    """A Python 3.9, be it CPython or PyPy."""
    for name in ("python3.9", *map(str, sorted(Path.home().glob(".pyenv/versions/3.9.*/bin/python"))), "pypy3"):
        if found := shutil.which(name):
            asked = subprocess.run([found, "--version"], capture_output=True, text=True)
            if asked.returncode == 0 and "Python 3.9." in asked.stdout:
                return found
    return None


@pytest.mark.parametrize("which", ["folder", "folder_on_cpu"])
def test_an_untouched_folder_holds_together_in_python_3_9_without_any_package(which, request):
    python = _old_python() or sys.executable
    folder = request.getfixturevalue(which)
    done = subprocess.run([python, "-I", "-S", folder / "verify_deliverable.py"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "holds together" in done.stdout


def _run(folder):
    done = subprocess.run([sys.executable, "-I", folder / "verify_deliverable.py"], capture_output=True, text=True)
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def test_it_names_the_version_that_made_the_folder(folder):
    code, lines = _run(folder)
    assert code == 0
    assert lines[0] == f"made with {versions.named(versions.current())}"


def test_it_says_that_it_checks_no_signature(folder):
    assert not any(line.startswith("statement.dsse.json") for line in _run(folder)[1])
    text = statement.envelope((folder / "statement.intoto.json").read_bytes(), {"k": b"s"})
    (folder / "statement.dsse.json").write_text(text, encoding="utf-8")
    code, lines = _run(folder)
    assert code == 0
    assert "statement.dsse.json: not checked by this file, but by `npu-deliver verify --public-key`" in lines


def test_it_says_when_another_version_made_summary_and_pages_anew(tmp_path):
    deliverables.write_model(tmp_path)
    job = deliverables.job_of(tmp_path)
    with deliverables.rules_of_another_version():
        deliverables.make(job, pictures=True)
    pipeline.report(job, "en")
    code, lines = _run(job.output)
    assert code == 0
    assert lines[0].startswith("made with npu-deliver 0.1.7 (rules 070707070707); summary and pages with npu-deliver ")


def test_what_another_version_wrote_otherwise_is_no_contradiction_to_it_and_a_forgery_is_one(tmp_path):
    deliverables.write_model(tmp_path)
    job = deliverables.job_of(tmp_path)
    with deliverables.another_version():
        deliverables.make(job, pictures=True)
    pipeline.report(job, "en")
    page = job.output / "readme.md"
    page.write_text(page.read_text(encoding="utf-8") + "\nA word of a later version: 14.2 %\n", encoding="utf-8")
    deliverables.reseal(job.output)
    code, lines = _run(job.output)
    assert code == 10
    assert any(line.startswith("~ readme.md: line") for line in lines)
    assert lines[-1].endswith("contradicts itself nowhere; 1 things are not as the version of this file writes them")
    deliverables.change_file(page, "**PASS**", "**FAIL**")
    deliverables.reseal(job.output)
    code, lines = _run(job.output)
    assert code == 8
    assert any(line.startswith("readme.md: line") for line in lines)


def test_code_that_cannot_be_read_is_a_finding_and_no_crash(folder_on_cpu, one_file):
    (folder_on_cpu / "npu_eval/records/stamps.py").write_text("WORDS: = (", encoding="utf-8")
    assert [what for file, what in one_file.check(folder_on_cpu) if file == "folder"]


def test_a_strangers_version_reaches_no_terminal_as_it_is(one_file):
    strange = {"version": "1\x1b[2J", "rules_sha256": 7, "commit": ["\n"]}
    assert one_file.named(strange) == "npu-deliver 12J (rules 7, commit n)"
    assert one_file.named("x") == one_file.named(None) == "a version that does not name itself"


def test_a_damaged_folder_is_named_and_left_with_8(folder):
    (folder / "summary.json").write_text("{", encoding="utf-8")
    done = subprocess.run([sys.executable, "-I", folder / "verify_deliverable.py"], capture_output=True, text=True)
    assert done.returncode == 8
    assert "summary.json: cannot be read" in done.stdout


def test_it_agrees_with_verify_on_every_kind_of_damage(folder_on_cpu, tmp_path, one_file):
    rng, copy = random.Random(7), tmp_path / "copy"
    for damage_by in tampering._DAMAGES:
        tampering._fresh(folder_on_cpu, copy)
        damage = damage_by(copy, rng)
        if damage is not None:
            if damage.sealed_anew:
                tampering.seal_anew(copy)
            holds, found = verify.verify(copy).holds, one_file.check(copy)
            assert not (holds and found), damage
            words = damage.kind == "digit" and damage.sealed_anew and damage.files[0].endswith(".md")
            assert holds or found or words, "it has no templates, and so takes a page's fixed words for what they are"


@pytest.mark.parametrize("tier", TIERS)
def test_the_tiers_duration_is_no_stray_number(one_file, tmp_path, tier):
    told = units.seconds(TIERS[tier][0])
    summary = {"stamps": [], "verdicts": [], "performance": {"protocol": {"tier": tier}}}
    for name in ("readme.md", "OPTIMIZATION_RECORD.md"):
        (tmp_path / name).write_text(f"at least 64 calls and {told}, and 7.77 s\n", encoding="utf-8")
    assert {what for _, what in one_file.check_pages(tmp_path, summary)} == {
        "line 1: 7.77 s is no number of summary.json"
    }
    assert one_file.TIERS[tier] == told


def test_it_knows_the_stamps_from_the_folders_code(folder, one_file):
    known = one_file.stamps_of(folder)
    for stamp, lang in itertools.product(Stamp, LANGUAGES):
        assert any(phrase in stamp_words(stamp, lang) for phrase in known[str(stamp)])
    others = {phrase for stamp in Stamp for phrase in known[str(stamp)]}
    assert len(others) == 3 * len(Stamp)


def test_code_that_words_no_stamp_is_a_finding(folder_on_cpu, one_file):
    (folder_on_cpu / "npu_eval/records/stamps.py").write_text("WORDS = 1\n", encoding="utf-8")
    assert any("does not word the stamps" in what for _, what in one_file.check(folder_on_cpu))


@pytest.mark.parametrize("content", ["[]", "{}", "null", '{"files": []}', '{"files": {"a": 1}}', "[" * 5000, "\x00"])
def test_strange_json_is_a_finding_and_no_crash(folder, one_file, content):
    for name in ("MANIFEST.json", "spec.json", "summary.json", "evaluation/records/precision.json"):
        kept = (folder / name).read_bytes()
        (folder / name).write_text(content, encoding="utf-8")
        assert one_file.check(folder)
        (folder / name).write_bytes(kept)


def test_a_long_list_of_missing_files_is_told_in_part_and_soon(folder):
    files = {f"f{number}": {"sha256": "", "size_bytes": 0} for number in range(80_000)}
    told = {"schema": "npu-deliver/manifest/1", "files": files}
    (folder / "MANIFEST.json").write_text(json.dumps(told), encoding="utf-8")
    command = [sys.executable, "-I", folder / "verify_deliverable.py"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (8, "")
    assert len(lines) < 600
    assert any(line.startswith("and 79") and line.endswith(" more") for line in lines)


def test_what_may_not_be_read_is_a_finding_and_no_crash(folder, one_file, monkeypatch):
    closed, allowed, listed = str(folder / "readme.md"), os.access, os.scandir
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != closed and allowed(path, mode))
    assert one_file.check(folder) == [("readme.md", "cannot be read (no permission)")]

    def scan(path):
        if str(path).endswith("inputs"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return listed(path)

    monkeypatch.setattr(os, "access", allowed)
    monkeypatch.setattr(os, "scandir", scan)
    assert one_file.check(folder) == [("inputs", "cannot be read (Permission denied)")]


@pytest.mark.parametrize(
    "name",
    ["readme.md", "evaluation/screenshots/precision_chart.png", "spec.json", "summary.json", "evaluation/ledger.jsonl"],
)
def test_a_pipe_that_takes_the_place_of_a_file_meanwhile_is_not_waited_for(folder, name):
    (folder / name).unlink()
    os.mkfifo(folder / name)
    told = (
        "import importlib.util, pathlib, sys; spec = importlib.util.spec_from_file_location('v', sys.argv[1]); "
        "v = importlib.util.module_from_spec(spec); spec.loader.exec_module(v); v.special = lambda folder: []; "
        "sys.exit(8 if v.check(pathlib.Path(sys.argv[2])) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", told, FILE, folder], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (8, "")

"""Each layout holds together like the first one: made, verified, audited, rendered anew, tampered with, resumed."""

from __future__ import annotations

import subprocess
import sys

import pytest

import deliverables
from npu_deliver import pipeline
from npu_deliver.review import audit, intake, tampering, verify
from npu_deliver.spec.profiles import layout_of, templates, templates_folder
from npu_eval.asked.layout import LAYOUTS, NPU_DELIVERABLES

OTHERS = [layout for layout in LAYOUTS.values() if layout is not NPU_DELIVERABLES]
others = pytest.mark.parametrize("layout", OTHERS, ids=lambda layout: layout.name)


def whole(folder):
    """What is wrong with a folder, by everything that looks at one."""
    alone = subprocess.run(
        [sys.executable, "-I", "-S", folder / "verify_deliverable.py"], capture_output=True, text=True
    )
    found = audit.audit(folder)
    told = [alone.stdout] if alone.returncode else []
    return told + [str(finding) for finding in found.findings] + [d.unbound for d in found.documents if d.unbound]


@others
def test_a_deliverable_in_this_layout(tmp_path, layout):
    deliverables.write_model(tmp_path, profile=layout.name, serve=True)
    job = deliverables.job_of(tmp_path)
    deliverables.make(job)
    folder = job.output
    assert (folder.name, layout_of(folder)) == (layout.name, layout)
    assert whole(folder) == []
    assert (folder / "deploy.sh").is_file()
    for name in (
        "evaluation/records/precision.json",
        "evaluation/logs/precision_eval.log",
        "readme.md",
        "summary.json",
    ):
        assert (folder / layout.at(name)).is_file()
    assert intake.inspect(folder).spec.layout is layout
    engine = deliverables.FakeEngine()
    deliverables.make(job, engine, lang="en")
    assert engine.ran == [], "a second run keeps every record"
    pipeline.report(job, "en")
    assert whole(folder) == []
    record = folder / layout.record("precision")
    record.write_text(record.read_text(encoding="utf-8").replace('"repeats"', '"repeat"', 1), encoding="utf-8")
    assert layout.record("precision") in {finding.file for finding in verify.verify(folder).findings}


@others
def test_damage_is_found_with_the_right_file_named(tmp_path, layout):
    deliverables.write_model(tmp_path, profile=layout.name)
    job = deliverables.job_of(tmp_path)
    deliverables.make(job)
    tried = tampering.try_out(job.output, 10, 3, clean=1)
    assert tried.holds, list(tampering.told(tried))


@others
def test_every_script_stands_where_the_layout_says(layout):
    scripts = {name for name in templates(layout) if name.endswith(".py")}
    assert scripts == {layout.at(name) for name in templates(NPU_DELIVERABLES) if name.endswith(".py")}


def test_the_layout_can_be_named_on_the_command_line(tmp_path):
    deliverables.write_model(tmp_path)
    job = deliverables.job_of(tmp_path, profile="flat")
    assert (job.spec.profile, job.output.name) == ("flat", "flat")


def test_the_verifier_that_travels_knows_every_layout(tmp_path):
    known = {}
    exec((templates_folder("npu_deliverables") / "verify_deliverable.py").read_text(encoding="utf-8"), known)
    for layout in LAYOUTS.values():
        for name in (known["SUMMARY"], known["LEDGER"], known["PICTURES"]):
            assert known["at"]({"profile": layout.name}, name) == layout.at(name)
        assert known["at"]({"profile": layout.name}, known["REPORT"]) + ".md" == layout.at("readme.md")


@pytest.mark.parametrize("text", ["[]", "{}", '{"profile": 3}', '{"profile": "other"}', "[" * 9000, "\xff"])
def test_a_folder_that_names_no_layout_has_the_first_one(tmp_path, text):
    (tmp_path / "spec.json").write_bytes(text.encode("latin-1"))
    assert layout_of(tmp_path) is NPU_DELIVERABLES

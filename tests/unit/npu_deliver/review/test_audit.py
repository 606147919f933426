"""Every numeral of our documents has a source, and a numeral without one is named with its file and line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from npu_deliver.review.audit import audit
from npu_deliver.seal import manifest
from npu_eval.jsonio import loads


@pytest.fixture(params=["folder", "folder_on_cpu"])
def any_folder(request) -> Path:
    return request.getfixturevalue(request.param)


def test_every_numeral_of_our_documents_is_bound(any_folder):
    found = audit(any_folder)
    assert found.holds
    assert found.unbound == 0
    assert {d.file for d in found.documents} >= {"readme.md", "OPTIMIZATION_RECORD.md", "summary.json"}
    assert all(d.numerals == d.from_records + d.from_template for d in found.documents)


def test_a_binding_leads_to_the_value_and_the_record(any_folder):
    found = audit(any_folder)
    summary = loads((any_folder / "summary.json").read_text(encoding="utf-8"), where="summary.json")
    assert len(found.bindings) > 100
    for binding in found.bindings:
        value = summary
        for part in binding.pointer.strip("/").split("/"):
            part = part.replace("~1", "/").replace("~0", "~")
            value = value[int(part)] if isinstance(value, list) else value[part]
        file, _, sha256 = binding.record.partition("@")
        assert (any_folder / file).is_file()
        assert len(sha256) == 64
    means = [b for b in found.bindings if b.rounding == "ms"]
    assert means
    assert all(f"/{b.pointer.split('/')[1]}.json@" in b.record for b in means), (
        "each in the record of its own experiment"
    )


def test_an_invented_number_is_unbound_although_sealed_anew(folder):
    page = folder / "readme.md"
    page.write_text(page.read_text(encoding="utf-8") + "\n实测 123.45 FPS\n", encoding="utf-8")
    manifest.seal(folder)
    found = audit(folder)
    lines = len(page.read_text(encoding="utf-8").splitlines())
    tally = next(d for d in found.documents if d.file == "readme.md")
    assert tally.unbound == ((lines, "123.45"),)
    assert not found.holds


def test_a_changed_record_is_named_by_what_was_made_from_it(folder):
    path = folder / "evaluation/records/performance.json"
    text = path.read_text(encoding="utf-8")
    at = text.index('"samples_s"') + 30
    at = next(i for i in range(at, len(text)) if text[i].isdigit())
    path.write_text(text[:at] + str((int(text[at]) + 1) % 10) + text[at + 1 :], encoding="utf-8")
    manifest.seal(folder)
    assert "evaluation/records/performance.json" in {f.file for f in audit(folder).findings}


def test_a_loosened_threshold_is_named_although_every_hash_is_computed_anew(folder):
    path = folder / "spec.json"
    spec = json.loads(path.read_text(encoding="utf-8"))
    spec["evaluation"]["criteria"][0]["threshold"] = 0.5
    path.write_text(json.dumps(spec, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    manifest.seal(folder)
    assert "spec.json" in {f.file for f in audit(folder).findings}


def test_a_file_that_no_deliverable_has_is_named(folder):
    (folder / "notes.txt").write_text("46.20 FPS\n", encoding="utf-8")
    manifest.seal(folder)
    assert "notes.txt" in {f.file for f in audit(folder).findings}

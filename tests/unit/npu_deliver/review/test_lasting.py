"""Whoever forges a folder gains nothing by writing another version into it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import deliverables
from deliverables import change_file, changed, digits, reseal
from npu_deliver.release import versions
from npu_deliver.review import lasting, tampering, verify
from npu_deliver.seal import manifest
from npu_eval.jsonio import canonical_sha256, dumps

PERFORMANCE, PRECISION = (f"evaluation/records/{kind}.json" for kind in ("performance", "precision"))


@pytest.fixture(scope="module")
def honest(tmp_path_factory) -> Path:
    """What another version with the same rules made on a machine without an NPU."""
    root = tmp_path_factory.mktemp("models")
    deliverables.on_cpu(root)
    job = deliverables.job_of(root)
    with deliverables.another_version():
        deliverables.make(job, pictures=True, lang="en")
    return job.output


@pytest.fixture
def folder(honest, tmp_path) -> Path:
    return Path(shutil.copytree(honest, tmp_path / "npu_deliverables"))


def summary_of(folder: Path):
    return json.loads((folder / "summary.json").read_text(encoding="utf-8"))


def forge(folder: Path, summary) -> None:
    """Put another summary in its place, its chart and the seal with it."""
    (folder / "summary.json").write_text(dumps(summary), encoding="utf-8")
    chart = folder / "evaluation/screenshots/precision_chart.png"
    chart.write_bytes(deliverables.png(canonical_sha256(summary), chart.name))
    reseal(folder)


def whats(folder: Path) -> str:
    return " / ".join(map(str, verify.verify(folder).findings))


def test_an_honest_folder_of_another_version_holds(folder):
    report = verify.verify(folder)
    assert report.holds
    assert not report.other.told.ours
    assert lasting.check(folder) == ([], [])


def test_a_forged_summary_with_everything_that_follows_from_it_is_what_forge_makes(folder):
    forge(folder, summary_of(folder))
    assert verify.verify(folder).holds


def test_a_verdict_against_its_own_value(folder):
    summary = summary_of(folder)
    summary["verdicts"][0] |= {"value": 0.5}
    forge(folder, summary)
    assert "output-error passes with 0.5, and asks for < 0.01" in whats(folder)


def test_a_loosened_threshold(folder):
    summary = summary_of(folder)
    summary["verdicts"][0] |= {"threshold": 0.5}
    forge(folder, summary)
    assert "the verdict of output-error is of another rule than spec.json's" in whats(folder)


def test_a_criterion_without_its_verdict(folder):
    summary = summary_of(folder)
    del summary["verdicts"][0]
    forge(folder, summary)
    assert "output-error is a criterion without a verdict" in whats(folder)


def test_a_whole_that_is_better_than_its_worst_part(folder):
    summary = summary_of(folder)
    summary["verdicts"][0] |= {"status": "FAIL"}
    forge(folder, summary)
    assert "overall is PASS, the worst verdict FAIL" in whats(folder)


def test_a_quicker_call(folder):
    summary = summary_of(folder)
    summary["performance"]["runs"][0]["mean_s"] /= 3
    forge(folder, summary)
    assert "batch 1: mean_s is" in whats(folder)


def test_a_higher_throughput(folder):
    summary = summary_of(folder)
    summary["performance"]["throughput"][0]["images_per_s"] *= 3
    forge(folder, summary)
    assert "images a second are not the" in whats(folder)


def test_a_smaller_error(folder):
    summary = summary_of(folder)
    summary["precision"]["agreements"][0]["relative_l2"] = 1e-9
    forge(folder, summary)
    assert "relative_l2 is 1e-09, not the" in whats(folder)


@pytest.mark.parametrize("changes", [{"stamps": []}, {"hardware": "NPU"}])
def test_an_npu_that_was_not_there(folder, changes):
    forge(folder, summary_of(folder) | changes)
    assert "no-npu" in whats(folder) or "says hardware NPU" in whats(folder)


@pytest.mark.parametrize("name", [PERFORMANCE, PRECISION])
def test_a_changed_record(folder, name):
    change_file(folder / name, "2025-06-01", "2025-06-02")
    reseal(folder)
    assert name in whats(folder)


def test_a_changed_log(folder):
    log = folder / "evaluation/logs/precision_eval.log"
    log.write_text(log.read_text(encoding="utf-8").replace("2025-06-01", "2025-06-02"), encoding="utf-8")
    reseal(folder)
    assert "evaluation/logs/precision_eval.log: is not the log that summary.json names" in whats(folder)


def test_a_threshold_changed_after_the_run(folder):
    change_file(folder / "spec.json", '"threshold": 0.01,', '"threshold": 0.5,')
    reseal(folder)
    assert "evaluation/records/precision.json: was made under another spec than spec.json" in whats(folder)


def test_a_verdict_of_the_page_alone(folder):
    change_file(folder / "readme.md", "**PASS**", "**FAIL**")
    reseal(folder)
    assert "readme.md" in whats(folder)


def test_a_statement_of_something_else(folder):
    change_file(folder / manifest.STATEMENT, '"WARNED"', '"PASSED"')
    assert manifest.STATEMENT in whats(folder)


def test_a_number_of_the_page_alone_is_named_and_never_verified(folder):
    with (folder / "readme.md").open("a", encoding="utf-8") as stream:
        stream.write("\nMeasured: 0.123 ms\n")
    reseal(folder)
    report = verify.verify(folder)
    assert not report.findings
    assert not report.holds
    assert "0.123 ms is not what the records say there" in " ".join(map(str, report.other.unchecked))


def test_a_statistic_that_versions_may_derive_otherwise_is_told_then_and_now(folder):
    summary = summary_of(folder)
    truth = summary["performance"]["runs"][0]["percentiles_s"]["p90"]
    summary["performance"]["runs"][0]["percentiles_s"]["p90"] = 0.001
    forge(folder, summary)
    report = verify.verify(folder)
    assert not report.findings
    assert not report.holds
    assert [str(each) for each in report.other.changed] == [
        f"performance.runs[1].percentiles_s.p90: 0.001 then, {truth} now"
    ]


def test_a_folder_that_names_no_version_any_more_is_of_another_one(folder):
    summary = summary_of(folder)
    del summary["derived_with"]
    summary["performance"]["runs"][0]["percentiles_s"]["p90"] = 0.001
    forge(folder, summary)
    report = verify.verify(folder)
    assert report.other.told.derived is None
    assert not report.holds


def test_the_number_of_another_version_with_the_rules_of_this_one_is_a_contradiction(original, tmp_path):
    folder = Path(shutil.copytree(original.output, tmp_path / "npu_deliverables"))
    summary = summary_of(folder)
    summary["derived_with"]["version"] = "0.0.1"
    forge(folder, summary)
    assert "summary.json" in [finding.file for finding in verify.verify(folder).findings]


def test_a_claim_of_another_version_makes_a_contradiction_a_difference_and_no_more(original, tmp_path):
    folder = Path(shutil.copytree(original.output, tmp_path / "npu_deliverables"))
    summary = summary_of(folder)
    summary["performance"]["runs"][0]["percentiles_s"]["p90"] = 0.001
    forge(folder, summary)
    assert verify.verify(folder).findings
    summary["derived_with"]["rules_sha256"] = "07" * 32
    forge(folder, summary)
    report = verify.verify(folder)
    assert not report.findings
    assert not report.holds
    assert [each.what for each in report.other.changed] == ["performance.runs[1].percentiles_s.p90"]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_digit_of_the_summary_can_be_changed_and_stay_verified(folder, data):
    path = folder / "summary.json"
    text = path.read_text(encoding="utf-8")
    spoilt = changed(text, data.draw(st.sampled_from(digits(text))), data.draw(st.integers(1, 9)))
    try:
        path.write_text(spoilt, encoding="utf-8")
        reseal(folder)
        assert not verify.verify(folder).holds
    finally:
        path.write_text(text, encoding="utf-8")
        reseal(folder)


def test_every_damage_is_found_or_told_in_a_folder_of_another_version(folder, tmp_path):
    tried = tampering.try_out(folder, 12, 5, clean=1)
    assert not tried.missed
    assert tried.blamed == 0


@pytest.mark.parametrize("content", ["[]", "{}", "null", '{"verdicts": 7}', "[" * 5000, "\x00"])
def test_strange_json_is_never_verified_and_no_crash(folder, content):
    for name in ("MANIFEST.json", "spec.json", "summary.json", PRECISION):
        kept = (folder / name).read_bytes()
        (folder / name).write_text(content, encoding="utf-8")
        assert not verify.verify(folder).holds
        (folder / name).write_bytes(kept)


def test_the_folders_own_verifier_is_never_run(folder):
    (folder / "verify_deliverable.py").write_text("raise SystemExit('was run')\n", encoding="utf-8")
    assert not verify.verify(folder).holds
    assert versions.told(folder).derived == deliverables.OTHER_VERSION

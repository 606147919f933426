"""An honest folder of another version is not accused: what this one derives otherwise is told, verdict by verdict."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import deliverables
import samples
from npu_deliver import cli, pipeline
from npu_deliver.errors import EXIT_OTHER_VERSION, RecordError, VerifyError
from npu_deliver.experiments.registry import read_record
from npu_deliver.ledger import Runs
from npu_deliver.release import versions
from npu_deliver.report import figures
from npu_deliver.review import audit, comparing, otherwise, rejudging, verify
from npu_deliver.spec.spec import Job
from npu_deliver.summary import summarize
from npu_eval.asked.spec import read_spec_file
from npu_eval.jsonio import canonical_sha256, dumps, to_json
from npu_eval.records.record import record_sha256, record_text

GOLDEN = Path(__file__).parents[3] / "golden" / "other_version.txt"
THEN_AND_NOW = [
    "verdict top5-agreement: NOT_MEASURED (there is no precision record) then, PASS (1.0 all inputs) now",
    "overall: 'NOT_MEASURED' then, 'PASS' now",
    "optimisation.rows[a/a].outcome: 'not decided within the budget' then, 'no measurable effect' now",
    "optimisation.rows[huge-pages].outcome: 'not decided within the budget' then, 'no measurable effect' now",
]


def _job(root: Path, seconds: int = 600) -> Job:
    evaluation = {**deliverables.SPEC["evaluation"], "optimisation_budget_s": seconds}
    deliverables.write_model(root, evaluation=evaluation)
    return deliverables.job_of(root)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Job:
    """What a version with other rules made of a run with a search for speed. Nobody may change it."""
    job = _job(tmp_path_factory.mktemp("models"))
    with deliverables.rules_of_another_version():
        deliverables.make(job, pictures=True, lang="en")
    return job


@pytest.fixture
def folder(made, tmp_path) -> Path:
    return Path(shutil.copytree(made.output, tmp_path / "npu_deliverables"))


@pytest.fixture
def job(made, tmp_path) -> Job:
    """The same where `report` may write."""
    shutil.copytree(made.folder, tmp_path / "models/tiny")
    shutil.copytree(made.output.with_name(f".{made.output.name}.ledgers"),
                    tmp_path / f"models/tiny/.{made.output.name}.ledgers", dirs_exist_ok=True)  # fmt: skip
    return deliverables.job_of(tmp_path / "models")


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command line in this process, as a version of a fixed number: (exit code, output, errors)."""

    def call(*arguments: object):
        monkeypatch.setattr(sys, "argv", ["npu-deliver", *map(str, arguments)])
        capsys.readouterr()
        with deliverables.another_version(samples.tool_version()), pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capsys.readouterr()
        return end.value.code or 0, out, err

    return call


# --- verify ----------------------------------------------------------------------------------------------------------


def test_what_was_derived_otherwise_is_told_and_is_no_contradiction(folder):
    report = verify.verify(folder)
    assert report.findings == ()
    assert [str(each) for each in report.other.changed] == THEN_AND_NOW
    assert all(each.decides for each in report.other.changed)
    assert not report.holds
    assert str(report.summary.overall) == "PASS"


def test_what_cannot_be_checked_is_named(folder):
    """The log of the search holds verdicts, too."""
    unchecked = verify.verify(folder).other.unchecked
    assert {each.file for each in unchecked} == {"evaluation/logs/optimisation_eval.log"}


def test_the_version_that_made_it_finds_nothing(folder):
    with deliverables.rules_of_another_version():
        report = verify.verify(folder)
        assert report.other.told.ours
    assert report.holds


def test_the_line_is_never_the_plain_one_and_the_code_is_10(folder, run):
    code, out, err = run("verify", folder)
    assert (code, err) == (EXIT_OTHER_VERSION, "")
    text = re.sub(r"line \d+ is .*", "line N is …", re.sub(r"\d+ files", "N files", out.replace(str(folder), "FOLDER")))
    if os.environ.get("NPU_DELIVER_UPDATE_GOLDEN") == "1":
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


def test_json_has_all_of_it(folder, run):
    code, out, _ = run("verify", folder, "--json")
    told = json.loads(out)
    assert code == EXIT_OTHER_VERSION
    assert told["holds"] is False
    assert told["findings"] == []
    assert told["made_with"] == told["measured_with"] == to_json(deliverables.OTHER_VERSION)
    assert told["checked_with"]["version"] == "0.2.0"
    assert [each["what"] for each in told["changed"]][:1] == ["verdict top5-agreement"]
    assert [each["file"] for each in told["unchecked"]] == ["evaluation/logs/optimisation_eval.log"]


def test_a_contradiction_in_it_is_one_and_the_code_is_8(folder, run):
    deliverables.change_file(folder / "evaluation/records/precision.json", "2025-06-01", "2025-06-02")
    deliverables.reseal(folder)
    code, out, _ = run("verify", folder)
    assert code == VerifyError.exit_code
    assert "✗ evaluation/records/precision.json: is not the record that summary.json was made from" in out
    assert "made with npu-deliver 0.1.7" in out


def test_a_folder_of_another_version_that_derives_the_same_holds_and_says_by_whose_rules(tmp_path, run):
    deliverables.write_model(tmp_path)
    job = deliverables.job_of(tmp_path)
    with deliverables.another_version():
        deliverables.make(job, pictures=True)
    assert verify.verify(job.output).holds
    code, out, _ = run("verify", job.output)
    assert code == 0
    assert "✓ made with npu-deliver 0.1.7 (rules 070707070707); this is npu-deliver 0.2.0" in out
    assert out.splitlines()[0].endswith("which derives the same")
    assert "holds together by the rules of this version;" in out


def test_a_sentence_added_to_such_a_folder_is_named_with_page_and_line_and_the_code_is_10(tmp_path, run):
    deliverables.write_model(tmp_path)
    job = deliverables.job_of(tmp_path)
    with deliverables.another_version():
        deliverables.make(job, pictures=True)
        page = job.output / "readme.md"
        text = page.read_text(encoding="utf-8")
        page.write_text(text + "Certified by Huawei.\n", encoding="utf-8")
        deliverables.reseal(job.output)
    code, out, _ = run("verify", job.output)
    assert code == EXIT_OTHER_VERSION
    what = f"line {text.count(chr(10)) + 1} is 'Certified by Huawei.', which this version does not write"
    assert f"~ readme.md: {what}" in out.splitlines()
    assert "✗" not in out
    assert "contradicts itself nowhere, but is not verified" in out
    code, out, _ = run("verify", job.output, "--json")
    told = json.loads(out)
    assert (code, told["holds"], told["findings"]) == (EXIT_OTHER_VERSION, False, [])
    assert told["written"] == [{"file": "readme.md", "what": what}]


def test_a_folder_from_before_versions_were_named_is_of_an_unknown_one(folder, run):
    for name, keys in (("spec.json", ["measured_with"]), ("summary.json", ["measured_with", "derived_with"])):
        value = json.loads((folder / name).read_text(encoding="utf-8"))
        (folder / name).write_text(dumps({k: v for k, v in value.items() if k not in keys}), encoding="utf-8")
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    chart = folder / "evaluation/screenshots/precision_chart.png"
    chart.write_bytes(deliverables.png(canonical_sha256(summary), chart.name))
    page = (folder / "readme.md").read_text(encoding="utf-8")
    (folder / "readme.md").write_text("".join(x for x in page.splitlines(True) if not x.startswith("- Tool: ")))
    statement = json.loads((folder / "statement.intoto.json").read_text(encoding="utf-8"))
    del statement["predicate"]["configuration"][-1]
    (folder / "statement.intoto.json").write_text(dumps(statement), encoding="utf-8")
    deliverables.reseal(folder)
    report = verify.verify(folder)
    assert report.findings == ()
    assert [str(each) for each in report.other.changed] == THEN_AND_NOW
    code, out, _ = run("verify", folder)
    assert code == EXIT_OTHER_VERSION
    assert "made with a version of npu-deliver that does not name itself" in out
    assert "check it with the version that made it" in out


# --- audit, judge, compare -------------------------------------------------------------------------------------------


def test_an_audit_does_not_accuse_it_and_names_the_pages_it_would_write_otherwise(folder, run):
    found = audit.audit(folder)
    assert found.findings == ()
    assert not found.holds
    assert {"readme.md", "OPTIMIZATION_RECORD.md"} <= found.named
    code, out, _ = run("audit", folder)
    assert code == EXIT_OTHER_VERSION
    assert "has no source that this version knows" in out
    assert f"~ {THEN_AND_NOW[0]}" in out
    assert "✗" not in out


def test_numerals_of_lines_that_both_write_are_bound(folder):
    """Though the other version wrote some lines otherwise, and this one may write more or fewer."""
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    (folder / "summary.json").write_text(dumps({"another_key": "of another version", **summary}), encoding="utf-8")
    tallies = {each.file: each for each in audit.audit(folder).documents}
    assert tallies["summary.json"].from_records > 500
    assert len(tallies["summary.json"].unbound) < 30
    assert len(tallies["readme.md"].unbound) < 40


def test_judging_it_again_says_by_whose_rules(folder, run):
    found = rejudging.rejudge(folder, "cann-hf32")
    assert found.contradictions == 0
    assert [str(each) for each in found.changed] == THEN_AND_NOW
    _, out, _ = run("judge", folder, "--criteria", "cann-hf32")
    assert "! made with npu-deliver 0.1.7 (rules 070707070707); this is npu-deliver 0.2.0" in out
    assert f"~ {THEN_AND_NOW[0]}" in out


def test_judging_a_folder_of_this_version_says_nothing_of_versions(original):
    found = rejudging.rejudge(original.output, "cann-hf32")
    assert found.other_version is None
    assert found.changed == ()


def test_two_sides_of_different_versions_are_compared_and_it_is_said(folder, tmp_path):
    job = _job(tmp_path / "models")
    deliverables.make(job, pictures=True)
    found = comparing.compare(folder, job.output)
    assert found.rows
    assert [line.startswith("A was made with npu-deliver 0.1.7") for line in found.versions] == [True]
    assert any(line.startswith("! A was made with") for line in comparing.lines(found))
    assert "measured with" in [each.what for each in found.differences]


# --- report ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("lang", "words"), [("zh", "；记录由 npu-deliver `0.1.7`（规则哈希"),
                                             ("en", "; the records were measured with npu-deliver")])  # fmt: skip
def test_report_renders_it_by_our_rules_and_says_what_changed(job, lang, words, caplog, monkeypatch):
    monkeypatch.setattr("npu_deliver.log.get", lambda: logging.getLogger("told"))
    records = {kind: (job.output / f"evaluation/records/{kind}.json") for kind in ("precision", "performance")}
    before = {kind: path.read_bytes() for kind, path in records.items()}
    with caplog.at_level("INFO", logger="told"):
        summary = pipeline.report(job, lang)
    assert {kind: path.read_bytes() for kind, path in records.items()} == before
    assert str(summary.overall) == "PASS"
    assert summary.measured_with == deliverables.OTHER_VERSION
    assert summary.derived_with == versions.current()
    assert verify.verify(job.output).holds
    assert audit.audit(job.output).holds
    assert words in (job.output / "readme.md").read_text(encoding="utf-8")
    assert "the records stay, everything else is derived anew by its rules" in caplog.messages[0]
    assert caplog.messages[1:5] == [f"~ {each}" for each in THEN_AND_NOW]


def test_report_of_this_version_says_nothing_of_versions(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("npu_deliver.log.get", lambda: logging.getLogger("told"))
    monkeypatch.setattr(figures, "draw", deliverables.blank_pictures)
    deliverables.write_model(tmp_path)
    job = deliverables.job_of(tmp_path)
    deliverables.make(job)
    caplog.clear()
    with caplog.at_level("INFO", logger="told"):
        pipeline.report(job, "zh")
    assert caplog.messages == []


def test_a_record_that_this_version_cannot_read_is_told_with_the_version_that_wrote_it(job, folder):
    before = {path: path.read_bytes() for path in job.output.rglob("*") if path.is_file()}
    for where in (job.output, folder):
        deliverables.change_file(
            where / "evaluation/records/precision.json", '"repeats"', '"repeats_of_another_version"'
        )
    words = "measured with npu-deliver 0.1.7 .rules 070707070707., and this is npu-deliver"
    with pytest.raises(RecordError, match=words):
        pipeline.report(job, "en")
    assert {path: path.read_bytes() for path in job.output.rglob("*") if path.is_file()}.keys() == before.keys()
    with pytest.raises(RecordError, match=words):
        rejudging.rejudge(folder, "cann-hf32")
    report = verify.verify(folder)
    assert "evaluation/records/precision.json" in [each.file for each in report.findings]


def test_a_record_of_this_version_that_cannot_be_read_says_nothing_of_versions(original, tmp_path):
    folder = Path(shutil.copytree(original.output, tmp_path / "npu_deliverables"))
    deliverables.change_file(folder / "evaluation/records/precision.json", '"repeats"', '"kount"')
    with pytest.raises(RecordError) as told:
        rejudging.rejudge(folder, "cann-hf32")
    assert "measured with" not in str(told.value)


# --- files that another version wrote otherwise ----------------------------------------------------------------------


def test_a_record_that_another_version_wrote_otherwise_keeps_the_hash_of_its_file(tmp_path):
    path = tmp_path / "precision.json"
    value = json.loads(_text())
    del value["provenance"]["fallbacks"]
    path.write_text(dumps(value), encoding="utf-8")
    record = read_record(path)
    assert record_sha256(record) == _sha256(path)
    assert record_sha256(replace(record, command=("x",))) != _sha256(path)
    path.write_text(_text(), encoding="utf-8")
    assert read_record(path).kept == {}


def test_a_spec_that_another_version_wrote_otherwise_keeps_its_hashes(folder):
    path = folder / "spec.json"
    value = json.loads(path.read_text(encoding="utf-8"))
    assert value["evaluation"].pop("numeric_modes") == {}
    del value["evaluation"]["criteria"][0]["outputs"]
    path.write_text(dumps(value), encoding="utf-8")
    spec = read_spec_file(path).evaluation
    assert spec.sha256 == canonical_sha256(value["evaluation"])
    assert spec.criteria_sha256 == canonical_sha256(value["evaluation"]["criteria"])
    assert spec.criteria[0].sha256 == canonical_sha256(value["evaluation"]["criteria"][0])
    assert replace(spec, seed=spec.seed).sha256 != spec.sha256


def _text() -> str:
    return record_text(samples.precision_record())


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# --- the comparison itself -------------------------------------------------------------------------------------------


def _summary():
    runs = Runs(criteria_sha256="c" * 64, opened_at="2025-06-01T08:00:00+00:00", entries=14, head_sha256="ab" * 32,
                started=6, finished=4, failed=2, discarded=1, adopted=0, reported=3, elsewhere=0)  # fmt: skip
    return summarize(samples.spec_file(), samples.records(), runs)


def test_a_summary_does_not_differ_from_itself():
    assert otherwise.compare(to_json(_summary()), _summary()) == ((), ())


def test_what_only_the_new_version_says_is_no_difference():
    told = to_json(_summary())
    del told["localisation"], told["precision"]["levels"]
    assert otherwise.compare(told, _summary()) == ((), ())


def test_what_only_the_folder_says_is_named_unless_it_is_empty():
    told = to_json(_summary()) | {"luck": 7, "nothing": None, "none": [], "no": {}}
    changed, alone = otherwise.compare(told, _summary())
    assert changed == ()
    assert [str(each) for each in alone] == ["summary.json: says luck, which this version does not derive"]


def test_what_a_folder_says_takes_the_form_of_this_version():
    theirs = {"a": 1, "gone": 2, "rows": [{"x": 1}], "many": [1], "b": {"c": 3}}
    ours = {"a": 5, "rows": [{"x": 7, "y": 8}], "many": [1, 2], "b": {"c": 4, "d": 5}, "e": 6}
    assert otherwise.completed(theirs, ours) == {
        "a": 1, "rows": [{"x": 1, "y": 8}], "many": [1], "b": {"c": 3, "d": 5}, "e": 6,
    }  # fmt: skip


@pytest.mark.parametrize(("value", "shown"), [(True, "True"), ([1, 2], "2 entries"), ("x" * 200, repr("x" * 200)[:80])])
def test_a_value_of_another_kind_is_a_difference(value, shown):
    changed, _ = otherwise.compare(to_json(_summary()) | {"seed": value}, _summary())
    assert [(each.what, each.then) for each in changed] == [("seed", shown)]


@pytest.mark.parametrize("verdicts", [None, 7, [], [7], [{}], "x"])
def test_verdicts_that_are_none_are_told_as_such(verdicts):
    changed, _ = otherwise.compare(to_json(_summary()) | {"verdicts": verdicts}, _summary())
    assert {each.what for each in changed} >= {f"verdict {v.criterion}" for v in _summary().verdicts}


def test_verdicts_that_agree_and_say_more_or_stand_twice_are_a_difference():
    summary = _summary()
    told = to_json(summary)
    told["verdicts"].append(told["verdicts"][0])
    changed, _ = otherwise.compare(told, summary)
    assert [each.what for each in changed] == ["verdicts"]
    told = to_json(summary)
    told["verdicts"][0]["reason"] = "certified by Huawei"
    changed, _ = otherwise.compare(told, summary)
    assert [each.what for each in changed] == [f"verdicts[{summary.verdicts[0].criterion}].reason"]


def test_a_sentence_and_the_code_of_it_say_the_same():
    summary = _summary()
    told = to_json(summary)
    assert isinstance(told["verdicts"][0]["evidence"], dict)
    for verdict, own in zip(told["verdicts"], summary.verdicts, strict=True):
        verdict |= {"evidence": str(own.evidence), "reason": str(own.reason)}
    assert otherwise.compare(told, summary) == ((), ())
    told["verdicts"][0]["evidence"] = {"code": "of-a-later-version"}
    changed, _ = otherwise.compare(told, summary)
    assert [(each.what, "of-a-later-version" in each.then) for each in changed] == [("verdict output-error", True)]


def test_a_control_character_of_a_strangers_summary_reaches_no_terminal():
    told = to_json(_summary())
    told["verdicts"][0] |= {"value": None, "reason": "\x1b[2J gone"}
    told["name"] = "\x1b[2J"
    changed, _ = otherwise.compare(told, _summary())
    assert "\x1b" not in " ".join(map(str, changed))


@pytest.mark.parametrize(("commit", "words"), [
    ("", "check it with that version (pip install npu-deliver==0.1.7)"),
    ("v0.1.7", "check it with npu-deliver at commit v0.1.7"),
    ("abc-dirty", "ask its maker, whose checkout of abc was changed"),
])  # fmt: skip
def test_it_says_which_version_to_ask(commit, words):
    told = versions.Told(measured=None, derived=replace(deliverables.OTHER_VERSION, commit=commit))
    other = otherwise.Otherwise(told=told, changed=(otherwise.Changed(what="seed", then="1", now="2"),))
    assert other.outcome.endswith(f"which derives 1 value otherwise; not verified: {words}")


def test_every_verdict_is_printed_and_no_more_than_some_others():
    many = tuple(otherwise.Changed(what=f"seed{n}", then="1", now="2") for n in range(50))
    told = versions.Told(measured=None, derived=None)
    assert len(otherwise.Otherwise(told=told, changed=many).lines) == otherwise.SHOWN + 1
    verdicts = tuple(otherwise.Changed(what=f"verdict c{n}", then="PASS", now="FAIL") for n in range(30))
    lines = otherwise.Otherwise(told=told, changed=(*verdicts, *many)).lines
    assert len(lines) == 31
    assert lines[-1] == "  and 50 more; --json lists all"

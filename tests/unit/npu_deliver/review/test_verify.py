"""A fresh folder holds; whoever changes one digit, file or picture of it is found, by the name of the file."""

import json
import os
import re
import shutil
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import deliverables
import samples
from deliverables import change_file, changed, digits, reseal
from npu_deliver.drawing import encoding
from npu_deliver.errors import VerifyError
from npu_deliver.experiments.registry import KINDS, asked, read_record
from npu_deliver.review import numerals, picture_sources, verify
from npu_deliver.seal import manifest
from npu_eval.asked.spec import read_spec_file
from npu_eval.jsonio import dumps
from npu_eval.records.record import record_text

ASKED = asked(samples.eval_spec())
RECORDS = [f"evaluation/records/{kind}.json" for kind in ASKED]
LOGS = [f"evaluation/logs/{KINDS[kind].log}" for kind in ASKED]
PAGES = ["readme.md", "OPTIMIZATION_RECORD.md"]
NUMBERED = [*PAGES, "summary.json", "spec.json", "requirements.txt", "MANIFEST.json", *RECORDS, *LOGS]

IMAGE_FACTS = {
    "name": "npu-deliver/cpu:0123456789abcdef", "digest": "sha256:" + "f" * 64, "platform": "linux/amd64",
    "stack": "cpu", "soc": None, "base": "python:3.11-slim-bookworm", "base_digest": "unpinned",
    "content_sha256": "0" * 64,
}  # fmt: skip


def files(folder) -> list[str]:
    return [finding.file for finding in verify.verify(folder).findings]


def whats(folder, name: str) -> str:
    return " / ".join(f.what for f in verify.verify(folder).findings if f.file == name)


def test_a_fresh_folder_holds(folder):
    report = verify.verify(folder)
    assert report.findings == ()
    assert report.holds
    assert report.files == len(manifest.files_of(folder)) > 30
    assert str(report.summary.overall) == "PASS"
    verify.require(folder)


def test_a_fresh_folder_without_an_npu_holds_and_says_so(folder_on_cpu):
    report = verify.verify(folder_on_cpu)
    assert report.findings == ()
    assert report.summary.stamps == ("no-npu",)
    assert report.summary.hardware is None


def test_require_names_the_first_place_and_how_many_more(folder):
    (folder / "inference.py").unlink()
    (folder / "summary.json").unlink()
    with pytest.raises(
        VerifyError, match=r"^[^:]+\.(py|json): is missing \(and \d+ more\); see `npu-deliver verify "
    ) as told:
        verify.require(folder)
    assert told.value.exit_code == 8


# --- a changed digit -------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_changed_digit_is_found_and_the_file_named(folder, data):
    name = data.draw(st.sampled_from(NUMBERED))
    path = folder / name
    text = path.read_text(encoding="utf-8")
    position = data.draw(st.sampled_from(digits(text)))
    try:
        path.write_text(changed(text, position, data.draw(st.integers(1, 9))), encoding="utf-8")
        found = files(folder)
    finally:
        path.write_text(text, encoding="utf-8")
    # A digit of the manifest is part of what it says of another file; that file is then not as it was sealed.
    wanted = {name} if name != "MANIFEST.json" else {name, files_of_line(text, position)}
    assert wanted & set(found)


def files_of_line(manifest_text: str, position: int) -> str:
    names = re.findall(
        r'^    "([^"]+)": \{|^  "(schema)"', manifest_text[: manifest_text.index("\n", position)], re.MULTILINE
    )
    name, schema = names[-1]
    return "MANIFEST.json" if schema else name


def of_another_version(summary_text: str, position: int) -> bool:
    """Whether a place lies in what summary.json says of the version that derived it."""
    begin = summary_text.index('"derived_with"')
    return begin < position < summary_text.index("}", begin)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_changed_digit_of_the_data_is_found_although_resealed(folder, data):
    """Whoever reseals cannot hide it: the log or the record or the summary contradicts the others."""
    name = data.draw(st.sampled_from(["summary.json", *RECORDS, *LOGS]))
    path = folder / name
    text = path.read_text(encoding="utf-8")
    position = data.draw(st.sampled_from(digits(text)))
    sealed = (folder / "MANIFEST.json").read_bytes()
    try:
        path.write_text(changed(text, position, data.draw(st.integers(1, 9))), encoding="utf-8")
        reseal(folder)
        found = files(folder)
    finally:
        path.write_text(text, encoding="utf-8")
        (folder / "MANIFEST.json").write_bytes(sealed)
    kind = next((kind for kind in ASKED if kind in name or KINDS[kind].log in name), None)
    # The log carries the hash of its record: a changed record shows there, wherever else it shows.
    contradicted = {name} if name not in RECORDS else {name, f"evaluation/logs/{KINDS[kind].log}"}
    if name == "summary.json" and of_another_version(text, position):
        assert found  # it names another version now; the charts, which hold the summary's hash, still contradict it
        return
    assert contradicted & set(found)
    assert "readme.md" not in found or name in RECORDS


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("which", ["folder", "folder_on_cpu"])
def test_most_changed_digits_of_a_page_are_found_although_resealed(page, which, request):
    """Every digit of the page, turned into its successor and into its third: at least 19 of 20 are found."""
    folder = request.getfixturevalue(which)
    path = folder / page
    text = path.read_text(encoding="utf-8")
    summary = verify.verify(folder).summary
    allowed = numerals.allowed_numbers(summary)
    found = missed = 0
    for line in text.splitlines():  # a line is judged for itself, so one line will do
        for position in digits(line):
            for step in (1, 3):
                hit = any(numerals.stray_numerals(changed(line, position, step), page, allowed, summary.layout))
                found, missed = found + hit, missed + (not hit)
    assert found / (found + missed) > (0.95 if page == "readme.md" else 0.92)


def test_exactly_one_line_of_a_page_is_named(folder):
    lines = (folder / "readme.md").read_text(encoding="utf-8").splitlines()
    number = next(i for i, line in enumerate(lines) if re.match(r"\| max_abs_diff \| \d", line))
    lines[number] = "| max_abs_diff | 1.000e-09 |"
    (folder / "readme.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    reseal(folder)
    (finding,) = verify.verify(folder).findings
    told = f"line {number + 1} is '| max_abs_diff | 1.000e-09 |', rendering its records gives '| max_abs_diff | "
    assert finding.what.startswith(told)


def test_a_number_of_another_row_is_found(folder):
    """9.999 is no news when it stands elsewhere on the page: a row holds its own numbers only."""
    text = (folder / "readme.md").read_text(encoding="utf-8")
    best, worst = (
        re.search(rf"^\| {size} \| \d+\.\d+ ms .*?\| (\d+\.\d+ ms) \|", text, re.MULTILINE)[1] for size in (1, 8)
    )
    change_file(folder / "readme.md", worst, best)
    reseal(folder)
    assert set(files(folder)) == {"readme.md"}


def test_a_verdict_that_was_turned_is_found(tmp_path):
    deliverables.write_model(tmp_path)
    job = deliverables.job_of(tmp_path)
    bad = deliverables.FakeEngine(change=worse)
    summary = deliverables.make(job, bad)
    assert str(summary.overall) == "FAIL"
    assert verify.verify(job.output).holds
    change_file(job.output / "readme.md", "**FAIL**", "**PASS**")
    reseal(job.output)
    assert "FAIL" not in (job.output / "readme.md").read_text(encoding="utf-8")
    assert re.search(
        r"\*\*PASS\*\* \|', rendering its records gives .*\*\*FAIL\*\* \|'", whats(job.output, "readme.md")
    )


def worse(record):
    if record.kind != "precision":
        return record
    differences = tuple(samples.difference((1.0, 2.0), (1.5, 2.0), input=d.input) for d in record.data.differences)
    return replace(record, data=replace(record.data, differences=differences))


def test_a_verdict_that_was_left_out_is_found(folder):
    text = (folder / "readme.md").read_text(encoding="utf-8")
    kept = [line for line in text.splitlines() if not line.startswith("| repeatable ")]
    (folder / "readme.md").write_text("\n".join(kept) + "\n", encoding="utf-8")
    reseal(folder)
    assert whats(folder, "readme.md").startswith("does not show the verdict of 'repeatable' / line ")


# --- files -----------------------------------------------------------------------------------------------------------


def test_each_missing_file_is_named(folder):
    names = [n for n in sorted(manifest.files_of(folder)) if not n.startswith("npu_eval/")]
    for name in (*names, "npu_eval/records/verdict.py", "npu_eval/fonts/OFL.txt"):
        saved = (folder / name).read_bytes()
        (folder / name).unlink()
        assert name in files(folder)
        (folder / name).write_bytes(saved)
    assert verify.verify(folder).holds


@pytest.mark.parametrize("name", [*RECORDS, *LOGS, *PAGES, "summary.json", "spec.json", "requirements.txt",
                                  "inputs/cat.png", "evaluation/results/cat.png",
                                  "evaluation/screenshots/precision_report.png"])  # fmt: skip
def test_a_missing_file_is_named_although_resealed(folder, name):
    (folder / name).unlink()
    reseal(folder)
    assert name in files(folder)


def test_without_a_manifest_nothing_is_sealed(folder):
    (folder / "MANIFEST.json").unlink()
    assert files(folder) == ["MANIFEST.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": "other/1", "files": {}}', '{"schema": 1}', "\ufeff{}"])
def test_a_broken_manifest_is_named(folder, text):
    (folder / "MANIFEST.json").write_text(text, encoding="utf-8")
    assert files(folder) == ["MANIFEST.json"]


@pytest.mark.parametrize("name", ["extra.txt", "evaluation/logs/other.log", "npu_eval/extra.py"])
def test_an_extra_file_is_named(folder, name):
    (folder / name).write_text("x = 1\n", encoding="utf-8")
    assert name in files(folder)


def test_what_python_compiled_is_named_once_with_what_to_do(folder):
    (folder / "npu_eval/__pycache__").mkdir()
    for name in ("judge", "stats"):
        (folder / f"npu_eval/__pycache__/{name}.cpython-311.pyc").write_bytes(b"\0")
    assert [str(finding) for finding in verify.verify(folder).findings] == [
        "npu_eval/__pycache__: holds what Python compiled, which it would run unread; delete it, "
        "and start scripts with python -B"
    ]


@pytest.mark.parametrize("target", ["copy.log", "/nowhere/at/all", "."])
def test_a_symbolic_link_is_named_wherever_it_leads(folder, target):
    log = folder / "evaluation/logs/precision_eval.log"
    if target == "copy.log":
        shutil.copy(log, log.with_name("copy.log"))
    log.unlink()
    log.symlink_to(target)
    assert "is a link" in whats(folder, "evaluation/logs/precision_eval.log")


@pytest.mark.parametrize("name", ["evaluation/pipe", "readme.md", "spec.json", "MANIFEST.json", RECORDS[0], LOGS[0]])
@pytest.mark.parametrize("linked", [False, True])
def test_a_pipe_is_named_and_not_waited_for(folder, name, linked):
    (folder / name).unlink(missing_ok=True)
    pipe = folder.parent / "pipe" if linked else folder / name
    os.mkfifo(pipe)
    if linked:
        (folder / name).symlink_to(pipe)
    assert [str(finding) for finding in verify.verify(folder).findings] == [f"{name}: is no plain file"]


@pytest.mark.parametrize("text", ["", "{}", "[]", "not json", '{"schema": "npu-deliver/spec/1"}'])
def test_a_broken_spec_is_named(folder, text):
    (folder / "spec.json").write_text(text, encoding="utf-8")
    reseal(folder)
    report = verify.verify(folder)
    assert [f.file for f in report.findings] == ["spec.json"]
    assert report.summary is None


@pytest.mark.parametrize("name", [*PAGES, *LOGS, "summary.json", "requirements.txt", *RECORDS, "spec.json"])
def test_what_is_no_text_is_named(folder, name):
    (folder / name).write_bytes(b"\xff\xfe\x00")
    reseal(folder)
    assert name in files(folder)


# --- pictures and inputs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.999])
def test_a_truncated_picture_is_named(folder, share):
    name = "evaluation/screenshots/performance_chart.png"
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: int(len(data) * share)])
    reseal(folder)
    assert whats(folder, name) == "is no whole PNG"


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_changed_byte_of_a_picture_is_found_although_resealed(folder, data):
    name = "evaluation/screenshots/precision_report.png"
    whole = bytearray((folder / name).read_bytes())
    position = data.draw(st.integers(0, len(whole) - 1))
    spoilt = (
        bytes(whole[:position])
        + bytes([whole[position] ^ data.draw(st.integers(1, 255))])
        + bytes(whole[position + 1 :])
    )
    try:
        (folder / name).write_bytes(spoilt)
        reseal(folder)
        what = whats(folder, name)
        assert what == "is no whole PNG" or what.startswith("claims "), what  # its header, that it has so many pixels
    finally:
        (folder / name).write_bytes(bytes(whole))


@pytest.mark.parametrize(
    ("name", "other", "source"),
    [
        ("precision_report", "inference_report", "evaluation/logs/precision_eval.log"),
        ("precision_chart", "performance_chart", "summary.json"),
        ("performance_chart", "performance_report", "evaluation/records/performance.json"),
    ],
)
def test_a_picture_of_another_source_is_named(folder, name, other, source):
    pictures = folder / "evaluation/screenshots"
    shutil.copy(pictures / f"{other}.png", pictures / f"{name}.png")
    reseal(folder)
    assert whats(folder, f"evaluation/screenshots/{name}.png") == f"was not drawn from {source} as it is here"


def test_a_picture_from_elsewhere_is_named(folder):
    (folder / "evaluation/screenshots/dual_npu_report.png").write_bytes(
        deliverables.png("0" * 64, "dual_npu_report.png")
    )
    reseal(folder)
    assert "nothing here is drawn under that name" in whats(folder, "evaluation/screenshots/dual_npu_report.png")


def test_a_swapped_photo_is_named(folder):
    deliverables.write_photo(folder / "inputs/cat.png", (1, 2, 3))
    reseal(folder)
    assert whats(folder, "inputs/cat.png") == "is not the input that spec.json names"


def test_a_changed_result_picture_is_named(folder):
    deliverables.write_photo(folder / "evaluation/results/cat.png", (1, 2, 3))
    reseal(folder)
    assert whats(folder, "evaluation/results/cat.png") == "is not the picture that the inference record names"


@pytest.mark.parametrize(
    "data", [b"", b"\x89PNG", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"\x89PNG\r\n\x1a\n\xff\xff\xff\xff"]
)
def test_what_is_no_png_has_no_texts(data):
    assert picture_sources.png_texts(data) is None


def test_the_texts_of_a_png():
    found = picture_sources.png_texts(deliverables.png("ab" * 32, "x.png"))
    assert found == {"Name": "x.png", "Source-SHA256": "ab" * 32, "Drawn-With": encoding.libraries()}


def test_two_pictures_of_one_record_that_were_swapped_are_named(folder):
    first, second = (folder / f"evaluation/screenshots/{stem}_chart.png" for stem in ("performance", "batch"))
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(kept)
    reseal(folder)
    assert whats(folder, "evaluation/screenshots/batch_chart.png") == "is the picture performance_chart.png"
    assert "evaluation/screenshots/performance_chart.png" in files(folder)


# --- code, spec, records ---------------------------------------------------------------------------------------------


def test_edited_code_is_named(folder):
    with (folder / "npu_eval/records/verdict.py").open("a", encoding="utf-8") as stream:
        stream.write("\n")
    assert "npu_eval/records/verdict.py" in files(folder)


def test_edited_code_contradicts_the_records_although_resealed(folder):
    change_file(folder / "npu_eval/records/verdict.py", "Status.FAIL", "Status.PASS")
    reseal(folder)
    assert {f.file for f in verify.verify(folder).findings} == {*RECORDS, "npu_eval/records/verdict.py"}
    assert "was made by code" in whats(folder, RECORDS[0])
    assert "is not the release's: line " in whats(folder, "npu_eval/records/verdict.py")


def test_a_version_that_is_a_sentence_is_none(folder):
    path = folder / "spec.json"
    value = json.loads(path.read_text(encoding="utf-8"))
    value["measured_with"]["version"] = "0.1.7, certified by Huawei"
    path.write_text(dumps(value), encoding="utf-8")
    reseal(folder)
    assert "names no version as this tool names its versions" in whats(folder, "spec.json")


def test_a_loosened_criterion_contradicts_the_records(folder):
    """Thresholds are fixed before the run: the records know the hash of what they ran under."""
    change_file(folder / "spec.json", '"threshold": 0.01,', '"threshold": 0.5,')
    reseal(folder)
    assert set(RECORDS) <= set(files(folder))
    assert "was made under spec" in whats(folder, RECORDS[1])


def test_a_mended_title_in_spec_json_shows_in_the_summary(folder):
    """The title is no part of what was run, so the records stand; what was derived from it does not."""
    change_file(folder / "spec.json", '"title": "Tiny"', '"title": "Huge"')
    reseal(folder)
    assert "summary.json" in files(folder)
    assert not set(RECORDS) & set(files(folder))


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_of_another_spec_is_named(folder, name):
    record = read_record(folder / name)
    (folder / name).write_text(record_text(replace(record, spec_sha256="0" * 64)), encoding="utf-8")
    reseal(folder)
    assert "was made under spec 000000000000" in whats(folder, name)


def test_a_record_in_the_place_of_another_is_named(folder):
    shutil.copy(folder / RECORDS[1], folder / RECORDS[2])
    reseal(folder)
    assert whats(folder, RECORDS[2]).startswith("is a record of precision / is not the record ")


def test_a_record_for_another_device_is_named(folder):
    record = read_record(folder / RECORDS[0])
    asked = replace(record, provenance=replace(record.provenance, requested_device="cpu"))
    (folder / RECORDS[0]).write_text(record_text(asked), encoding="utf-8")
    reseal(folder)
    assert "asked for device cpu, spec.json for npu:0" in whats(folder, RECORDS[0])


@pytest.mark.parametrize("changes", [{"sha256": "0" * 64}, {"random": True}])
def test_records_of_other_weights_than_the_specs_are_named(folder, changes):
    for name in RECORDS:
        record = read_record(folder / name)
        weights = replace(record.provenance.weights, **changes)
        other = replace(record, provenance=replace(record.provenance, weights=weights))
        (folder / name).write_text(record_text(other), encoding="utf-8")
    reseal(folder)
    for name in RECORDS:
        assert "was made with weights file:tiny.pth" in whats(folder, name)


def test_a_record_in_other_clothes_is_named(folder):
    """The pages give the hash of the file; another layout of the same values has another hash."""
    value = json.loads((folder / RECORDS[2]).read_text(encoding="utf-8"))
    (folder / RECORDS[2]).write_text(json.dumps(value), encoding="utf-8")
    reseal(folder)
    assert "is not written as records are" in whats(folder, RECORDS[2])


def test_a_record_from_another_image_is_named(folder):
    change_file(folder / "spec.json", '"image": null', json.dumps({"image": IMAGE_FACTS})[1:-1])
    reseal(folder)
    assert "spec.json names sha256:ffff" in whats(folder, RECORDS[0])


def test_records_of_different_devices_are_named(folder):
    record = read_record(folder / RECORDS[2])
    device = replace(record.provenance.device, description="Ascend910B1")
    other = replace(record, provenance=replace(record.provenance, device=device))
    (folder / RECORDS[2]).write_text(record_text(other), encoding="utf-8")
    reseal(folder)
    assert "was made with other device than evaluation/records/inference.json" in whats(folder, RECORDS[2])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_record_whatever_stops_the_verifier(folder, data):
    """Every leaf of a stranger's record may be anything: that is a finding, never a traceback."""
    name = data.draw(st.sampled_from(RECORDS))
    text = (folder / name).read_text(encoding="utf-8")
    value = json.loads(text)
    place, key = data.draw(st.sampled_from(list(leaves(value))))
    strange = st.sampled_from([0, -1, 0.0, -1e300, 1e308, "", "x", None, True, [], {}, [0], 10**400])
    place[key] = data.draw(strange.filter(lambda new: (type(new), new) != (type(place[key]), place[key])))
    try:
        (folder / name).write_text(json.dumps(value), encoding="utf-8")
        report = verify.verify(folder)
    finally:
        (folder / name).write_text(text, encoding="utf-8")
    assert name in [finding.file for finding in report.findings]


def leaves(value):
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield value, key
        if isinstance(item, (dict, list)):
            yield from leaves(item)


def test_a_number_beyond_every_float_is_a_finding(folder):
    value = json.loads((folder / RECORDS[1]).read_text(encoding="utf-8"))
    value["data"]["rankings"][0]["reference_classes"][0] = 10**400
    (folder / RECORDS[1]).write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    assert RECORDS[1] in files(folder)


def test_values_without_statistics_are_a_finding(folder):
    for name, old in ((RECORDS[1], '"differences": [\n'), (RECORDS[2], '"runs": [\n')):
        value = json.loads((folder / name).read_text(encoding="utf-8"))
        value["data"][old.split('"')[1]] = []
        (folder / name).write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    reseal(folder)
    report = verify.verify(folder)
    assert not report.holds
    assert report.summary is None


# --- what pages may claim --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_a_page_without_its_stamp_is_named(folder_on_cpu, page):
    change_file(folder_on_cpu / page, "> **⚠ NO NPU: measured on another device**\n", "")
    reseal(folder_on_cpu)
    told = "does not carry the stamp 'no-npu' that its records call for / "
    assert whats(folder_on_cpu, page).startswith(told)


@pytest.mark.parametrize(
    "line", ["hardware: NPU", "hardware:  npu", 'hardware: "NPU"', "Hardware: NPU", "hardware : 'NPU'"]
)
def test_claiming_an_npu_without_one_is_named(folder_on_cpu, line):
    change_file(folder_on_cpu / "readme.md", "library_name: pytorch\n", f"{line}\nlibrary_name: pytorch\n")
    reseal(folder_on_cpu)
    assert "says 'hardware: NPU', but no record shows a real NPU" in whats(folder_on_cpu, "readme.md")


@pytest.mark.parametrize(
    "line",
    [
        "torch_npu==2.7.1",
        "torch-npu",
        "Torch_NPU>=2.1",
        "torch.npu~=2.7",
        "python==3.11",
        "CANN==8.2",
        "torch_npu[all]==1",
    ],
)
def test_a_requirement_that_the_platform_supplies_is_named(folder, line):
    with (folder / "requirements.txt").open("a", encoding="utf-8") as stream:
        stream.write(line + "\n")
    reseal(folder)
    assert "which the platform supplies" in whats(folder, "requirements.txt")


def test_another_version_than_that_of_the_run_is_named(folder):
    change_file(folder / "requirements.txt", "torch==2.7.1", "torch==2.7.0")
    reseal(folder)
    assert whats(folder, "requirements.txt") == "says torch 2.7.0, the records were made with 2.7.1"


def test_a_new_heading_is_named(folder):
    change_file(folder / "readme.md", "## 9. ", "## 8. ")
    reseal(folder)
    assert "is '## 8. 性能评测', rendering its records gives '## 9. 性能评测'" in whats(folder, "readme.md")


def test_verification_leaves_the_folder_alone(folder):
    before = deliverables.tree(folder)
    verify.verify(folder)
    assert deliverables.tree(folder) == before


def test_the_criteria_of_the_spec_are_those_of_the_verdicts(folder):
    criteria = read_spec_file(folder / "spec.json").evaluation.criteria
    assert [v.criterion_sha256 for v in verify.verify(folder).summary.verdicts] == [c.sha256 for c in criteria]

"""Whatever stands on a page and is not of its template is found, with its line and what should be there."""

import json
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

import deliverables
from deliverables import change_file, reseal
from npu_deliver.experiments.registry import read_record
from npu_deliver.report import figures
from npu_deliver.review import otherwise, verify
from npu_deliver.review.second_look import asking as second_look
from npu_deliver.review.second_look import holding as remade
from npu_deliver.summary import Summary
from npu_eval.jsonio import canonical_sha256, dumps, from_json


def told(folder, name="readme.md") -> list[str]:
    reseal(folder)
    return [finding.what for finding in verify.verify(folder).findings if finding.file == name]


def commented(text: str) -> str:
    return text.replace("> **⚠", "<!-- > **⚠", 1).replace("**\n", "** -->\n", 1)


def swapped(text: str) -> str:
    """Two cells of a row change places."""
    return re.sub(r"^\| 1 \| ([^|]+) \| ([^|]+) \|", r"| 1 | \2 | \1 |", text, count=1, flags=re.MULTILINE)


def moved(text: str) -> str:
    """The second section comes last."""
    head, first, second, *rest = re.split(r"(?m)^(?=## )", text)
    return "".join([head, first, *rest, second])


EDITS = {
    "a stamp in a comment": commented,
    "a claim without numbers": lambda t: t.replace("\n## ", "\nCertified by Huawei.\n\n## ", 1),
    "a claim at the end": lambda t: t + "\nVerified by an independent laboratory.\n",
    "another letter that looks the same": lambda t: t.replace("PASS", "P\u0410SS", 1),
    "a space without width": lambda t: t.replace("PASS", "PA\u200bSS", 1),
    "a turned direction": lambda t: t.replace("PASS", "\u202ePASS\u202c", 1),
    "full-width digits": lambda t: re.sub(r"\d+\.\d+(?= ms)", "１.０", t, count=1),
    "arabic digits": lambda t: re.sub(r"\d+\.\d+(?= ms)", "\u0661.\u0662", t, count=1),
    "a number in words": lambda t: re.sub(r"\d+\.\d+ ms", "two ms", t, count=1),
    "a superscript": lambda t: re.sub(r"(\d+\.\d+ ms)", "\\1\u00b2", t, count=1),
    "swapped cells": swapped,
    "a section moved": moved,
    "another address": lambda t: t.replace("https://example.org", "https://example.com", 1),
    "other words for a picture": lambda t: re.sub(r"!\[[^\]]*\]", "![captured on an Ascend 910B]", t, count=1),
    "other line ends": lambda t: t.replace("\n", "\r\n"),
    "a byte order mark": lambda t: "\ufeff" + t,
    "a line less": lambda t: re.sub(r"(?m)^> .*\n", "", t, count=1),
    "a tab for a space": lambda t: t.replace(" | ", "\t| ", 1),
    "a line separator": lambda t: t.replace("PASS", "PASS\u2028", 1),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_every_edit_of_a_page_is_found(folder_on_cpu, edit):
    page = folder_on_cpu / "readme.md"
    text = page.read_bytes().decode("utf-8")
    changed = edit(text)
    assert changed != text
    page.write_bytes(changed.encode("utf-8"))
    found = told(folder_on_cpu)
    assert found
    assert all(character.isprintable() for what in found for character in what)


def test_what_differs_is_told_with_its_line_and_what_should_be_there(folder):
    lines = (folder / "readme.md").read_text(encoding="utf-8").split("\n")
    number = next(i for i, line in enumerate(lines) if line.startswith("## "))
    change_file(folder / "readme.md", lines[number], "## Results")
    (what,) = told(folder)
    assert what == f"line {number + 1} is '## Results', rendering its records gives {lines[number]!r}"


def test_a_letter_that_looks_like_another_is_named(folder):
    lines = (folder / "readme.md").read_text(encoding="utf-8").split("\n")
    number = next(i for i, line in enumerate(lines) if "Tiny" in line)
    lines[number] = lines[number].replace("Tiny", "T\u0456ny", 1)
    (folder / "readme.md").write_text("\n".join(lines), encoding="utf-8")
    (what,) = told(folder)
    assert what.startswith(f"line {number + 1} is ")
    assert what.endswith("is U+0456 CYRILLIC SMALL LETTER BYELORUSSIAN-UKRAINIAN I")


def test_many_places_are_counted(folder):
    page = folder / "readme.md"
    page.write_text(page.read_text(encoding="utf-8").replace("\n\n", "\n \n"), encoding="utf-8")
    found = told(folder)
    assert len(found) == 9
    assert re.fullmatch(r"and in \d+ more places", found[-1])


def test_a_page_that_is_nothing_but_other_lines_is_told_in_one(folder):
    (folder / "readme.md").write_text("certified\n" * 50_000, encoding="utf-8")
    found = told(folder)
    assert any(what.startswith("line 1 is 'certified', rendering its records gives ") for what in found)


@pytest.mark.parametrize("profile", ["eval_results", "flat", "model_zoo"])
def test_the_pages_of_every_layout_are_made_again(tmp_path, profile):
    deliverables.write_model(tmp_path)
    job = deliverables.job_of(tmp_path, profile=profile)
    deliverables.make(job)
    assert verify.verify(job.output).holds
    pages = sorted(job.output.glob("*.md"))
    assert len(pages) >= 2
    for page in pages:
        text = page.read_text(encoding="utf-8")
        page.write_text(f"{text}\nverified by Huawei\n", encoding="utf-8")
        found = told(job.output, page.name)
        assert any(what.endswith(" is 'verified by Huawei', which its records do not give") for what in found)
        page.write_text(text, encoding="utf-8")


class Silent(deliverables.QuickLook):
    def ask(self, question):
        raise second_look.Unanswered("took more than 8 s of computing")


def test_without_an_answer_nothing_is_verified_and_nobody_accused(folder, monkeypatch):
    monkeypatch.setattr(second_look, "start", lambda folder: Silent())
    report = verify.verify(folder)
    assert not report.findings
    assert not report.holds
    (place,) = report.other.unchecked
    assert str(place) == "readme.md: no page or picture could be made again: took more than 8 s of computing"


def test_records_of_which_no_page_can_be_made_are_a_contradiction(folder, monkeypatch):
    class Refusing(deliverables.QuickLook):
        def ask(self, question):
            return second_look.Answer(pages={}, refused="'TODO' was left in line 3", pictures={}, uncompared={})

    monkeypatch.setattr(second_look, "start", lambda folder: Refusing())
    (finding,) = verify.verify(folder).findings
    assert "of which no page can be made ('TODO' was left in line 3)" in finding.what


def test_lines_that_were_aligned():
    assert list(remade.differences("a\nb\nc\n", "a\nx\nb\nc\n")) == ["line 2: before it, 'x' is missing"]
    assert list(remade.differences("a\nb\n", "a\nb\n")) == []


# --- folders of another version --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made_elsewhere(tmp_path_factory):
    """What another version with the same templates and rules made. Nobody may change it."""
    root = tmp_path_factory.mktemp("models")
    deliverables.write_model(root)
    job = deliverables.job_of(root)
    with deliverables.another_version():
        deliverables.make(job, pictures=True)
    return job.output


@pytest.fixture
def elsewhere(made_elsewhere, tmp_path):
    return Path(shutil.copytree(made_elsewhere, tmp_path / "npu_deliverables"))


def summary_without(folder, *keys: str) -> None:
    """The summary of a version that did not say some things yet; the chart that is drawn from it says its hash."""
    path, chart = folder / "summary.json", folder / "evaluation/screenshots/precision_chart.png"
    value = json.loads(path.read_text(encoding="utf-8"))
    before = canonical_sha256(value)
    value = {key: each for key, each in value.items() if key not in keys}
    path.write_text(dumps(value), encoding="utf-8")
    summary = from_json(Summary, json.loads(dumps(value | dict.fromkeys(keys))))
    records = {k: read_record(folder / f"evaluation/records/{k}.json") for k in ("performance",)}
    logs = {e.log: (folder / e.log).read_text(encoding="utf-8") for e in summary.evidence}
    drawn = figures.draw(summary, records, logs, "zh", summary_hash=canonical_sha256(value))
    chart.write_bytes(drawn[f"{figures.FOLDER}/{chart.name}"])
    assert before != canonical_sha256(value)


@pytest.mark.second_process
def test_what_another_version_with_equal_templates_made_holds(elsewhere):
    report = verify.verify(elsewhere)
    assert not report.other.told.ours
    assert report.holds, report.other.lines
    assert report.uncompared == ()


@pytest.mark.second_process
def test_a_summary_that_lacks_what_this_version_says_is_completed_and_its_pages_hold(elsewhere):
    summary_without(elsewhere, "localisation")
    reseal(elsewhere)
    report = verify.verify(elsewhere)
    assert report.findings == ()
    assert report.holds, report.other.lines


OF_A_REAL_NPU = {name: edit for name, edit in EDITS.items() if name not in ("a stamp in a comment", "a line less")}
"""All but what is done to a stamp: the pages of a real NPU carry none."""


@pytest.mark.parametrize("edit", OF_A_REAL_NPU.values(), ids=OF_A_REAL_NPU)
def test_every_edit_of_a_page_of_another_version_is_told_and_nobody_accused(elsewhere, edit):
    page = elsewhere / "readme.md"
    text = page.read_bytes().decode("utf-8")
    changed = edit(text)
    assert changed != text
    page.write_bytes(changed.encode("utf-8"))
    reseal(elsewhere)
    report = verify.verify(elsewhere)
    assert report.findings == ()
    assert not report.holds
    assert {each.file for each in report.other.written} == {page.name}
    assert all(character.isprintable() for each in report.other.written for character in each.what)


def test_a_sentence_added_to_a_page_of_another_version_is_told_with_its_line(elsewhere):
    lines = (elsewhere / "readme.md").read_text(encoding="utf-8").split("\n")
    number = next(i for i, line in enumerate(lines) if line.startswith("## "))
    lines[number:number] = ["Certified by Huawei.", ""]
    (elsewhere / "readme.md").write_text("\n".join(lines), encoding="utf-8")
    reseal(elsewhere)
    other = verify.verify(elsewhere).other
    assert [str(each) for each in other.written] == [
        f"readme.md: line {number + 1} is 'Certified by Huawei.', which this version does not write",
        f"readme.md: line {number + 2} is '', which this version does not write",
    ]
    assert "writes or draws 2 places of its pages and pictures otherwise; not verified" in other.outcome


def test_a_value_that_the_page_shows_and_its_summary_does_not_is_told_with_both(elsewhere):
    page = elsewhere / "readme.md"
    lines = page.read_text(encoding="utf-8").split("\n")
    number = next(i for i, line in enumerate(lines) if line.endswith("| **PASS** |"))
    page.write_text("\n".join([*lines[:number], lines[number].replace("PASS", "FAIL"), *lines[number + 1 :]]))
    reseal(elsewhere)
    (told,) = verify.verify(elsewhere).other.written
    assert told.what.startswith(f"line {number + 1} is ")
    assert "FAIL" in told.what.partition(", this version writes ")[0]
    assert "PASS" in told.what.partition(", this version writes ")[2]


@pytest.mark.second_process
def test_a_picture_of_another_version_that_was_painted_is_told_and_nobody_accused(elsewhere):
    chart = elsewhere / "evaluation/screenshots/precision_chart.png"
    with Image.open(chart) as image:
        texts, picture = dict(image.text), image.copy()
    ImageDraw.Draw(picture).rectangle((200, 200, 260, 220), fill=(0, 158, 115))
    info = PngInfo()
    for key, value in texts.items():
        info.add_text(key, value)
    picture.save(chart, pnginfo=info)
    reseal(elsewhere)
    report = verify.verify(elsewhere)
    assert report.findings == ()
    (told,) = report.other.written
    assert told.file == "evaluation/screenshots/precision_chart.png"
    assert "something else" in told.what


def test_of_many_places_every_one_is_in_json_and_a_terminal_gets_some_of_each_page(elsewhere):
    for name in ("readme.md", "OPTIMIZATION_RECORD.md"):
        page = elsewhere / name
        page.write_text(page.read_text(encoding="utf-8").replace("\n\n", "\n \n"), encoding="utf-8")
    reseal(elsewhere)
    other = verify.verify(elsewhere).other
    assert len(other.written) > 2 * otherwise.SHOWN_OF_A_FILE
    for name in ("readme.md", "OPTIMIZATION_RECORD.md"):
        assert sum(line.startswith(f"~ {name}: ") for line in other.lines) == otherwise.SHOWN_OF_A_FILE
        places = sum(each.file == name for each in other.written) - otherwise.SHOWN_OF_A_FILE
        assert f"  and {places} more of {name}; --json lists all" in other.lines


@pytest.mark.parametrize(("key", "value"), [("verdicts", [{"criterion": "luck"}]), ("overall", "BEST"), ("name", 7)])
def test_a_summary_of_another_version_that_cannot_be_completed_is_told_as_not_checked(elsewhere, key, value):
    path = elsewhere / "summary.json"
    told = json.loads(path.read_text(encoding="utf-8")) | {key: value}
    path.write_text(dumps(told), encoding="utf-8")
    with (elsewhere / "readme.md").open("a", encoding="utf-8") as page:
        page.write("\nCertified by Huawei.\n")
    reseal(elsewhere)
    report = verify.verify(elsewhere)
    assert not report.holds
    found = [str(each) for each in report.other.unchecked]
    words = "readme.md: no page or picture could be made again: this version cannot read what summary.json says ("
    assert any(each.startswith(words) for each in found), found


@pytest.mark.parametrize("answer", ["refused", "unanswered"])
def test_a_summary_of_another_version_that_cannot_be_rendered_is_told_as_not_checked(elsewhere, monkeypatch, answer):
    class Refusing(deliverables.QuickLook):
        def ask(self, question):
            if answer == "unanswered":
                raise second_look.Unanswered("KeyError: 'evaluation/logs/luck.log'")
            return second_look.Answer(pages={}, refused="'TODO' was left in line 3", pictures={}, uncompared={})

    monkeypatch.setattr(second_look, "start", lambda folder: Refusing())
    report = verify.verify(elsewhere)
    assert report.findings == ()
    (place,) = report.other.unchecked
    assert str(place).startswith("readme.md: no page or picture could be made again: ")
    assert not report.holds


def test_records_from_which_nothing_can_be_derived_leave_the_pages_of_another_version_unchecked(elsewhere):
    change_file(elsewhere / "spec.json", '"task"', '"task_of_another_version"')
    reseal(elsewhere)
    found = [str(each) for each in verify.verify(elsewhere).other.unchecked]
    assert "readme.md: no page or picture could be made again: nothing can be derived from the records" in found


def test_a_folder_without_a_summary_is_of_an_unknown_version_and_its_pages_are_not_checked(elsewhere):
    (elsewhere / "summary.json").unlink()
    found = [str(each) for each in verify.verify(elsewhere).other.unchecked]
    assert any(each.startswith("readme.md: no page or picture could be made again: this version") for each in found)


def test_a_summary_that_somebody_filled_up_is_not_rendered(elsewhere, monkeypatch):
    def never(self, question):
        raise AssertionError("it was rendered")

    monkeypatch.setattr(deliverables.QuickLook, "ask", never)
    path = elsewhere / "summary.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(dumps(told | {"verdicts": told["verdicts"] * 1000}), encoding="utf-8")
    reseal(elsewhere)
    found = [each.what for each in verify.verify(elsewhere).other.unchecked if each.file == "readme.md"]
    words = r"no page or picture could be made again: summary.json has \d+ bytes, what this version derives .* \d+"
    assert any(re.fullmatch(words, what) for what in found)


def test_a_version_that_is_a_sentence_reaches_no_page_that_holds(elsewhere):
    for name in ("summary.json", "readme.md", "statement.intoto.json"):
        change_file(elsewhere / name, "0.1.7", "0.1.7, certified by Huawei")
    reseal(elsewhere)
    other = verify.verify(elsewhere).other
    assert other.told.derived is None
    assert any("certified by Huawei" in str(each) for each in other.written)


def test_a_summary_of_another_version_that_names_another_layout_makes_no_check_fail(elsewhere):
    change_file(elsewhere / "summary.json", '"profile": "npu_deliverables"', '"profile": "../elsewhere"')
    reseal(elsewhere)
    report = verify.verify(elsewhere)
    assert not report.holds
    assert "profile" in [each.what for each in report.other.changed]
    assert report.other.written == ()

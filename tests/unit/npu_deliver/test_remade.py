"""Whatever stands on a page and is not of its template is found, with its line and what should be there."""

import re

import pytest

import deliverables
from deliverables import change_file, reseal
from npu_deliver import remade, second_look, verify


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

"""A file that no step, spec or template made is named, and so is one that is not as it was laid out."""

import pytest

from deliverables import another_version, change_file, reseal
from npu_deliver.review import verify
from npu_eval.asked.spec import read_spec_file


def told(folder) -> list[str]:
    reseal(folder)
    return [str(finding) for finding in verify.verify(folder).findings]


@pytest.mark.parametrize(
    "name",
    [
        "CERTIFICATE.md", "evaluation/logs/huawei.log", "evaluation/results/certified.png",
        "evaluation/records/npu.json", "evaluation/screenshots/npu-smi.jpg", "inputs/more.png", "model/deep/er.json",
        "model/notes.md",
    ],
)  # fmt: skip
def test_a_file_that_nothing_names_is_told(folder, name):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("certified\n", encoding="utf-8")
    assert f"{name}: is no part of a deliverable" in told(folder)


def test_what_describes_a_model_is_told_apart_from_notes_beside_it_and_is_not_called_code_alone(folder):
    (folder / "model").mkdir()
    (folder / "model/config.json").write_text("{}\n", encoding="utf-8")
    found = told(folder)
    assert len(found) == 3
    assert all(": was made by code with model/ " in line for line in found)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("numpy==", "# certified by Huawei\nnumpy==", "line 2 is no package with its version"),
        ("numpy==", "numpy ==", "line 2 is no package with its version"),
        (
            "numpy==",
            "hucertified==1.0\nnumpy==",
            "lists torch, hucertified, numpy, pillow and not",
        ),
        ("numpy==2.2.6\n", "", "lists torch, pillow and not torch, numpy, pillow"),
    ],
)
def test_requirements_are_those_of_the_scripts_and_nothing_else(folder, old, new, what):
    change_file(folder / "requirements.txt", old, new)
    assert any(line.startswith(f"requirements.txt: {what}") for line in told(folder)), told(folder)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("--extra-index-url https://example.org/simple\n", "line 4 is no package with its version"),
        ("-r /etc/passwd\n", "line 4 is no package with its version"),
        ("git+https://example.org/x\n", "line 4 is no package with its version"),
        ("hucertified==1.0\n", "lists hucertified, which no script imports"),
    ],
)
def test_requirements_of_another_version_are_looked_at_too(folder, line, what):
    reseal(folder)
    with (folder / "requirements.txt").open("a", encoding="utf-8") as stream:
        stream.write(line)
    with another_version():
        reseal(folder)
        report = verify.verify(folder)
    assert not report.holds
    assert f"requirements.txt: {what}" in [str(place) for place in report.other.unchecked]


def test_a_name_that_no_file_system_takes_is_a_contradiction_and_no_failure(folder):
    name = "a" * 300 + ".png"
    before = read_spec_file(folder / "spec.json").evaluation.sha256
    change_file(folder / "spec.json", '"inputs/cat.png"', f'"inputs/{name}"')
    for record in (folder / "evaluation/records").iterdir():
        change_file(record, before, read_spec_file(folder / "spec.json").evaluation.sha256)
    assert f"inputs/{name}: is not the input that spec.json names" in told(folder)
    (folder / "readme.md").write_text(f"![x]({name})\n", encoding="utf-8")
    assert f"{name}: is missing, but readme.md shows it" in told(folder)

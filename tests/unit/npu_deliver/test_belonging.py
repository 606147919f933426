"""A file that no step, spec or template made is named, and so is one that is not as it was laid out."""

import pytest

from deliverables import change_file, reseal
from npu_deliver import verify


def told(folder) -> list[str]:
    reseal(folder)
    return [str(finding) for finding in verify.verify(folder).findings]


@pytest.mark.parametrize(
    "name",
    [
        "CERTIFICATE.md", "evaluation/logs/huawei.log", "evaluation/results/certified.png",
        "evaluation/records/npu.json", "evaluation/screenshots/npu-smi.jpg", "inputs/more.png", "model/deep/er.json",
    ],
)  # fmt: skip
def test_a_file_that_nothing_names_is_told(folder, name):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("certified\n", encoding="utf-8")
    assert f"{name}: is no part of a deliverable" in told(folder)


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

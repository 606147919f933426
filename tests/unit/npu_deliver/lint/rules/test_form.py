"""The platform's form: asked of submissions that were made for it, and of nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from lint_reports import folder_findings, linted
from npu_deliver.lint.reading.folder.files import decode
from npu_deliver.lint.reading.folder.submission import document
from npu_deliver.lint.reading.forms.card import fingerprint

CARDS = {
    "another hardware": ("---\nhardware: GPU\ntags: [NPU, Ascend, ascend-npu]\n---\n# 昇腾 NPU 适配\n", True),
    "no hardware, the platform's tags": ("---\ntags: [npu, vision]\n---\n# 昇腾 NPU 适配报告\n", True),
    "tags missing": ("---\nhardware: NPU\ntags: [NPU]\n---\n# 昇腾 NPU 适配\n", True),
    "a hub's model card": (
        "---\nlicense: apache-2.0\nlibrary_name: timm\ntags: [image-classification]\n---\n# Net\n\n"
        "Runs on an Ascend NPU at 5.0 ms per image, too.\n",
        False,
    ),
    "no front matter": ("# 昇腾 NPU 适配报告\n", False),
    "a replay": ("---\nhardware: cpu\n---\n# 适配报告\n\nNO NPU was there; Ascend NPU later.\n", False),
}


@pytest.mark.parametrize(("text", "named"), CARDS.values(), ids=CARDS.keys())
def test_a_card_of_the_platform_names_its_hardware_and_any_other_is_left_alone(text: str, named: bool) -> None:
    assert ("NPU025a" in {finding.rule for finding in linted(text)}) is named


@pytest.mark.parametrize(
    ("readme", "line", "named"),
    [
        ("# 昇腾 NPU 适配报告\n", "torch_npu==2.9.0\n", True),
        ("# Net 模型训练\n\nNPU，bash test/train_full_8p.sh\n", "torch_npu==2.9.0\n", False),
        ("# Net 模型训练\n\nNPU，bash test/train_full_8p.sh\n", "python==3.8\n", True),
        ("# 昇腾 NPU 适配报告\n", "python=3.7.4=h265db76_1\n", False),
        ("# 昇腾 NPU 适配报告\n", "python-dateutil==2.8\n", False),
        ("# Net 模型训练\n\nNPU，bash test/train_full_8p.sh\n", "tensorflow==1.15\npython >= 3.5\n", True),
        ("# 昇腾 NPU 适配报告\n", "git+https://example.org/a.git\nnumpy[all] >= 1 ; x\ntorch_npu==2.9.0\n", True),
        # lists for conda, and for people
        ("# Net 模型训练\n\nNPU，bash test/train_full_8p.sh\n", "cudatoolkit==10.1\npython==3.8\n", False),
        ("# Net 模型训练\n\nNPU，bash test/train_full_8p.sh\n", "numpy=1.19\npython=3.6\n", False),
        ("# Net 模型训练\n\nNPU，bash test/train_full_8p.sh\n", "Python >= 3.8\nav: pip install av\n", False),
        ("# Net 模型推理\n\nNPU，atc\n", "_libgcc_mutex==0.1\npython==3.7.13\n", False),
    ],
)
def test_requirements_name_what_pip_can_install(tmp_path: Path, readme: str, line: str, named: bool) -> None:
    found = folder_findings(tmp_path, README_dot_md=readme, requirements_dot_txt=line)
    assert ("NPU025e" in {f.rule for f in found}) is named


@pytest.mark.parametrize(
    ("module", "named"),
    [
        ("class Other: ...\n", True),
        ("class AgeClassifier: ...\n", False),
        ("if True:\n    AgeClassifier = object\n", False),
        ("from other import (\n    A,\n    AgeClassifier,\n)\n", False),
        ("from other import *\n", False),
    ],
)
def test_a_name_is_missed_only_where_the_module_cannot_have_it(tmp_path: Path, module: str, named: bool) -> None:
    readme = "```python\nfrom inference import AgeClassifier\n```\n"
    found = folder_findings(tmp_path, README_dot_md=readme, inference_dot_py=module)
    assert ("NPU025g" in {f.rule for f in found}) is named


def test_a_short_report_is_no_copy() -> None:
    raw, _ = decode("# 报告\n\n一行文字。\n".encode(), "README.md")
    assert raw is not None
    assert fingerprint(document(raw, "README.md")) is None

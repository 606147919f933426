"""What kind of page a document is."""

from __future__ import annotations

from pathlib import Path

import pytest

from npu_deliver.lint import lint
from npu_deliver.lint.reading.folder.files import decode
from npu_deliver.lint.reading.folder.submission import Document, document
from npu_deliver.lint.reading.pages.genre import Genre, claims_precision, genre


def _page(text: str) -> Document:
    raw, _ = decode(text.encode("utf-8"), "README.md")
    assert raw is not None
    return document(raw, "README.md")


PAGES = {
    "a report by its title": ("# 某检测网络昇腾 NPU 适配报告\n\n平均延迟 5 ms\n", Genre.REPORT),
    "a report by its layout": ("# Net\n\nAscend NPU, see npu_deliverables/evaluation.\n", Genre.REPORT),
    "a report by its front matter": ("---\nhardware: NPU\n---\n# Net\n", Genre.REPORT),
    "a report by what it compares": ("# Net\n\nNPU and CPU: max_abs_diff 0.01, cosine 0.9999\n", Genre.REPORT),
    "a training page": ("# Net for PyTorch\n\n## 训练\n\nbash test/train_full_8p.sh\n\nNPU\n", Genre.TRAINING),
    "a training page in English": ("# Net\n\nNPU\n\ntorchrun --nproc_per_node=8 train.py\n", Genre.TRAINING),
    "a vendor's inference page": ("# Net 推理指导\n\n使用 ATC 得到 net_bs8.om，ais_bench，310P\n", Genre.INFERENCE),
    "a training page that compares": ("# Net 模型训练\n\nNPU 与 GPU 的相对误差 0.2%\n", Genre.TRAINING),
    "an upstream page": ("# Net\n\n| Backbone | FPS | box AP |\n|---|---|---|\n| R-50 | 13.9 | 38.2 |\n", Genre.GUIDE),
    "an index": ("# 昇腾模型列表\n\n- [Net](net/README.md)\n", Genre.GUIDE),
    "an empty page": ("", Genre.GUIDE),
}


@pytest.mark.parametrize(("text", "expected"), PAGES.values(), ids=PAGES.keys())
def test_a_page_is_what_its_title_its_layout_and_its_commands_say(text: str, expected: Genre) -> None:
    assert genre(_page(text)) is expected


def test_a_comparison_of_two_runs_claims_precision_and_a_metric_does_not() -> None:
    assert claims_precision(_page("# Net\n\ncosine_similarity: 0.9999\n"))
    assert not claims_precision(_page("# Net\n\n| mAP |\n|---|\n| 38.2 |\n"))


def test_pages_of_other_projects_and_templates_are_held_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text("# Net（昇腾 NPU 训练）\n", encoding="utf-8")
    (tmp_path / "docs/install.md").write_text("# Install\n\n- path: TODO\n- weights: $weight\n", encoding="utf-8")
    (tmp_path / "card_template.md").write_text("# NPU 报告\n\n- 精度：{{ accuracy }}\n", encoding="utf-8")
    assert not [f for f in lint([tmp_path]).findings if f.severity == "error"]


def test_the_environment_of_each_result_is_its_own(tmp_path: Path) -> None:
    one = "## {}\n\n### Environments\n\n- python version: `{}`\n- pytorch version: `{}`\n\n"
    text = "# Results on an NPU\n\n" + one.format("A", "3.7.3", "1.4.0") + one.format("B", "3.8.5", "1.6.0")
    (tmp_path / "README.md").write_text(text, encoding="utf-8")
    assert not [f for f in lint([tmp_path]).findings if f.rule == "NPU003c"]


def test_an_unstated_batch_is_held_against_a_report_and_not_against_a_sweep(tmp_path: Path) -> None:
    table = "| concurrency | throughput (/s) | latency (ms) |\n|---|---|---|\n| 400 | 164.879 | 2407.398 |\n"
    (tmp_path / "README.md").write_text(f"# Serving\n\n{table}", encoding="utf-8")
    assert not [f for f in lint([tmp_path]).findings if f.rule == "NPU004a"]

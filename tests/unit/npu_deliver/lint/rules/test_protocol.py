"""Timing, baselines and switches: what is asked of which kind of page, and what is named in any."""

from __future__ import annotations

import pytest

from lint_reports import folder_findings, linted
from npu_deliver.lint.reading.environment.switches import default_of, documented, misspelt

REPORT = "# 某网络昇腾 NPU 适配报告\n\n"


def _rules(text: str) -> set[str]:
    return {finding.rule for finding in linted(text)}


PAGES_WITHOUT_A_PROTOCOL = {
    "training results": "# Net for PyTorch\n\n## 训练\n\nbash test/train_full_8p.sh\n\n# 训练结果展示\n\n"
    "| NAME | Acc@1 | FPS | Npu_nums | Epochs |\n|---|---|---|---|---|\n| 1p-NPU | - | 616 | 1 | 3 |\n",
    "training results in English": "# Net\n\nAscend NPU. torchrun train.py\n\n## Training result\n\n"
    "| Acc@1 | FPS | Npu_nums |\n|---|---|---|\n| 71.2 | 4800 | 8 |\n",
    "a vendor's sweep": "# Net 推理指导\n\n使用 ATC 得到 net_bs8.om，ais_bench 推理，310P。\n\n"
    "| Batch Size | 性能 |\n|---|---|\n| 1 | 86.03 fps |\n| 8 | 120.50 fps |\n",
    "a table of models on an NPU": "# 语义分割（昇腾 NPU）\n\n| Method | Inf time (fps) | mIoU | mIoU(ms+flip) |\n"
    "|---|---|---|---|\n| Net-A | 13.93 | 76.26 | 77.88 |\n",
    "an upstream table": "# Net\n\n| Backbone | Inf time (fps) | box AP |\n|---|---|---|\n| R-50 | 13.9 | 38.2 |\n",
}


@pytest.mark.parametrize("text", PAGES_WITHOUT_A_PROTOCOL.values(), ids=PAGES_WITHOUT_A_PROTOCOL.keys())
def test_a_page_that_is_no_report_is_not_asked_for_a_protocol(text: str) -> None:
    assert not {"NPU021a", "NPU024a"} & _rules(text)


def test_a_report_is_asked_for_a_protocol() -> None:
    assert "NPU021a" in _rules(REPORT + "## 性能\n\n- 平均延迟：5.00 ms\n")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("- 延迟 1250 ms（含首次推理与模型加载）\n", True),
        ("latency 1250 ms, without warm-up\n", True),
        ("首次推理包含编译，耗时较长，请耐心等待。\n", False),
        ("- lr=0.1，学习率 warmup=0，共 90 epochs，耗时 3 s\n", False),
        ("- 平均延迟 5 ms，不含首次推理\n", False),
    ],
)
def test_only_a_time_that_is_called_cold_is_a_cold_start(text: str, named: bool) -> None:
    assert ("NPU021c" in _rules(REPORT + text)) is named


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("- 平均延迟：14.00 ms，吞吐：500.0 FPS\n", True),
        ("- 单步训练耗时：500.00 ms，吞吐：64.00 FPS\n", False),
        ("- 平均延迟：30 ms，吞吐：66 FPS\n", False),
        ("- batch_size=7，平均延迟：14.00 ms，吞吐：500.0 FPS\n", False),
    ],
)
def test_a_hidden_batch_is_a_product_close_to_a_whole_number(text: str, named: bool) -> None:
    assert ("NPU021b" in _rules(REPORT + text)) is named


SWEEPS = {
    "one setting": ("| batch | 帧率 |\n|---|---|\n| 1 | 46.20 FPS |\n| 2 | 51.41 FPS |\n| 4 | 32.67 FPS |\n", True),
    "in a list": ("- batch 1：46.20 FPS\n- batch 4：30.10 FPS\n", True),
    "several cards": (
        "| mIoU | FPS | Npu_nums | Batch Size | AMP_Type |\n|---|---|---|---|---|\n"
        "| 78.56 | 25.56 | 1 | 16 | O2 |\n| 77.34 | 159.46 | 8 | 8 | O2 |\n",
        False,
    ),
    "two models": (
        "| 模型 | batch | 帧率 |\n|---|---|---|\n| 小网络 | 1 | 90.00 FPS |\n| 大网络 | 4 | 32.67 FPS |\n",
        False,
    ),
    "an explained fall": (
        "| batch | 帧率 |\n|---|---|\n| 1 | 46.20 FPS |\n| 4 | 30.10 FPS |\n\nbatch 4 的吞吐下降，因为访存。\n",
        False,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "named"), SWEEPS.values(), ids=SWEEPS.keys())
def test_a_sweep_is_of_one_setting(text: str, named: bool) -> None:
    assert ("NPU021d" in _rules(REPORT + text)) is named


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("- 相比论文中 H200 的 30 ms，加速比 1.5x\n", True),
        ("The paper reports 30 ms on an A100; ours is 20 % faster.\n", True),
        ("| 网络 | 学习率 | AP | GPU |\n|---|---|---|---|\n| Net (Paper) | 1x | 34.8 | V100 |\n", False),
        ("The paper reports execution time for one V100 GPU at 1024x1024.\n", False),
        ("官方给出的 V100 训练命令如下，可加速收敛。\n", False),
    ],
)  # fmt: skip
def test_a_published_number_is_a_baseline_only_where_a_speed_up_is_claimed(text: str, named: bool) -> None:
    assert ("NPU022b" in _rules(REPORT + text)) is named


UNKNOWN = {
    "made up, as an optimisation": ("## 优化\n\n- 优化项：NPU_FP16_MATMUL=1\n", True),
    "made up, exported as an optimisation": ("## 性能优化\n\n```bash\nexport NPU_TURBO_MODE=1\n```\n", True),
    "misspelt": ("```bash\nexport TASK_QUEUE_ENABLED=2\n```\n", True),
    "a documented one": ("## 优化\n\n```bash\nexport ASCEND_SLOG_PRINT_TO_STDOUT=0\n```\n", False),
    "a plugin's": ("## 优化\n\nexport TORCH_NPU_LAZY_FUSION=1\n", False),
    "a variable of its own": ("## 优化\n\n```bash\nNPU_LOOPS=8\nfor i in $(seq $NPU_LOOPS); do :; done\n```\n", False),
    "a launcher's": ("```bash\nNPUS_PER_NODE=8   # 每个节点上使用的 NPU 数量\n```\n", False),
    "a constant": ("```python\nTASK_NAME = 'det'\n```\n", False),
}


@pytest.mark.parametrize(("text", "named"), UNKNOWN.values(), ids=UNKNOWN.keys())
def test_a_variable_is_unknown_where_it_is_sold_as_one_of_the_platform(text: str, named: bool) -> None:
    assert ("NPU023b" in _rules(REPORT + text)) is named


def test_a_variable_that_a_script_of_the_submission_reads_is_its_own(tmp_path) -> None:
    page = REPORT + "## 优化\n\n- 优化项：NPU_CHUNKS=4\n"
    scripts = {"run_dot_": 1}
    assert scripts
    assert "NPU023b" in {f.rule for f in folder_findings(tmp_path / "without", README_dot_md=page)}
    found = folder_findings(
        tmp_path / "with", README_dot_md=page, run_dot_py='import os\nn = os.environ["NPU_CHUNKS"]\n'
    )
    assert "NPU023b" not in {f.rule for f in found}
    found = folder_findings(tmp_path / "shell", README_dot_md=page, run_dot_sh="NPU_CHUNKS=${1:-4}\n")
    assert "NPU023b" not in {f.rule for f in found}


DEFAULTS = {
    "a default": ("- 优化项：TASK_QUEUE_ENABLE=1\n", True),
    "an argument's default": ("- 优化：jit_compile=False\n", True),
    "another value": ("- 优化项：TASK_QUEUE_ENABLE=2\n", False),
    "called the default": ("- 优化项：TASK_QUEUE_ENABLE=1（默认）\n", False),
    "an older SoC": ("- 芯片 310P3\n- 优化：jit_compile=False\n", False),
    "an older torch": ("- torch 1.11.0\n- 优化项：TASK_QUEUE_ENABLE=1\n", False),
    "no optimisation": ("- 设置 TASK_QUEUE_ENABLE=1\n", False),
}


@pytest.mark.parametrize(("text", "named"), DEFAULTS.values(), ids=DEFAULTS.keys())
def test_a_default_is_no_optimisation_where_it_is_the_default(text: str, named: bool) -> None:
    assert ("NPU023a" in _rules(REPORT + text)) is named


def test_the_data_about_variables_hold_together() -> None:
    assert documented("TASK_QUEUE_ENABLE")
    assert documented("ASCEND_SLOG_PRINT_TO_STDOUT")
    assert not documented("NPU_FP16_MATMUL")
    assert misspelt("TASK_QUEUE_ENABLED") == "TASK_QUEUE_ENABLE"
    assert misspelt("NPU_FP16_MATMUL") is None
    assert default_of("TASK_QUEUE_ENABLE") == "1"
    assert default_of("ASCEND_RT_VISIBLE_DEVICES") is None


@pytest.mark.parametrize(
    "piece", ["NPU_A=1 ", "NPU_" + "A" * 80 + "=", "batch ", "含首次 1 ms ", "论文 V100 快 2x ", "$A"]
)
def test_a_long_line_is_read_in_linear_time(piece: str) -> None:
    linted(REPORT + piece * (4000 // len(piece)) + "\n")

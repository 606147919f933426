"""Verdicts, inequalities, inputs and agreements: what contradicts is named, what only looks so is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lint_reports import linted

HEAD = "# 某网络昇腾 NPU 适配报告\n\n"
COMPARED = "\n\n## 精度对比\n\nNPU 与 CPU 的相对误差 0.1%，精度一致。\n"


def _rules(text: str) -> set[str]:
    return {finding.rule for finding in linted(HEAD + text)}


NO_INEQUALITY = {
    "a progress bar in a code span": "结果 `Epoch 582: 100%|####| 48/48 [01:05<00:00, loss=0.11]` passed。\n",
    "a progress bar in prose": "Epoch 3: 100%|██████| 1000/1000 [12:31<00:00, 1.33it/s] passed\n",
    "a progress bar with hours": "100%|###| 5000/5000 [1:01:05<00:00, 1.36it/s, err=2.1%] 成功\n",
    "a half-way bar": "训练成功：48%|####      | 24/50 [00:31<00:20, 1.2s/it]\n",
    "a clock alone": "耗时 12:40<00:30，训练成功\n",
    "a condition in English": "if error 2.31% < 1% the run is stopped; otherwise it passed\n",
    "a condition in Chinese": "当误差 2.31% < 1% 时视为通过，否则失败\n",
    "a condition of a loop": "while loss 3.2 < 1.5 do not stop, result passed\n",
    "a requirement": "- 要求精度误差 2% < 1%（示例，未给出结果）\n",
    "code without a verdict": "过滤 `score 0.3 > 0.5` 的框\n",
    "versions": "已在 python 3.7 > 3.8 的环境验证通过\n",
    "an arrow": "误差从 2.31% -> 1.02%，通过\n",
    "a range": "误差 0 < 0.5% < 1%，通过\n",
    "different units": "误差 21 ms < 20%，通过\n",
    "a menu": "在设置 3 > 5 中打开开关\n",
    "a table of limits": "| 项 | 范围 |\n|---|---|\n| 宽 | 800 > 1333 |\n",
}


@pytest.mark.parametrize("text", NO_INEQUALITY.values(), ids=NO_INEQUALITY.keys())
def test_what_only_looks_like_a_verdict_is_no_false_inequality(text: str) -> None:
    assert "NPU006b" not in _rules(text)


FALSE_INEQUALITY = {
    "a percentage": "- 输出误差：2.31% < 1%，通过\n",
    "a number": "- max_abs_diff：0.024 < 0.01，通过\n",
    "a measure without a verdict": "- max_abs_diff：0.024 < 0.01\n",
    "in a code span with a verdict": "- `max_abs_diff 0.024 < 0.01`：PASS\n",
    "a cosine": "| 输出 | 余弦 |\n|---|---|\n| logits | 余弦 0.981 > 0.99 ✅ |\n",
    "in English": "The relative error is 1.66% <= 1%: passed.\n",
    "a full-width sign": "相对误差 1.66% ≤ 1%，满足\n",
    "milliseconds": "平均延迟 21.65 ms < 20 ms，满足\n",
    "a rate": "吞吐 46.2 FPS ≥ 60 FPS，达标\n",
    "a word": "精度误差不超过 1%。\n\n- 输出误差 1.66%，通过\n",
}


@pytest.mark.parametrize("text", FALSE_INEQUALITY.values(), ids=FALSE_INEQUALITY.keys())
def test_a_false_inequality_of_a_measurement_is_named(text: str) -> None:
    assert "NPU006b" in _rules(text)


@given(st.integers(1, 9999), st.integers(1, 9999))
def test_an_asserted_inequality_is_named_where_it_is_false_and_nowhere_else(a: int, b: int) -> None:
    line = f"- 输出误差：{a / 100:.2f}% < {b / 100:.2f}%，通过\n"
    assert ("NPU006b" in _rules(line)) is (a > b)


def test_an_accuracy_beside_a_small_error_is_not_measured_by_the_errors_limit() -> None:
    assert "NPU006b" not in _rules("精度误差不超过 1%。\n\n- 与 GPU 误差小，Top1 75.1%，达标\n")


OTHER_INPUTS = {
    "noise in a data set": "├── noisy/   // 原图加入随机噪声后的文件\n",
    "noise of a generator": "GAN 的输入为随机噪声，维度 100。\n",
    "noise of a diffusion": "扩散模型从随机噪声开始去噪。\n",
    "augmentation": "训练时使用随机数据增强与随机裁剪。\n",
    "augmentation in English": "Training uses random image crops and random data augmentation.\n",
    "a dummy of an export": '```\natc --input_shape="dummy:64"\n```\n\n导出时 dummy input 为 torch.randn(1, 3)。\n',
    "a benchmark": "纯推理性能使用随机输入测得。\n",
    "a random split": "随机数据划分为 8:2。\n",
    "a section on data": "## 数据集\n\n合成数据图片共 800 张。\n",
    "not random": "输入为真实照片，非随机数据。\n",
    "a seed": "random data order with seed 42\n",
}


@pytest.mark.parametrize("text", OTHER_INPUTS.values(), ids=OTHER_INPUTS.keys())
def test_randomness_of_something_else_is_not_the_input_of_the_comparison(text: str) -> None:
    assert "NPU014a" not in _rules(text + COMPARED)


RANDOM_INPUTS = {
    "in the comparison's line": "- 精度对比：通过，输入为随机 224x224 图像\n",
    "in a list": "- 输入：随机 224x224 RGB 图像\n",
    "in English": "Precision comparison: random input of shape 1x3x224x224, passed.\n",
    "in the section": "## 精度验证\n\n使用合成图像 8 张。\n",
    "by a call": "## 精度验证\n\n输入由 torch.randn(1, 3, 224, 224) 生成。\n",
    "as test data": "本模型使用随机数据进行测试。\n",
}


@pytest.mark.parametrize("text", RANDOM_INPUTS.values(), ids=RANDOM_INPUTS.keys())
def test_a_random_input_of_the_comparison_is_named(text: str) -> None:
    assert "NPU014a" in _rules(text + COMPARED)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("对单张测试输入进行 CPU 与 NPU 一致性验证，相对误差 0.1%，通过。\n", True),
        ("Accuracy was compared on a single image: cosine 0.9999, pass.\n", True),
        ("步骤四：用同一张样本对比两侧精度。\n", False),
        ("逐张比较 100 张图片，每张图片单独对比误差。\n", False),
        ("单张图片推理延迟 20 ms，精度对比见下。\n", False),
        ("运行 demo 对单张图片可视化，精度见下。\n", False),
    ],
)
def test_one_input_is_told_from_a_demo_and_a_latency(text: str, named: bool) -> None:
    assert ("NPU014b" in _rules(text + COMPARED)) is named


EXCUSES = {
    "beside a failed verdict": ("| result | FAIL |\n|---|---|\n\n略超阈值，完全可接受。\n", True),
    "in English": ("relative error 1.3%: FAIL\n\nThis is negligible.\n", True),
    "called unacceptable": ("误差超过阈值，结果 FAIL\n\n该误差不可接受。\n", False),
    "a build that failed": ("编译 failed，可以重试。\n\n显存占用在正常范围。\n", False),
    "a warning of a log": ("结果 FAIL 时见下。\n\n该告警不影响使用。\n", False),
}


@pytest.mark.parametrize(("text", "named"), EXCUSES.values(), ids=EXCUSES.keys())
def test_a_failure_of_a_result_that_is_excused_is_named(text: str, named: bool) -> None:
    assert ("NPU006a" in _rules(text)) is named


AGREEMENTS = {
    "outputs, with a stand-in": (
        "目标检测。检测结果与 CPU 一致。\n\n| 项 | 相对误差 |\n|---|---|\n| loss | 0.08% |\n",
        True,
    ),
    "in English": ("Detection. The boxes are identical to the CPU.\n\nloss rel_diff 0.01\n", True),
    "boxes with numbers": (
        "目标检测。检测框与 CPU 结果一致。\n\n| 输出 | 最大绝对差 |\n|---|---|\n| boxes | 0.01 |\n",
        False,
    ),
    "a folder's structure": ("目标检测。数据集目录与 GPU 版本一致，特征如下。\n", False),
    "the code": ("Detection. The code is identical to the GPU version; loss below.\n", False),
}


@pytest.mark.parametrize(("text", "named"), AGREEMENTS.values(), ids=AGREEMENTS.keys())
def test_an_agreement_of_outputs_needs_a_number(text: str, named: bool) -> None:
    assert ("NPU009" in _rules(text)) is named


def test_a_training_page_is_not_asked_for_the_numbers_of_boxes() -> None:
    page = "# 某检测网络 模型训练\n\n目标检测，NPU。训练精度结果与 GPU 一致，loss 曲线如下。\n"
    assert "NPU009" not in {finding.rule for finding in linted(page)}


def test_only_a_report_is_asked_for_a_second_run() -> None:
    assert "NPU016" in _rules("## 精度\n\nCPU 与 NPU max_abs_diff：0.02\n")
    page = "# Net 推理指导\n\n使用 atc 得到 net_bs1.om，NPU 与 CPU 余弦相似度：0.999\n"
    assert "NPU016" not in {finding.rule for finding in linted(page)}


@pytest.mark.parametrize("piece", ["1 < ", "9" * 20 + "<", "`", "误差 1% < ", "[00:01<", "随机", "一张图片 精度 "])
def test_a_long_line_is_read_in_linear_time(piece: str) -> None:
    linted(HEAD + piece * (4000 // len(piece)) + "\n")

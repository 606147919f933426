"""Weights and networks that are not what they are said to be, and words that only sound like it."""

from __future__ import annotations

import pytest

from lint_reports import linted

TRAINING = "# 某模型训练（昇腾 NPU）\n\nbash test/train_full_8p.sh\n\n"
REPORT = "# 某模型昇腾 NPU 适配报告\n\n"
QUIET = {
    "training from scratch": (TRAINING + "- 模型权重随机初始化后从头训练 90 个 epoch\n", "NPU012c"),
    "a first layer of a training": (TRAINING + "骨干网络使用预训练权重，其余随机初始化。\n", "NPU012c"),
    "random anchors": (REPORT + "锚框中心随机初始化，权重完整加载。\n", "NPU012c"),
    "random queries": (REPORT + "Object queries are randomly initialized by the model's code.\n", "NPU012c"),
    "a heading": (REPORT + "### Register a new (randomly initialized) classification head\n", "NPU012c"),
    "a condition": (REPORT + "如果没有提供权重，脚本会使用随机权重。\n", "NPU012c"),
    "denied": (REPORT + "全部权重加载成功，没有随机初始化的参数。\n", "NPU012c"),
    "an advice for benchmarks": (
        REPORT + "For benchmarks it is recommended to use random weights (dummy).\n",
        "NPU012c",
    ),
    "a vector of a cipher": (REPORT + "Then we generate a random initialization vector.\n", "NPU012c"),
    "random weights of a network that is timed, openly": (
        "# 某模型推理指导（NPU）\n\natc --model=a.onnx\n\n1. 获取权重\n\n(U-Net++) 使用随机权重\n",
        "NPU012c",
    ),
    "a missing argument": (REPORT + "TypeError: load_weights() missing 1 required argument\n", "NPU012b"),
    "a simpler capture": (REPORT + "- graph 上下文管理器：简化版捕获。\n", "NPU013c"),
    "an interface": ("# npu_rope\n\n## 功能说明\n\nNPU 余弦 cos 取值 1.0\n\n## 参数说明\n\n- cos：0.5\n", "NPU012a"),
    "a graph made simpler": (
        "# 某模型推理指导（NPU）\n\n1. 简化模型\n\n使用 onnxsim 简化模型，常量折叠。\n",
        "NPU013c",
    ),
    "a family of networks": (REPORT + "我们还提出了 MLP-like Model。\n\nBERT-like model 均可使用。\n", "NPU013c"),
    "an option of upstream's code": (
        "# Net\n\nmodel = create(pretrained=True, strict=False, num_classes=1000)\n",
        "NPU012b",
    ),
    "a zoo's weights": (TRAINING + "权重保存在 runs/ 下，精度对比见表。\n", "NPU012a"),
}


@pytest.mark.parametrize(("text", "rule"), QUIET.values(), ids=QUIET.keys())
def test_words_that_accuse_nobody_are_left_alone(text: str, rule: str) -> None:
    assert rule not in {f.rule for f in linted(text)}


LIES = {
    "a random head": (REPORT + "- 分类头权重为随机初始化，这是预期行为\n", "NPU012c"),
    "a random head on a training page": (TRAINING + "- 分类头权重为随机初始化，这是预期行为\n", "NPU012c"),
    "a random head in English": (REPORT + "Some weights were newly initialized: classifier.weight\n", "NPU012c"),
    "a random head that somebody should train": (
        REPORT + "- 分类头随机初始化（需要微调后使用），不影响骨干\n",
        "NPU012c",
    ),
    "random weights and random input": (REPORT + "- 本次使用随机权重与随机输入\n", "NPU012c"),
    "random weights": (REPORT + "- 加载：随机权重\n", "NPU012c"),
    "loose loading": (REPORT + "- 加载时使用 strict=False\n", "NPU012b"),
    "missing keys": (REPORT + "权重加载：缺失键 12，多余键 0\n", "NPU012b"),
    "a stand-in": (REPORT + "- 模型：Lightweight BlendMask-like model\n", "NPU013c"),
    "a stand-in by the report's own name": ("# BlendMask NPU 适配\n\nWe ported a BlendMask-like model.\n", "NPU013c"),
    "a simplified rewrite": (REPORT + "由于依赖缺失，采用简化实现替代原网络。\n", "NPU013c"),
    "weights without a hash": (REPORT + "- 权重路径：model_final.pth\n- 精度对比：相对误差 0.1%\n", "NPU012a"),
}


@pytest.mark.parametrize(("text", "rule"), LIES.values(), ids=LIES.keys())
def test_a_model_that_is_not_what_it_is_said_to_be_is_found(text: str, rule: str) -> None:
    assert rule in {f.rule for f in linted(text)}


def test_random_weights_that_an_inference_page_admits_are_a_dry_run() -> None:
    text = "# 某模型推理指导（NPU）\n\natc --model=a.onnx\n\n1. 获取权重\n\n(U-Net++) 使用随机权重\n"
    assert [f.severity for f in linted(text) if f.rule == "NPU012d"] == ["warning"]


def test_a_head_that_a_checkpoint_lacked_is_none() -> None:
    text = "# 某模型推理指导（NPU）\n\natc --model=a.onnx\n\n分类头权重为随机初始化，这是预期行为\n"
    assert "NPU012c" in {f.rule for f in linted(text)}

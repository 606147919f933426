"""Versions that contradict each other, and versions that only stand on one page."""

from __future__ import annotations

import pytest

from lint_reports import linted

FENCE = "```"
HONEST = {
    "a support table": """# 模型训练（昇腾 NPU）

**表 1** 版本支持表

| Torch_Version | 三方库依赖版本 |
| :--: | :--: |
| PyTorch 1.8 | pillow==9.1.0 |
| PyTorch 1.11 | pillow==9.1.0 |
""",
    "a support table, padded": "# 训练\n\n|   Torch_Version   |  依赖  |\n|---|---|\n|   PyTorch 1.5   |  -  |\n"
    "|   PyTorch   2.1   |  -  |\n",
    "two stages in their headings": "# 模型推理（昇腾 NPU）\n\n## 导出（Torch 1.11.0环境）\n\n"
    "## 推理（Torch 2.0.1环境）\n",
    "two stages with fields": "# 某模型报告（NPU）\n\n## 导出环境\n\n- torch：1.11.0\n\n## 推理环境\n\n"
    "- torch：2.0.1\n",
    "two sides in two lines": "# 报告（NPU）\n\n- CPU 环境：Python 3.10，torch 2.9.0\n"
    "- NPU 环境：Python 3.11，torch 2.8.0\n",
    "two tables with captions": "# 报告（NPU）\n\n表 1 GPU 环境\n\n| 组件 | 版本 |\n|---|---|\n| torch | 1.8.1 |\n\n"
    "表 2 NPU 环境\n\n| 组件 | 版本 |\n|---|---|\n| torch | 2.1.0 |\n",
    "a remark in the name": "# 报告（NPU）\n\n- torch（容器内）：2.8.0\n- torch（宿主机）：2.1.0\n",
    "a change in a value": "# 报告（NPU）\n\n- torch：2.9.0 → 2.8.0\n\n## 附\n\n- torch：2.8.0\n",
    "driver and CANN in one field": "# 报告（NPU）\n\n- 驱动 / CANN：25.5.2 / 8.5.1\n- CANN 与驱动：8.5.1、25.5.2\n",
    "two ways": "# 某模型（NPU）\n\n## 方式一\n\n- CANN：8.1.RC1\n\n## 方式二\n\n- CANN：8.5.0\n",
    "the GPU's environment": "# 报告\n\n## NPU 环境\n\n- torch：2.1.0\n\n## GPU 环境\n\n- torch：1.8.1\n",
    "choices, each with its commands": f"# 训练（NPU）\n\n## 安装\n\n- torch2.1.0\n{FENCE}\npip install a\n"
    f"{FENCE}\n- torch2.7.1\n"
    f"{FENCE}\npip install b\n{FENCE}\n",
    "versions joined": "# 训练（NPU）\n\n| 软件 | 支持版本 |\n|---|---|\n| PyTorch 2.1、PyTorch 2.7 | - |\n\n"
    "- torch：1.8/1.11\n",
    "versions by machine": "# 训练\n\n- `torchvision==0.5.0(x86) && torchvision==0.2.0(arm)`\n",
    "a change of versions": "# 训练\n\n- torch：2.1.0\n\n## 变更说明\n\n- torch：2.7.1\n\n2025.11.25：支持torch2.7.1\n",
    "a question": "# 训练\n\n- torch：2.1.0\n\n## FAQ\n\n- torch：1.8.1 下报错怎么办\n",
    "a longer form": "# 报告\n\n- PyTorch：2.9.0+cpu\n\n由于 PyTorch 2.9 的接口变化，扩展已重新编译。\n\n"
    "- torch：2.9\n",
    "columns of results": "# 训练（NPU）\n\n| NAME | FPS | Torch_Version |\n|---|---|---|\n"
    "| 1p-竞品 | 12 | 1.5 |\n| 1p-NPU | 14 | 1.8 |\n",
    "torch without the plugin": """# 训练（昇腾 NPU）

| 软件 | 版本 |
|---|---|
| CANN | 8.1.RC1 |

| 三方库 | 支持版本 |
|---|---|
| PyTorch | 2.1.0 |
""",
    "the plugin's own version": "# 训练（NPU）\n\n| 软件类型 | 首次支持版本 |\n|---|---|\n"
    "| FrameworkPTAdapter | 7.0.0 |\n"
    "| CANN | 8.1.RC1 |\n\n| 三方库 | 支持版本 |\n|---|---|\n| PyTorch | 2.1.0 |\n",
    "sentences about several versions": "# 变量（NPU）\n\n"
    "从TorchNPU 26.2.0版本且PyTorch 2.10.0及以上版本开始支持。\n\n"
    "TorchNPU 6.0.RC3及以上版本可以使用。\n",
    "sentences in cells": "# 扩展库（NPU）\n\n| 名称 | 说明 |\n|---|---|\n"
    "| A | 从 PyTorch 2.6.0 起支持，TorchNPU 26.1.0 起默认开启 |\n",
    "the plugin's newest version": "# 报告（NPU）\n\n- TorchNPU：26.0.0\n- CANN：9.0.0\n- torch：2.10.0\n",
    "torch without the plugin in a report": "# 某模型昇腾 NPU 适配报告\n\n- torch：2.1.0\n- CANN：8.1.RC1\n",
    "torch of another page": "# 某模型（NPU）训练\n\n- torch：2.9.0\n- CANN：8.0.RC2\n",
    "a pair of the matrix": "# 报告（NPU）\n\n- torch：2.8.0\n- torch_npu：2.8.0.post4\n- CANN：8.5.1\n",
    "a CANN that is newer than any": "# 报告（NPU）\n\n- torch：2.9.0\n- torch_npu：2.9.0.post1\n- CANN：12.0.0\n",
    "environments of two columns": "# 报告（NPU）\n\n| 组件 | A | B |\n|---|---|---|\n| CANN | 8.1.RC1 | 8.5.0 |\n"
    "| torch_npu | 2.1.0.post12 | 2.8.0.post2 |\n",
    "the plugin's old name": "# 训练\n\n**框架（Framework）：PyTorch 1.5.0**\n\n"
    "| AscendPyTorch版本 | CANN版本 |\n|---|---|\n| 2.0.2 | 5.0.2 |\n",
}


@pytest.mark.parametrize("text", HONEST.values(), ids=HONEST.keys())
def test_honest_versions_are_left_alone(text: str) -> None:
    assert not [(f.rule, f.line, f.message.en) for f in linted(text) if f.rule in ("NPU003c", "NPU017", "NPU018b")]


FALSE = {
    "two tables": (
        "# 推理\n\n| 配套 | 版本 |\n|---|---|\n| PyTorch | 1.8.0 |\n\n| 依赖名称 | 版本 |\n|---|---|\n"
        "| torch | 1.10.0 |\n",
        "NPU003c",
    ),
    "a table and an appendix": (
        "# 报告\n\n|   组件   |   版本   |\n|---|---|\n|  CANN  |  8.5.1 |\n\n## 附\n\n- CANN：7.0.RC1\n",
        "NPU003c",
    ),
    "2.1 is not 2.10": ("# 报告\n\n- torch：2.1.0\n\n## 附\n\n- torch：2.10.0\n", "NPU003c"),
    "a framework and a requirement": (
        "# 训练\n\n**框架（Framework）：PyTorch 1.7**\n\n## 准备\n\n- torch==1.0.1.post2\n",
        "NPU003c",
    ),
    "no source knows the pair": ("# 报告\n\n- torch：2.9.0\n- torch_npu：2.9.0\n- CANN：8.0.RC2\n", "NPU017"),
    "a plugin of another torch": (
        "# 报告\n\n环境：CANN 8.5.1，torch 2.9.0，torch_npu 2.1.0.post12，Python 3.11\n",
        "NPU017",
    ),
    "TorchNPU and a CANN of years before": (
        "# 报告\n\n| 组件 | 版本 |\n|---|---|\n| TorchNPU | 7.3.0 |\n| CANN | 7.0.0 |\n",
        "NPU017",
    ),
    "a torch for which no plugin goes with the CANN": (
        "# 某模型昇腾 NPU 适配报告\n\n- torch：2.9.0\n- CANN：8.0.RC2\n",
        "NPU017",
    ),
    "one column of two": (
        "# 报告\n\n| 组件 | A | B |\n|---|---|---|\n| CANN | 8.5.0 | 7.0.0 |\n"
        "| torch_npu | 2.8.0.post2 | 2.8.0.post2 |\n",
        "NPU017",
    ),
    "the driver as CANN": ("# 报告\n\n| 组件 | 版本 |\n|---|---|\n| CANN | 25.5.2 |\n", "NPU018b"),
    "a word for a version": ("# 报告\n\n| 组件 | 版本 |\n|---|---|\n| timm | latest |\n", "NPU018a"),
}


@pytest.mark.parametrize(("text", "rule"), FALSE.values(), ids=FALSE.keys())
def test_versions_that_contradict_each_other_are_found(text: str, rule: str) -> None:
    assert rule in {f.rule for f in linted(text)}


def test_a_contradiction_names_its_source_in_both_languages() -> None:
    (finding,) = [f for f in linted(FALSE["no source knows the pair"][0]) if f.rule == "NPU017"]
    assert "https://" in finding.expected.en
    assert "https://" in finding.expected.zh
    assert [span.line for span in finding.evidence] == [5, 4, 3]


VERSIONS = "| 组件 | 版本 |\n|---|---|\n|   CANN    |   8.5.1   |\n|  torch_npu |  2.8.0.post2  |\n"


def test_versions_are_asked_of_those_who_report_or_infer() -> None:
    def asked(text: str) -> bool:
        return "NPU018c" in {f.rule for f in linted(text)}

    assert asked("# 某模型昇腾 NPU 适配报告\n\n- 平均时延：5 ms\n")
    assert asked("# 某模型推理指导\n\nNPU，ATC 转换得到 a.om\n\n- 吞吐：500 fps\n")
    assert not asked(f"# 某模型昇腾 NPU 适配报告\n\n- 平均时延：5 ms\n\n{VERSIONS}")
    assert not asked(
        "# 某模型训练（NPU）\n\nbash test/train_full_8p.sh\n\n| NAME | FPS |\n|---|---|\n| 8p-NPU | 500 |\n"
    )


QUIET = {
    "the name of a feature": ("# 训练\n\n昇腾910 AI处理器提供自动混合精度功能。\n", "NPU019a"),
    "a training page of 2021": (
        "# 训练（NPU）\n\nbash test/train_full_8p.sh\n\n| 名称 | FPS |\n|---|---|\n| 8p-昇腾910 | 9 |\n",
        "NPU019a",
    ),
    "single and several cards": ("# 报告\n\n## 单卡\n\n- NPU 数量：1\n\n## 双卡\n\n- NPU 数量：2\n", "NPU019c"),
    "a page about an error": (
        f"# 算子不支持的故障案例\n\n{FENCE}text\nop is not currently supported on the NPU backend\n{FENCE}\n",
        "NPU020a",
    ),
    "an address with latest in it": ("# 指南\n\n- **Python**：[pytest](http://a.org/en/latest/)\n", "NPU018a"),
    "a distribution": ("# 某模型推理指导\n\n昇腾，镜像 vllm-ascend，模型推理\n\n- 吞吐：500 fps\n", "NPU018c"),
    "a question about a fallback": (
        "# 训练（NPU）\n\n## FAQ\n\n日志提示 fall back to run on the CPU 怎么办？升级即可。\n",
        "NPU020a",
    ),
    "a training page's comparison": (
        "# 某模型训练\n\nNPU 与 GPU 的 cosine_similarity 0.999\n\n- CPU：FP32\n- NPU：FP16\n",
        "NPU015b",
    ),
    "an inference page's modes": ("# 某模型推理指导\n\nATC 得到 a.om，NPU\n\n- cosine_similarity：0.999\n", "NPU015a"),
}


@pytest.mark.parametrize(("text", "rule"), QUIET.values(), ids=QUIET.keys())
def test_a_page_is_asked_only_what_its_kind_promises(text: str, rule: str) -> None:
    assert rule not in {f.rule for f in linted(text)}

"""What is printed about the world is probed in the run, or names its source and the day when it was read.

A sentence of the second kind is a code of `sources.SAID_BY`, or the words of a linter's rule with sources. Whatever
else holds a word by which facts are stated is listed here: with what it is about, where that is the program itself, or
with what it was derived from.
"""

from __future__ import annotations

import re

import pytest

from npu_deliver.chinese import CHINESE
from npu_deliver.lint.finding import rule
from npu_eval.notation.phrases import ENGLISH
from npu_eval.notation.sources import SAID_BY
from printed import RULES, Printed, of_python, of_template, printed

OURS: dict[str, tuple[str, ...]] = {
    "the default of an option of ours": (
        r".*\(default: .*\).*",
        r"(.*; )?default: .*",
        r"absent by default",
        r"pypi:….* default or random",
    ),
    "weights that an adapter names by itself": (
        r"default weights:",
        r".*default_weights.*",
        r"its default weights are unknown: …",
        r"knows no default weights",
        r".*SupportsDefaultWeights.*",
    ),
    "what our own formats, charts and functions ask for": (
        r"a chart needs at least one value",
        r"a prediction needs .*",
        r"a pair needs times above zero on both sides",
        r"by_order needs the same network, its layers in the same order",
        r"each needs id and file_name",
        r"preprocess needs at least one image",
        r"recording the reference's operators needs",
        r"the reference bundle needs about",
        r"the stack '…' needs the name of the SoC",
        r"training needs at least 1 step, 1 image and a side of 32 pixels",
        r".* loss(es)? needs? (masks( or polygons)?|a semantic map) in every target",
        r"\*\*How are these numbers checked\?\*\* `python verify_deliverable.py` needs the standard library alone; .*",
    ),
    "the heading of a column": (
        r"Data set: AP by the IoU that a match needs, and by category",
        r"IoU that a match needs",
        r"\| Switch \| .* \| Default here \| .*",
        r"\| 开关 \| .* \| 此处默认值 \| .*",
        r"\| 判据 \| 指标 \| 要求 \| .*",
    ),
    "what the submission that is read holds or lacks": (
        r"没有 NPU 时(报错|会静默使用 CPU)",
        r"没有记录 HF32 等数值模式",
        r"没有给出 CANN 与 torch_npu 的版本",
        r"元数据中没有 hardware: NPU",
        r"the metadata lack hardware: NPU",
        r"“…”不能确定芯片",
        r"没有 CANN 与 torch_npu 的版本，结果无法复现。",
        r"Without the versions of CANN and torch_npu the result cannot be reproduced.",
        r"同一环境的 NPU 数量只有一个。",
        r"日志中出现回退提示，则该算子没有在 NPU 上执行。",
        r"没有 NPU 时脚本会在 CPU 上运行而不报错，数值便不是 NPU 的。",
        r"“Lite”“-like”或自写的简化网络不是题目要求的上游模型。",
        r"缺少所用布局要求的文件",
        r"a cosine above … admits a relative L2 error of about … %; it supports no 1 %",
        r"default as optimisation",
    ),
    "the message of a rule that puts its source in, or whose reason has one (NPU023a, NPU023b, NPU025e)": (
        r"… 本来就是默认值（…）",
        r"… is the default \(…\)",
        r"a value that is not the default",
        r"不同于默认的值",
        r"torch_npu 与 CANN 的文档（… 查阅）中没有变量 ……",
        r"the platform brings …; pip cannot",
    ),
    "what a probe found in the run": (
        r"内核不提供大页",
        r"\{versions:code\} 没有为 torch.compile 注册后端 '\{backend\}'",
        r"状态：本次运行没有真实 NPU，以下为在 … 上的推理结果。",
        r"needs the package cryptography, which is not installed",
        r"…: has no …; the defaults of its kind of model are used",
        r"… of … operators have no kernel registered in torch_npu …: they would run on the CPU\.",
        r"This is about registration alone: it does not say that CANN runs the others\.",
        r"torch_npu does not start within … s",
    ),
    "what an error of torch, torch_npu, CANN or the loader said in the run": (
        r"\{torch\} is a CUDA build that sees a GPU, and torch_npu does not share a process with one",
        r"\{torch_npu\} does not find CANN's library \{lib\}",
        r"\{torch_npu\} fits neither this torch nor this CANN: \{lib\} lacks \{symbol\}",
        r"torch_npu needs \{symbol\}, which this system is too old for",
        r"CANN is only half installed: \{path\} does not exist",
        r"Unsupported soc version: .*",
        r"\{torch_npu\} does not know the SoC \{soc\}",
        r"install a newer torch_npu with the CANN that it needs",
    ),
    "an answer from docker/compatibility.toml, which is told with its source and date": (
        r"配套关系按 torch_npu 的版本列出，而这里没有可读的版本",
        r"没有列出.*",
        r"(TorchNPU|torch_npu|CANN) … is (newer|older) than …, the \w+( for its torch)? that is (known|listed)",
        r"，没有来源把它与 CANN … 配套",
        r"TorchNPU … 与 CANN … 兼容，但没有来源提到其候选版本 …",
    ),
    "a profile of criteria, which has sources": (
        r"polygraphy-default",
        r"Polygraphy's default comparison: each element within 1e-5, absolute or relative",
    ),
    "the sentence that names the source": (
        r"“此处默认值”一列出自文档：….",
        r'"Default here" is what the documentation says: ….',
    ),
    "a flag of pip": (r"--ignore-requires-python",),
    "a file that a recipe was read from, beside its project and the day": (r"detectron2/config/defaults\.py",),
}
SOURCED = {forms[code] for forms in (ENGLISH, CHINESE) for code in SAID_BY}


def is_sourced(found: Printed) -> bool:
    """Whether a sentence is printed with a source and a date."""
    file, _, name = found.place.partition(" ")
    return found.text in SOURCED or (file == RULES and bool(rule(name).sources))


def unsourced() -> list[Printed]:
    return [each for each in printed() if each.claims and not is_sourced(each)]


def test_a_sentence_about_the_world_names_its_source() -> None:
    listed = re.compile("|".join(f"(?:{form})" for forms in OURS.values() for form in forms), re.DOTALL)
    found = [f"{each.place}: {each.text}" for each in unsourced() if not listed.fullmatch(each.text)]
    advice = "derive it in the run, give it a source (npu_eval.notation.sources), or list it as one about ourselves"
    assert not found, "\n".join([advice, *found])


def test_nothing_is_listed_that_is_not_said() -> None:
    said = [each.text for each in unsourced()]
    forms = [form for forms in OURS.values() for form in forms]
    assert [form for form in forms if not any(re.fullmatch(form, text, re.DOTALL) for text in said)] == []


@pytest.mark.parametrize(
    "source",
    [
        'why = "torch.compile needs torchair on an NPU, which this image does not bring"',
        'why = f"{kind} has no NPU kernel for it, and CANN never will"',
        'TEXT = "910B 不支持 float64"',
        'say("HF32 is on by default")',
    ],
)
def test_a_claim_is_noticed_in_code(source: str) -> None:
    assert [each.claims for each in of_python("here.py", source)] == [True]


def test_a_claim_is_noticed_in_a_template() -> None:
    (line,) = of_template("page.md.j2", "- {{ name }} 需要 torchair{% if x %}，镜像不提供{% endif %}")
    assert line.text == "- … 需要 torchair…，镜像不提供…"
    assert line.claims


@pytest.mark.parametrize(
    "source", ['"""It needs nothing."""', 're.compile("默认|default")', 'name = "default"', "x = 1"]
)
def test_what_is_not_printed_as_a_sentence_is_let_be(source: str) -> None:
    assert not any(each.claims for each in of_python("here.py", source))

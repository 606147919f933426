"""On what a comparison of precision rests: the sentences that say which inputs were compared, and how many.

A sentence speaks of the comparison where it names an input *and* stands among the words of a comparison. Random crops
of a training pipeline, noisy copies in a data set, the noise from which a generator draws, and the dummy tensor of an
export are inputs of something else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from npu_deliver.lint.finding import Quote
from npu_deliver.lint.reading.folder.submission import Document
from npu_deliver.lint.reading.markup.markdown import Line

_RANDOM = re.compile(
    r"随机(?:生成)?(?:的)?\s*(?:输入|数据(?!增强|集|划分|加载|采样)|图像(?!增强)|图片|张量|tensor|噪声(?!图)|\d+\s*[x×]\s*\d+)|"
    r"random (?:input|image|tensor|data|noise)(?! (?:aug|crop|flip|split|size|scal|sampl|load|order))|"
    r"synthetic (?:input|image|data)(?!\s?set)|合成(?:输入|图像|数据(?!集)|图片)|torch\.randn?\b"
    r"|dummy[ _]input|(?:输入|input)[:：= ]{1,3}.{0,12}(?:随机|random|dummy|randn|全零|全一|zeros|ones)",
    re.IGNORECASE,
)
_OF_SOMETHING_ELSE = re.compile(
    r"(?:非|不(?:使用|是|用|采用)?|没有|未使用?|无|而非|避免)\s*(?:使用)?随机|not random|no random|without random|"
    r"instead of random|性能|benchmark|latency|延迟|吞吐|随机种子|seed|"
    r"增强|裁剪|翻转|增广|augment|crop|flip|训练|train|加入|添加|叠加|加噪|[├└│]|export|导出|onnx|\batc\b|input_shape|"
    r"转换|trace|预热|warm|生成器|generator|\bgan\b|扩散|diffusion|隐变量|latent|去噪|denois",
    re.IGNORECASE,
)
_SINGLE = re.compile(
    r"(?:单(?:张|个|条|一|幅)|(?<!同)一张|1\s*张|single|one)\s*(?:的)?\s*(?:测试|真实|样本|test|sample)?\s*(?:输入|图像|"
    r"图片|样本|照片|input|image|sample|photo|sentence)",
    re.IGNORECASE,
)
_COMPARES = re.compile(r"精度|一致性|误差|precision|accuracy|consisten|对比|compar|余弦|cosine", re.IGNORECASE)
_SINGLE_OF_ELSE = re.compile(
    r"性能|延迟|时延|latency|fps|帧率|ms|不足|不能|not enough|步骤|请|each|每|逐|demo|可视化|visuali", re.IGNORECASE
)
_INPUTS = re.compile(r"输入|测试数据|样本|数据|inputs?\b|samples?\b|random", re.IGNORECASE)
_SECTION = re.compile(r"精度|对比|验证|一致|误差|accuracy|precision|compar|verif|valid", re.IGNORECASE)
_OTHER_SECTION = re.compile(
    r"性能|训练|数据集|准备|导出|转换|目录|performance|train|dataset|prepar|export|convert|augment", re.IGNORECASE
)


def random_inputs(document: Document) -> list[Quote]:
    """The statements that the comparison's input is random, synthetic or a dummy."""
    return document.facts(_random)


def single_inputs(document: Document) -> list[Quote]:
    """The statements that the comparison rests on one input."""
    return document.facts(_single)


def _random(document: Document) -> list[Quote]:
    return [
        Quote(document.span(line.number), match[0].strip())
        for line, match in document.search(_RANDOM, ("text", "table", "log"))
        if not _OF_SOMETHING_ELSE.search(line.plain) and _is_compared(document, line)
    ]


def _is_compared(document: Document, line: Line) -> bool:
    """Whether a line tells the input of a comparison: by its own words, by its heading, or for want of any other."""
    titles = " ".join(document.structure.sections[line.section].titles[1:])
    if _COMPARES.search(line.plain) or _SECTION.search(titles):
        return True
    return bool(_INPUTS.search(line.plain)) and not _OTHER_SECTION.search(titles)


def _single(document: Document) -> list[Quote]:
    return list(_singles(document))


def _singles(document: Document) -> Iterator[Quote]:
    for line, match in document.search(_SINGLE, ("text",)):
        if _COMPARES.search(line.plain) and not _SINGLE_OF_ELSE.search(line.plain):
            yield Quote(document.span(line.number), match[0])

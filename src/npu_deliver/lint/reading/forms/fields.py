"""Fields of a report that have no value. A line that only leads into what follows it is no field."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from npu_deliver.lint.finding import Span
from npu_deliver.lint.reading.folder.submission import Document
from npu_deliver.lint.reading.markup.markdown import Pair
from npu_deliver.lint.reading.words.label import meaning


@dataclass(frozen=True, slots=True)
class EmptyField:
    """A field without a value: its name, and what stands in the value's place, empty for nothing."""

    at: Span
    name: str
    value: str


_EMPTY = re.compile(r"^\s*(?:[-–—_/]+|n/?a|none|null|nan|undefined|\?+|。|;|无数据|)\s*[。;]?\s*$", re.IGNORECASE)
_REQUIRED = re.compile(
    r"参考端|适配端|真实权重|权重(?:路径|来源|地址)|pretrained_used|local_weight_used|max_abs|mean_abs|"
    r"cos(?:ine)?_?sim|top[15]_match|match_within|latency"
    r"|误差值|精度误差|判定依据|权重模型地址|精度对比日志|结构化结果|^设备$|^NPU$|^CANN$|^torch(?:_npu)?$|^python$|"
    r"模型名称|模型来源|任务类型|平均延迟|吞吐|帧率|fps"
    r"|余弦|是否满足|npu 数量|输出形状|状态|hardware|threshold|阈值|relative_error|throughput|cosine",
    re.IGNORECASE,
)
_SENTENCE = re.compile(
    r"[,，。;；!?]|根据|准备|执行|运行|下载|修改|安装|使用|参考|选择|进行|获取|配置|如下|以下|方法|步骤|示例|说明|命令|"
    r"\b(?:run|use|see|the|for|to|with|following|configuration|example|usage|steps?|how)\b",
    re.IGNORECASE,
)
_BULLET = re.compile(r"^(?P<mark>\s*(?:[-*+•·●▪◦]|\d{1,2}[.)、])?\s*)")
_INLINE = re.compile(r"(?<![\w$./-])(?P<key>[a-z]+(?:_[a-z0-9]+)+)\s*=\s*(?=[;。,，；]|$)")
_CODE_SPAN = re.compile(r"`[^`]*`")
_OWN = re.compile(r"(?:昇腾|ascend)?\s?npu", re.IGNORECASE)
"""The row that a table of devices is about: the others may have no value, this one owes it."""
_LISTS_MODELS = re.compile(r"模型|网络|算子|model|network|name|backbone|operator|版本|version|依赖", re.IGNORECASE)


def empty_fields(document: Document) -> tuple[EmptyField, ...]:
    """The fields of a page that have no value."""
    return document.facts(_empty_fields)


def _empty_fields(document: Document) -> tuple[EmptyField, ...]:
    return (*_pairs(document), *_inline(document))


def _pairs(document: Document) -> Iterator[EmptyField]:
    pairs = document.structure.pairs
    filled = {pair.key.lower() for pair in pairs if not _EMPTY.match(_value(pair))}
    lists = {line for table in document.structure.tables if _lists(table.header[0]) for line, _ in table.rows}
    for index, pair in enumerate(pairs):
        if pair.nested or len(pair.key) > 40 or not _REQUIRED.search(pair.key) or not _EMPTY.match(_value(pair)):
            continue
        if pair.table:
            dashed = bool(_value(pair))
            excused = pair.key.lower() in filled or (pair.line in lists and not _OWN.fullmatch(pair.key))
            owed = not (dashed and excused) and not _goes_on(pairs, index)
        else:
            owed = document.lines[pair.line - 1].zone != "log" and _among_fields(document, pairs, index)
        if owed:
            yield EmptyField(document.span(pair.line), pair.key, _value(pair))


def _goes_on(pairs: list[Pair], index: int) -> bool:
    """Whether the next row has the same key and the value: the first was split, or left over."""
    pair = pairs[index]
    return any(
        other.table and other.line == pair.line + 1 and other.key.lower() == pair.key.lower() and _value(other)
        for other in pairs[index + 1 : index + 4]
    )


def _value(pair: Pair) -> str:
    return re.sub(r"[*`]", "", pair.value).strip()


def _lists(header: str) -> bool:
    """Whether the rows of a table are things of one kind, of which some have no value, rather than fields."""
    return bool(_LISTS_MODELS.search(header))


def _among_fields(document: Document, pairs: list[Pair], index: int) -> bool:
    """Whether a key without a value stands in a list of keys with values, in their form, and is no sentence itself."""
    pair = pairs[index]
    if _value(pair):
        return True
    if _SENTENCE.search(pair.key) or len(pair.key) > 24:
        return False
    mark = _mark(document, pair.line)
    return any(
        not other.table and abs(other.line - pair.line) <= 2 and _mark(document, other.line) == mark and _value(other)
        for other in pairs[max(index - 2, 0) : index + 3]
        if other is not pair
    )


def _mark(document: Document, line: int) -> str:
    found = _BULLET.match(document.lines[line - 1].plain)
    return re.sub(r"\d+", "1", found["mark"]) if found else ""


def _inline(document: Document) -> Iterator[EmptyField]:
    for line in document.lines:
        if line.zone in ("text", "table") and "=" in line.plain:
            for match in _INLINE.finditer(_CODE_SPAN.sub(" ", line.plain)):
                if _REQUIRED.search(match["key"]) or meaning(match["key"].replace("_", " ")):
                    yield EmptyField(document.span(line.number), f"{match['key']}=", "")

"""Where a page owes a value: fields, cells of tables of values, keys of the front matter; usage lines owe none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from npu_deliver.lint.reading.folder.submission import Document
from npu_deliver.lint.reading.markup.markdown import Pair, Table, bare
from npu_deliver.lint.reading.pages.genre import Genre, genre
from npu_deliver.lint.reading.words.label import meaning


@dataclass(frozen=True, slots=True)
class Slot:
    """A value and what it is the value of.

    ``name`` is a field's key, or the header of a column; ``row`` is the first cell of a table's row, ``others`` are the
    row's further cells. ``form`` is field, cell or front. ``asked``: the page asks for this value by name, not only by
    its place; ``counted``: numbers stand around it.
    """

    line: int
    name: str
    value: str
    form: str
    row: str = ""
    others: tuple[str, ...] = ()
    asked: bool = False
    counted: bool = False


_ASKED = re.compile(
    r"参考端|适配端|权重|pretrained_used|local_weight_used|match|判定|结构化结果|设备|芯片|(?<![a-z])(?:npu|cann|torch|"
    r"python|soc|driver)|驱动|固件|模型|任务类型|状态|结论|精度|准确率|性能|日志|版本|环境|数量|大小|形状|时间|耗时|"
    r"余弦|误差|差异|满足|hardware|device|version|accuracy|precision|performance|weights?|checkpoint|result|status|"
    r"shape|dtype|commit|revision|sha-?256|model|loss|score",
    re.IGNORECASE,
)
_USAGE_KEY = re.compile(
    r"(?:^|\s)-{1,2}[a-z]|[/\\$%<>{}\[\]\"';]|^\s*(?:export|set|cd|pip\d?|conda|git|docker)\s|\.(?:sh|py|pth|om|onnx)\b|"
    r"示例|例如|例$|用法|命令|说明|usage|example|e\.g|syntax|格式|format",
    re.IGNORECASE,
)
_IDENTIFIER = re.compile(r"^[A-Za-z_][\w.-]*$")
_USAGE_TABLE = re.compile(
    r"变量|选项|命令|占位|用法|示例|举例|参数说明|参数名|入参|option|argument|variable|flag|usage|example|placeholder|"
    r"command|parameter",
    re.IGNORECASE,
)
_ABOUT = re.compile(r"说明|含义|描述|解释|默认|description|meaning|default|explanation", re.IGNORECASE)


def slots(document: Document) -> tuple[Slot, ...]:
    """Every place of a page where a value is due, in the order of the lines."""
    return document.facts(_slots)


def _slots(document: Document) -> tuple[Slot, ...]:
    found = [*_front(document), *_fields(document), *_cells(document)]
    return tuple(sorted(found, key=lambda slot: slot.line))


def _front(document: Document) -> Iterator[Slot]:
    structure = document.structure
    for key, values in structure.front.items():
        for value in values:
            yield Slot(structure.front_lines[key], key, value, "front")


def _fields(document: Document) -> Iterator[Slot]:
    report = genre(document) is Genre.REPORT
    for pair in document.structure.pairs:
        if not pair.table and not pair.nested and document.lines[pair.line - 1].zone != "log":
            asked = asks(pair.key)
            if len(pair.key) <= 40 and not _is_usage(document, pair, report=report, asked=asked):
                yield Slot(pair.line, pair.key, pair.value, "field", asked=asked)


def _is_usage(document: Document, pair: Pair, *, report: bool, asked: bool) -> bool:
    """Whether a pair is a command's option, an assignment or a parameter that a reader is to give."""
    if _USAGE_KEY.search(pair.key):
        return True
    if not _IDENTIFIER.match(pair.key):
        return False
    sign = re.search(r"[:=]", document.lines[pair.line - 1].plain)
    assigned = sign is not None and sign[0] == "="
    return meaning(pair.key) is None and (assigned or not (report or asked))


def _cells(document: Document) -> Iterator[Slot]:
    for table in document.structure.tables:
        if _explains_usage(table):
            continue
        counted = any(re.search(r"\d", cell) for _, cells in table.rows for cell in cells[1:])
        for number, cells in table.rows:
            row = bare(cells[0])
            for position, cell in enumerate(cells[1 : len(table.header)], 1):
                header = bare(table.header[position])
                others = tuple(c for i, c in enumerate(cells) if i != position)
                name = row if len(table.header) == 2 else header
                asked = asks(row) or asks(header)
                yield Slot(number, name, cell, "cell", row, others, asked=asked, counted=counted)


def asks(name: str) -> bool:
    """Whether a name is of something that a report has to state or that is measured."""
    return bool(_ASKED.search(name)) or (len(name) <= 40 and meaning(name) is not None)


def _explains_usage(table: Table) -> bool:
    """A table that explains variables, options or commands shows names, and no values."""
    header = " ".join(table.header)
    explains = "参数" in header and _ABOUT.search(header)
    return bool(explains or _USAGE_TABLE.search(header))
